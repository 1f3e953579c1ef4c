"""What the page gets; these models are the one source of the OpenAPI description and of the page's own types."""

from typing import Any, Literal

from pydantic import BaseModel

from monoscope.features.labels.record import Description, ExampleEffect, ShownPattern
from monoscope.features.record import (
    CoActivation,
    Example,
    Histogram,
    LogitWeight,
    Neighbour,
    TokenShare,
)

Interval = tuple[float, float]
"""Of 95 %, from its lower end to its upper."""


class ModelFacts(BaseModel):
    """The model that the run looks into."""

    name: str
    hash: str


class DictionaryFacts(BaseModel):
    """The run's dictionary."""

    n_features: int
    sparsifier: str
    k: int | None = None
    """Features per token, where the sparsifier has a number of them."""
    d_model: int
    """Width of the place in the model."""
    hash: str | None
    """Its content hash; None before it is made."""


class StageFacts(BaseModel):
    """One stage of the run."""

    name: str
    seconds: float | None
    """How long it took; None before its end."""
    done: bool


class Holds(BaseModel):
    """What the run holds by now."""

    index: bool
    labels: bool
    evaluation: bool
    model: bool
    """Whether the model is served with a dictionary: it reads texts and writes them steered."""
    glimpse: bool
    """Whether a neuron was looked at, before anything was learnt."""


class ShowcaseFacts(BaseModel):
    """The feature that the run shows at work."""

    feature: int
    topic: str


class Preset(BaseModel):
    """A steering that has a name."""

    name: str
    steering: Any


class RunFacts(BaseModel):
    """What the run is and how far it has come."""

    name: str
    address: str
    """``MODEL/SITE/DICTIONARY``."""
    status: Literal["complete", "running", "stopped"]
    """``running`` while a process works on it; ``stopped`` where none does and it is not complete."""
    site: str
    model: ModelFacts
    dictionary: DictionaryFacts
    corpus: str
    n_tokens: int
    """Of training."""
    seed: int
    stages: list[StageFacts]
    has: Holds
    showcase: ShowcaseFacts | None
    presets: list[Preset]
    strengths: dict[int, float]
    """Feature -> the clamp that its calibration recommended, a multiple of its largest activation."""
    vectors: list[str]
    """Names of the run's control vectors."""


class MetricRow(BaseModel):
    """One metric of the report card beside its baselines."""

    name: str
    value: float
    interval: Interval | None
    unit: str
    formula: str
    misleads: str
    """When the metric says less than it seems to."""
    baselines: dict[str, float | None]
    """Name of a baseline -> its value; None where it has none."""


class Recovery(BaseModel):
    """Shares of the tagged concepts that one feature marks."""

    share_recovered: float
    share_neurons: float | None
    share_pca: float | None
    share_random: float | None
    n_concepts: int
    intervals: dict[str, Interval]


class ReportCard(BaseModel):
    """The evaluation."""

    rows: list[MetricRow]
    recovery: Recovery | None


class Point(BaseModel):
    """The training at one moment."""

    tokens: int
    fvu: float | None = None
    l0: float | None = None
    dead_share: float | None = None
    loss: float | None = None


class Training(BaseModel):
    """The curve of the training, of which more comes while it runs."""

    points: list[Point]
    running: bool


class FormingText(BaseModel):
    """A text that a feature is strongly active on."""

    tokens: list[str]
    activations: list[float]
    peak: int
    """Place of the strongest token."""


class Snapshot(BaseModel):
    """A feature as it was at one checkpoint."""

    tokens: int
    """Learnt from so far."""
    active: int
    """Tokens of the sample that it is active on."""
    looked_at: int
    """Tokens of the sample."""
    fvu: float | None
    texts: list[FormingText]


class Forming(BaseModel):
    """One and the same feature while its dictionary is learnt, oldest first."""

    feature: int | None
    """None until there is a checkpoint."""
    snapshots: list[Snapshot]


class Row(BaseModel):
    """A feature in the table."""

    feature: int
    description: str
    density: float
    n_active: int
    max_activation: float
    mean_activation: float
    score: float | None = None
    """Of the search."""
    why: str | None = None
    """What the score was given for."""


class Rows(BaseModel):
    """A piece of the table."""

    total: int
    """Rows of the whole table."""
    more: bool
    """Whether a search found more than are ranked."""
    searched: str
    """The query, its last word completed where the corpus does not know it."""
    rows: list[Row]


class Drawing(BaseModel):
    """The map is on its way."""

    status: Literal["drawing"] = "drawing"


class Kin(BaseModel):
    """A feature of a dictionary of some width that this one came from, or becomes."""

    feature: int
    label: str
    similarity: float | None
    """How much its activations go with those of the one that it came from; None where it came from none."""


class Relatives(BaseModel):
    """The features of one width that belong together with one feature."""

    width: int
    own: bool
    """Whether it is the run's own width: those that came from the same feature."""
    features: list[Kin]


class Card(BaseModel):
    """Everything that is known of a feature."""

    feature: int
    n_features: int
    address: str
    description: str
    density: float
    n_active: int
    max_activation: float
    mean_activation: float
    histogram: Histogram
    examples: list[Example]
    tokens: list[TokenShare]
    promoted: list[LogitWeight]
    suppressed: list[LogitWeight]
    neighbours: list[Neighbour]
    coactive: list[CoActivation]
    descriptions: list[Description] = []
    patterns: list[ShownPattern] = []
    effects: list[ExampleEffect] = []
    lineage: list[Relatives]
    """From narrow to wide: what it came from, what else came from there, what it becomes; empty if not compared."""
    previous: int | None
    """The alive feature before it."""
    next: int | None
    """The one behind it."""
