"""Forecasts for machines: what is foretold, what was foretold at a past moment, and how wrong it was beside naive ones."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from dothi.access.policy import Person
from dothi.access.routes import requires
from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import aware, new_router
from dothi.model.problem import not_found
from dothi.platform.forecasts import Forecast, Score
from dothi.platform.platform import Platform

ForecastReader = Annotated[Person, Depends(requires("forecast.read"))]
ProcessId = Annotated[
    str | None, Query(max_length=100, description="A process that forecasts; without it the first that does.")
]


def router(platform: Platform) -> APIRouter:
    """``/api/v1/forecasts`` and ``/api/v1/forecasts/scores``."""
    api = new_router("forecasts")

    @api.get("/forecasts", summary="The newest forecast of one attribute of one entity, or the newest at a past moment")
    def get_forecast(
        person: ForecastReader,
        entity: Annotated[str, Query(max_length=500, description="The entity's URN.")],
        attribute: Annotated[str, Query(max_length=200, description="A short name or an IRI.")],
        issued: Annotated[
            datetime | None, Query(description="Issued at this moment or the last before it; now without it.")
        ] = None,
    ) -> Response:
        before = aware(issued, "issued")
        for process, target in platform.forecasts.processes().values():
            kind = platform.types.get(target.entity_type)
            declared = kind.attribute(attribute) if kind else None
            if declared is None or declared.iri != target.attribute:
                continue
            found = platform.forecasts.latest(person, process.id, entity, target.attribute, before)
            if found is not None:
                score = platform.forecasts.score_of(person, process.id, entity, target.attribute, until=before)
                return json_response(forecast_json(found) | {"unit": declared.unit, "recent": score_json(score)})
        raise not_found("forecast", f"{attribute} of {entity}")

    @api.get("/forecasts/scores", summary="Mean absolute errors by hours ahead and by entity, beside two naive forecasts")
    def get_scores(
        person: ForecastReader,
        process: ProcessId = None,
        days: Annotated[int, Query(ge=1, le=31, description="How far back the hours lie that were foretold.")] = 7,
    ) -> Response:
        listed = list(platform.forecasts.processes())
        chosen = process if process is not None else next(iter(listed), None)
        if chosen is None or chosen not in listed:
            raise not_found("process", process or "forecast")
        scores = platform.forecasts.scores(person, chosen, timedelta(days=days))
        return json_response(
            {
                "process": chosen,
                "since": instant(scores.since),
                "until": instant(scores.until),
                "overall": score_json(scores.overall),
                "byHoursAhead": [{"hours": hours, **score_json(one)} for hours, one in scores.by_horizon.items()],
                "byEntity": [{"entity": urn, **score_json(one)} for urn, one in scores.by_entity.items()],
            }
        )

    return api


def forecast_json(found: Forecast) -> dict[str, Any]:
    """A forecast as the API shows it; each point speaks for the hour that begins at ``at``."""
    return {
        "process": found.process,
        "entity": found.entity,
        "attribute": found.attribute,
        "issuedAt": instant(found.issued_at),
        "run": found.run,
        "method": found.method,
        "hindcast": found.hindcast,
        "origin": "modelled",
        "points": [
            {
                "at": instant(one.at),
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "persistence": one.persistence,
                "yesterday": one.yesterday,
                "actual": one.actual,
            }
            for one in found.points
        ],
    }


def score_json(score: Score) -> dict[str, Any]:
    """Errors as the API shows them; none of them without cases. ``verdict`` is few, better or loses."""
    known = score.cases > 0
    return {
        "cases": score.cases,
        "model": score.model if known else None,
        "persistence": score.persistence if known else None,
        "yesterday": score.yesterday if known else None,
        "coverage80": score.coverage,
        "hindcasts": score.hindcasts,
        "verdict": score.verdict,
    }
