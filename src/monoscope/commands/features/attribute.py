"""``monoscope features attribute``: which features speak for one next token rather than another."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import tyro

from monoscope.commands.features.table import Run, Where, answer, check_limit, counted, quoted, table
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.errors import WrongUse
from monoscope.features.filter_text import as_filter
from monoscope.features.finding import results
from monoscope.features.lookup import check_text
from monoscope.intervene.attribution import attribution, falls_without


@dataclass(frozen=True, kw_only=True)
class AttributeOptions:
    """Which features make a model say one token rather than another after a prompt.

    The score is the first-order estimate of how much the difference of their logits would fall without the feature;
    beside it stands the fall that is measured when the feature is switched off.
    """

    run: Run
    """Folder of the run."""
    prompt: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="PROMPT")]
    """The text before the token."""
    token: Annotated[str, tyro.conf.arg(metavar="TOKEN")]
    """The token that features speak for, exactly as it looks: " bridge"."""
    against: Annotated[str, tyro.conf.arg(metavar="TOKEN")]
    """The token that they speak against."""
    limit: int = 10
    """Results at most."""
    where: Where = ""
    """Only features that pass this."""


def attribute(options: AttributeOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Search by attribution to a difference of logits.

    Returns:
        ``query`` (the prompt), ``token``, ``against``, ``difference`` (of their logits), ``attributed`` (the sum over
        features), ``rest`` (what features leave unexplained) and ``results``, best first, with ``attribution``,
        ``ablation`` (measured) and ``tokens_active``.
    """
    check_limit(options.limit)
    as_filter(options.where or None)
    for text in (options.prompt, options.token, options.against):
        check_text(text)
    if not options.prompt.strip():
        raise WrongUse("the prompt is empty", "give at least one word")
    opened = OpenRun.at(options.run, reporter or Reporter())
    index = opened.features()
    a, b = (index.token_id(text) for text in (options.token, options.against))
    lm, dictionary = opened.lm, opened.model_dictionary
    tokens = lm.tokenize(options.prompt)
    given = attribution(lm, dictionary, tokens, a, b, site=opened.site)
    score = given.by_feature().double().numpy()
    active = np.bincount(given.codes.indices[given.codes.values > 0].numpy(), minlength=dictionary.n_features)
    found = results(
        index,
        score,
        {"attribution": score, "tokens_active": active},
        lambda part: f"on {counted(int(part['tokens_active']), 'token')}",
        where=options.where or None,
        limit=options.limit,
    )
    falls = falls_without(lm, dictionary, tokens, [each.feature for each in found], a, b, site=opened.site)
    found = [
        replace(each, why=f"{fall:+.2f} measured, {each.why}", parts={**each.parts, "ablation": fall})
        for each, fall in zip(found, falls.tolist(), strict=True)
    ]
    return answer(
        options.prompt,
        found,
        token=options.token,
        against=options.against,
        difference=given.difference,
        attributed=float(score.sum()),
        rest=given.rest,
    )


def attribute_text(result: dict[str, Any]) -> str:
    """The result for people."""
    head = (
        f"{result['token']!r} is {result['difference']:+.2f} logits against {result['against']!r} after "
        f"{quoted(result['query'])}"
    )
    return f"{head}\n{table(result['results'])}" if result["results"] else f"{head}; no feature speaks for it"
