import pytest

from monoscope.commands.features.concept import named
from monoscope.errors import UnknownName, WrongUse


def test_a_concept_is_named_as_people_write() -> None:
    concepts = ["dog", "golden_gate_bridge"]
    for text in ("Golden Gate bridge", "golden_gate_bridge", " GOLDEN gate_bridge "):
        assert named(text, concepts) == "golden_gate_bridge"
    with pytest.raises(UnknownName, match="'golden gate'"):
        named("golden gate", concepts)
    with pytest.raises(WrongUse, match="not tagged with concepts"):
        named("dog", [])
