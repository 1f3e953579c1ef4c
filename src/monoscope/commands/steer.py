"""``monoscope steer``: the same prompt, with features changed and without; or how strongly to change them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from monoscope.commands.asked_edits import Strengths, check_one_way, edit_record, rules_asked, subject_asked
from monoscope.commands.calibrate import calibrate_run
from monoscope.commands.calibration_text import calibrate_run_text
from monoscope.commands.judging import judge_asked, prompts_of
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.sides import Sides
from monoscope.commands.vector.place import find_vector
from monoscope.errors import WrongUse
from monoscope.intervene import CalibrationOptions, side_by_side
from monoscope.manifest import is_complete
from monoscope.models.chat import chat_prompt

Words = Annotated[
    tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")
]


def _shown(metavar: str) -> Any:
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


@dataclass(frozen=True, kw_only=True)
class SteerOptions:
    """Write on from a prompt twice, with the same dice: as the model is, and steered.

    Name one or several features, or a vector, and one kind of change. Its strength is given once for all features, or
    once for each: --feature 412 --feature 7 --clamp 10 --clamp 5. Or say all of it in --steering.

    With --calibrate strengths are tried on ordinary prompts, beside what chance does, and one is recommended.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    feature: Annotated[tuple[int, ...], tyro.conf.UseAppendAction, _shown("FEATURE")] = ()
    """Number of a feature; may be repeated."""
    vector: Annotated[str, _shown("VECTOR")] = ""
    """Instead of features: a vector of the run by its name, or a folder, .npz or .gguf."""
    steering: Annotated[str, _shown("STEERING")] = ""
    """Instead of both: an expression like 2*bridge@generated, JSON with edits, or @FILE with either."""
    prompt: Annotated[str, _shown("TEXT")] = ""
    """What to write on from."""
    clamp: Strengths = ()
    """Pin it to so many times its largest activation."""
    add: Strengths = ()
    """Add so many times its largest activation; of a vector, mean residual norms."""
    scale: Strengths = ()
    """Multiply it where it is active."""
    cap: Strengths = ()
    """Let it be no larger than so many times its largest activation."""
    ablate: bool = False
    """Switch it off."""
    scope: Annotated[str, tyro.conf.arg(metavar="SCOPE")] = "all"
    """At which tokens: all, prompt, generated, first:8, last:2, 4:10; with ,text not at special ones."""
    chat: bool = False
    """The prompt is what a user says, and the model answers."""
    system: Annotated[str, _shown("TEXT")] = ""
    """What the model is told before, with --chat."""
    stop: Words = ()
    """End before this text; may be repeated."""
    watch: Annotated[tuple[int, ...], tyro.conf.UseAppendAction, _shown("FEATURE")] = ()
    """Tell what a feature is at every token, steered and not; may be repeated."""
    tokens: int = 60
    """The longest continuation, in tokens."""
    temperature: float = 0.8
    """0 takes the likeliest token every time."""
    top_p: float = 1.0
    """Draw among the likeliest tokens that together hold this share."""
    seed: int = 0
    """Seed of the dice."""
    calibrate: bool = False
    """Look for the strength to use, and keep it with the run."""
    strengths: Annotated[tuple[float, ...], _shown("NUMBER ...")] = ()
    """Strengths that --calibrate tries; none: usual ones."""
    words: Words = ()
    """Words of the topic that --calibrate counts; the features' own unless given. May be repeated."""
    target: Words = ()
    """Instead of words: a token that is to become likelier; may be repeated."""
    judge: Annotated[str, _shown("PROGRAM")] = ""
    """Instead of words: a program that reads JSON lines with prompt and text, and writes a number for each."""
    prompts: Annotated[Path | None, _shown("FILE")] = None
    """What --calibrate writes from, one on each line; ordinary story beginnings unless given."""
    controls: int = 3
    """Random features, and random directions, that --calibrate turns up as far: so many of each."""


