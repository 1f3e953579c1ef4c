"""Features that split by context as dictionaries get wider."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluate.memory import MemoryStore, token_rows
from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder
from monoscope.errors import MismatchedArtefact, WrongUse
from monoscope.evaluate.analyses import Splitting

from .material import Described, Parts

ROWS, CONTEXT, SITE = 60, 21, "blocks.0.resid_post"
TOPIC, FORMAT, OTHER, ONE, TWO = range(5)
"""Coordinates: two concepts, an ordinary feature, and two contexts; the third context is neither."""


def text(seed: int) -> MemoryStore:
    """Tokens of which some are of the topic, in one of three contexts, and some of the format."""
    generator = np.random.default_rng(seed)
    shape = (ROWS, CONTEXT)
    kind, context = generator.integers(0, 3, shape), generator.integers(0, 3, shape)
    kind[:, 0] = OTHER
    strength = generator.uniform(0.5, 1.5, shape)
    x = np.zeros((*shape, 5), np.float32)
    for coordinate in (TOPIC, FORMAT, OTHER):
        x[..., coordinate] = strength * (kind == coordinate)
    x[..., ONE], x[..., TWO] = context == 0, context == 1
    topic = kind == TOPIC
    tags = {
        "animals": {"passage": topic},
        "cat": {"passage": topic & (context == 0)},
        "dog": {"passage": topic & (context == 1)},
        "base64": {"passage": kind == FORMAT},
    }
    values = {SITE: torch.from_numpy(x.reshape(-1, 5))}
    return MemoryStore(token_rows(ROWS, CONTEXT, tags), values, hash=str(seed))


def dictionary(split: list[int], width: int) -> SparseAutoencoder:
    """A feature for each of the first three coordinates, or three where it splits by context; the rest never fire."""
    columns = []
    for coordinate in (TOPIC, FORMAT, OTHER):
        for far in [(0, 10, 10)] if coordinate not in split else [(10, -10, 0), (10, 0, -10), (0, 10, 10)]:
            column = torch.zeros(5)
            column[coordinate] = 1
            if coordinate in split:
                off, one, two = far
                column[ONE], column[TWO] = -one, -two
                columns.append((column, -float(off)))
            else:
                columns.append((column, 0.0))
    columns += [(torch.eye(5)[OTHER], -100.0)] * (width - len(columns))
    rows = torch.stack([column.clamp(-0.5, 0.5) + column.clamp(0, 1) for column, _ in columns])
    return SparseAutoencoder(
        AutoencoderOptions(n_features=width, sparsifier=ReLU()),
        encoder=torch.stack([column for column, _ in columns], dim=1),
        encoder_bias=torch.tensor([bias for _, bias in columns]),
        decoder=torch.nn.functional.normalize(rows),
        bias=torch.zeros(5),
        site=SITE,
    )


def material(split: list[int], width: int, others: tuple[Parts, ...] = ()) -> Parts:
    return Parts(
        name=str(width),
        dictionary=dictionary(split, width),
        calibration=text(0),
        heldout=text(1),
        index=Described(),
        others=others,
    )


def test_a_feature_cut_by_context_splits_and_the_others_go_on() -> None:
    wide, middle = material([TOPIC, FORMAT], 24), material([TOPIC], 6)
    told: list[tuple[int, int]] = []
    result = Splitting()(material([], 3, (wide, middle)), lambda *at: told.append(at))
    assert result["widths"] == [3, 6, 24]
    assert told[-1][0] == told[-1][1]
    first, second = result["forest"]
    assert first["parent"] == [0, 0, 0, 1, 2, -1]
    assert second["parent"][:8] == [0, 1, 2, 3, 3, 3, 4, -1]
    assert np.allclose(first["similarity"][:5], 1)
    assert result["steps"][0]["split_share"] == pytest.approx(1 / 3)
    assert result["steps"][0]["kept_share"] == pytest.approx(2 / 3)
    assert result["steps"][0]["links_per_feature"] == pytest.approx(5 / 3)
    assert result["steps"][0]["new_share"] == 0
    assert json.loads(json.dumps(result)) == result


def test_concepts_are_followed() -> None:
    result = Splitting()(material([], 3, (material([TOPIC, FORMAT], 24),)))
    family, concept = result["checks"]
    assert (family["name"], family["figure"], family["holds"]) == ("A1.8", 1, True)
    assert (concept["name"], concept["figure"], concept["holds"]) == ("A2.8", 3, True)
    animals = result["concepts"]["animals"]
    assert animals["parts"] == ["cat", "dog"]
    assert (animals["feature"], animals["level"]) == (TOPIC, 0)
    assert [latent["part"] for latent in animals["latents"][1][:2]] == ["cat", "dog"]
    assert [latent["part_precision"] for latent in animals["latents"][1][:2]] == [1, 1]
    columns = result["trees"][0]
    assert [len(column) for column in columns] == [1, 3]
    assert columns[1][0] == {"feature": 0, "parent": 0, "active": columns[1][0]["active"], "label": "word0"}


def test_what_does_not_split_falls_short() -> None:
    result = Splitting()(material([], 3, (material([], 24),)))
    assert [(check["figure"], check["holds"]) for check in result["checks"]] == [(0, False), (1, False)]
    assert result["steps"][0]["split_share"] == 0
    assert result["steps"][0]["lost_share"] == 0


def test_text_without_tags_leaves_the_checks_open() -> None:
    narrow, wide = material([], 3), material([TOPIC], 6)
    plain = MemoryStore(token_rows(ROWS, CONTEXT, {}), narrow.heldout.values)
    result = Splitting()(replace(narrow, heldout=plain, calibration=None, others=(wide,)))
    assert [(check["figure"], check["holds"]) for check in result["checks"]] == [(None, None)] * 2
    assert "no tagged concepts" in result["checks"][0]["why"]
    assert result["steps"][0]["split_share"] == pytest.approx(1 / 3)
    untold = Splitting()(material([], 3, (wide,)))["checks"][1]
    assert (untold["figure"], untold["why"]) == (
        None,
        "no dictionary is 8 to 32 times as wide as the narrowest",
    )


def test_dictionaries_that_cannot_be_compared_are_refused() -> None:
    narrow, wide = material([], 3), material([TOPIC], 6)
    with pytest.raises(WrongUse, match="all these dictionaries have 3 features"):
        Splitting()(replace(narrow, others=(narrow,)))
    wide.dictionary.site = "blocks.1.resid_post"
    with pytest.raises(MismatchedArtefact, match=r"6 reads blocks\.1\.resid_post"):
        Splitting()(replace(narrow, others=(wide,)))
