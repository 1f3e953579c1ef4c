"""``monoscope demo``: the built-in model and corpus, from nothing to a page to look at, in five minutes."""

import os
import sys
import webbrowser
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from monoscope.activations.harvest import HarvestOptions
from monoscope.commands.progress import Reporter
from monoscope.commands.recipe import Recipe
from monoscope.commands.run import make, run_text
from monoscope.commands.run_folder import RunFolder
from monoscope.commands.showcase import ShowcaseOptions
from monoscope.dictionaries import AutoencoderOptions, TopK
from monoscope.evaluate.recovery import RecoveryOptions
from monoscope.evaluate.report import EvaluateOptions
from monoscope.train import TrainOptions


def demo_recipe() -> Recipe:
    """What the demonstration makes: small enough for five minutes on two cores."""
    return Recipe(
        model="builtin",
        corpus="builtin",
        site="blocks.2.resid_post",
        harvest=HarvestOptions(n_tokens=2_000_000),
        dictionary=AutoencoderOptions(n_features=2048, sparsifier=TopK(16)),
        training=TrainOptions(n_tokens=8_000_000),
        evaluation=EvaluateOptions(
            n_tokens=330_000,
            n_faithfulness_tokens=25_000,
            recovery=RecoveryOptions(n_calibration_tokens=330_000),
        ),
        showcase=ShowcaseOptions(query="Golden Gate Bridge"),
    )


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """The built-in model and corpus: harvest, train, index, evaluate, turn a feature up, and look.

    The page opens when the first picture is there, and renews itself until all is done. Run again, it opens what was
    made.
    """

    open: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = True
    """Do not open the page in a browser (nor is it without a terminal on standard input)."""
    out: Annotated[Path, tyro.conf.arg(metavar="RUN")] = field(default=Path("runs/demo"))
    """Folder of the run."""
    keep_activations: bool = False
    """Keep the activations; they are large, and can be harvested again."""


def demo(options: DemoOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Make the demonstration, or go on with it; the result is that of :func:`monoscope.commands.run.run`."""
    reporter = reporter or Reporter()
    folder = RunFolder(options.out)

    def look(page: Path) -> None:
        if options.open and someone_is_there():
            webbrowser.open(page.as_uri())
        else:
            reporter.say(f"the page, which grows as the run does: {page}")

    return make(
        folder, demo_recipe(), reporter=reporter, keep_activations=options.keep_activations, on_page=look
    )


def someone_is_there() -> bool:
    """True with a terminal on standard input and a screen to open a browser on."""
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    return sys.stdin is not None and sys.stdin.isatty() and screen


demo_text = run_text
"""The result for people."""
