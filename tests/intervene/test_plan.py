"""Steering as it is written down."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monoscope.errors import MonoscopeError, UnknownName, WrongUse
from monoscope.intervene import Ablate, Add, Cap, Clamp, Rule, Scale, Scope, When
from monoscope.intervene.plan import Names, parse_plan
from monoscope.vectors import ControlVector

HONEST = ControlVector(directions={1: torch.ones(4), 2: torch.ones(4)}, d_model=4)
NAMES = Names(
    features={"bridge": {412: 1.0, 7: 0.5}},
    vectors={"honest": HONEST},
    presets={"golden-gate": (Rule(edit=Clamp(2), features={412: 1}),)},
)
BRIDGE = {412: 1.0, 7: 0.5}


def features(edit: Any, which: dict[int, float], **more: Any) -> Rule:
    return Rule(edit=edit, features=which, **more)


@pytest.mark.parametrize(
    ("told", "rules"),
    [
        ("2*bridge@generated", [features(Clamp(2), BRIDGE, scope=Scope(part="generated"))]),
        (
            "10*412 + -0.5*7@first:8",
            [features(Clamp(10), {412: 1}), features(Clamp(-0.5), {7: 1}, scope=Scope(first=8))],
        ),
        ("add:1*#412", [features(Add(1), {412: 1})]),
        ("scale:0.5*412+cap:2*7", [features(Scale(0.5), {412: 1}), features(Cap(2), {7: 1})]),
        (
            "active:3*412@4:9,text",
            [features(Clamp(3, where_active=True), {412: 1}, scope=Scope(span=(4, 9), skip_special=True))],
        ),
        ("!412", [features(Ablate(), {412: 1})]),
        ("golden-gate", [features(Clamp(2), {412: 1})]),
        (
            "golden-gate@prompt + 1*7",
            [features(Clamp(2), {412: 1}, scope=Scope(part="prompt")), features(Clamp(1), {7: 1})],
        ),
        ({"edits": []}, []),
        ([{"feature": 412, "clamp": 10}], [features(Clamp(10), {412: 1})]),
        (
            {
                "edits": [
                    {
                        "feature": 412,
                        "clamp": {"value": 3.5},
                        "scope": "last:2",
                        "when": {"feature": 7, "above": 0.5},
                    }
                ]
            },
            [features(Clamp(value=3.5), {412: 1}, scope=Scope(last=2), when=When(7, above=0.5))],
        ),
        (
            {"edits": [{"features": {"412": 1, "7": 0.5}, "add": 2, "ramp": 8, "keep_norm": True}]},
            [features(Add(2), BRIDGE, ramp=8, keep_norm=True)],
        ),
        (
            {"edits": ["2*bridge", {"name": "bridge", "ablate": True}]},
            [features(Clamp(2), BRIDGE), features(Ablate(), BRIDGE)],
        ),
    ],
)
def test_what_is_written_is_what_is_done(told: Any, rules: list[Rule]) -> None:
    assert list(parse_plan(told, NAMES)) == rules
    if not isinstance(told, str):
        assert list(parse_plan(json.loads(json.dumps(told)), NAMES)) == rules


def test_vectors_are_added_and_may_be_kept_to_some_blocks() -> None:
    (rule,) = parse_plan("0.2*honest@generated", NAMES)
    assert (rule.edit, rule.vector, rule.scope) == (Add(0.2), HONEST, Scope(part="generated"))
    (rule,) = parse_plan([{"vector": "honest", "cap": 0.1, "blocks": [2]}], NAMES)
    assert rule.edit == Cap(0.1)
    assert rule.vector is not None
    assert rule.vector.blocks == (2,)
    (rule,) = parse_plan("!honest", NAMES)
    assert rule.edit == Ablate()


@pytest.mark.parametrize(
    ("told", "kind", "said"),
    [
        ("2*brigde", UnknownName, "bridge"),
        ("golden-gat", UnknownName, "golden-gate"),
        ("nan*412", WrongUse, "finite"),
        ("inf*412", WrongUse, "finite"),
        ("2**412", WrongUse, "2"),
        ("412", WrongUse, "no strength"),
        ("!2*412", WrongUse, "switches off"),
        ("push:2*412", UnknownName, "push"),
        ("2*412@generatd", UnknownName, "generated"),
        ("", WrongUse, "term"),
        ("1*5 +", WrongUse, "term"),
        (None, WrongUse, "None"),
        (3, WrongUse, "3"),
        ({"edit": []}, UnknownName, "edits"),
        ({"edits": 3}, WrongUse, "3"),
        ([3], WrongUse, "3"),
        ([{"feature": 3}], WrongUse, "nothing to do"),
        ([{"clamp": 3}], WrongUse, "no target"),
        ([{"feature": 3, "clamp": 1, "add": 2}], WrongUse, "clamp and add"),
        ([{"feature": -3, "clamp": 1}], WrongUse, "whole number"),
        ([{"feature": True, "clamp": 1}], WrongUse, "whole number"),
        ([{"feature": 3, "clamp": 1, "stength": 2}], UnknownName, "stength"),
        ([{"feature": 3, "clamp": True}], WrongUse, "takes a number"),
        ([{"feature": 3, "clamp": {"val": 1}}], UnknownName, "value"),
        ([{"feature": 3, "ablate": False}], WrongUse, "ablate takes true"),
        ([{"features": [3], "clamp": 1}], WrongUse, "weights by number"),
        ([{"feature": 3, "clamp": 1, "when": 3}], WrongUse, "condition"),
        ([{"feature": 3, "clamp": 1, "blocks": [1]}], WrongUse, "blocks"),
        ([{"vector": "honest", "add": 1, "blocks": 1}], WrongUse, "a list"),
        ([{"vector": "bridge", "add": 1}], UnknownName, "no vector"),
        ([{"feature": 3, "clamp": 1, "ramp": "x"}], WrongUse, "ramp"),
        ([{"feature": 3, "clamp": 1, "keep_norm": "yes"}], WrongUse, "keep_norm"),
        ([{"feature": 3, "clamp": 1}] * 65, WrongUse, "too many"),
    ],
)
def test_what_cannot_be_read_is_said(told: Any, kind: type[MonoscopeError], said: str) -> None:
    with pytest.raises(kind) as raised:
        parse_plan(told, NAMES)
    assert said in str(raised.value)
    assert raised.value.hint or kind is UnknownName


words = st.sampled_from(
    [
        "edits",
        "feature",
        "features",
        "clamp",
        "add",
        "scope",
        "when",
        "above",
        "412",
        "bridge",
        "honest",
        "value",
        "ramp",
    ]
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), words),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(words, st.text(max_size=4)), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(anything)
def test_nothing_that_json_can_hold_breaks_it(told: Any) -> None:
    try:
        rules = parse_plan(told, NAMES)
    except MonoscopeError:
        return
    assert all(isinstance(rule, Rule) for rule in rules)


@settings(max_examples=300)
@given(st.text(alphabet="0123456789.*@!:+-bridge, honest#", max_size=30))
def test_no_expression_breaks_it(told: str) -> None:
    try:
        rules = parse_plan(told, NAMES)
    except MonoscopeError:
        return
    assert all(isinstance(rule, Rule) for rule in rules)


def test_other_names_are_looked_up() -> None:
    names = Names(find=lambda name: {"bridge": {7: 1.0}}.get(name, {}))
    (rule,) = parse_plan("2*bridge@generated", names)
    assert (rule.edit, rule.features, rule.scope) == (Clamp(2), {7: 1.0}, Scope(part="generated"))
    with pytest.raises(UnknownName, match="'tower' is no feature"):
        parse_plan("2*tower", names)


def test_what_was_calibrated_needs_no_strength() -> None:
    vector = ControlVector(directions={0: torch.ones(3)}, d_model=3, recommended=0.4)
    names = Names(
        features={"bridge": {7: 1.0}, "both": {7: 1.0, 8: 1.0}, "half": {7: 0.5}},
        vectors={"happy": vector, "new": replace(vector, recommended=None)},
        strengths={7: 1.5},
    )
    assert [rule.edit for rule in parse_plan("bridge + #7 + clamp:7 + happy", names)] == [
        *[Clamp(1.5)] * 3,
        Add(0.4),
    ]
    for term in ("add:bridge", "both", "half", "8", "new", "clamp:happy"):
        with pytest.raises(WrongUse, match="has no strength, and none was calibrated"):
            parse_plan(term, names)
