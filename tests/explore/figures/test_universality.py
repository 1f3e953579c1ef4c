"""How alike two dictionaries are, drawn."""

import xml.etree.ElementTree as ElementTree
from typing import Any

from monoscope.explore.figures import figure_svg

SEED = {
    "name": "twin",
    "kind": "seed",
    "model": "builtin",
    "r": [0.2, 0.9],
    "neuron_r": [0.1],
    "random_r": [0.05],
}
MODEL = SEED | {"name": "far", "kind": "model", "model": "stories"}
EFFECTS = {"attribution_r": [0.4, 0.6], "logit_weights_r": [0.3], "logit_weights_random_r": [-0.1]}


def texts(result: dict[str, Any]) -> str:
    return "".join(ElementTree.fromstring(figure_svg("universality", result)).itertext())


def test_each_other_dictionary_has_a_row() -> None:
    result = {"run": "one", "good": 0.6, "others": [SEED | EFFECTS, MODEL]}
    said = texts(result)
    for words in (
        "another seed, twin",
        "stories, far",
        "features, median 0.55",
        "features with neurons, median 0.10",
    ):
        assert words in said
    for words in ("attribution, best counterpart, median 0.50", "do not reach the logits"):
        assert words in said
    assert figure_svg("universality", result) == figure_svg("universality", result)


def test_nothing_compared_is_drawn_empty() -> None:
    empty = SEED | {"r": [], "neuron_r": [], "random_r": []}
    assert "another seed" in texts({"run": "one", "good": 0.6, "others": [empty]})
