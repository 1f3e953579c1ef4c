"""The strength to steer with: looked for once, kept with the run, and told."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from monoscope.commands.judging import fitting_prompts, own_judge, said_of
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Advance
from monoscope.commands.run_folder import FIGURE, RunFolder, read_record, write_text
from monoscope.errors import WrongUse
from monoscope.explore.figures.calibration import calibration_svg
from monoscope.features import FeatureIndex
from monoscope.intervene.calibration import (
    Calibration,
    CalibrationOptions,
    calibrate,
    formulas,
    usual_strengths,
)
from monoscope.intervene.judges import Judge, TopicJudge
from monoscope.intervene.prompts import story_beginnings
from monoscope.intervene.side_effects import SIDE_EFFECT_FORMULAS, SideEffects, side_effects
from monoscope.intervene.steerable import Steerable
from monoscope.intervene.trial import Trial
from monoscope.manifest import Manifest, is_complete, read_manifest, staged, write_manifest
from monoscope.vectors import load
from monoscope.vectors.record import to_record

RECORD = "calibration.json"
"""File of a calibration."""
SHOWN_PAIRS = 6
"""Prompts whose texts are kept side by side: the first ones, whatever they turned out like."""


def calibrate_run(
    opened: OpenRun,
    subject: Steerable,
    judge: Judge | None,
    options: CalibrationOptions,
    advance: Advance,
    *,
    prompts: Sequence[str] | None = None,
    vector_folder: Path | None = None,
) -> dict[str, Any]:
    """Look for the strength of a feature, several, or a vector, and keep what was found with the run.

    Args:
        opened: the run.
        subject: what is steered.
        judge: says how much of the effect there is; None: whether the text mentions the features' own words.
        options: which strengths.
        advance: told of the settings done.
        prompts: what is written from; ordinary story beginnings unless given. Those too long are left out.
        vector_folder: where the vector lies that is to be told its recommended strength.

    Returns:
        ``run``, ``subject``, ``effect``, ``unit``, ``settings``, ``reference``, ``controls``, ``recommended``, ``why``,
        ``side_effects``, ``pairs`` (texts side by side), ``formulas``, ``options``, ``seed``, ``figure`` (a path).

    Raises:
        WrongUse: there are no words to judge by, no prompt fits, or the name is no name of a folder.
        MismatchedArtefact, UnknownSite, UnknownName, BrokenInput: as ``monoscope.intervene.calibration.calibrate``.
    """
    place = opened.folder.steering / checked_name(subject)
    if vector_folder is not None:
        check_same_vector(subject, vector_folder)
    lm, dictionary = opened.lm, opened.model_dictionary
    index = opened.features() if is_complete(opened.folder.features) else None
    judge, told = (judge, said_of(judge)) if judge is not None else own_judge(opened, subject, index)
    asked = tuple(story_beginnings() if prompts is None else prompts)
    options = replace(
        options,
        strengths=tuple(sorted(options.strengths or usual_strengths(subject))),
        n_tokens=min(options.n_tokens, lm.context // 2),
    )
    fit = fitting_prompts(lm, asked, options)
    found = calibrate(lm, subject, judge, options, prompts=fit, progress=advance)
    record = {
        "run": str(opened.folder),
        "subject": subject.to_json(),
        "effect": {"judge": judge.name, "unit": judge.unit, **told},
        "unit": subject.unit,
        **numbers(found, judge),
        "side_effects": what_moves(opened, subject, found, options, index, dictionary),
        "pairs": pairs(found),
        "formulas": {**formulas(judge), **SIDE_EFFECT_FORMULAS},
        "options": asdict(options) | {"n_prompts": len(found.prompts)},
        "seed": options.seed,
    }
    parents = {"dictionary": opened.dictionary_hash, "model": lm.hash}
    if subject.rule.vector is not None:
        parents["vector"] = subject.rule.vector.hash
    keep(place, json.loads(json.dumps(record, allow_nan=False)), parents)
    if vector_folder is not None and found.recommended is not None:
        recommend(vector_folder, found.recommended)
    return read_record(place / RECORD) | {"figure": str(place / FIGURE)}


def calibrations(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """Name -> record of the run's calibrations, in order; those of another dictionary are left out.

    Raises:
        BrokenInput: one cannot be read.
    """
    if not folder.steering.is_dir() or not is_complete(folder.dictionary):
        return {}
    dictionary = read_manifest(folder.dictionary, "dictionary").hash
    return {
        place.name: read_record(place / RECORD) | {"figure": str(place / FIGURE)}
        for place in sorted(folder.steering.iterdir())
        if not place.name.startswith(".")
        and is_complete(place)
        and read_manifest(place, "calibration").parents.get("dictionary") == dictionary
    }


def recommended_strengths(folder: RunFolder) -> dict[str, float]:
    """Name -> strength, of those calibrations that found one."""
    found = calibrations(folder)
    return {
        name: record["recommended"] for name, record in found.items() if record["recommended"] is not None
    }


def checked_name(subject: Steerable) -> str:
    """The name of a subject, which is its folder's.

    Raises:
        WrongUse: it is no name of a folder, or a vector is called like a feature.
    """
    name, is_vector = subject.name, subject.rule.vector is not None
    if not re.fullmatch(r"\w[\w.+ -]*", name) or (is_vector and re.fullmatch(r"\d[\d+]*", name)):
        raise WrongUse(f"{name!r} is no name for a calibration", "call the vector by a word")
    return name


# What is kept


def numbers(found: Calibration, judge: Judge) -> dict[str, Any]:
    """The calibration's record; where words are looked for, with their share of all that was written."""
    record = found.to_json()
    if isinstance(judge, TopicJudge):
        record["reference"]["topic_rate"] = judge.rate(found.reference.samples)
        for each, setting in zip(record["settings"], found.settings, strict=True):
            each["topic_rate"] = judge.rate(setting.samples)
    return record


