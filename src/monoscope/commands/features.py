"""``monoscope features``: find features, look at one, and see which fire on a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro

from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.errors import WrongUse
from monoscope.features import active_features
from monoscope.features.search import By
from monoscope.manifest import is_complete

Run = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Find features by a word or a topic: by what stands around their activations, and by what they promote."""

    run: Run
    """Folder of the run."""
    text: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TEXT")]
    """One or several words."""
    limit: int = 10
    """Results at most."""
    by: By = "both"
    """What to sort by: going with the words nearby, promoting them, or both."""


def search(options: SearchOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Search a run's features.

    Returns:
        ``query`` and ``results``, best first.
    """
    if not options.text.strip():
        raise WrongUse("there is nothing to search for", 'give a word, for instance "bridge"')
    if options.limit < 1:
        raise WrongUse(f"--limit {options.limit} asks for no results", "give 1 or more")
    index = OpenRun.at(options.run, reporter or Reporter()).features()
    found = index.search(options.text, limit=options.limit, by=options.by)
    return {"query": options.text, "results": [each.to_json() for each in found]}


def search_text(result: dict[str, Any]) -> str:
    """The result for people."""
    if not result["results"]:
        return f"no feature goes with “{result['query']}”"
    lines = [f"{'feature':>8}  {'score':>5}  {'density':>8}  description"]
    lines += [
        f"{each['feature']:>8}  {each['score']:5.2f}  {each['density']:8.3%}  {each['description']}"
        for each in result["results"]
    ]
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """One feature's card: what it fires on, what it promotes, how often and how strongly."""

    run: Run
    """Folder of the run."""
    feature: Annotated[tyro.conf.Positional[int], tyro.conf.arg(metavar="FEATURE")]
    """Its number."""


def show(options: ShowOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Everything that is known about one feature of a run."""
    return OpenRun.at(options.run, reporter or Reporter()).features().record(options.feature).to_json()


def show_text(result: dict[str, Any]) -> str:
    """The card for people; the strongest token of each text stands in brackets."""
    lines = [
        f"{result['address']}",
        result["description"],
        f"fires on {result['density']:.3%} of tokens ({result['n_active']:,}); largest activation "
        f"{result['max_activation']:.3g}, mean {result['mean_activation']:.3g}",
    ]
    for name in ("promoted", "suppressed"):
        if result[name]:
            words = ", ".join(f"{each['text'].strip()!r} {each['weight']:+.2f}" for each in result[name][:6])
            lines.append(f"{name}: {words}")
    near = ", ".join(f"{each['feature']} ({each['cosine']:.2f})" for each in result["neighbours"][:5])
    lines += [f"nearest features: {near}"] if near else []
    together = ", ".join(f"{each['feature']} ({each['correlation']:.2f})" for each in result["coactive"][:5])
    lines += [f"active together with: {together}"] if together else []
    for example in [each for each in result["examples"] if each["kind"] == "top"][:6]:
        lines.append(f"{example['peak']:8.2f}  {marked(example['tokens'], example['activations'])}")
    return "\n".join(lines)


def marked(tokens: Sequence[str], activations: Sequence[float]) -> str:
    """A text in one line, its strongest token in brackets."""
    strongest = max(range(len(tokens)), key=lambda place: activations[place])
    parts = [f"[{token}]" if place == strongest else token for place, token in enumerate(tokens)]
    return "".join(parts).replace("\n", "⏎")


@dataclass(frozen=True, kw_only=True)
class OnOptions:
    """Which features fire on a text, and how strongly on each of its tokens."""

    run: Run
    """Folder of the run."""
    text: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TEXT")]
    """The text."""
    limit: int = 20
    """Features at most, those with the largest peak first."""


def on(options: OnOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """What fires on a text.

    Returns:
        ``tokens`` (texts, the beginning-of-text token left out) and ``features``: ``feature``, ``activations``, one for
        each token, and ``description`` where the run has an index.
    """
    if options.limit < 1:
        raise WrongUse(f"--limit {options.limit} asks for no features", "give 1 or more")
    opened = OpenRun.at(options.run, reporter or Reporter())
    dictionary, lm = opened.model_dictionary, opened.lm
    tokens = lm.tokenize(options.text)
    usable = torch.tensor([int(token) not in lm.special_ids for token in tokens], dtype=torch.bool)
    if not usable.any():
        raise WrongUse("there is no text to look at", "give at least one word")
    x = lm.activations(tokens[None], [opened.site])[opened.site][0].float().cpu()
    found = active_features(dictionary, x[usable], options.limit)
    if is_complete(opened.folder.features):
        index = opened.features()
        found = [{**each, "description": index.description(each["feature"])} for each in found]
    return {"tokens": lm.token_strings(tokens[usable]), "features": found}


def on_text(result: dict[str, Any]) -> str:
    """The result for people: each feature, and where it is strongest."""
    lines = [f"{'feature':>8}  {'peak':>8}  on               description"]
    for each in result["features"]:
        peak = max(range(len(result["tokens"])), key=lambda place: each["activations"][place])
        token = repr(result["tokens"][peak])
        lines.append(
            f"{each['feature']:>8}  {each['activations'][peak]:8.2f}  {token:<16} {each.get('description', '')}"
        )
    return "\n".join(lines) if result["features"] else "no feature fires on this text"
