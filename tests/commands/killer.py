"""Runs a recipe in children that are killed in the middle of each stage, then once more to the end.

A program of its own, because children of a process that has computed with threads may hang: this one imports and forks.
Prints one JSON object: stage -> how the child ended and what was complete then; and the hash of the last dictionary.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers.models.llama.modeling_llama  # noqa: F401  (here once, not in every child)

from monoscope.commands.progress import Advance, Reporter
from monoscope.commands.run import RunOptions, run
from monoscope.commands.run_folder import RunFolder
from monoscope.dictionaries.files import load
from monoscope.manifest import is_complete

STAGES = ("calibration text", "training text", "train", "index", "heldout text", "evaluate", "showcase")


class Killer(Reporter):
    """Kills its process once a stage is under way."""

    def __init__(self, victim: str) -> None:
        super().__init__()
        self.victim = victim

    @contextmanager
    def stage(self, name: str, unit: str = "tokens") -> Iterator[Advance]:
        """As the reporter's own, but deadly when half of the victim's stage is done."""

        def advance(done: int, total: int) -> None:
            if name == self.victim and 2 * done >= total:
                os.kill(os.getpid(), signal.SIGKILL)

        yield advance


def main() -> None:
    torch.set_num_threads(1)  # as the tests do: another number of threads adds up in another order
    recipe, out = Path(sys.argv[1]), Path(sys.argv[2])
    folder = RunFolder(out)
    ends = {}
    for stage in STAGES:
        child = os.fork()
        if child == 0:
            run(RunOptions(recipe=recipe, out=out), reporter=Killer(stage))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        made = [
            each.name for each in (folder.dictionary, folder.features, folder.evaluation) if is_complete(each)
        ]
        ends[stage] = {"signal": os.WTERMSIG(status), "made": made, "complete": folder.complete}
    run(RunOptions(recipe=recipe, out=out))
    print(json.dumps({"ends": ends, "complete": folder.complete, "dictionary": load(folder.dictionary).hash}))  # noqa: T201


if __name__ == "__main__":
    main()
