"""Small charts as SVG: two axes with units, marks, a title and a description that can be read aloud."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from monoscope.explore.markup import Child, Markup, element
from monoscope.explore.wording import Number, percent, round_number

WIDTH, HEIGHT = 440, 264
"""Size in user units: drawn at about this many pixels when two charts stand side by side, or on a phone."""
NARROW, LOW = 320, 220
"""Size where three charts stand side by side."""
BINS = 24
"""Bins of a histogram, about."""
LEFT, RIGHT, TOP, BOTTOM = 50, 14, 14, 44
"""Margins around the marks."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis: a range, where its ticks are, and what it says."""

    label: str
    """What is measured, with its unit."""
    low: Number
    """Value at the axis' beginning."""
    high: Number
    """Value at its end."""
    ticks: tuple[Number, ...]
    """Values that have a tick."""
    logarithmic: bool = False
    """Whether equal distances are equal ratios."""
    written: Callable[[Number], str] = round_number
    """How a tick's value is written."""

    def place(self, value: Number) -> float:
        """Where a value lies, from 0 (``low``) to 1 (``high``); values outside are put at the ends."""
        if self.logarithmic:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))


def linear(label: str, values: Iterable[Number], *, written: Callable[[Number], str] = round_number) -> Axis:
    """An axis from 0 to just above the largest value, with about four round ticks."""
    largest = max(values, default=0.0)
    largest = largest if largest > 0 else 1.0
    rough = largest / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    steps = math.ceil(largest / step - 1e-9)
    ticks = tuple(step * each for each in range(steps + 1))
    return Axis(label=label, low=0.0, high=ticks[-1], ticks=ticks, written=written)


def shares(label: str) -> Axis:
    """An axis of shares, from 0 to 100 %."""
    return Axis(label=label, low=0.0, high=1.0, ticks=(0.0, 0.25, 0.5, 0.75, 1.0), written=percent)


def logarithmic(
    label: str, values: Iterable[Number], *, written: Callable[[Number], str] = round_number
) -> Axis:
    """An axis of whole decades around the values, which must be above 0."""
    known = [value for value in values if value > 0] or [1.0]
    first = math.floor(math.log10(min(known)))
    last = max(math.ceil(math.log10(max(known)) - 1e-9), first + 1)
    every = max(1, math.ceil((last - first) / 5))
    ticks = tuple(10.0**power for power in range(first, last + 1, every))
    return Axis(label=label, low=10.0**first, high=10.0**last, ticks=ticks, logarithmic=True, written=written)


def ordinal(label: str, names: Sequence[str]) -> Axis:
    """An axis of equally spaced names; value I is the I-th name, counted from 0."""
    return Axis(
        label=label,
        low=-0.5,
        high=len(names) - 0.5,
        ticks=tuple(float(each) for each in range(len(names))),
        written=lambda value: names[int(value)],
    )


