"""What becomes of features in wider dictionaries."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from monoscope.explore.figures.canvas import INK, LINE, SERIES, SOFT, canvas, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 8
"""Latents of one column shown under one feature; the rest are counted."""
LONGEST = 40
"""Characters of a latent's words."""
Tree = list[list[dict[str, Any]]]
"""One list of latents for each width."""


def splitting(result: Mapping[str, Any]) -> "Figure":
    """Features of the narrowest dictionary and what they become: a column for each width, a line for each link."""
    widths, trees = result["widths"], [trimmed(tree) for tree in result["trees"]]
    height = sum(rows(tree) for tree, _ in trees) + len(trees)
    figure, axes = canvas(1, width=max(7.5, 2.2 * len(widths) + 3.5), height=max(2.5, 0.17 * height + 0.9))
    names = {
        (each["level"], each["feature"]): name.replace("_", " ")
        for name, each in result["concepts"].items()
        if each["level"] is not None
    }
    top = 0.0
    for number, (tree, hidden) in enumerate(trees):
        top = draw(axes, tree, hidden, top, SERIES[number % len(SERIES)], names) + 1
    axes.set_xlim(-0.9, len(widths) - 1 + 1.3)
    axes.set_ylim(top, -1)
    axes.set_xticks(range(len(widths)), [f"{width:,} features" for width in widths])
    axes.tick_params(length=0)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    label(axes, title=title(result))
    return figure


def title(result: Mapping[str, Any]) -> str:
    """How many features split, in a line."""
    step = result["steps"][-1]
    return (
        "Each latent under the feature whose activations go with its own most\n"
        f"{step['from']:,} to {step['to']:,}: {step['links_per_feature']:.1f} links a feature, by chance "
        f"{step['chance_links']:.1f}; {share(step['new_share'])} of the {step['to']:,} are new"
    )


def share(value: float | None) -> str:
    """A share as text."""
    return "none" if value is None else f"{value:.1%}"


def trimmed(tree: Tree) -> tuple[Tree, list[int]]:
    """The latents of each column that are active most, whose parents are shown, and how many are not shown."""
    kept: Tree = []
    hidden = []
    for column in tree:
        shown = {node["feature"] for node in kept[-1]} if kept else set()
        under = [node for node in column if node["parent"] is None or node["parent"] in shown]
        kept.append(sorted(under, key=lambda node: -node["active"])[:SHOWN])
        hidden.append(len(column) - len(kept[-1]))
    return kept, hidden


def rows(tree: Tree) -> int:
    """Lines that a tree takes."""
    return max(1, *(len(column) for column in tree)) + 1


def draw(
    axes: "Axes",
    tree: Tree,
    hidden: list[int],
    top: float,
    colour: str,
    names: Mapping[tuple[int, int], str],
) -> float:
    """Draw one tree below ``top``; returns where it ends."""
    places: list[dict[int, float]] = []
    tall = rows(tree) - 1
    for at, column in enumerate(tree):
        above = places[-1] if places else {}
        ordered = sorted(column, key=lambda node: (above.get(node["parent"], 0.0), -node["active"]))
        first = top + (tall - len(ordered)) / 2
        places.append({node["feature"]: first + place for place, node in enumerate(ordered)})
        for node in ordered:
            y = places[-1][node["feature"]]
            if node["parent"] in above:
                axes.plot(
                    [at - 1, at], [above[node["parent"]], y], color=colour, linewidth=1, alpha=0.45, zorder=1
                )
            axes.plot(at, y, "o", markersize=4, color=colour, zorder=2)
        if hidden[at]:
            axes.text(
                at, top + tall - 0.3, f"{hidden[at]} more", fontsize=6.5, color=SOFT, ha="center", va="top"
            )
    for at, column in enumerate(tree):
        last, begins = at == len(tree) - 1, all(not earlier for earlier in tree[:at])
        for node in column:
            y = places[at][node["feature"]]
            if begins:
                name = names.get((at, node["feature"]), "")
                words = f"{name}\n{cut(node['label'])}" if name else cut(node["label"])
                axes.text(at - 0.06, y, words, fontsize=6.5, color=INK, ha="right", va="center")
            elif last:
                axes.text(at + 0.06, y, cut(node["label"]), fontsize=6.5, color=INK, va="center")
    axes.axhline(top + tall + 0.5, color=LINE, linewidth=0.5, zorder=0)
    return top + tall


def cut(words: str) -> str:
    """The first characters of some words."""
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"
