"""Steering as people and programs write it down: a short expression, or JSON.

An expression is a sum of terms, ``STRENGTH*NAME@SCOPE``::

    2*bridge@generated                 clamp what is called bridge to twice its largest activation, in what is written
    10*412 + -0.5*7@first:8            features by number
    add:1*412                          add instead; also scale:, cap:, and active: for a clamp where it is active
    !412                               switched off; of a vector: projected out
    0.2*honest                         a control vector, added: a fifth of the mean residual norm
    golden-gate                        a preset
    bridge                             at the strength that was calibrated

As JSON each term is an object, and may say more::

    {"edits": [{"feature": 412, "clamp": 10, "scope": "generated", "when": {"feature": 7, "above": 0.5}},
               {"features": {"412": 1, "7": 0.5}, "add": {"value": 3.5}, "ramp": 8, "keep_norm": true},
               {"vector": "honest", "add": 0.2, "blocks": [2, 3]}]}
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from monoscope.errors import UnknownName, WrongUse, nearest
from monoscope.intervene.easysteer import parse_specification
from monoscope.intervene.edits import Ablate, Add, Cap, Clamp, Edit, Scale
from monoscope.intervene.reading_plans import EXAMPLE, integer, number, refuse_others, shown, text
from monoscope.intervene.scope import Scope, When
from monoscope.intervene.steer import Rule
from monoscope.vectors import ControlVector

TERM = re.compile(
    r"(?P<off>!)?(?:(?P<verb>[a-z]+):)?(?:(?P<strength>[^*@]+)\*)?(?P<name>[^*@!]+?)(?:@(?P<scope>\S+))?"
)
MOST = 64
"""Terms that a plan may have."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """What can be called by name."""

    features: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    """Name -> features and their weights."""
    vectors: Mapping[str, ControlVector] = field(default_factory=dict)
    """Name -> control vector."""
    presets: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    """Name -> what it does, strength included."""
    find: Callable[[str], Mapping[int, float]] | None = None
    """Where a name is looked up that is none of these: features and their weights, none where there are none."""
    strengths: Mapping[int, float] = field(default_factory=dict)
    """Feature -> multiple that a clamp has where no strength is given."""

    def target(self, name: str) -> dict[str, Any]:
        """What a rule is about: features or a vector.

        Raises:
            UnknownName: nothing is called that.
        """
        if re.fullmatch(r"#?\d+", name, re.ASCII):
            return {"features": {int(name.removeprefix("#")): 1.0}}
        if name in self.features:
            return {"features": dict(self.features[name])}
        if name in self.vectors:
            return {"vector": self.vectors[name]}
        if self.find is not None and (found := self.find(name)):
            return {"features": dict(found)}
        known = [*self.features, *self.vectors, *self.presets]
        hint = nearest(name, known) if known else "name a feature by its number, for instance 2*412"
        raise UnknownName(f"{name!r} is no feature, vector or preset here", hint)

    def vector(self, name: str) -> ControlVector:
        """The vector of that name.

        Raises:
            UnknownName: there is none.
        """
        if name not in self.vectors:
            hint = nearest(name, self.vectors) if self.vectors else "none is known by name"
            raise UnknownName(f"{name!r} is no vector here", hint)
        return self.vectors[name]

    def usual_strength(self, target: Mapping[str, Any]) -> float | None:
        """The strength of a feature's clamp, or of a vector, that was found to work."""
        if "vector" in target:
            return target["vector"].recommended
        alone = [self.strengths.get(each) for each, weight in target["features"].items() if weight == 1]
        return alone[0] if len(target["features"]) == len(alone) == 1 else None


def parse_plan(told: object, names: Names | None = None) -> tuple[Rule, ...]:
    """The rules of an expression, or of what JSON held.

    Args:
        told: a text, an object with ``edits``, a list of edits, or EasySteer's object with ``vectors``.
        names: what can be called by name.

    Raises:
        WrongUse: it cannot be read, or asks for what cannot be.
        UnknownName: a name, a verb, a scope or a key does not exist.
    """
    names = names or Names()
    if isinstance(told, str):
        return parse_expression(told, names)
    if isinstance(told, Mapping):
        if "vectors" in told:
            return parse_specification(told, names.vector)
        refuse_others(told, ["edits"], "steering")
        told = told.get("edits", ())
    if not isinstance(told, Sequence) or isinstance(told, str | bytes):
        raise WrongUse(f"steering is a text or an object with edits, not {shown(told)}", EXAMPLE)
    check_count(len(told))
    return tuple(rule for entry in told for rule in parse_edit(entry, names))


def parse_expression(told: str, names: Names) -> tuple[Rule, ...]:
    """The rules of an expression.

    Raises:
        WrongUse, UnknownName: as :func:`parse_plan`.
    """
    if told.strip() in names.presets:
        return names.presets[told.strip()]
    terms = [term.strip() for term in told.split("+")]
    check_count(len(terms))
    return tuple(rule for term in terms for rule in parse_term(term, names))


