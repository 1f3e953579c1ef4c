"""What features become, drawn."""

import re
import xml.etree.ElementTree as ElementTree
from typing import Any

from monoscope.explore.figures import figure_svg
from monoscope.explore.figures.splitting import SHOWN, trimmed

STEP = {"from": 3, "to": 24, "links_per_feature": 1.5, "chance_links": 0.1, "new_share": 0.25}


def node(feature: int, parent: int | None, active: int = 10) -> dict[str, Any]:
    return {"feature": feature, "parent": parent, "active": active, "label": f"word{feature}"}


def texts(result: dict[str, Any]) -> str:
    return "".join(ElementTree.fromstring(figure_svg("splitting", result)).itertext())


def test_a_tree_is_drawn_with_the_words_of_its_ends() -> None:
    result = {
        "widths": [3, 24],
        "steps": [STEP],
        "trees": [[[node(0, None)], [node(4, 0), node(5, 0)]], [[], [node(7, None)]]],
        "concepts": {"sea_animals": {"level": 0, "feature": 0}, "dates": {"level": None, "feature": None}},
    }
    said = texts(result)
    for words in (
        "3 features",
        "24 features",
        "sea animals",
        "word0",
        "word4",
        "word5",
        "word7",
        "25.0% of the 24",
    ):
        assert words in said
    assert figure_svg("splitting", result) == figure_svg("splitting", result)
    assert "0 to 0" not in said
    assert re.search(r"by chance 0\.1", said)


def test_wide_trees_are_cut_and_what_is_left_out_is_counted() -> None:
    tree = [[node(0, None)], [node(n, 0, active=n) for n in range(20)], [node(50 + n, n) for n in range(20)]]
    kept, hidden = trimmed(tree)
    assert [each["feature"] for each in kept[1]] == list(range(19, 19 - SHOWN, -1))
    assert {each["parent"] for each in kept[2]} <= {each["feature"] for each in kept[1]}
    assert hidden == [0, 20 - SHOWN, 20 - SHOWN]
    result = {"widths": [3, 24, 30], "steps": [STEP | {"new_share": None}], "trees": [tree], "concepts": {}}
    assert f"{20 - SHOWN} more" in texts(result)


def test_no_tree_is_no_failure() -> None:
    assert "24 features" in texts({"widths": [3, 24], "steps": [STEP], "trees": [], "concepts": {}})
