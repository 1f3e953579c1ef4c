"""How common a concept must be to have a feature."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluate.memory import MemoryStore, token_rows
from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.evaluate.analyses import Completeness
from monoscope.evaluate.intervals import IntervalOptions

from .material import Described, Parts

FEW = IntervalOptions(draws=20)
N, ROWS, CONTEXT, SITE = 16, 100, 41, "blocks.0.resid_post"


def text(seed: int) -> MemoryStore:
    """Each token expresses one of some concepts, whose frequency falls as one over their rank."""
    generator = np.random.default_rng(seed)
    chance = 1 / np.arange(1, N + 1)
    concept = generator.choice(N, (ROWS, CONTEXT), p=chance / chance.sum())
    x = np.eye(N, dtype=np.float32)[concept] * generator.uniform(0.5, 1.5, (ROWS, CONTEXT, 1)).astype(
        "float32"
    )
    tags = {f"concept {number:02}": {"passage": concept == number} for number in range(N)}
    return MemoryStore(
        token_rows(ROWS, CONTEXT, tags), {SITE: torch.from_numpy(x.reshape(-1, N))}, hash=str(seed)
    )


def material(known: int, others: tuple[Parts, ...] = ()) -> Parts:
    """A dictionary that has features for the most common concepts alone."""
    rows = torch.eye(N)[:known]
    made = SparseAutoencoder(
        AutoencoderOptions(n_features=known, sparsifier=ReLU()),
        encoder=rows.T,
        encoder_bias=torch.zeros(known),
        decoder=rows,
        bias=torch.zeros(N),
        site=SITE,
    )
    return Parts(
        name=str(known),
        dictionary=made,
        calibration=text(0),
        heldout=text(1),
        index=Described(alive=range(known)),
        others=others,
    )


def test_common_concepts_have_features_and_widths_follow_one_curve() -> None:
    result = Completeness(intervals=FEW)(material(12, (material(3), material(6))))
    assert [width["n_features"] for width in result["widths"]] == [3, 6, 12]
    for width in result["widths"]:
        known = width["n_features"]
        assert width["has"] == [number < known for number in range(N)]
        share = result["frequency"]
        assert 0.9 * known * share[known] < width["fit"]["half"] < 1.1 * known * share[known - 1]
    assert 1 <= result["spread"] < 1.6
    assert result["spread_unscaled"] > 3
    assert [check["holds"] for check in result["checks"]] == [True, True]
    low, high = result["fit"]["slope_interval"]
    assert 0 < low <= result["fit"]["slope"] <= high
    assert 0.5 < result["fit"]["deviance"] <= 1
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_halves_outside_what_was_seen_are_said_so() -> None:
    result = Completeness(intervals=FEW)(material(9, (material(5),)))
    ends = [width["scaled_range"] for width in result["widths"]]
    assert all(
        low <= width["fit"]["half"] <= high for width, (low, high) in zip(result["widths"], ends, strict=True)
    )
    assert "outside" not in result["checks"][1]["why"]
    far = Completeness(prior=0.05, intervals=FEW)(material(9, (material(5),)))
    assert "outside the concepts'" in far["checks"][1]["why"]


def test_without_any_difference_nothing_is_fitted() -> None:
    result = Completeness(intervals=FEW)(
        material(16, (replace(material(15), dictionary=material(1).dictionary),))
    )
    assert result["widths"][1]["fit"] is None
    assert result["spread"] is None
    assert result["checks"][1]["holds"] is None
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_scarce_concepts_are_left_out() -> None:
    result = Completeness(minimum_tags=200, intervals=FEW)(material(12, (material(3),)))
    tags = [
        int(tokens.sum()) for tokens in (text(1).rows.tagged(f"concept {n:02}", "passage") for n in range(N))
    ]
    assert result["n_concepts"] == sum(count >= 200 for count in tags) == N - result["n_left_out"]
    nothing = Completeness(minimum_tags=10**6)(material(12, (material(3),)))
    assert (nothing["n_concepts"], nothing["fit"]) == (0, None)
    assert [check["holds"] for check in nothing["checks"]] == [None, None]


def test_text_without_tags_is_refused() -> None:
    plain = replace(material(3), heldout=MemoryStore(token_rows(4, 8, {}), {}))
    with pytest.raises(WrongUse, match="no tagged concepts"):
        Completeness(intervals=FEW)(plain)
