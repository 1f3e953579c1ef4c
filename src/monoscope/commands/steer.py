"""``monoscope steer``: the same prompt, with features changed and without."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.errors import WrongUse
from monoscope.intervene import Ablate, Add, Clamp, Edit, Scale, steer
from monoscope.manifest import is_complete

Strengths = Annotated[
    tuple[float, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NUMBER", help_behavior_hint="")
]
"""Given once for all features, or once for each, in their order."""


@dataclass(frozen=True, kw_only=True)
class SteerOptions:
    """Write on from a prompt twice, with the same dice: as the model is, and with features changed.

    Name one or several features, and exactly one kind of change. Its strength is given once for all features, or once
    for each: ``--feature 412 --feature 7 --clamp 10 --clamp 5``.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    feature: Annotated[tuple[int, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FEATURE")]
    """Number of a feature; may be repeated."""
    prompt: Annotated[str, tyro.conf.arg(metavar="TEXT")]
    """What to write on from."""
    clamp: Strengths = ()
    """Pin it to so many times its largest activation."""
    add: Strengths = ()
    """Add so many times its largest activation."""
    scale: Strengths = ()
    """Multiply it where it is active."""
    ablate: bool = False
    """Switch it off."""
    tokens: int = 60
    """The longest continuation, in tokens."""
    temperature: float = 0.8
    """0 takes the likeliest token every time."""
    seed: int = 0
    """Seed of the dice."""


def steer_run(options: SteerOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Write with and without the edits.

    Returns:
        ``prompt``, ``default``, ``steered`` (continuations), ``edits``, ``seed``.
    """
    edits = edits_of(options)
    opened = OpenRun.at(options.run, reporter or Reporter())
    dictionary, lm = opened.model_dictionary, opened.lm
    drawn: dict[str, Any] = {
        "n_tokens": options.tokens, "temperature": options.temperature, "seed": options.seed
    }  # fmt: skip
    with steer(lm, dictionary, edits):
        steered = lm.generate(options.prompt, **drawn)
    index = opened.features() if is_complete(opened.folder.features) else None
    return {
        "prompt": options.prompt,
        "default": lm.generate(options.prompt, **drawn),
        "steered": steered,
        "edits": [
            {
                "feature": feature,
                "edit": type(edit).__name__.lower(),
                "strength": getattr(edit, "factor", getattr(edit, "multiple", None)),
                "max_activation": float(dictionary.max_activation[feature]),
                **({"description": index.description(feature)} if index else {}),
            }
            for feature, edit in edits.items()
        ],
        "seed": options.seed,
        "temperature": options.temperature,
    }


def edits_of(options: SteerOptions) -> dict[int, Edit]:
    """Feature -> edit.

    Raises:
        WrongUse: no feature, not exactly one kind of change, or strengths that do not match the features.
    """
    kinds = {"--clamp": options.clamp, "--add": options.add, "--scale": options.scale}
    given = [name for name, strengths in kinds.items() if strengths] + (
        ["--ablate"] if options.ablate else []
    )
    if not options.feature:
        raise WrongUse("no feature was named to steer", "give --feature NUMBER")
    if len(given) != 1:
        what = " and ".join(given) if given else "no change"
        raise WrongUse(f"{what} was asked for", "give one of --clamp 10, --add 5, --scale 2 or --ablate")
    if len(set(options.feature)) < len(options.feature):
        raise WrongUse(f"a feature is named twice in {list(options.feature)}", "name each once")
    (name,) = given
    if name == "--ablate":
        return {feature: Ablate() for feature in options.feature}
    strengths = kinds[name]
    if len(strengths) not in (1, len(options.feature)):
        raise WrongUse(
            f"{len(strengths)} strengths were given for {len(options.feature)} features",
            f"give {name} once for all features, or once for each",
        )
    each = strengths * len(options.feature) if len(strengths) == 1 else strengths
    made = {"--clamp": Clamp, "--add": Add, "--scale": Scale}[name]
    return {feature: made(strength) for feature, strength in zip(options.feature, each, strict=True)}


def steer_run_text(result: dict[str, Any]) -> str:
    """The two texts for people, one under the other."""
    edits = ", ".join(
        f"{each['edit']} feature {each['feature']}"
        + (f" x {each['strength']:g}" if each["strength"] is not None else "")
        for each in result["edits"]
    )
    described = [
        f"{each['feature']}: {each['description']}" for each in result["edits"] if "description" in each
    ]
    return "\n".join(
        [
            *described,
            "",
            "default:",
            result["prompt"] + result["default"],
            "",
            f"steered ({edits}):",
            result["prompt"] + result["steered"],
        ]
    )
