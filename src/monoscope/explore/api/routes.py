"""The addresses under ``/api``."""

from typing import Annotated

import numpy as np
from fastapi import FastAPI, Path, Query
from starlette.exceptions import HTTPException

from monoscope.explore.api.answers import Card, Point, ReportCard, Rows, RunFacts, Training
from monoscope.explore.api.explored import Explored
from monoscope.explore.api.report_card import report_card
from monoscope.explore.api.rows import By, table
from monoscope.features import FeatureIndex

LONGEST_QUERY = 1000
"""Characters of what is searched for, and of a filter."""
MOST_ROWS = 1000
"""Of one piece of the table."""


def add_exploring(app: FastAPI, explored: Explored) -> None:
    """What a page asks of a run.

    Args:
        app: what answers; errors of ours are told by its handlers.
        explored: the run.
    """

    def index_or_404() -> FeatureIndex:
        index = explored.index()
        if index is None:
            raise HTTPException(404, "the run has no index yet: it is made after the dictionary")
        return index

    @app.get("/api/run")
    def run() -> RunFacts:
        """What the run is and how far it has come."""
        return RunFacts.model_validate(explored.facts())

    @app.get("/api/evaluation")
    def evaluation() -> ReportCard:
        """The report card: every metric beside its baselines."""
        report = explored.evaluation()
        if report is None:
            raise HTTPException(404, "the run is not evaluated yet")
        return report_card(report)

    @app.get("/api/training")
    def training() -> Training:
        """The training's curve so far."""
        points = [Point.model_validate(point) for point in explored.curve()]
        return Training(points=points, running=explored.facts()["status"] == "running")

    @app.get("/api/features")
    def features(
        q: Annotated[str, Query(max_length=LONGEST_QUERY)] = "",
        by: By = "words",
        where: Annotated[str, Query(max_length=LONGEST_QUERY)] = "",
        sort: Annotated[str, Query(max_length=30)] = "",
        offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
        limit: Annotated[int, Query(ge=0, le=MOST_ROWS)] = 100,
    ) -> Rows:
        """A piece of the table of features, or of what a search finds."""
        index = index_or_404()
        return table(
            index,
            explored.labels(index),
            query=q,
            by=by,
            where=where,
            sort=sort,
            offset=offset,
            limit=limit,
        )

    @app.get("/api/features/{feature}")
    def feature(feature: Annotated[int, Path(ge=0, le=2**53)]) -> Card:
        """Everything that is known of a feature."""
        index = index_or_404()
        if feature >= index.n_features:
            raise HTTPException(404, f"there is no feature {feature}: they are 0 to {index.n_features - 1}")
        return card(index, explored, feature)


def card(index: FeatureIndex, explored: Explored, feature: int) -> Card:
    """A feature's record, its label, and where to go from it."""
    labels, alive = explored.labels(index), index.alive
    said = {} if labels is None else labels[feature].to_json()
    place = int(np.searchsorted(alive, feature))
    behind = place + int(place < len(alive) and alive[place] == feature)
    return Card.model_validate(
        index.record(feature).to_json()
        | said
        | {
            "n_features": index.n_features,
            "previous": int(alive[place - 1]) if place else None,
            "next": int(alive[behind]) if behind < len(alive) else None,
        }
    )
