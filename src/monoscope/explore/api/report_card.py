"""The evaluation's report as rows beside their baselines."""

from collections.abc import Mapping
from typing import Any

from monoscope.explore.api.answers import MetricRow, Recovery, ReportCard

BASELINES = ("neurons", "pca", "ica", "random")
"""In the order in which they are told."""


def report_card(report: Mapping[str, Any]) -> ReportCard:
    """Every metric with its interval, formula and baselines."""
    baselines = {name: report["baselines"][name] for name in BASELINES if name in report["baselines"]}
    rows = [
        MetricRow(
            name=name,
            value=value,
            interval=report["intervals"].get(name),
            unit=report["units"][name],
            formula=report["formulas"][name],
            misleads=report["misleads"][name],
            baselines={other: numbers.get(name) for other, numbers in baselines.items()},
        )
        for name, value in report["metrics"].items()
        if value is not None
    ]
    return ReportCard(rows=rows, recovery=_recovery(report.get("recovery")))


def _recovery(told: Mapping[str, Any] | None) -> Recovery | None:
    if told is None:
        return None
    return Recovery(
        share_recovered=told["share_recovered"],
        **{f"share_{name}": told.get(f"share_{name}") for name in ("neurons", "pca", "random")},
        n_concepts=told["n_concepts"],
        intervals={name: tuple(interval) for name, interval in told["intervals"].items()},
    )
