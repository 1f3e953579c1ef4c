"""What a tour of a run shows a newcomer: every figure from the run's own records."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from monoscope.explore.api.answers import Interval
from monoscope.explore.api.explored import RecordName

Record = Callable[[RecordName], Mapping[str, Any] | None]


class NeuronText(BaseModel):
    """A text that a neuron is strongly active on."""

    tokens: list[str]
    values: list[float]
    """Activation on each token; below 0 counts as 0."""


class NeuronShown(BaseModel):
    """One of the model's own neurons, and all that it means."""

    neuron: int
    block: int
    n_tokens: int
    """Tokens looked at."""
    n_neurons: int
    """Neurons of the block, of which it is the one with the most different texts."""
    rows: list[NeuronText]


class Node(BaseModel):
    """A feature of one dictionary in a tree."""

    feature: int
    parent: int | None
    """The one of the next narrower dictionary that it came from."""
    active: int
    """Tokens that it was active on."""
    label: str


class Step(BaseModel):
    """From one width to the next."""

    from_width: int
    to_width: int
    links_per_feature: float
    chance_links: float
    """The same where the wider dictionary reads other text."""
    split_share: float | None
    new_share: float | None


class SplittingShown(BaseModel):
    """What becomes of features as dictionaries grow."""

    widths: list[int]
    own: int
    """Place of the run's dictionary among them."""
    trees: list[list[list[Node]]]
    """Of each tree, for each width, the features."""
    steps: list[Step]


class UniversalityShown(BaseModel):
    """Whether another dictionary finds the same: medians of the best correlation."""

    other: str
    features: float
    interval: Interval | None
    neurons: float | None
    random: float
    n_features: int
    """Features compared."""


class ShowcaseShown(BaseModel):
    """A feature turned up, as it was recorded."""

    feature: int
    topic: str
    strength: float
    """Multiple of its largest activation."""
    prompt: str
    default: str
    steered: str


class Tour(BaseModel):
    """The parts of the tour; None where the run has not come so far, or was not asked for it."""

    feature: int | None
    """A feature that means one thing."""
    neuron: NeuronShown | None
    splitting: SplittingShown | None
    universality: UniversalityShown | None
    showcase: ShowcaseShown | None


def tour(record: Record) -> Tour:
    """The tour from what was written down.

    Args:
        record: name -> what was written down; None where nothing was.
    """
    shown = record("showcase")
    found = shown is not None and shown["feature"] is not None
    neuron = record("glimpse")
    return Tour(
        feature=shown["feature"] if shown is not None and found else None,
        neuron=NeuronShown.model_validate(neuron) if neuron is not None else None,
        splitting=_splitting(record("splitting")),
        universality=_universality(record("universality")),
        showcase=_showcase(shown) if shown is not None and found else None,
    )


def _splitting(told: Mapping[str, Any] | None) -> SplittingShown | None:
    if told is None:
        return None
    steps = [Step(from_width=each["from"], to_width=each["to"], **_shares(each)) for each in told["steps"]]
    return SplittingShown(widths=told["widths"], own=told["own"], trees=told["trees"], steps=steps)


def _shares(step: Mapping[str, Any]) -> dict[str, Any]:
    return {name: step[name] for name in ("links_per_feature", "chance_links", "split_share", "new_share")}


def _universality(told: Mapping[str, Any] | None) -> UniversalityShown | None:
    """The dictionary of another seed, or else the first other one."""
    others = [each for each in (told or {}).get("others", ()) if each["medians"]["features"] is not None]
    if not others:
        return None
    first = min(others, key=lambda each: each["kind"] != "seed")
    low, high = first["intervals"]["features"]
    return UniversalityShown(
        other=first["name"],
        features=first["medians"]["features"],
        interval=None if low is None else (low, high),
        neurons=first["medians"]["neurons"],
        random=first["medians"]["random"] or 0.0,
        n_features=first["compared"],
    )


def _showcase(shown: Mapping[str, Any]) -> ShowcaseShown | None:
    if not shown["pairs"]:
        return None
    return ShowcaseShown(
        feature=shown["feature"], topic=shown["query"], strength=shown["shown"], **shown["pairs"][0]
    )
