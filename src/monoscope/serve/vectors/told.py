"""What is asked and told about control vectors."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.features import FeatureIndex
from monoscope.serve.reading import LONGEST_TEXT, Strict
from monoscope.vectors import ContrastPair, ControlVector, Reliability, in_features

PARTS = 10
"""Features that a vector is taken apart into, at most."""
Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT, pattern=r"\S")]
MethodName = Literal["mean_difference", "whitened", "logistic", "pca", "pca_center", "pca_diff"]


class PairTold(Strict):
    """The same text twice, with and without what the vector shall stand for."""

    positive: Text
    """The side that the vector points to."""
    negative: Text


class Personas(Strict):
    """Opposites, each of which is put before sixty ordinary beginnings of stories."""

    positive: Annotated[list[Text], Field(min_length=1, max_length=16)]
    negative: Annotated[list[Text], Field(min_length=1, max_length=16)]
    """As many, in the same order, parallel in grammar and length."""
    template: Text = "{persona} {suffix}"


class LearnBody(Strict):
    """A vector to be learnt, from pairs or from personas."""

    name: Annotated[str, Field(max_length=100)]
    """A word that begins with no digit."""
    pairs: list[PairTold] = Field(default=[], max_length=1000)
    personas: Personas | None = None
    method: MethodName = "mean_difference"
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of the pairs that it is tried on; 0 measures nothing."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    overwrite: bool = False
    """Replace the vector of that name."""


class ReadBody(Strict):
    """A text to be read along a vector."""

    text: Text
    block: Annotated[int, Field(ge=0, le=2**31)] | None = None
    """Behind which block; the best one unless given, or the first where none is known to be best."""


class BlockTold(BaseModel):
    """A vector behind one block."""

    block: int
    length: float
    norm: float | None
    """The mean residual norm there; None where it was not measured."""
    middle_half: bool
    reliability: Reliability | None
    """What it does on pairs that were held out; None where none were."""


class VectorTold(BaseModel):
    """A vector of the run."""

    name: str
    hash: str
    method: str
    unit: str
    recommended: float | None
    """The strength that was found to work."""
    n_pairs: int | None
    held_out: float | None
    seed: int | None
    best_block: int | None
    blocks: list[BlockTold]


class Part(BaseModel):
    """A feature in the sum that a vector is."""

    feature: int
    description: str | None
    cosine: float
    coefficient: float
    explained: float
    """Share of the squared length that this one and those before it explain together."""


class MadeOf(BaseModel):
    """A vector as a sum of features."""

    block: int
    explained: float
    chance: float
    """What as many features explain of a random direction."""
    parts: list[Part]


class VectorDetails(VectorTold):
    """Everything that is known of a vector."""

    pairs: list[PairTold] | None
    """What it was learnt from; None where that is not known."""
    made_of: MadeOf | None
    """None where there is no dictionary of one of its blocks."""


class VectorList(BaseModel):
    """The vectors of the run."""

    vectors: list[VectorTold]


class ReadAnswer(BaseModel):
    """Where each token lies along a vector."""

    block: int
    tokens: list[str]
    scores: list[float]
    """Above 0 on the positive side, in the vector's unit."""


def told(name: str, vector: ControlVector) -> VectorTold:
    """A vector, to be sent."""
    middle = vector.middle_half if vector.n_blocks else ()
    known = vector.provenance
    return VectorTold(
        name=name,
        hash=vector.hash,
        method=vector.method,
        unit=vector.unit,
        recommended=vector.recommended,
        n_pairs=known.get("n_pairs"),
        held_out=known.get("held_out"),
        seed=known.get("seed"),
        best_block=vector.best_block if vector.accuracy else None,
        blocks=[
            BlockTold(
                block=block,
                length=float(direction.norm()),
                norm=vector.norms.get(block),
                middle_half=block in middle,
                reliability=vector.accuracy.get(block),
            )
            for block, direction in vector.directions.items()
        ],
    )


def details(
    name: str,
    vector: ControlVector,
    pairs: list[ContrastPair] | None,
    dictionary: SparseAutoencoder | None,
    index: FeatureIndex | None,
) -> VectorDetails:
    """A vector with what it was learnt from and what it is made of, to be sent."""
    return VectorDetails(
        **told(name, vector).model_dump(),
        pairs=None
        if pairs is None
        else [PairTold(positive=pair.positive, negative=pair.negative) for pair in pairs],
        made_of=made_of(vector, dictionary, index) if dictionary is not None else None,
    )


def made_of(
    vector: ControlVector, dictionary: SparseAutoencoder, index: FeatureIndex | None
) -> MadeOf | None:
    """A vector in features; None where the dictionary is of no block that it has a direction at."""
    try:
        found = in_features(vector, dictionary, n=PARTS)
    except WrongUse:
        return None
    parts = [
        Part(
            feature=part.feature,
            description=index.description(part.feature) if index else None,
            cosine=part.cosine,
            coefficient=part.coefficient,
            explained=part.explained,
        )
        for part in found.parts
    ]
    return MadeOf(
        block=found.block, explained=found.parts[-1].explained, chance=found.chance[-1], parts=parts
    )
