"""Where a feature splits at other widths, from the record of the analysis ``splitting``."""

from collections.abc import Mapping
from typing import Any

from monoscope.explore.api.answers import Kin, Relatives

MOST = 24
"""Features of one width that are told; those most alike come first."""


def lineage(record: Mapping[str, Any] | None, width: int, feature: int) -> list[Relatives]:
    """The feature's kin, from the narrowest dictionary to the widest.

    Of a narrower dictionary that is the one that it came from; of its own width, those that came from the same; of a
    wider one, those that it becomes.

    Args:
        record: what the analysis found; None: nobody asked.
        width: features of the run's own dictionary.
        feature: one of them.
    """
    if record is None or width not in record["widths"]:
        return []
    own, forest = record["widths"].index(width), record["forest"]
    kin: dict[int, list[int]] = {own: [feature]}
    for at in range(own, 0, -1):
        parent = forest[at - 1]["parent"][kin[at][0]]
        if parent < 0:
            break
        kin[at - 1] = [parent]
    if own - 1 in kin:
        kin[own] = _children(forest[own - 1], kin[own - 1])
    of = [feature]
    for at in range(own, len(forest)):
        of = kin[at + 1] = _children(forest[at], of)
    if sum(len(each) for each in kin.values()) < 2:
        return []
    return [
        Relatives(
            width=record["widths"][at],
            own=at == own,
            features=_told(record, at, kin[at], feature if at == own else None),
        )
        for at in sorted(kin)
        if kin[at]
    ]


def _children(step: Mapping[str, Any], parents: list[int]) -> list[int]:
    wanted = set(parents)
    return [child for child, parent in enumerate(step["parent"]) if parent in wanted]


def _told(record: Mapping[str, Any], at: int, features: list[int], first: int | None) -> list[Kin]:
    """Those most alike, after one that comes first however alike it is."""
    similar = record["forest"][at - 1]["similarity"] if at else None
    told = [
        Kin(
            feature=feature,
            label=record["labels"][at].get(str(feature), ""),
            similarity=similar[feature] or None if similar else None,
        )
        for feature in features
    ]
    return sorted(told, key=lambda each: (each.feature != first, -(each.similarity or 0.0)))[:MOST]
