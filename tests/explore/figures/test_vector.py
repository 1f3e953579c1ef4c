"""The figure of a vector: drawn from its record alone, the same every time."""

import xml.etree.ElementTree as ElementTree
from typing import Any

from monoscope.explore.figures.vector import vector, vector_svg


def record(**changes: Any) -> dict[str, Any]:
    def block(number: int, accuracy: float) -> dict[str, Any]:
        low, high = accuracy - 0.2, min(1.0, accuracy + 0.1)
        return {
            "block": number, "accuracy": accuracy, "low": low, "high": high, "random": 0.6, "n_pairs": 24
        }  # fmt: skip

    return {
        "name": "joy",
        "method": "mean_difference",
        "n_pairs": 120,
        "n_blocks": 8,
        "blocks": [block(1, 0.7), block(3, 1.0), block(7, 0.9)],
        "best_block": 3,
    } | changes


def test_it_is_drawn_and_again_the_same() -> None:
    svg = vector_svg(record())
    texts = "".join(ElementTree.fromstring(svg).itertext())
    for said in (
        "joy: mean_difference, 120 pairs, 24 held out",
        "best: 3",
        "random directions",
        "middle half",
    ):
        assert said in texts
    assert svg == vector_svg(record())


def test_the_points_are_the_record_s() -> None:
    (axes,) = vector(record()).axes
    points, random = axes.containers[0].lines[0], axes.get_lines()[1]
    assert (list(points.get_xdata()), list(points.get_ydata())) == ([1, 3, 7], [0.7, 1.0, 0.9])
    assert list(random.get_ydata()) == [0.6, 0.6, 0.6]
    shade = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    # Blocks 2 to 5 of 8 are the middle half.
    assert (round(shade.x0, 6), round(shade.x1, 6)) == (1.5, 5.5)


def test_one_block_of_many_is_drawn() -> None:
    one = record(blocks=record()["blocks"][:1], best_block=1, n_blocks=80)
    assert len(vector(one).axes[0].get_xticks()) <= 17
    assert vector_svg(one)
