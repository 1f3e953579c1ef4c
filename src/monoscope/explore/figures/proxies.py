"""Features against the contexts that they stand for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from monoscope.explore.figures.canvas import COOL, FIRE, GOOD, LINE, SOFT, canvas, label
from monoscope.explore.figures.cumulative import cumulative, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 4
"""Contexts whose activations are drawn, at most."""
LEAST_RISE = 1e-5
"""Smaller rises of the loss, and falls, are drawn here."""


def proxies(result: Mapping[str, Any]) -> "Figure":
    """Above, where some features spend their activation; below, what all of them are and do."""
    figure, (upper, lower) = canvas(4, 2, width=3.1, height=2.7)
    contexts = result["contexts"]
    likely = [each for each in contexts if not each["planted"]]
    shown = (likely or contexts)[:SHOWN]
    for axes, each in zip(upper, shown, strict=False):
        weighted(axes, each)
    legend(upper[0], loc="upper right", fontsize=7)
    for axes in upper[len(shown) :]:
        axes.set_axis_off()
    groups = (
        ([each for each in contexts if each["planted"]], COOL, "planted"),
        (likely, FIRE, "by likelihood ratio"),
    )
    against(lower[0], groups, "neuron_r", "r", bounds=(0, 1), offset=0.2)
    label(lower[0], title="Correlation with the context", x="best neuron's r", y="feature's r")
    legend(lower[0], loc="lower right", fontsize=8)
    against(lower[1], groups, "ce_rise_elsewhere", "ce_rise_inside", least=LEAST_RISE, times=5)
    label(lower[1], title="Switched off: rise of the loss", x="elsewhere, nats", y="in the context, nats")
    controls = ((contexts, SOFT, ""),)
    against(lower[2], controls, "p_clean", "p_controls", least=1e-7)
    against(lower[2], groups, "p_clean", "p_pinned", least=1e-7, times=10)
    label(lower[2], title="Pinned: P(its tokens); grey: others", x="as it is", y="feature at its maximum")
    for some, colour, _ in groups:
        cumulative(lower[3], [each["logit_auc"] for each in some], colour)
    cumulative(lower[3], [each["logit_auc_controls"] for each in contexts], SOFT, "other features")
    legend(lower[3], loc="upper left", fontsize=8)
    lower[3].set_xlim(0, 1)
    lower[3].set_ylim(0, 1.02)
    lower[3].axvline(0.9, color=SOFT, linewidth=1, linestyle="--")
    label(lower[3], title="Logit weights", x="AUC, context tokens and others", y="share at or below")
    return figure


def weighted(axes: "Axes", context: Mapping[str, Any]) -> None:
    """The expected-value view: how much of a feature's whole activation lies at each level, inside and outside."""
    edges = np.array(context["edges"])
    middles = (edges[1:] + edges[:-1]) / 2
    inside, every = np.array(context["tokens_inside"]), np.array(context["tokens"])
    total = max(float((every * middles).sum()), 1e-12)
    width = np.diff(edges)
    within, without = inside * middles / total, (every - inside) * middles / total
    axes.bar(middles, within, width, color=GOOD, label="in the context")
    axes.bar(middles, without, width, bottom=within, color=LINE, label="elsewhere")
    axes.set_ylim(0, 1.25 * max(float((every * middles).max()) / total, 1e-12))
    title = f"{context['context']}: r {context['r']:.2f}, neuron {context['neuron_r']:.2f}"
    label(axes, title=title, x=f"activation of feature {context['feature']}", y="share of all activation")


def against(
    axes: "Axes",
    groups: Sequence[tuple[Sequence[Mapping[str, Any]], str, str]],
    x: str,
    y: str,
    *,
    bounds: tuple[float, float] | None = None,
    offset: float = 0.0,
    least: float = 0.0,
    times: float = 0.0,
) -> None:
    """One number of each context against another, with the line that the check draws."""
    drawn = 0
    for some, colour, name in groups:
        pairs = [(each[x], each[y]) for each in some if each[x] is not None and each[y] is not None]
        columns = np.array(pairs, float).reshape(-1, 2)
        if least:
            columns = columns.clip(least)
        axes.scatter(columns[:, 0], columns[:, 1], s=16, color=colour, linewidths=0, alpha=0.7, label=name)
        drawn += len(columns)
    if times and drawn:
        low, high = axes.dataLim.intervalx
        axes.set_xscale("log")
        axes.set_yscale("log")
        ends = np.array([low / 2, high * 2])
        axes.plot(ends, times * ends, color=SOFT, linewidth=1, linestyle="--")
        axes.plot(ends, ends, color=LINE, linewidth=1)
    elif bounds is not None:
        ends = np.array(bounds)
        axes.plot(ends, ends + offset, color=SOFT, linewidth=1, linestyle="--")
        axes.plot(ends, ends, color=LINE, linewidth=1)
        axes.set_xlim(*bounds)
        axes.set_ylim(*bounds)
