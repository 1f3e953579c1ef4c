"""A calibration for people: a table of strengths, the knee marked, two samples, and what else moves."""

from typing import Any

from monoscope.explore.wording import number, percent

SAID_PAIRS, SAID_MOVES = 2, 5
"""Pairs of texts that people are shown; and features that moved, each way."""


def calibrate_run_text(result: dict[str, Any]) -> str:
    """The calibration for people: a table of strengths, the knee marked, two samples, and what else moves."""
    effect = result["effect"]
    words = f": {', '.join(effect['words'])} ({effect['chosen']})" if effect.get("words") else ""
    best = result["recommended"]
    return "\n".join(
        [
            f"{result['subject']['name']}, strengths in {result['unit']}s",
            f"effect: {effect['judge']} ({effect['unit']}){words}",
            "",
            *table(result),
            "",
            f"recommended: {'none' if best is None else f'{best:g}'}; {result['why']}",
            *samples_text(result),
            *moves_text(result["side_effects"]),
            f"figure: {result['figure']}",
        ]
    )


def table(result: dict[str, Any]) -> list[str]:
    """A line for each strength, the unsteered model first."""
    controls = result["controls"]
    ranges = [
        f"{mean:.3g} ({low:.3g} to {high:.3g})"
        for mean, low, high in zip(controls["mean"], controls["low"], controls["high"], strict=True)
    ]
    head = ["strength", "effect", "95 %", "controls", "distinct-2", "perplexity", "KL", "readable"]
    rows = [head]
    for each, control in zip([result["reference"], *result["settings"]], ["", *ranges], strict=True):
        rows.append(
            [
                f"{each['strength']:g}" if each["strength"] else "unsteered",
                f"{each['effect']:.3g}",
                f"{each['low']:.3g} to {each['high']:.3g}",
                control,
                f"{each['distinct_2']:.3f}",
                number(each["perplexity"]),
                number(each["kl"]),
                percent(each.get("readability")) if control else "",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    marked = [
        row[0] == f"{result['recommended']:g}" if result["recommended"] is not None else False for row in rows
    ]
    return [
        (
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            + ("  <- knee" if mark else "")
        ).rstrip()
        for row, mark in zip(rows, marked, strict=True)
    ]


def samples_text(result: dict[str, Any]) -> list[str]:
    """What was written after the first two prompts, without and with the strength shown."""
    lines = []
    for pair in result["pairs"][:SAID_PAIRS]:
        strength = result["side_effects"]["strength"]
        lines += ["", f"as it is:    {pair['prompt']}{pair['default']}"]
        lines += [f"at {strength:g}:".ljust(13) + f"{pair['prompt']}{pair['steered']}"]
    return lines


def moves_text(moves: dict[str, Any] | None) -> list[str]:
    """The features that move most each way, and the largest moves along a random direction."""
    if moves is None:
        return []
    lines = []
    titles = {"same_tokens": "in the same text", "written": "in what is written"}
    for name, title in titles.items():
        chance = moves["random_direction"][name]
        beside = (
            f"largest along a random direction {chance[0]:.3g}" if chance else "none along a random direction"
        )
        lines += ["", f"what else moves at {moves['strength']:g} {title}, in largest activations ({beside}):"]
        listed = [*moves[name]["up"][:SAID_MOVES], *moves[name]["down"][:SAID_MOVES]]
        lines += [
            f"  {each['change']:+8.3f}  {each['feature']:>6}  {each.get('description', '')}"
            for each in listed
        ]
        lines += [] if listed else ["  nothing"]
    return lines
