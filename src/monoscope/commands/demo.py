"""``monoscope demo``: the built-in model and corpus, from nothing to a page to look at, in five minutes."""

import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

import tyro

from monoscope.activations.harvest import HarvestOptions
from monoscope.commands.progress import Reporter
from monoscope.commands.recipe import BesideOptions, Recipe
from monoscope.commands.run import make, prepared, run_text
from monoscope.commands.run_folder import RunFolder
from monoscope.commands.serve import ServeOptions, Serving, can_serve, serving
from monoscope.commands.showcase import ShowcaseOptions
from monoscope.commands.terminal import someone_is_there
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
        beside=BesideOptions(widths=(512, 1024), k=(8, 11), n_tokens=500_000),
    )


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """The built-in model and corpus: harvest, train, index, evaluate, turn a feature up, and look.

    The explorer opens at once, grows as the run does, and is served until Ctrl-C. Run again,
    it opens what was made.
    """

    open: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = True
    """Open nothing in a browser, and end when the report is written (as without a terminal on standard input)."""
    out: Annotated[Path, tyro.conf.arg(metavar="RUN")] = field(default=Path("runs/demo"))
    """Folder of the run."""
    keep_activations: bool = False
    """Keep the activations; they are large, and can be harvested again."""


def demo(options: DemoOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Make the demonstration, or go on with it; the result is that of :func:`monoscope.commands.run.run`."""
    reporter = reporter or Reporter()
    folder = RunFolder(options.out)
    watched = options.open and someone_is_there()
    recipe = demo_recipe()
    if watched and can_serve():
        prepared(folder, recipe, reporter)
        with serving(ServeOptions(run=folder.path, port=0), reporter) as served, beside(served) as server:
            made = make(folder, recipe, reporter=reporter, keep_activations=options.keep_activations)
            reporter.say("all is made, and the page stays open until Ctrl-C")
            with suppress(KeyboardInterrupt):
                server.join()
        return made

    def look(page: Path) -> None:
        if watched:
            webbrowser.open(page.as_uri())
        else:
            reporter.say(f"the page, which grows as the run does: {page}")

    return make(folder, recipe, reporter=reporter, keep_activations=options.keep_activations, on_page=look)


@contextmanager
def beside(served: Serving) -> Iterator[Thread]:
    """Answer from a thread while the block does something else; its end ends it."""
    thread = Thread(target=served.run, name="server")
    thread.start()
    try:
        yield thread
    finally:
        served.stop()
        thread.join()


demo_text = run_text
"""The result for people."""
