"""Control vectors from pairs of texts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monoscope.errors import WrongUse
from monoscope.models import LanguageModel
from monoscope.vectors.checks import check_same_model
from monoscope.vectors.methods import MeanDifference, Method, to_record
from monoscope.vectors.pairs import ContrastPair, check_pairs, pairs_hash
from monoscope.vectors.reliability import Reliability, reliability
from monoscope.vectors.states import Progress, States, check_blocks, read_states
from monoscope.vectors.vector import ControlVector


def learn_vector(
    lm: LanguageModel,
    pairs: Sequence[ContrastPair],
    *,
    method: Method | None = None,
    blocks: Sequence[int] | None = None,
    batch: int = 16,
    held_out: float = 0.2,
    seed: int = 0,
    read: str = "last",
    progress: Progress | None = None,
) -> ControlVector:
    """Learn the direction between the two sides of pairs, at each block.

    Every text is read once. For the reliability, groups of pairs are split by ``seed``, a direction is learnt from
    the training pairs and tried on the others; the directions that are returned are learnt from all pairs.

    Args:
        lm: the model.
        pairs: ten or more; a hundred is better.
        method: one of ``METHODS``; None: the mean difference.
        blocks: blocks whose output gets a direction; None: all.
        batch: texts that are run together; it changes nothing but speed and, in rounding, the last digit.
        held_out: share of the groups that are held out, at least one; 0 holds out none and measures nothing.
        seed: of the split, and of the random directions of the baseline.
        read: ``last`` reads each text at its last token, ``mean`` takes the mean over its usable tokens.
        progress: called with (texts done, texts in all).

    Raises:
        WrongUse: there are no pairs, both sides of one are equal, a text is empty or longer than the context, or there
            are too few groups to hold any out.
        UnknownSite: the model has no such block.
        BrokenInput: an activation is not finite.
    """
    method = MeanDifference() if method is None else method
    check_pairs(pairs)
    chosen = check_blocks(lm, blocks)
    test = _split(pairs, held_out, seed)
    texts = [text for pair in pairs for text in (pair.positive, pair.negative)]
    states = read_states(lm, texts, chosen, batch=batch, read=read, progress=progress)
    directions = {block: method(x[::2], x[1::2]) for block, x in states.of.items()}
    measured = {block: _measured(states, block, method, test, pairs, seed) for block in chosen if test.any()}
    return _vector(
        lm,
        directions,
        states,
        accuracy=measured,
        method=method.name,
        provenance={
            "method": to_record(method),
            "read": read,
            "n_pairs": len(pairs),
            "held_out": held_out,
            "seed": seed,
            "dataset_sha256": pairs_hash(pairs),
        },
    )


def contrast_at(
    lm: LanguageModel, pair: ContrastPair, text: str, *, blocks: Sequence[int] | None = None
) -> ControlVector:
    """The contrast vector of one input: what the same text is at its last token on one side minus on the other.

    ``push(b, 1)`` is exactly that difference: directions keep its length, in mean norms of these two texts.

    Args:
        lm: the model.
        pair: two templates, each with ``{text}`` where the text goes.
        text: the input.
        blocks: blocks whose output is read; None: all.

    Reference: contrast vectors of Zou et al. 2023 (2310.01405), at the last token.

    Raises:
        WrongUse: a template has no ``{text}``, both sides are equal, or a text does not fit the context.
        UnknownSite: the model has no such block.
    """
    for side in (pair.positive, pair.negative):
        if "{text}" not in side:
            raise WrongUse(f"the template {side!r} has no {{text}}", "write {text} where the input goes")
    filled = ContrastPair(pair.positive.replace("{text}", text), pair.negative.replace("{text}", text))
    check_pairs([filled])
    states = read_states(lm, [filled.positive, filled.negative], check_blocks(lm, blocks), batch=2)
    differences = {block: (x[0] - x[1]) / states.norms[block] for block, x in states.of.items()}
    provenance = {"positive": pair.positive, "negative": pair.negative, "text": text}
    return _vector(lm, differences, states, accuracy={}, method="contrast", provenance=provenance)


def measured(
    lm: LanguageModel, vector: ControlVector, texts: Sequence[str], *, batch: int = 16
) -> ControlVector:
    """The same push, counted in the mean residual norms of these texts; what no file says is filled in.

    Args:
        lm: the model that the vector acts on.
        vector: a vector of it, for instance one without norms from another tool.
        texts: ordinary texts; every usable token counts.
        batch: texts that are run together.

    Raises:
        MismatchedArtefact: the vector is another model's, or of another width.
        UnknownSite: the model lacks a block of the vector.
        WrongUse: there is no text, or one is empty or longer than the context.
    """
    check_model(lm, vector)
    blocks = check_blocks(lm, vector.blocks)
    if not texts:
        raise WrongUse("there is no text to measure norms on", "give some ordinary texts")
    states = read_states(lm, texts, blocks, batch=batch)
    return replace(vector.in_units_of(states.norms), **model_of(lm))


def check_model(lm: LanguageModel, vector: ControlVector) -> None:
    """Refuse a vector of another model.

    Raises:
        MismatchedArtefact: the hash, where it is known, or the width is another's; the sentence names both.
    """
    check_same_model(vector, model_hash=lm.hash, d_model=lm.d_model)


def model_of(lm: LanguageModel) -> dict[str, Any]:
    """What a vector says about the model that it was learnt on."""
    return {
        "n_blocks": lm.n_blocks,
        "model_hash": lm.hash,
        "model_name": lm.name,
        "model_type": lm.model.config.model_type,
    }


def _vector(
    lm: LanguageModel,
    directions: dict[int, Float[Tensor, " d_model"]],
    states: States,
    *,
    accuracy: Mapping[int, Reliability],
    method: str,
    provenance: dict[str, Any],
) -> ControlVector:
    """A vector of this model, with what its texts read on average."""
    centres = {}
    for block, direction in directions.items():
        length = float(direction.norm())
        middle = float(states.of[block].double().mean(0) @ direction.double())
        centres[block] = middle / length / states.norms[block] if length else 0.0
    return ControlVector(
        directions=directions,
        norms=states.norms,
        centres=centres,
        accuracy=accuracy,
        d_model=lm.d_model,
        method=method,
        provenance=provenance,
        **model_of(lm),
    )


def _groups(pairs: Sequence[ContrastPair]) -> list[tuple[str | int, ...]]:
    """The group of each pair; a pair without one is in a group with its own repetitions."""
    return [(pair.positive, pair.negative) if pair.group is None else (pair.group,) for pair in pairs]


def _split(pairs: Sequence[ContrastPair], held_out: float, seed: int) -> Bool[np.ndarray, " pair"]:
    """True for each pair that is held out: whole groups, drawn by the seed."""
    if not 0 <= held_out < 1:
        raise WrongUse(f"{held_out} is no share of pairs to hold out", "give a number from 0 and below 1")
    if not held_out:
        return np.zeros(len(pairs), bool)
    group_of = _groups(pairs)
    groups = list(dict.fromkeys(group_of))
    if len(groups) < 2:
        raise WrongUse(
            "one group of pairs cannot be split into training and held-out pairs",
            "give more pairs, or held_out=0 to measure nothing",
        )
    n_test = min(max(1, round(held_out * len(groups))), len(groups) - 1)
    drawn = np.random.default_rng(seed).permutation(len(groups))[:n_test]
    test = {groups[number] for number in drawn}
    return np.array([group in test for group in group_of])


def _measured(
    states: States,
    block: int,
    method: Method,
    test: Bool[np.ndarray, " pair"],
    pairs: Sequence[ContrastPair],
    seed: int,
) -> Reliability:
    """What the method, taught by the training pairs, does on the others at one block."""
    positive, negative = states.of[block][::2], states.of[block][1::2]
    held = torch.from_numpy(test)
    groups = {group for group, out in zip(_groups(pairs), test, strict=True) if out}
    return reliability(
        method(positive[~held], negative[~held]),
        positive[~held] - negative[~held],
        positive[held] - negative[held],
        n_groups=len(groups),
        norm=states.norms[block],
        seed=seed,
    )
