"""Who judges a calibration, and what is written from, where that was not said."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monoscope.commands.open_run import OpenRun
from monoscope.commands.run_folder import read_text
from monoscope.commands.showcase import fitting, own_words
from monoscope.errors import BrokenInput, WrongUse
from monoscope.features import FeatureIndex
from monoscope.intervene.calibration import CalibrationOptions
from monoscope.intervene.judges import CommandJudge, Judge, TargetLogits, TopicJudge
from monoscope.intervene.steerable import Steerable
from monoscope.models import LanguageModel
from monoscope.synthetic.world import marking_words


def judge_asked(
    lm: LanguageModel, words: Sequence[str], targets: Sequence[str], program: str, unit: str = "score"
) -> Judge | None:
    """The judge that options ask for; None where they ask for none.

    Args:
        lm: the model, where target tokens are named.
        words: of a topic.
        targets: texts of single tokens.
        program: a command line, split as a shell would, though no shell runs it.
        unit: what the program counts.

    Raises:
        WrongUse: they ask for several, or for what cannot be.
    """
    given = [
        name for name, each in (("words", words), ("target tokens", targets), ("a program", program)) if each
    ]
    if len(given) > 1:
        raise WrongUse(f"{' and '.join(given)} were given to judge by", "give one of them")
    if words:
        return TopicJudge(words)
    if targets:
        return TargetLogits.of(lm, targets)
    return CommandJudge(split_program(program), unit) if program else None


def split_program(program: str) -> list[str]:
    """The words of a command line.

    Raises:
        WrongUse: a quotation mark is not closed.
    """
    try:
        return shlex.split(program)
    except ValueError as error:
        raise WrongUse(f"{program!r} is no command line: {error}", "close what is quoted") from error


def own_judge(
    opened: OpenRun, subject: Steerable, index: FeatureIndex | None
) -> tuple[TopicJudge, dict[str, Any]]:
    """Whether a text mentions the words of the features, and what is to be said of that judge.

    The words are those that mark the concept that a feature was found to mark, or else those that it fires on.

    Raises:
        WrongUse: there are none.
    """
    if subject.rule.vector is not None:
        raise WrongUse(
            f"nobody says what the vector {subject.name} is to bring",
            "give words, target tokens or a program",
        )
    labels = opened.labels_if_any(index) if index is not None else None
    words: list[str] = []
    sources: list[str] = []
    for feature in subject.rule.features:
        planted = [
            each.text for each in (labels[feature].descriptions if labels else ()) if each.method == "planted"
        ]
        marking = sorted(marking_words().get(planted[0], ())) if planted else []
        own = list(own_words(index.record(feature))) if index is not None and not marking else []
        if marking or own:
            words += [word for word in marking or own if word not in words]
            sources.append(
                f"the words that mark {planted[0]}, the concept of feature {feature}"
                if marking
                else f"the words that feature {feature} fires on"
            )
    if not words:
        raise WrongUse(
            f"no words of their own are known of {subject.name}", "give words, target tokens or a program"
        )
    judge = TopicJudge(words)
    return judge, said_of(judge) | {"chosen": "; ".join(sources)}


def said_of(judge: Judge) -> dict[str, Any]:
    """The words that a judge looks for, where it looks for words."""
    return {"words": list(judge.topic.words), "chosen": "given"} if isinstance(judge, TopicJudge) else {}


def prompts_of(path: Path) -> tuple[str, ...]:
    """The lines of a file that are not empty.

    Raises:
        MissingInput: there is no such file.
        BrokenInput: it is no text, or holds no line.
    """
    lines = tuple(line for line in read_text(path).splitlines() if line.strip())
    if not lines:
        raise BrokenInput(f"{path} holds no prompt", "write one on each line")
    return lines


def fitting_prompts(lm: LanguageModel, asked: Sequence[str], options: CalibrationOptions) -> list[str]:
    """The first prompts that leave room for what is written.

    Raises:
        WrongUse: there is none.
    """
    fit = fitting(lm, asked, options.n_tokens)
    if not fit:
        raise WrongUse(
            f"none of {len(asked)} prompts leaves room for {options.n_tokens} tokens in the context of {lm.name}, "
            f"{lm.context}",
            "give shorter prompts, or ask for fewer tokens",
        )
    return fit[: options.n_prompts]
