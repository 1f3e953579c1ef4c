"""Steering as EasySteer's clients write it: ``{"vectors": [{"source": "happy.gguf", "scale": 2, "apply": {...}}]}``.

Understood is what means the same here: vectors that are added (``direct``) or projected out (``erase``), at prompts, at
what is written, or at both. What would mean something else is refused. A source is looked up among the vectors known by
name, with or without folders and ``.gguf``: no path of a request is ever opened.

Reference: EasySteer's ``SteeringSpec``, ``VectorSpec`` and ``ApplySpec`` (Xu et al. 2025, 2509.25175).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from monoscope.errors import UnknownName, WrongUse, nearest
from monoscope.intervene.edits import Ablate, Add, Edit
from monoscope.intervene.reading_plans import integer, number, refuse_others, shown, text
from monoscope.intervene.scope import Part, Scope
from monoscope.intervene.steer import Rule
from monoscope.vectors import ControlVector

Lookup = Callable[[str], ControlVector]
"""Name -> vector; raises :class:`UnknownName`."""

VECTOR_KEYS = ("source", "algorithm", "scale", "layers", "normalize", "apply", "params", "name")
ALGORITHMS = ("direct", "erase")
PARTS: Mapping[tuple[str, ...], Part] = {
    ("prompt",): "prompt",
    ("generation",): "generated",
    ("generation", "prompt"): "all",
}
"""Phases, in the order of the alphabet -> part of a text."""


def parse_specification(told: Mapping[str, Any], vector_of: Lookup) -> tuple[Rule, ...]:
    """The rules of a ``SteeringSpec``.

    Raises:
        WrongUse: it cannot be read, or means what cannot be done here.
        UnknownName: a key, an algorithm or a vector does not exist.
    """
    refuse_others(told, ["vectors", "conflict", "debug"], "a steering with vectors")
    vectors = told["vectors"]
    if not isinstance(vectors, Sequence) or isinstance(vectors, str) or not vectors:
        raise WrongUse(f"vectors are a list, not {shown(vectors)}", "give at least one")
    conflict = text(told.get("conflict", "priority"), "conflict")
    if len(vectors) > 1 and conflict != "sequential":
        raise WrongUse(
            f"several vectors with conflict {conflict!r}: here all of them act",
            'give "conflict": "sequential"',
        )
    rules = tuple(parse_vector(each, vector_of) for each in vectors)
    if len(rules) > 1 and any(isinstance(rule.edit, Ablate) for rule in rules):
        raise WrongUse(
            "erase beside another vector: here every edit reads the activation before all of them",
            "give erase alone",
        )
    return rules


def parse_vector(told: object, vector_of: Lookup) -> Rule:
    """The rule of a ``VectorSpec``.

    Raises:
        WrongUse, UnknownName: as :func:`parse_specification`.
    """
    if not isinstance(told, Mapping):
        raise WrongUse(f"a vector is an object, not {shown(told)}", 'for instance {"source": "happy.gguf"}')
    refuse_others(told, VECTOR_KEYS, "a vector")
    if told.get("params"):
        raise WrongUse("params are for algorithms that are not offered here", "leave them out")
    source = PurePosixPath(text(told.get("source"), "source"))
    vector = vector_of(source.stem if source.suffix == ".gguf" else source.name)
    if (layers := told.get("layers")) is not None:
        if not isinstance(layers, list | tuple):
            raise WrongUse(f"layers are a list, not {shown(layers)}", "for instance [2, 3]")
        vector = vector.at([integer(each, "layers") for each in layers])
    return Rule(edit=edit_of(told), vector=vector, scope=scope_of(told.get("apply")))


def edit_of(told: Mapping[str, Any]) -> Edit:
    """What is done along the vector.

    Raises:
        WrongUse, UnknownName: as :func:`parse_specification`.
    """
    algorithm, scale = told.get("algorithm", "direct"), number(told.get("scale", 1.0), "scale")
    normalize = told.get("normalize", False)
    if not isinstance(normalize, bool):
        raise WrongUse(f"normalize is true or false, not {shown(normalize)}", "leave it out for false")
    if algorithm == "direct":
        return Add(value=scale) if normalize else Add(scale)
    if algorithm != "erase":
        raise UnknownName(
            f"the algorithm {shown(algorithm)} is not offered", nearest(str(algorithm), ALGORITHMS)
        )
    if scale != 1:
        raise WrongUse(f"erase with a scale of {scale:g}", "a direction is projected out whole: leave it out")
    return Ablate()


def scope_of(told: object) -> Scope:
    """The tokens of an ``ApplySpec``; windows are offered where they mean a whole phase, or a prompt's last tokens.

    Raises:
        WrongUse, UnknownName: as :func:`parse_specification`.
    """
    if not isinstance(told, Mapping):
        raise WrongUse("a vector needs apply", 'for instance "apply": {"phases": ["prompt", "generation"]}')
    refuse_others(told, ["phases", "prompt_window", "generation_window"], "apply")
    phases, windows = told.get("phases"), [told.get("prompt_window"), told.get("generation_window")]
    part = PARTS.get(tuple(sorted(map(str, phases)))) if isinstance(phases, list) else None
    if part is None:
        raise WrongUse(f"phases are {shown(phases)}", 'give ["prompt"], ["generation"] or both')
    given = [list(each) if isinstance(each, list | tuple) else each for each in windows if each is not None]
    match given:
        case []:
            return Scope(part=part)
        case [[int(first), None]] if part == "prompt" and windows[0] is not None and first < 0:
            return Scope(last=-first)
        case [[0, None]] if (part, windows[1] is None) in (("prompt", True), ("generated", False)):
            return Scope(part=part)
        case [[0, None], [0, None]] if part == "all":
            return Scope()
    raise WrongUse(
        f"the windows {shown(given)} are not offered in the phases {shown(phases)}",
        "a prompt's last tokens are [-4, null]; or write edits with a scope, for instance first:8",
    )