def steer_run(options: SteerOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Write with and without the edits, or calibrate them.

    Returns:
        ``prompt``, ``default``, ``steered`` (continuations), ``edits``, ``seed``, ``temperature``, ``finish``, and
        ``watched`` where features are; or what :func:`monoscope.commands.calibrate.calibrate_run` does.

    Raises:
        WrongUse: options contradict each other, or there is nothing to do.
        MissingInput: there is no such vector.
    """
    reporter = reporter or Reporter()
    check_one_way(options)
    if options.calibrate:
        return calibrated(options, reporter)
    if not options.prompt:
        raise WrongUse("there is no prompt to write on from", "give --prompt TEXT, or --calibrate")
    if options.system and not options.chat:
        raise WrongUse("--system was given without --chat", "give --chat as well")
    opened = OpenRun.at(options.run, reporter)
    rules = rules_asked(options, opened)
    dictionary, lm = opened.model_dictionary, opened.lm
    prompt = conversation(options, opened) if options.chat else lm.tokenize(options.prompt).tolist()
    steps = side_by_side(
        lm,
        dictionary,
        prompt,
        {"default": (), "steered": rules},
        n_tokens=options.tokens,
        temperature=options.temperature,
        top_p=options.top_p,
        seed=options.seed,
        stop=options.stop,
        watch=options.watch,
    )
    sides = Sides(options.prompt, prompt, ["default", "steered"], lm)
    with reporter.live() as show:
        for told in steps:
            sides.add(told)
            show(sides.panels)
    index = opened.features() if is_complete(opened.folder.features) else None
    return {
        "prompt": options.prompt,
        **sides.texts,
        "edits": [each for rule in rules for each in edit_record(rule, dictionary, index)],
        "seed": options.seed,
        "temperature": options.temperature,
        "finish": sides.finish,
        **({"watched": sides.watched(options.watch)} if options.watch else {}),
    }


def conversation(options: SteerOptions, opened: OpenRun) -> list[int]:
    """The prompt as what a user says."""
    told = [{"role": "system", "content": options.system}] if options.system else []
    return chat_prompt(opened.lm, [*told, {"role": "user", "content": options.prompt}])


def calibrated(options: SteerOptions, reporter: Reporter) -> dict[str, Any]:
    """The strength to use.

    Raises:
        WrongUse, MissingInput: as :func:`steer_run`.
    """
    if options.prompt or options.chat or options.watch or options.stop:
        raise WrongUse("--calibrate writes from prompts of its own", "give them as --prompts FILE")
    opened = OpenRun.at(options.run, reporter)
    subject = subject_asked(options, opened)
    judge = judge_asked(opened.lm, options.words, options.target, options.judge)
    found = CalibrationOptions(
        strengths=options.strengths,
        n_tokens=options.tokens,
        temperature=options.temperature,
        controls=options.controls,
        seed=options.seed,
    )
    place = find_vector(options.vector, opened.folder.path).path if options.vector else None
    with reporter.stage("calibration", "settings") as advance:
        return calibrate_run(
            opened,
            subject,
            judge,
            found,
            advance,
            prompts=prompts_of(options.prompts) if options.prompts else None,
            vector_folder=place if place is not None and place.is_dir() else None,
        )


def steer_run_text(result: dict[str, Any]) -> str:
    """The two texts for people, one under the other; or the strengths that were tried."""
    if "settings" in result:
        return calibrate_run_text(result)
    described = [
        f"{each['feature']}: {each['description']}" for each in result["edits"] if "description" in each
    ]
    watched = [
        f"feature {each['feature']}, mean over tokens read: default {mean(each['default']):.3g}, "
        f"steered {mean(each['steered']):.3g}"
        for each in result.get("watched", {}).get("features", ())
    ]
    return "\n".join(
        [
            *described,
            "",
            "default:",
            result["prompt"] + result["default"],
            "",
            f"steered ({', '.join(map(edit_text, result['edits']))}):",
            result["prompt"] + result["steered"],
            *(["", *watched] if watched else []),
        ]
    )


def edit_text(record: dict[str, Any]) -> str:
    """An edit in a few words."""
    about = f"feature {record['feature']}" if "feature" in record else f"the vector {record['vector']}"
    strength = f" x {record['strength']:g}" if record["strength"] is not None else ""
    value = f" to {record['value']:g}" if record.get("value") is not None else ""
    scope = f" at {record['scope']}" if "scope" in record else ""
    return f"{record['edit']} {about}{strength}{value}{scope}"


def mean(numbers: list[float]) -> float:
    """Their mean; 0 of none."""
    return sum(numbers) / max(1, len(numbers))
