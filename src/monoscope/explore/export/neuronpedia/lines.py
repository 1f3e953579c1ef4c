"""Lines of the large tables of Neuronpedia's bulk import: features, activations, explanations."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from monoscope.explore.export.neuronpedia.names import (
    EXPLANATION_MODEL,
    EXPLANATION_TYPE,
    Names,
    NeuronpediaOptions,
    clean,
    explanation_type,
    identifier,
)
from monoscope.explore.export.source import linear_counts
from monoscope.explore.wording import number

BARS = 50
"""Bars of a feature's histogram."""
CORRELATED = {
    "neuron_alignment": ("indices", "values", "l1"),
    "correlated_neurons": ("indices", "pearson", "l1"),
    "correlated_features": ("indices", "pearson", "l1"),
}
"""Columns that an index knows nothing of."""


class Lines:
    """Lines of the large tables.

    Args:
        names: what they refer to.
        options: what the index does not know.
        intervals: equal parts of (0, largest activation] that examples were drawn from.
    """

    def __init__(self, names: Names, options: NeuronpediaOptions, intervals: int) -> None:
        self._names, self._options, self._intervals = names, options, intervals

    def feature(self, card: Mapping[str, Any]) -> dict[str, Any]:
        """A line of ``features``."""
        largest = card["max_activation"]
        edges = np.linspace(0.0, largest, BARS + 1)
        heights = linear_counts(card["histogram"], edges) if largest > 0 else np.zeros(0)
        unknown = {f"{name}_{column}": [] for name, columns in CORRELATED.items() for column in columns}
        return {
            "modelId": self._names.model,
            "layer": self._names.source,
            "index": str(card["feature"]),
            "creatorId": self._options.creator_id,
            "createdAt": self._options.created,
            "maxActApprox": largest,
            "hasVector": False,
            "vector": [],
            "vectorLabel": None,
            "vectorDefaultSteerStrength": None,
            "hookName": self._names.hook,
            "topkCosSimIndices": [each["feature"] for each in card["neighbours"]],
            "topkCosSimValues": [each["cosine"] for each in card["neighbours"]],
            **unknown,
            "neg_str": [clean(each["text"]) for each in card["suppressed"]],
            "neg_values": [each["weight"] for each in card["suppressed"]],
            "pos_str": [clean(each["text"]) for each in card["promoted"]],
            "pos_values": [each["weight"] for each in card["promoted"]],
            "frac_nonzero": card["density"],
            "freq_hist_data_bar_heights": [round(float(each), 2) for each in heights],
            "freq_hist_data_bar_values": [float(each) for each in (edges[:-1] + edges[1:]) / 2][
                : len(heights)
            ],
            "logits_hist_data_bar_heights": [],
            "logits_hist_data_bar_values": [],
            "decoder_weights_dist": [],
            "sourceSetName": self._names.source_set,
        }

    def activations(self, card: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Lines of ``activations``: examples of the top and of intervals."""
        bins = self._bins(card)
        for place, example in enumerate(card["examples"]):
            if example["kind"] not in bins:
                continue
            values = example["activations"]
            most = max(range(len(values)), key=values.__getitem__)
            low, high, share = bins[example["kind"]]
            yield {
                "id": identifier(self._names.model, self._names.source, card["feature"], "activation", place),
                "tokens": [clean(token) for token in example["tokens"]],
                "index": str(card["feature"]),
                "layer": self._names.source,
                "modelId": self._names.model,
                "maxValue": values[most],
                "maxValueTokenIndex": most,
                "minValue": min(values),
                "values": values,
                "creatorId": self._options.creator_id,
                "dataSource": self._options.dataset or None,
                "dataIndex": str(example["document"]),
                "dfaValues": [],
                "dfaTargetIndex": None,
                "dfaMaxValue": None,
                "createdAt": self._options.created,
                "lossValues": [],
                "logitContributions": None,
                "binMin": low,
                "binMax": high,
                "binContains": share,
                "qualifyingTokenIndex": example["position"] - example["start"],
                "zIndices": [],
                "zValues": [],
            }

    def explanations(self, card: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Lines of ``explanations``: the description, and those of the label, each with its scores as notes."""
        yield self._explanation(card, EXPLANATION_TYPE, card["description"], None)
        for each in card.get("descriptions", ()):
            yield self._explanation(
                card, explanation_type(each["method"]), each["text"], scores_told(each["scores"])
            )

    def _explanation(
        self, card: Mapping[str, Any], kind: str, text: str, notes: str | None
    ) -> dict[str, Any]:
        """A line of ``explanations``, without an embedding: one of another model would mix badly with theirs."""
        what = 0 if kind == EXPLANATION_TYPE else kind
        return {
            "id": identifier(self._names.model, self._names.source, card["feature"], "explanation", what),
            "modelId": self._names.model,
            "layer": self._names.source,
            "index": str(card["feature"]),
            "description": clean(text),
            "authorId": self._options.creator_id,
            "typeName": kind,
            "explanationModelName": EXPLANATION_MODEL,
            "notes": notes,
            "triggeredByUserId": None,
            "umap_x": 0.0,
            "umap_y": 0.0,
            "umap_cluster": 0,
            "scoreV1": 0.0,
            "scoreV2": None,
            "createdAt": self._options.created,
            "updatedAt": self._options.created,
        }

    def _bins(self, card: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
        """Kind of example -> lowest and highest activation of its bin, and the share of activations in it.

        The top ones have no bin of their own: -1, the largest activation, and -1, as Neuronpedia marks them. Shares
        are estimated from the histogram, see :func:`monoscope.explore.export.source.linear_counts`.
        """
        largest = card["max_activation"]
        bins = {"top": (-1.0, largest, -1.0)}
        if not self._intervals or not card["n_active"]:
            return bins
        edges = np.linspace(0.0, largest, self._intervals + 1)
        counts = linear_counts(card["histogram"], edges)
        shares = counts / counts.sum()
        for place, share in enumerate(shares):
            bins[f"interval {place + 1}"] = (float(edges[place]), float(edges[place + 1]), float(share))
        return bins


def scores_told(scores: Mapping[str, Any]) -> str | None:
    """Scores in one line, ``precision 0.97, recall 0.19``, or None where none is known."""
    told = [f"{name} {number(score)}" for name, score in scores.items() if score is not None]
    return clean(", ".join(told)) or None