def parse_term(term: str, names: Names) -> tuple[Rule, ...]:
    """The rules of one term of an expression.

    Raises:
        WrongUse, UnknownName: as :func:`parse_plan`.
    """
    found = TERM.fullmatch(term)
    if not found:
        raise WrongUse(f"{shown(term)} is no term of a steering expression", EXAMPLE)
    name, verb, strength = found["name"].strip(), found["verb"], found["strength"]
    scope = Scope.parse(found["scope"]) if found["scope"] else Scope()
    if name in names.presets and not (found["off"] or verb or strength):
        return tuple(
            replace(rule, scope=scope if found["scope"] else rule.scope) for rule in names.presets[name]
        )
    target = names.target(name)
    if found["off"]:
        if verb or strength:
            raise WrongUse(f"{shown(term)} switches off and asks for a strength", "give ! or a strength")
        return (Rule(edit=Ablate(), scope=scope, **target),)
    usual = "add" if "vector" in target else "clamp"
    told = names.usual_strength(target) if strength is None and verb in (None, usual) else strength
    if told is None:
        raise WrongUse(f"{shown(term)} has no strength, and none was calibrated", EXAMPLE)
    return (Rule(edit=edit_of(verb or usual, number(told, term)), scope=scope, **target),)


VERBS = {
    "clamp": Clamp,
    "active": lambda *one, **other: Clamp(*one, **other, where_active=True),
    "add": Add,
    "cap": Cap,
}
"""Verb -> edit with a strength in units, or a value."""


def edit_of(verb: str, strength: object) -> Edit:
    """The edit of a verb and its strength: a number of units, or ``{"value": number}``.

    Raises:
        UnknownName: there is no such verb.
        WrongUse: the strength is none.
    """
    if verb == "scale":
        return Scale(number(strength, verb))
    if verb == "ablate":
        if strength is not True:
            raise WrongUse(
                f"ablate takes true, not {shown(strength)}", "leave it out to leave the feature alone"
            )
        return Ablate()
    if verb not in VERBS:
        raise UnknownName(f"{verb!r} is nothing that can be done", nearest(verb, [*VERBS, "scale", "ablate"]))
    if isinstance(strength, Mapping):
        refuse_others(strength, ["value"], verb)
        return VERBS[verb](value=number(strength.get("value"), verb))
    return VERBS[verb](number(strength, verb))


def parse_edit(entry: object, names: Names) -> tuple[Rule, ...]:
    """The rules of one object.

    Raises:
        WrongUse, UnknownName: as :func:`parse_plan`.
    """
    if isinstance(entry, str):
        return parse_term(entry, names)
    if not isinstance(entry, Mapping):
        raise WrongUse(f"an edit is an object or a text, not {shown(entry)}", EXAMPLE)
    verbs = [*VERBS, "scale", "ablate"]
    targets = ["feature", "features", "vector", "name"]
    refuse_others(entry, [*targets, *verbs, "scope", "when", "ramp", "keep_norm", "blocks"], "an edit")
    said = [verb for verb in verbs if verb in entry]
    about = [key for key in targets if key in entry]
    if len(said) != 1 or len(about) != 1:
        raise WrongUse(
            f"an edit has {' and '.join(about) or 'no target'}, and {' and '.join(said) or 'nothing to do'}",
            f"give one of {', '.join(targets)} and one of {', '.join(verbs)}",
        )
    target = target_of(about[0], entry[about[0]], names)
    if "blocks" in entry:
        if "vector" not in target:
            raise WrongUse("blocks were given for features", "features act at the site of their dictionary")
        if not isinstance(entry["blocks"], list | tuple):
            raise WrongUse(f"blocks are a list, not {shown(entry['blocks'])}", "for instance [2, 3]")
        target["vector"] = target["vector"].at([integer(block, "blocks") for block in entry["blocks"]])
    edit = edit_of(said[0], entry[said[0]])
    keep_norm = entry.get("keep_norm", False)
    if not isinstance(keep_norm, bool):
        raise WrongUse(f"keep_norm is true or false, not {shown(keep_norm)}", "leave it out for false")
    return (
        Rule(
            edit=edit,
            scope=Scope.parse(text(entry.get("scope", "all"), "scope")),
            when=condition_of(entry.get("when")),
            ramp=integer(entry.get("ramp", 0), "ramp"),
            keep_norm=keep_norm,
            **target,
        ),
    )


def target_of(key: str, told: object, names: Names) -> dict[str, Any]:
    """What an object's rule is about.

    Raises:
        WrongUse, UnknownName: as :func:`parse_plan`.
    """
    if key == "features":
        if not isinstance(told, Mapping):
            raise WrongUse(f"features are weights by number, not {shown(told)}", 'for instance {"412": 1}')
        return {"features": {integer(each, key): number(weight, key) for each, weight in told.items()}}
    if key == "feature" and not isinstance(told, str):
        return {"features": {integer(told, key): 1.0}}
    name = text(told, key)
    return {"vector": names.vector(name)} if key == "vector" else names.target(name)


def condition_of(told: object) -> When | None:
    """A condition, where there is one.

    Raises:
        WrongUse, UnknownName: as :func:`parse_plan`.
    """
    if told is None:
        return None
    if not isinstance(told, Mapping):
        raise WrongUse(
            f"a condition is an object, not {shown(told)}", 'for instance {"feature": 7, "above": 0.5}'
        )
    refuse_others(told, ["feature", "above", "otherwise"], "a condition")
    otherwise = told.get("otherwise", False)
    if not isinstance(otherwise, bool):
        raise WrongUse(f"otherwise is true or false, not {shown(otherwise)}", "leave it out for false")
    feature = integer(told.get("feature"), "feature")
    return When(feature, above=number(told.get("above", 0.0), "above"), otherwise=otherwise)


def check_count(count: int) -> None:
    """Refuse plans that are too long.

    Raises:
        WrongUse: this one is.
    """
    if count > MOST:
        raise WrongUse(
            f"{count} edits are too many", f"give at most {MOST}; features of one edit count as one"
        )
