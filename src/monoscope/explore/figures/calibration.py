"""Effect and price of every strength, drawn from a calibration's record alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from monoscope.explore.figures.canvas import COOL, FIRE, GOOD, INK, PLUM, SOFT, as_svg, canvas, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def calibration_svg(record: Mapping[str, Any]) -> str:
    """The figure of a calibration as SVG: the same record gives the same bytes."""
    return as_svg(calibration(record))


def calibration(record: Mapping[str, Any]) -> "Figure":
    """The effect beside its controls, and below it variety, perplexity and divergence, over one axis of strengths."""
    figure, panels = canvas(1, 4, width=5.6, height=1.75)
    top, variety, surprise, distance = panels
    settings, reference = record["settings"], record["reference"]
    x = [each["strength"] for each in settings]
    effect(top, x, record)
    line(variety, x, [ratio(each["distinct_2"], reference["distinct_2"]) for each in settings], COOL)
    line(surprise, x, [ratio(each["perplexity"], reference["perplexity"]) for each in settings], PLUM)
    line(distance, x, [each["kl"] for each in settings], GOOD)
    variety.axhline(record["limits"]["distinct_2"], color=INK, linewidth=0.6, linestyle=":")
    surprise.axhline(record["limits"]["perplexity"], color=INK, linewidth=0.6, linestyle=":")
    variety.set_ylim(bottom=0)
    surprise.set_yscale("log")
    distance.set_ylim(bottom=0)
    label(variety, y="distinct-2 /\nunsteered")
    label(surprise, y="perplexity /\nunsteered")
    label(distance, x=f"strength ({record['unit']}s)", y="KL (nats\nper token)")
    across(panels, x, record["recommended"])
    figure.align_ylabels(panels)
    return figure


def effect(axes: "Axes", x: Sequence[float], record: Mapping[str, Any]) -> None:
    """The effect with its interval, what the controls have, and what the model has as it is."""
    settings, controls = record["settings"], record["controls"]
    values = [each["effect"] for each in settings]
    axes.fill_between(x, controls["low"], controls["high"], color=SOFT, alpha=0.25, linewidth=0)
    axes.plot(x, controls["mean"], color=SOFT, linewidth=1, label="controls: mean and range")
    axes.axhline(record["reference"]["effect"], color=INK, linewidth=0.8, linestyle="--", label="unsteered")
    # An interval of a bootstrap need not hold the mean to the last bit.
    below = [max(0.0, value - each["low"]) for value, each in zip(values, settings, strict=True)]
    above = [max(0.0, each["high"] - value) for value, each in zip(values, settings, strict=True)]
    axes.errorbar(
        x,
        values,
        yerr=[below, above],
        color=FIRE,
        marker="o",
        markersize=3.5,
        capsize=2,
        label="steered, 95 %",
    )
    axes.legend(fontsize=7, loc="best", frameon=False)
    label(axes, title=f"Steering {record['subject']['name']}", y=record["effect"]["unit"])


def line(axes: "Axes", x: Sequence[float], values: Sequence[float | None], colour: str) -> None:
    """A price over the strengths; what is not known is left out."""
    known = [(place, value) for place, value in zip(x, values, strict=True) if value is not None]
    if known:
        axes.plot(*zip(*known, strict=True), color=colour, marker="o", markersize=3)


def across(panels: Sequence["Axes"], x: Sequence[float], knee: float | None) -> None:
    """One axis of strengths for all panels, the knee marked in each."""
    for axes in panels:
        if min(x) > 0:
            axes.set_xscale("log")
        axes.set_xticks(x, [f"{each:g}" for each in x] if axes is panels[-1] else [""] * len(x))
        axes.minorticks_off()
        if knee is not None:
            axes.axvline(knee, color=FIRE, linewidth=5, alpha=0.2)
    if knee is not None:
        panels[0].annotate(
            f"knee: {knee:g}", (knee, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
            textcoords="offset points", ha="center", fontsize=8, color=FIRE,
        )  # fmt: skip


def ratio(value: float | None, reference: float | None) -> float | None:
    """The one in multiples of the other; None where one is not known or there is nothing to divide by."""
    return value / reference if value is not None and reference else None
