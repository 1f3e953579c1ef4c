"""``monoscope features contrast``: active on these texts and not on those."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from monoscope.activations.corpus import read_corpus
from monoscope.commands.features.table import Run, Where, answer, check_limit, counted, table
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.errors import WrongUse
from monoscope.features.contrast import Seen, contrast_corpora, contrast_texts
from monoscope.features.filter_text import as_filter
from monoscope.features.texts import read_texts

Texts = Annotated[
    tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")
]
Corpus = Annotated[str, tyro.conf.arg(metavar="CORPUS", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class ContrastOptions:
    """Features that fire on some texts and not on others.

    Give examples, and counterexamples where there are any: --all-of "TEXT" --all-of "TEXT" --none-of "TEXT". Or two
    corpora: --corpus A.txt --against B.txt finds what fires more often in A, at least by the log-odds in the score.
    """

    run: Run
    """Folder of the run."""
    all_of: Texts = ()
    """A text that features should be active on; may be repeated."""
    none_of: Texts = ()
    """A text that they should not be active on; may be repeated."""
    strict: bool = False
    """Only features active on every one of these and on none of those."""
    corpus: Corpus = ""
    """Texts that features should be active on more often; what harvest takes."""
    against: Corpus = ""
    """Texts to compare with."""
    tokens: int = 50_000
    """Tokens of each corpus that are read at most."""
    limit: int = 10
    """Results at most."""
    where: Where = ""
    """Only features that pass this."""


def contrast(options: ContrastOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Contrast texts or corpora.

    Returns:
        ``query`` (what was compared), ``n_texts`` and ``n_tokens`` of either side, and ``results``, best first.
    """
    _check(options)
    opened = OpenRun.at(options.run, reporter or Reporter())
    index = opened.features()
    kept: dict[str, Any] = {"where": options.where or None, "limit": options.limit}
    if options.all_of:
        here, there = _seen(opened, options.all_of), _seen(opened, options.none_of)
        found = contrast_texts(index, here, there, strict=options.strict, **kept)
        query: dict[str, Any] = {"all_of": list(options.all_of), "none_of": list(options.none_of)}
    else:
        here, there = (
            _seen(opened, (document.text for document in read_corpus(source).documents), options.tokens)
            for source in (options.corpus, options.against)
        )
        found = contrast_corpora(index, here, there, **kept)
        query = {"corpus": options.corpus, "against": options.against}
    return answer(
        query, found, n_texts=[here.n_texts, there.n_texts], n_tokens=[here.n_tokens, there.n_tokens]
    )


def _check(options: ContrastOptions) -> None:
    """Refuse what asks for no comparison, or for two."""
    check_limit(options.limit)
    as_filter(options.where or None)
    examples, corpora = bool(options.all_of or options.none_of), bool(options.corpus or options.against)
    if examples == corpora:
        said = "examples and corpora were both given" if examples else "there is nothing to compare"
        raise WrongUse(said, "give --all-of TEXT, or --corpus A with --against B")
    if examples and not options.all_of:
        raise WrongUse("there is no text that features should be active on", "give --all-of TEXT")
    if corpora and not (options.corpus and options.against):
        raise WrongUse("one corpus has nothing to be compared with", "give both --corpus and --against")
    if corpora and options.strict:
        raise WrongUse("--strict is about examples", "leave it out, or give --all-of TEXT")
    if options.tokens < 1:
        raise WrongUse(f"--tokens {options.tokens} reads nothing", "give 1 or more")


def _seen(opened: OpenRun, texts: Iterable[str], n_tokens: int | None = None) -> Seen:
    """What fires on texts; reading stops after the text that reaches ``n_tokens``."""
    seen = Seen(opened.model_dictionary.n_features)
    for read in read_texts(opened.lm, opened.dictionary, texts, context=opened.recipe.harvest.context):
        seen.add(read.codes)
        if n_tokens is not None and seen.n_tokens >= n_tokens:
            break
    return seen


def contrast_text(result: dict[str, Any]) -> str:
    """The result for people."""
    texts, tokens = result["n_texts"], result["n_tokens"]
    sides = [f"{counted(texts[side], 'text')} ({counted(tokens[side], 'token')})" for side in (0, 1)]
    head = f"{sides[0]} against {sides[1]}" if texts[1] else f"{sides[0]} against the indexed corpus"
    return (
        f"{head}\n{table(result['results'])}" if result["results"] else f"{head}: no feature tells them apart"
    )
