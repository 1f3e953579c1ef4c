import pytest
import torch

from monoscope.errors import UnknownName, WrongUse
from monoscope.intervene import Ablate, Add, Rule, Scope
from monoscope.intervene.plan import Names, parse_plan
from monoscope.vectors import ControlVector

BOTH = {"phases": ["prompt", "generation"]}
VECTOR = ControlVector(
    directions={1: torch.tensor([3.0, 4.0]), 2: torch.ones(2)}, norms={1: 2.0, 2: 1.0}, d_model=2
)
NAMES = Names(vectors={"happy": VECTOR, "calm": VECTOR * 2})


def rules(*vectors: dict, **more: object) -> tuple[Rule, ...]:
    return parse_plan({"vectors": [{"apply": BOTH} | each for each in vectors], **more}, NAMES)


def test_a_specification_says_what_our_own_json_says() -> None:
    (rule,) = rules({"source": "vectors/happy.gguf", "scale": 2.0, "layers": [2]})
    ours = parse_plan({"edits": [{"vector": "happy", "add": 2.0, "blocks": [2]}]}, NAMES)
    assert (rule.edit, rule.scope) == (ours[0].edit, ours[0].scope) == (Add(2.0), Scope())
    assert rule.vector == ours[0].vector == VECTOR.at([2])


def test_normalized_vectors_count_in_activations() -> None:
    assert rules({"source": "happy", "scale": 3, "normalize": True})[0].edit == Add(value=3.0)


def test_erase_projects_out() -> None:
    assert rules({"source": "happy", "algorithm": "erase"})[0].edit == Ablate()


@pytest.mark.parametrize(
    ("apply", "scope"),
    [
        ({"phases": ["prompt"]}, Scope(part="prompt")),
        ({"phases": ["generation"]}, Scope(part="generated")),
        ({"phases": ["generation", "prompt"]}, Scope()),
        ({"phases": ["prompt"], "prompt_window": [-4, None]}, Scope(last=4)),
        ({"phases": ["prompt"], "prompt_window": [0, None]}, Scope(part="prompt")),
        ({"phases": ["generation"], "generation_window": [0, None]}, Scope(part="generated")),
    ],
)
def test_phases_are_scopes(apply: dict, scope: Scope) -> None:
    assert rules({"source": "happy", "apply": apply})[0].scope == scope


def test_several_act_together_where_that_was_asked_for() -> None:
    found = rules({"source": "happy"}, {"source": "calm", "scale": -1}, conflict="sequential")
    assert [rule.edit for rule in found] == [Add(1.0), Add(-1.0)]
    with pytest.raises(WrongUse, match="priority"):
        rules({"source": "happy"}, {"source": "calm"})
    with pytest.raises(WrongUse, match="erase beside another"):
        rules({"source": "happy"}, {"source": "calm", "algorithm": "erase"}, conflict="sequential")


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ({"source": "hapy"}, "'hapy' is no vector"),
        ({"source": "/etc/passwd"}, "'passwd' is no vector"),
        ({"source": "happy", "algorithm": "loreft"}, "'loreft' is not offered"),
        ({"source": "happy", "data": [1]}, "has no 'data'"),
        ({"source": "happy", "params": {"x": 1}}, "params"),
        ({"source": "happy", "layers": 3}, "layers are a list"),
        ({"source": "happy", "normalize": 1}, "normalize"),
        ({"source": "happy", "algorithm": "erase", "scale": 2}, "erase with a scale"),
        ({"source": "happy", "scale": "nan"}, "nan is no strength"),
        ({"source": "happy", "apply": None}, "needs apply"),
        ({"source": "happy", "apply": {"phases": []}}, "phases are"),
        ({"source": "happy", "apply": {"phases": ["prompt"], "prompt_window": [0, 3]}}, "not offered"),
        ({"source": "happy", "apply": {"phases": ["generation"], "prompt_window": [0, None]}}, "not offered"),
        ({"source": "happy", "apply": {"phases": ["prompt"], "prompt_tokens": [3]}}, "prompt_tokens"),
        ({}, "source takes a text"),
    ],
)
def test_what_means_something_else_is_refused(vector: dict, said: str) -> None:
    with pytest.raises((WrongUse, UnknownName), match=said):
        rules(vector)


@pytest.mark.parametrize("vectors", [[], "happy", 3, ["happy"]])
def test_vectors_are_a_list_of_objects(vectors: object) -> None:
    with pytest.raises(WrongUse):
        parse_plan({"vectors": vectors}, NAMES)
