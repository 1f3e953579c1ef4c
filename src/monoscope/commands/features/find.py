"""``monoscope features search`` and ``near``: by words, a token, a description, an example, a concept, a feature."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import tyro

from monoscope.commands.features.concept import by_concept
from monoscope.commands.features.table import Run, Where, answer, check_limit, nothing, quoted, table
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.errors import UnknownName, WrongUse, nearest
from monoscope.features import FeatureIndex, SearchResult
from monoscope.features.filter_text import as_filter
from monoscope.features.finding import Over, by_company, by_direction, by_text
from monoscope.features.labels import by_description
from monoscope.features.texts import read_texts

By = Literal["both", "overlap", "effect", "token", "promotes", "description", "text", "concept"]
"""What a search goes by."""


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Find features, best first.

    By words: what stands around their activations (--by overlap), what they promote (effect), or both. By one token
    of the vocabulary, exactly as it looks: what fires on it (token), what promotes it (promotes). By words of the
    description, and of those that monoscope explain made. By example: what fires on a text. By concept: what marks a
    concept that the corpus is tagged with.

    A filter keeps some of the features: --where 'density<1% & max>5 & description~"bridge" & alive'. It knows density,
    n_active, max, mean, feature, score, description and site, joined by &, | and ~.
    """

    run: Run
    """Folder of the run."""
    text: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TEXT")]
    """Words, a token, an example or the name of a concept."""
    limit: int = 10
    """Results at most."""
    by: By = "both"
    """What TEXT is."""
    where: Where = ""
    """Only features that pass this."""
    over: Over = "mean"
    """By text: what counts of its tokens' activations."""
    tokens: int = 100_000
    """By concept: tagged text that is read at most."""


def search(options: SearchOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Search a run's features.

    Returns:
        ``query``, ``by``, ``where`` and ``results``, best first.
    """
    if not (options.text if options.by in ("token", "promotes") else options.text.strip()):
        raise WrongUse("there is nothing to search for", 'give a word, for instance "bridge"')
    if options.by not in get_args(By):
        raise UnknownName(f"{options.by!r} is no way to search", nearest(options.by, get_args(By)))
    check_limit(options.limit)
    as_filter(options.where or None)
    opened = OpenRun.at(options.run, reporter or Reporter())
    return answer(
        options.text, _found(options, opened, opened.features()), by=options.by, where=options.where
    )


def _found(options: SearchOptions, opened: OpenRun, index: FeatureIndex) -> list[SearchResult]:
    kept: dict[str, Any] = {"where": options.where or None, "limit": options.limit}
    match options.by:
        case "token":
            return index.by_token(options.text, role="fires", **kept)
        case "promotes":
            return index.by_token(options.text, role="promotes", **kept)
        case "description":
            return by_description(index, opened.labels_if_any(index), options.text, **kept)
        case "text":
            context = opened.recipe.harvest.context
            (read,) = read_texts(opened.lm, opened.model_dictionary, [options.text], context=context)
            return by_text(index, read.codes, over=options.over, **kept)
        case "concept":
            return by_concept(opened, index, options.text, n_tokens=options.tokens, **kept)
        case _:
            return index.search(options.text, by=options.by, **kept)


NOTHING = {
    "token": "no feature lists the token {} (with a space before it, it is another) among those it fires on",
    "promotes": "no feature promotes the token {} (with a space before it, it is another)",
    "description": "no feature is described by all words of {}",
    "text": "no feature fires on {}",
    "concept": "no feature marks {}",
}
"""What is said where nothing was found."""


def search_text(result: dict[str, Any]) -> str:
    """The result for people."""
    if not result["results"]:
        by = result.get("by", "both")
        name = repr(result["query"]) if by in ("token", "promotes") else quoted(result["query"])
        return nothing(NOTHING.get(by, "no feature goes with {}").format(name), result.get("where", ""))
    return table(result["results"])


@dataclass(frozen=True, kw_only=True)
class NearOptions:
    """A feature's neighbours: directions closest to its own (--by cosine), or what fires with it (coactivation)."""

    run: Run
    """Folder of the run."""
    feature: Annotated[tyro.conf.Positional[int], tyro.conf.arg(metavar="FEATURE")]
    """Its number."""
    limit: int = 10
    """Results at most."""
    by: Literal["cosine", "coactivation"] = "cosine"
    """What makes a neighbour."""
    where: Where = "alive"
    """Only features that pass this."""


def near(options: NearOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Neighbours of a feature.

    Returns:
        ``query`` (the feature's number), ``description`` (its own) and ``results``, nearest first.
    """
    check_limit(options.limit)
    as_filter(options.where or None)
    opened = OpenRun.at(options.run, reporter or Reporter())
    index = opened.features()
    index.check(options.feature)
    kept: dict[str, Any] = {"where": options.where or None, "limit": options.limit}
    if options.by == "cosine":
        found = by_direction(index, opened.dictionary.directions, options.feature, **kept)
    else:
        listed = index.record(options.feature).coactive
        company = {each.feature: each.correlation for each in listed}
        found = by_company(index, options.feature, company, **kept)
    return answer(options.feature, found, by=options.by, description=index.description(options.feature))


def near_text(result: dict[str, Any]) -> str:
    """The result for people."""
    head = f"{result['query']}: {result['description']}"
    found = table(result["results"]) if result["results"] else "no feature is near it"
    return f"{head}\n{found}"
