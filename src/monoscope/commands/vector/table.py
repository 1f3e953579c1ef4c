"""A vector's blocks as JSON, and as a table with bars: which layer?"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from monoscope.vectors import ControlVector

BAR = 20
"""Characters of a bar from chance, a half, to 1."""


def block_records(vector: ControlVector) -> list[dict[str, Any]]:
    """A record for each block: ``block``, ``length``, ``norm``, ``middle_half``, and its reliability where known."""
    middle = vector.middle_half if vector.n_blocks else ()
    return [
        {
            "block": block,
            "length": float(direction.norm()),
            "norm": vector.norms.get(block),
            "middle_half": block in middle,
            **(asdict(vector.accuracy[block]) if block in vector.accuracy else {}),
        }
        for block, direction in vector.directions.items()
    ]


def block_table(blocks: Sequence[dict[str, Any]], best: int | None) -> list[str]:
    """A line for each block; the bar is how far above a half its accuracy is."""
    lines = [
        "block  length  accuracy      95 %       random  difference  explained"
        if any("accuracy" in each for each in blocks)
        else "block  length"
    ]
    for each in blocks:
        line = f"{each['block']:>5}  {each['length']:6.3g}"
        if "accuracy" in each:
            filled = round(BAR * max(0.0, 2 * each["accuracy"] - 1))
            marks = " <- best" if each["block"] == best else ""
            marks += " (middle half)" if each["middle_half"] else ""
            line += (
                f"  {each['accuracy']:8.3f}  {each['low']:.3f} to {each['high']:.3f}  {each['random']:6.3f}"
                f"  {each['difference']:+10.3f}  {each['explained']:9.1%}  {'█' * filled:<{BAR}}{marks}"
            )
        lines.append(line.rstrip())
    return lines
