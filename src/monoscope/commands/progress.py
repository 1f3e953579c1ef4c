"""How far long work has come, for people: bars on a terminal, plain lines elsewhere, nothing in notebooks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[int, int], None]
"""Told what is done and what is to do, every second or so."""

LINE_EVERY = 20.0
"""Seconds between two lines about one stage, where there is no terminal to redraw."""


class Reporter:
    """Says which stage runs, how fast it goes and how long it takes; without a console it says nothing.

    Args:
        console: where to; standard error, in the command line.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """One line for people."""
        if self._console is not None:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def live(self) -> Iterator[Callable[[Callable[[], RenderableType]], None]]:
        """A place on a terminal that is drawn again and again, and is gone after the block; elsewhere there is none.

        The block is given a function that takes whatever makes the drawing.
        """
        if self._console is None or not self._console.is_terminal:
            yield lambda draw: None
            return
        with Live(console=self._console, transient=True) as place:
            yield lambda draw: place.update(draw())

    @contextmanager
    def stage(self, name: str, unit: str = "tokens") -> Iterator[Advance]:
        """A stretch of work; the block is given what its steps are told to.

        Args:
            name: one word or two.
            unit: what is counted.
        """
        pace = _Pace(name, unit)
        if self._console is None:
            yield pace.advance
        elif self._console.is_terminal:
            columns = (TextColumn("{task.description:<12}"), BarColumn(), _Rate(unit), TimeRemainingColumn())
            with Progress(*columns, console=self._console, transient=True) as bars:
                task = bars.add_task(name, total=None)

                def redraw(done: int, total: int) -> None:
                    pace.advance(done, total)
                    bars.update(task, completed=done, total=total)

                yield redraw
            self.say(pace.summary())
        else:

            def tell(done: int, total: int) -> None:
                pace.advance(done, total)
                if pace.line_is_due():
                    self.say(pace.so_far())

            yield tell
            self.say(pace.summary())


class _Pace:
    """Counts of one stage since it began; what an earlier call had done is not counted as speed."""

    def __init__(self, name: str, unit: str) -> None:
        self.name, self.unit = name, unit
        self.began = self.last_line = monotonic()
        self.first = self.done = self.total = 0

    def advance(self, done: int, total: int) -> None:
        if not self.total:
            # The first report comes after a first piece of work whose size is not known: time it from here.
            self.first = done
        self.done, self.total = done, total

    def line_is_due(self) -> bool:
        if monotonic() - self.last_line < LINE_EVERY:
            return False
        self.last_line = monotonic()
        return True

    def speed(self) -> float:
        return (self.done - self.first) / max(monotonic() - self.began, 1e-9)

    def so_far(self) -> str:
        share = self.done / max(self.total, 1)
        return f"{self.name}: {share:.0%} of {self.total:,} {self.unit}, {self.speed():,.0f} {self.unit}/s"

    def summary(self) -> str:
        took = f"{monotonic() - self.began:.1f} s"
        return f"{self.name}: {self.total:,} {self.unit} in {took}" if self.total else f"{self.name}: {took}"


class _Rate(ProgressColumn):
    """Done of total, and speed."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        """The column's text."""
        if not task.total:
            return Text("begins")
        speed = f"{task.speed:,.0f} {self.unit}/s" if task.speed else self.unit
        return Text(f"{task.completed / task.total:4.0%}  {speed}")
