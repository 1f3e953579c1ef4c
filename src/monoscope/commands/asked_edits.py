"""From options to what is edited, and from what is edited to its record."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from monoscope.commands.names import names_of
from monoscope.commands.open_run import OpenRun
from monoscope.commands.run_folder import read_text
from monoscope.commands.vector.place import find_vector
from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.features import FeatureIndex
from monoscope.intervene import Ablate, Add, Cap, Clamp, Edit, Rule, Scale, Scope, Steerable
from monoscope.intervene.plan import parse_plan
from monoscope.intervene.steerable import features_name
from monoscope.vectors import ControlVector

if TYPE_CHECKING:
    from monoscope.commands.steer import SteerOptions

Strengths = Annotated[
    tuple[float, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NUMBER", help_behavior_hint="")
]
"""Given once for all features, or once for each, in their order."""

MADE = {"--clamp": Clamp, "--add": Add, "--scale": Scale, "--cap": Cap}
"""Option -> edit with a strength."""


def rules_asked(options: "SteerOptions", opened: OpenRun) -> tuple[Rule, ...]:
    """What is edited, and how.

    Raises:
        WrongUse: not exactly one way of saying it, not exactly one kind of change, or what :func:`parse_plan` refuses.
        UnknownName, MissingInput: something that is named does not exist.
    """
    if options.steering:
        if kinds_of(options) or options.scope != "all":
            raise WrongUse(
                "--steering says all that is done, and another change was given", "put it into the steering"
            )
        return parse_plan(steering_told(options.steering), names_of(opened))
    scope = Scope.parse(options.scope)
    if options.vector:
        vector = find_vector(options.vector, opened.folder.path).vector
        return (Rule(edit=edit_of_vector(options, vector), vector=vector, scope=scope),)
    return tuple(
        Rule(edit=edit, features={feature: 1.0}, scope=scope) for feature, edit in edits_of(options).items()
    )


def subject_asked(options: "SteerOptions", opened: OpenRun) -> Steerable:
    """What is to be calibrated: the features together, or the vector.

    Raises:
        WrongUse: strengths were given, or there is nothing that can be calibrated.
        UnknownName, MissingInput: something that is named does not exist.
    """
    if kinds_of(options) or options.steering:
        raise WrongUse(
            "--calibrate looks for the strength itself: features are clamped, a vector is added",
            "give --feature or --vector alone, and --strengths for those to try",
        )
    scope = Scope.parse(options.scope)
    if options.vector:
        found = find_vector(options.vector, opened.folder.path)
        return Steerable(name=found.name, rule=Rule(edit=Add(1), vector=found.vector, scope=scope))
    check_features_once(options)
    rule = Rule(edit=Clamp(1), features=dict.fromkeys(options.feature, 1.0), scope=scope)
    return Steerable(name=features_name(options.feature), rule=rule, dictionary=opened.model_dictionary)


def check_one_way(options: "SteerOptions") -> None:
    """Refuse several ways of saying what is edited.

    Raises:
        WrongUse: none or several were used.
    """
    ways = {"--feature": options.feature, "--vector": options.vector, "--steering": options.steering}
    given = [name for name, told in ways.items() if told]
    if not given:
        raise WrongUse("no feature was named to steer", "give --feature NUMBER, --vector NAME or --steering")
    if len(given) > 1:
        raise WrongUse(f"{' and '.join(given)} were given", "give one of them; --steering can say both")


def steering_told(told: str) -> Any:
    """An expression as it is, JSON as what it holds; ``@FILE`` as what is in the file.

    Raises:
        MissingInput, BrokenInput: the file is not there, or is no text.
        WrongUse: what begins like JSON is none.
    """
    if told.startswith("@"):
        told = read_text(Path(told[1:]))
    told = told.strip()
    if not told.startswith(("{", "[")):
        return told
    try:
        return json.loads(told)
    except ValueError as error:
        raise WrongUse(f"the steering is no JSON: {error}", 'for instance {"edits": ["2*412"]}') from error


def kinds_of(options: "SteerOptions") -> list[str]:
    """The kinds of change that were asked for."""
    strengths = [name for name in MADE if getattr(options, name[2:])]
    return strengths + (["--ablate"] if options.ablate else [])


def kind_of(options: "SteerOptions") -> str:
    """The one kind of change.

    Raises:
        WrongUse: there is none, or there are several.
    """
    given = kinds_of(options)
    if len(given) != 1:
        what = " and ".join(given) if given else "no change"
        raise WrongUse(
            f"{what} was asked for", "give one of --clamp 10, --add 5, --scale 2, --cap 1 or --ablate"
        )
    return given[0]


def edit_of_vector(options: "SteerOptions", vector: ControlVector) -> Edit:
    """The change along a vector; where none was asked for, it is added as strongly as was recommended.

    Raises:
        WrongUse: not exactly one kind of change, or several strengths.
    """
    if vector.recommended is not None and not kinds_of(options):
        return Add(vector.recommended)
    kind = kind_of(options)
    if kind == "--ablate":
        return Ablate()
    strengths = getattr(options, kind[2:])
    if len(strengths) > 1:
        raise WrongUse(f"{len(strengths)} strengths were given for one vector", f"give {kind} once")
    return MADE[kind](strengths[0])


def edits_of(options: "SteerOptions") -> dict[int, Edit]:
    """Feature -> edit.

    Raises:
        WrongUse: a feature is named twice, not exactly one kind of change, or strengths that do not match the features.
    """
    kind = kind_of(options)
    check_features_once(options)
    if kind == "--ablate":
        return {feature: Ablate() for feature in options.feature}
    strengths = getattr(options, kind[2:])
    if len(strengths) not in (1, len(options.feature)):
        raise WrongUse(
            f"{len(strengths)} strengths were given for {len(options.feature)} features",
            f"give {kind} once for all features, or once for each",
        )
    each = strengths * len(options.feature) if len(strengths) == 1 else strengths
    return {feature: MADE[kind](strength) for feature, strength in zip(options.feature, each, strict=True)}


def check_features_once(options: "SteerOptions") -> None:
    """Refuse a feature that is named twice.

    Raises:
        WrongUse: one is.
    """
    if len(set(options.feature)) < len(options.feature):
        raise WrongUse(f"a feature is named twice in {list(options.feature)}", "name each once")


def edit_record(
    rule: Rule, dictionary: SparseAutoencoder, index: FeatureIndex | None
) -> Iterator[dict[str, Any]]:
    """What a rule does, one record for each feature; parts that say nothing are left out."""
    edit = rule.edit
    more: dict[str, Any] = {"value": getattr(edit, "value", None)}
    more |= {"where_active": True} if isinstance(edit, Clamp) and edit.where_active else {}
    more |= {"scope": str(rule.scope)} if rule.scope != Scope() else {}
    more |= {"when": vars(rule.when)} if rule.when else {}
    more |= {"ramp": rule.ramp} if rule.ramp else {}
    more |= {"keep_norm": True} if rule.keep_norm else {}
    if more["value"] is None:
        del more["value"]
    done = {
        "edit": type(edit).__name__.lower(),
        "strength": getattr(edit, "factor", getattr(edit, "multiple", None)),
    }
    if rule.vector is not None:
        about = {"vector": rule.vector.hash, "blocks": list(rule.vector.blocks), "unit": rule.vector.unit}
        yield about | done | more
    for feature, weight in rule.features.items():
        yield {
            "feature": feature,
            **done,
            "max_activation": float(dictionary.max_activation[feature]),
            **({"weight": weight} if weight != 1 else {}),
            **({"description": index.description(feature)} if index else {}),
            **more,
        }
