"""The addresses under ``/api``."""

from typing import Annotated

import numpy as np
from fastapi import FastAPI, Path, Query
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from monoscope.explore.api.answers import Card, Drawing, Forming, Point, ReportCard, Rows, RunFacts, Training
from monoscope.explore.api.explored import Explored
from monoscope.explore.api.lineage import lineage
from monoscope.explore.api.report_card import report_card
from monoscope.explore.api.rows import By, table
from monoscope.explore.api.tour import Tour, tour
from monoscope.features import FeatureIndex

LONGEST_QUERY = 1000
"""Characters of what is searched for, and of a filter."""
MOST_ROWS = 1000
"""Of one piece of the table."""


BYTES = "application/octet-stream"
WHAT_A_MAP_IS = (
    "Little-endian: the features' numbers as int32, then their x, their y and the share of tokens that they fire on, "
    "as float32"
)


def add_exploring(app: FastAPI, explored: Explored) -> None:
    """What a page asks of a run.

    Args:
        app: what answers; errors of ours are told by its handlers.
        explored: the run.
    """

    @app.get("/api/run")
    def run() -> RunFacts:
        """What the run is and how far it has come."""
        return RunFacts.model_validate(explored.facts())

    @app.get("/api/evaluation")
    def evaluation() -> ReportCard:
        """The report card: every metric beside its baselines."""
        report = explored.record("evaluation")
        if report is None:
            raise HTTPException(404, "the run is not evaluated yet")
        return report_card(report)

    @app.get("/api/training")
    def training() -> Training:
        """The training's curve so far."""
        points = [Point.model_validate(point) for point in explored.curve()]
        return Training(points=points, running=explored.facts()["status"] == "running")

    @app.get("/api/forming")
    def forming() -> Forming:
        """A feature forming, while the dictionary is learnt."""
        return Forming.model_validate(explored.forming())

    @app.get("/api/tour")
    def guided() -> Tour:
        """What a tour of the run shows."""
        return tour(explored.record)

    add_features(app, explored)


def add_features(app: FastAPI, explored: Explored) -> None:
    """The table of features, their map and their cards."""

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
        index = index_of(explored)
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

    @app.get(
        "/api/map",
        response_class=Response,
        responses={200: {"content": {BYTES: {}}, "description": WHAT_A_MAP_IS}, 202: {"model": Drawing}},
    )
    def plane() -> Response:
        """Where features lie whose directions are near; asked for the first time it is drawn, which takes a while."""
        index = index_of(explored)
        found = explored.map()
        if found is None:
            return Response(Drawing().model_dump_json(), 202, media_type="application/json")
        features = found.features.numpy()
        numbers = found.positions.T.numpy(), index.statistics()["density"][features]
        parts = [features.astype("<i4"), *(each.astype("<f4") for each in numbers)]
        return Response(b"".join(part.tobytes() for part in parts), media_type=BYTES)

    @app.get("/api/features/{feature}")
    def feature(feature: Annotated[int, Path(ge=0, le=2**53)]) -> Card:
        """Everything that is known of a feature."""
        index = index_of(explored)
        if feature >= index.n_features:
            raise HTTPException(404, f"there is no feature {feature}: they are 0 to {index.n_features - 1}")
        return card(index, explored, feature)


def index_of(explored: Explored) -> FeatureIndex:
    """The index, or 404."""
    index = explored.index()
    if index is None:
        raise HTTPException(404, "the run has no index yet: it is made after the dictionary")
    return index


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
            "lineage": lineage(explored.record("splitting"), index.n_features, feature),
            "previous": int(alive[place - 1]) if place else None,
            "next": int(alive[behind]) if behind < len(alive) else None,
        }
    )
