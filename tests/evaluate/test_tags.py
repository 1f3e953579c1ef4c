import numpy as np
import pytest

from evaluate.memory import token_rows
from monoscope.evaluate.tags import Tags

RNG = np.random.default_rng(1)
MASKS = {
    name: {"mention": RNG.random((9, 8)) < 0.1, "passage": RNG.random((9, 8)) < share}
    for name, share in (("bridge", 0.3), ("king", 0.05))
} | {"absent": {}}


@pytest.mark.parametrize("n_tokens", [20, 10_000])
def test_ordinals_are_those_of_usable_tagged_tokens(n_tokens: int) -> None:
    rows = token_rows(9, 8, MASKS, padding=3)
    tags = Tags.of(rows, n_tokens)
    usable = rows.usable.reshape(-1)
    assert tags.n_tokens == min(n_tokens, int(usable.sum()))
    for concept in MASKS:
        for kind in ("mention", "passage"):
            expected = rows.tagged(concept, kind).reshape(-1)[usable][:n_tokens]
            assert tags.mask(concept, kind).tolist() == expected.tolist()
            assert tags.count(concept, kind) == expected.sum()
            assert tags.members[concept, kind].tolist() == np.flatnonzero(expected).tolist()


def test_tags_on_special_tokens_and_padding_do_not_count() -> None:
    everywhere = {"all": {"passage": np.ones((2, 6), bool)}}
    tags = Tags.of(token_rows(2, 6, everywhere, padding=2), 100)
    assert tags.count("all", "passage") == tags.n_tokens == 2 * 5 - 2


def test_the_share_counts_a_token_of_both_kinds_once() -> None:
    mention, passage = np.zeros((1, 11), bool), np.zeros((1, 11), bool)
    mention[0, 3:5] = True
    passage[0, 4:8] = True
    tags = Tags.of(token_rows(1, 11, {"x": {"mention": mention, "passage": passage}}), 100)
    assert tags.share("x") == 0.5


def test_concepts_of_other_text_have_no_tags() -> None:
    tags = Tags.of(token_rows(9, 8, MASKS), 100)
    assert tags.count("unheard", "mention") == 0
    assert tags.share("unheard") == 0.0
    assert not tags.mask("unheard", "passage").any()
    assert tags.share("absent") == 0.0