@dataclass(frozen=True)
class Plot:
    """Two axes, and the marks that are drawn against them."""

    x: Axis
    y: Axis
    width: int = WIDTH
    height: int = HEIGHT

    def at(self, x: Number, y: Number) -> tuple[float, float]:
        """User units of a point."""
        across = LEFT + self.x.place(x) * (self.width - LEFT - RIGHT)
        down = self.height - BOTTOM - self.y.place(y) * (self.height - TOP - BOTTOM)
        return across, down

    def line(self, points: Sequence[tuple[Number, Number]], class_: str) -> Markup:
        """A line through the points."""
        placed = " ".join("{:.1f},{:.1f}".format(*self.at(*point)) for point in points)
        return element("polyline", points=placed, class_=f"line {class_}")

    def dot(self, x: Number, y: Number, class_: str, *, tip: str = "", radius: Number = 4.5) -> Markup:
        """A dot, with what it says when pointed at."""
        across, down = self.at(x, y)
        return element("circle", cx=across, cy=down, r=radius, class_=f"dot {class_}", data_tip=tip or None)

    def whisker(self, x: Number, low: Number, high: Number, class_: str) -> Markup:
        """A vertical interval."""
        across, bottom = self.at(x, low)
        return element(
            "line", x1=across, x2=across, y1=bottom, y2=self.at(x, high)[1], class_=f"line {class_}"
        )

    def level(self, y: Number, class_: str, text: str = "") -> Markup:
        """A horizontal line over the whole width, with a word above its right end."""
        down = self.at(self.x.low, y)[1]
        line = element("line", x1=LEFT, x2=self.width - RIGHT, y1=down, y2=down, class_=f"line {class_}")
        words = element("text", text, x=self.width - RIGHT, y=down - 5, text_anchor="end", class_="note")
        return Markup(line + (words if text else ""))

    def bar(self, low: Number, high: Number, y: Number, class_: str, tip: str = "") -> Markup:
        """A bar between two values of x, standing on the axis."""
        left, top = self.at(low, y)
        right = self.at(high, y)[0]
        tall = self.height - BOTTOM - top
        return element(
            "rect", x=left, y=top, width=max(0.5, right - left - 1), height=tall, class_=class_, data_tip=tip
        )

    def band(self, low: Number, high: Number, text: str) -> Markup:
        """A stretch of x made to stand out, with a word at its top."""
        left, right = self.at(low, 0)[0], self.at(high, 0)[0]
        back = element(
            "rect", x=left, y=TOP, width=right - left, height=self.height - TOP - BOTTOM, class_="band"
        )
        words = element("text", text, x=(left + right) / 2, y=TOP - 3, text_anchor="middle", class_="note")
        return Markup(back + words)

    def svg(self, *marks: Child, title: str, description: str, name: str) -> Markup:
        """The whole chart; ``name`` is its own within the page."""
        return element(
            "svg",
            element("title", title, id=f"{name}-title"),
            element("desc", description, id=f"{name}-description"),
            self._across(),
            self._down(),
            marks,
            viewBox=f"0 0 {self.width} {self.height}",
            role="img",
            aria_labelledby=f"{name}-title {name}-description",
            class_="chart",
        )

    def _across(self) -> Markup:
        base = self.height - BOTTOM
        ticks = [
            element("text", self.x.written(tick), x=self.at(tick, 0)[0], y=base + 17, text_anchor="middle")
            for tick in self.x.ticks
        ]
        line = element("line", x1=LEFT, x2=self.width - RIGHT, y1=base, y2=base, class_="axis")
        middle = (LEFT + self.width - RIGHT) / 2
        label = element(
            "text", self.x.label, x=middle, y=self.height - 6, text_anchor="middle", class_="label"
        )
        return element("g", line, ticks, label)

    def _down(self) -> Markup:
        rows = [
            (
                element("line", x1=LEFT, x2=self.width - RIGHT, y1=down, y2=down, class_="grid"),
                element("text", self.y.written(tick), x=LEFT - 7, y=down + 4, text_anchor="end"),
            )
            for tick in self.y.ticks
            for down in [self.at(self.x.low, tick)[1]]
        ]
        middle = (TOP + self.height - BOTTOM) / 2
        turned = f"translate(11 {middle:.0f}) rotate(-90)"
        label = element("text", self.y.label, transform=turned, text_anchor="middle", class_="label")
        return element("g", rows, label)


def histogram(
    values: Sequence[Number],
    *,
    label: str,
    title: str,
    name: str,
    written: Callable[[Number], str] = round_number,
) -> Markup:
    """How many values lie where, on a logarithmic axis; those that are not above 0 are left out and counted."""
    above = [value for value in values if value > 0]
    x = logarithmic(label, above, written=written)
    first, decades = math.log10(x.low), round(math.log10(x.high / x.low))
    per_decade = max(2, round(BINS / decades))
    bins = decades * per_decade
    counts = [0] * bins
    for value in above:
        counts[min(bins - 1, int((math.log10(value) - first) * per_decade + 1e-9))] += 1
    plot = Plot(x, linear("features", [float(most) for most in counts]))
    edges = [10 ** (first + each / per_decade) for each in range(bins + 1)]
    bars = [
        plot.bar(low, high, many, "bar", f"{many:,} features: {written(low)} to {written(high)}")
        for low, high, many in zip(edges[:-1], edges[1:], counts, strict=True)
        if many
    ]
    left_out = len(values) - len(above)
    description = f"Histogram of {len(above):,} features; {left_out:,} that never fired are left out."
    return plot.svg(bars, title=title, description=description, name=name)


def figure(chart: Markup, *caption: Child, legend: Sequence[tuple[str, str]] = ()) -> Markup:
    """A chart with its legend (class of the mark, text) and caption."""
    keys = [
        element("span", element("span", class_=f"swatch {class_}", aria_hidden="true"), text, class_="key")
        for class_, text in legend
    ]
    return element(
        "figure",
        element("div", keys, class_="legend") if keys else None,
        chart,
        element("figcaption", caption) if caption else None,
    )
