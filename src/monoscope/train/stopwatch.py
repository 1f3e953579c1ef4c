"""Where the time of a run goes."""

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TypeVar, final

T = TypeVar("T")


@final
class Stopwatch:
    """Seconds of each part of a loop: whatever passes between two marks belongs to the part that is marked."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = monotonic()

    def mark(self, part: str) -> float:
        """What passed since the last mark was this part; returns the time."""
        now = monotonic()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self.last
        self.last = now
        return now

    def waiting_for(self, part: str, things: Iterable[T]) -> Iterator[T]:
        """The same things; getting each of them is this part."""
        for thing in things:
            self.mark(part)
            yield thing

    def shares(self) -> dict[str, float]:
        """The share of each part in all of the time."""
        whole = sum(self.seconds.values()) or 1.0
        return {part: seconds / whole for part, seconds in self.seconds.items()}
