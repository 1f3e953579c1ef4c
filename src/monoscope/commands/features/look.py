"""``monoscope features show`` and ``on``: one feature's card, and what fires on a text."""

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from monoscope.commands.features.table import Run, Where, check_limit, marked
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.errors import WrongUse
from monoscope.features.filter_text import as_filter
from monoscope.features.on import strongest
from monoscope.features.texts import read_texts
from monoscope.manifest import is_complete


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """One feature's card: what it fires on, what it promotes, how often and how strongly."""

    run: Run
    """Folder of the run."""
    feature: Annotated[tyro.conf.Positional[int], tyro.conf.arg(metavar="FEATURE")]
    """Its number."""


def show(options: ShowOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Everything that is known about one feature of a run.

    Returns:
        The index' record; with ``descriptions``, ``patterns`` and ``effects`` where the run has labels of this index.
    """
    opened = OpenRun.at(options.run, reporter or Reporter())
    index = opened.features()
    record, labels = index.record(options.feature).to_json(), opened.labels_if_any(index)
    return record if labels is None else record | labels[options.feature].to_json()


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
    lines += [_described(each) for each in result.get("descriptions", ())]
    near = ", ".join(f"{each['feature']} ({each['cosine']:.2f})" for each in result["neighbours"][:5])
    lines += [f"nearest features: {near}"] if near else []
    together = ", ".join(f"{each['feature']} ({each['correlation']:.2f})" for each in result["coactive"][:5])
    lines += [f"active together with: {together}"] if together else []
    effects = {each["position"]: each for each in result.get("effects", ())}
    for example in [each for each in result["examples"] if each["kind"] == "top"][:6]:
        lines.append(f"{example['peak']:8.2f}  {marked(example['tokens'], example['activations'])}")
        if example["position"] in effects:
            lines.append(f"{'':8}  {_lost(effects[example['position']])}")
    return "\n".join(lines)


def _described(description: dict[str, Any]) -> str:
    """One description with its scores."""
    scores = ", ".join(
        f"{name} {value:.2f}" for name, value in description["scores"].items() if value is not None
    )
    name = (
        f"{description['method']} ({description['kind']})" if "kind" in description else description["method"]
    )
    return f"{name}: {description['text']} [{scores}]"


def _lost(effect: dict[str, Any]) -> str:
    """What the model loses in an example without the feature."""
    loss = sum(value for value in effect["loss"] if value is not None)
    raised = ", ".join(f"{text!r} {value:+.2f}" for text, value in effect["promoted"][:3])
    said = f"without it the loss of these tokens rises by {loss:.2f} nats"
    return f"{said}; behind the bracket it raises {raised}" if raised else said


@dataclass(frozen=True, kw_only=True)
class OnOptions:
    """Which features fire on a text, and how strongly on each of its tokens."""

    run: Run
    """Folder of the run."""
    text: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TEXT")]
    """The text."""
    limit: int = 20
    """Features at most, those with the largest peak first."""
    where: Where = ""
    """Only features that pass this."""


def on(options: OnOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """What fires on a text; a long one is read in windows, as the corpus was.

    Returns:
        ``tokens`` (texts, special tokens left out) and ``features``: ``feature``, ``activations``, one for each
        token, and ``description`` where the run has an index.
    """
    check_limit(options.limit)
    condition = as_filter(options.where or None)
    if not options.text:
        raise WrongUse("there is no text to look at", "give at least one word")
    opened = OpenRun.at(options.run, reporter or Reporter())
    index = opened.features() if condition or is_complete(opened.folder.features) else None
    dictionary, lm = opened.model_dictionary, opened.lm
    (read,) = read_texts(lm, dictionary, [options.text], context=opened.recipe.harvest.context)
    among = condition.mask(index) if condition and index else None
    found = strongest(read.codes, dictionary.n_features, options.limit, among=among)
    if index:
        found = [{**each, "description": index.description(each["feature"])} for each in found]
    return {"tokens": lm.token_strings(read.tokens), "features": found}


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
