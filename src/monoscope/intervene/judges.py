"""Who says how much of the effect that was wanted a strength has: words, the next token, or a program."""

import json
import math
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.errors import BrokenInput, MissingInput, WrongUse
from monoscope.intervene.topic import Topic, text_words
from monoscope.intervene.trial import Trial
from monoscope.intervene.written import Written, blocks, logits
from monoscope.models.language_model import LanguageModel

SAID = 400
"""Characters of a program's last words that an error repeats."""


@runtime_checkable
class Judge(Protocol):
    """Whoever says how much of an effect there is in what a model does after each prompt."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def unit(self) -> str:
        """What its effects are counted in; of truth values their mean, a share of the samples."""
        ...

    @property
    def formula(self) -> str:
        """How an effect comes about, in one line."""
        ...

    def __call__(self, trial: Trial) -> Sequence[bool] | Sequence[float]:
        """The effect after each prompt; larger is more. Truth values are counted, numbers averaged."""
        ...


class TopicJudge:
    """Whether a sample mentions a topic.

    Args:
        words: of the topic, see :class:`monoscope.intervene.topic.Topic`.

    Raises:
        WrongUse: there is no word.
    """

    name = "topic"
    unit = "share of samples"
    formula = "samples that hold at least one of the words / samples"

    def __init__(self, words: Sequence[str]) -> None:
        self.topic = Topic(words)

    def __call__(self, trial: Trial) -> list[bool]:
        """True where the sample holds at least one of the words."""
        return [self.topic.mentioned(sample) for sample in trial.samples]

    def rate(self, samples: Sequence[str]) -> float:
        """Share of all words written that are words of the topic; 0 when no word was written."""
        n_words = sum(len(text_words(sample)) for sample in samples)
        return sum(map(self.topic.count, samples)) / n_words if n_words else 0.0


class TargetLogits:
    """How much likelier some tokens become as the next one after the prompt; nothing is written for it.

    An edit of what the model writes alone has no effect yet at the first token: judge that by other means.

    Args:
        tokens: their numbers.

    Raises:
        WrongUse: there is none.
    """

    name = "target logits"
    unit = "nats"
    formula = "mean over prompts of log P_steered(next token is a target) - log P(next token is a target)"

    def __init__(self, tokens: Sequence[int]) -> None:
        if not tokens:
            raise WrongUse("no target token was named", "name at least one")
        self.tokens = tuple(sorted(set(tokens)))

    @classmethod
    def of(cls, lm: LanguageModel, texts: Sequence[str]) -> "TargetLogits":
        """The tokens of these texts, for instance ``[" bridge", " Bridge"]``.

        Raises:
            WrongUse: one of them is not a single token of the model, or there is none.
        """
        tokens = []
        for text in texts:
            found = lm.tokenize(text, bos=False).tolist()
            if len(found) != 1:
                parts = ", ".join(map(repr, lm.token_strings(found)))
                raise WrongUse(
                    f"{text!r} is no single token of {lm.name}: it is {parts or 'nothing'}",
                    "give a token that the model can write; most words begin with a space",
                )
            tokens += found
        return cls(tokens)

    def __call__(self, trial: Trial) -> list[float]:
        """The change of ``log Σ_{t in targets} p(t | prompt)`` in nats after each prompt.

        Raises:
            WrongUse: a token is none of the model's.
        """
        lm = trial.lm
        if self.tokens[0] < 0 or self.tokens[-1] >= lm.vocabulary_size:
            raise WrongUse(
                f"a target among {list(self.tokens)} is no token of {lm.name}",
                f"it has tokens 0 to {lm.vocabulary_size - 1}",
            )
        clean = self._log_share(lm, trial.prompts)
        with trial.steered():
            pushed = self._log_share(lm, trial.prompts)
        return (pushed - clean).tolist()

    def _log_share(self, lm: LanguageModel, prompts: Sequence[str]) -> Float[Tensor, " prompt"]:
        """``log Σ_{t in targets} p(t | prompt)``, float64, under whatever edits are on."""
        rows = [lm.tokenize(prompt).tolist() for prompt in prompts]
        shares = []
        for block in blocks(lm, [Written(row, len(row)) for row in rows]):
            last = block.mask.sum(dim=1) - 1
            after = logits(lm, block)[torch.arange(len(last)), last]
            shares.append(after.double().log_softmax(dim=-1)[:, list(self.tokens)].logsumexp(dim=-1).cpu())
        return torch.cat(shares)


@dataclass(frozen=True)
class CommandJudge:
    """A program that reads the samples as JSON lines and writes a number for each.

    Each line that it reads is ``{"prompt": ..., "text": ...}``; it writes as many lines, a number on each.

    Raises:
        WrongUse: there is no program.
    """

    argv: Sequence[str]
    """The program and its arguments; no shell is asked."""
    unit: str = "score"
    """What its numbers count."""
    limit: float = 600.0
    """Seconds that it may take for the samples of one strength."""

    def __post_init__(self) -> None:
        if isinstance(self.argv, str) or not self.argv:
            raise WrongUse(f"{self.argv!r} is no program", 'give a list, for instance ["python", "judge.py"]')

    @property
    def name(self) -> str:
        """The command, as one would type it."""
        return shlex.join(self.argv)

    @property
    def formula(self) -> str:
        """That it is the program's."""
        return f"mean over samples of what the program {self.name} says"

    def __call__(self, trial: Trial) -> list[float]:
        """What the program says of each sample.

        Raises:
            MissingInput: there is no such program.
            BrokenInput: it failed, took too long, or did not write one finite number for each sample.
        """
        pairs = zip(trial.prompts, trial.samples, strict=True)
        lines = [json.dumps({"prompt": prompt, "text": text}) for prompt, text in pairs]
        told = self._told("".join(f"{line}\n" for line in lines)).rstrip("\n").split("\n")
        if len(told) != len(lines):
            raise BrokenInput(
                f"the judge {self.name} wrote {len(told)} lines for {len(lines)} samples",
                "it must write one number on a line for each line that it reads",
            )
        return [self._number(text, place) for place, text in enumerate(told, start=1)]

    def _number(self, text: str, place: int) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise BrokenInput(
                f"the judge {self.name} wrote {text[:60]!r} on line {place}",
                "each line must be a finite number",
            )
        return number

    def _told(self, lines: str) -> str:
        """What the program writes when it reads this."""
        # Files rather than pipes: a program that leaves a child behind must not keep us waiting for its end.
        with (
            tempfile.TemporaryFile() as told,
            tempfile.TemporaryFile() as said,
            tempfile.TemporaryFile() as asked,
        ):
            asked.write(lines.encode())
            asked.seek(0)
            try:
                done = subprocess.run(
                    list(self.argv), stdin=asked, stdout=told, stderr=said, timeout=self.limit, check=False
                )
            except OSError as error:
                raise MissingInput(
                    f"the judge {self.name} cannot be started: {error.strerror}", "check the command"
                ) from error
            except subprocess.TimeoutExpired as error:
                raise BrokenInput(
                    f"the judge {self.name} took more than {self.limit:g} seconds{_end_of(said)}",
                    "make it faster, give it fewer prompts, or allow it more time",
                ) from error
            if done.returncode:
                raise BrokenInput(
                    f"the judge {self.name} ended with status {done.returncode}{_end_of(said)}",
                    'try it by itself: it reads lines of {"prompt", "text"} and writes numbers',
                )
            told.seek(0)
            return told.read().decode(errors="replace")


def _end_of(said: IO[bytes]) -> str:
    """The end of what a program complained of, in one line."""
    said.seek(0)
    text = " ".join(said.read().decode(errors="replace").split())
    return f": {text[-SAID:]}" if text else ""
