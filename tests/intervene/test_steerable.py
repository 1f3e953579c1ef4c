"""A rule whose strength is left open, and its controls."""

import pytest
import torch

from monoscope.errors import WrongUse
from monoscope.intervene import Ablate, Add, Clamp, Rule, Scale, Scope, When
from monoscope.intervene.steerable import Steerable, features_name, steerable_features, steerable_vector
from monoscope.vectors import ControlVector


@pytest.fixture
def vector(tiny_llama) -> ControlVector:
    generator = torch.Generator().manual_seed(0)
    return ControlVector(
        directions={block: torch.randn(32, generator=generator) for block in (0, 2)},
        norms={0: 2.0, 2: 3.0},
        d_model=32,
        model_hash=tiny_llama.hash,
        recommended=0.5,
    )


def test_strengths_fill_the_rule(dictionary, live) -> None:
    one, other = live[:2]
    subject = steerable_features(
        dictionary, {one: 1, other: -0.5}, Clamp(9, where_active=True), scope=Scope(part="generated"), ramp=3
    )
    assert subject.name == f"{one}+{other}"
    assert subject.unit == "largest activation"
    (rule,) = subject.at(2.5)
    assert rule == Rule(
        edit=Clamp(2.5, where_active=True),
        features={one: 1.0, other: -0.5},
        scope=Scope(part="generated"),
        ramp=3,
    )
    told = subject.to_json()
    assert told["features"] == {str(one): 1.0, str(other): -0.5}
    assert (told["edit"], told["where_active"], told["scope"]) == ("clamp", True, "generated")


def test_a_vector_is_added(vector) -> None:
    subject = steerable_vector(vector, "calm")
    assert subject.at(0.3)[0].edit == Add(0.3)
    assert subject.unit == "mean residual norm"
    assert subject.to_json()["vector"] == vector.hash
    assert list(subject.other_features(3, 0)) == []


@pytest.mark.parametrize("edit", [Ablate(), Scale(2), Clamp(value=3.0), Add(value=1)])
def test_what_has_no_strength_in_units_is_refused(dictionary, edit) -> None:
    with pytest.raises(WrongUse, match="no strength in multiples"):
        steerable_features(dictionary, 5, edit)


def test_features_need_their_dictionary() -> None:
    with pytest.raises(WrongUse, match="without a dictionary"):
        Steerable(name="5", rule=Rule(edit=Clamp(1), features={5: 1.0}))


def test_long_names_are_cut() -> None:
    names = {features_name(range(first, first + 64)) for first in (1000, 1001)}
    assert len(names) == 2
    assert all(len(name) < 40 for name in names)


def test_random_directions_are_as_long_and_touch_nothing_else(dictionary, live, vector) -> None:
    subject = steerable_features(dictionary, {live[0]: 1, live[1]: 2})
    made = list(subject.random_directions(2, seed=3))
    assert len(made) == 2
    for each in made:
        assert each.rule == subject.rule
        changed = (each.dictionary.decoder != dictionary.decoder).any(dim=1).nonzero().flatten().tolist()
        assert sorted(changed) == sorted(live[:2])
        torch.testing.assert_close(each.dictionary.decoder.norm(dim=1), dictionary.decoder.norm(dim=1))
        assert torch.equal(each.dictionary.encoder, dictionary.encoder)
    assert not torch.equal(made[0].dictionary.decoder, made[1].dictionary.decoder)
    for each in steerable_vector(vector, "calm").random_directions(2, seed=3):
        other = each.rule.vector
        assert other.blocks == vector.blocks
        assert other != vector
        assert other.recommended is None
        for block in vector.blocks:
            assert float(other.push(block, 0.7).norm()) == pytest.approx(
                float(vector.push(block, 0.7).norm())
            )


def test_other_features_are_live_and_others(dictionary, live) -> None:
    subject = steerable_features(dictionary, {live[0]: 1, live[1]: -2}, when=When(live[2]))
    drawn = list(subject.other_features(3, seed=1))
    assert len(drawn) == 3
    numbers = [number for each in drawn for number in each.rule.features]
    assert len(set(numbers)) == 6
    assert not {*numbers} & {*live[:3]}
    assert set(numbers) <= set(live)
    for each in drawn:
        assert list(each.rule.features.values()) == [1, -2]
        assert each.at(2)[0].when == subject.rule.when
    assert [each.name for each in subject.other_features(3, 1)] == [each.name for each in drawn]
    most = list(subject.other_features(1000, seed=1))
    assert len(most) == (len(live) - 3) // 2