def what_moves(
    opened: OpenRun,
    subject: Steerable,
    found: Calibration,
    options: CalibrationOptions,
    index: FeatureIndex | None,
    dictionary: Any,
) -> dict[str, Any] | None:
    """Side effects at the strength shown, beside those of a random direction; None where no text is readable."""
    shown = found.verdict.shown
    if shown is None:
        return None

    def moved(other: Steerable) -> SideEffects:
        other = other.on(opened.lm.device)
        trial = Trial(
            lm=opened.lm,
            dictionary=other.dictionary,
            rules=other.at(shown.strength),
            prompts=found.prompts,
            n_tokens=options.n_tokens,
            temperature=float(options.temperature),
            seed=options.seed,
        )
        return side_effects(trial, dictionary)

    record = moved(subject).to_json()
    if index is not None:
        for moves in record.values():
            for each in (*moves["up"], *moves["down"]):
                each["description"] = index.description(each["feature"])
    (other,) = subject.random_directions(1, options.seed)
    chance = moved(other)
    return {
        "strength": shown.strength,
        "unit": "largest activation of each feature",
        **record,
        "random_direction": {
            "same_tokens": list(chance.same_tokens.sizes),
            "written": list(chance.written.sizes),
        },
    }


def pairs(found: Calibration) -> list[dict[str, str]]:
    """The first prompts with what was written unsteered and at the strength shown."""
    if found.verdict.shown is None:
        return []
    texts = zip(found.prompts, found.reference.samples, found.verdict.shown.samples, strict=True)
    return [{"prompt": prompt, "default": default, "steered": steered} for prompt, default, steered in texts][
        :SHOWN_PAIRS
    ]


def keep(place: Path, record: dict[str, Any], parents: Mapping[str, str]) -> None:
    """Write record and figure as one artefact."""
    with staged(place) as folder:
        write_text(folder / RECORD, json.dumps(record, ensure_ascii=False, allow_nan=False))
        write_text(folder / FIGURE, calibration_svg(record))
        write_manifest(
            folder,
            Manifest(
                kind="calibration",
                options=record["options"] | {"subject": record["subject"]},
                parents=dict(parents),
                seeds={"calibration": record["seed"]},
            ),
        )


def check_same_vector(subject: Steerable, folder: Path) -> None:
    """Refuse a folder that holds another vector than the one that is calibrated.

    Raises:
        WrongUse: it does.
        MissingInput, BrokenInput: as :func:`monoscope.vectors.load`.
    """
    if load(folder) != subject.rule.vector:
        raise WrongUse(
            f"{folder} holds another vector than the one to calibrate", "calibrate it as it lies there"
        )


def recommend(folder: Path, strength: float) -> None:
    """Note the strength in the vector's artefact; its other files stay as they are."""
    manifest = read_manifest(folder, "vector")
    content = to_record(replace(load(folder), recommended=strength))
    write_manifest(folder, replace(manifest, content=content))
