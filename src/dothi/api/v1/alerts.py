"""Alerts and rules for programs: what is wrong now, that somebody looks after it, and rules as JSON that can be moved."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.access.policy import Person
from dothi.access.routes import requires
from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import Limit, Offset, aware, new_router, paged
from dothi.model.problem import bad_request, not_found
from dothi.platform.platform import Platform
from dothi.platform.rules.alerts import Alert, AlertGroup, AlertQuestion, AlertState
from dothi.platform.rules.model import Rule
from dothi.platform.rules.store import KeptRule

Reader = Annotated[Person, Depends(requires("rule.read"))]
Writer = Annotated[Person, Depends(requires("rule.write"))]
Worker = Annotated[Person, Depends(requires("incident.write"))]
Line = Annotated[int, Path(ge=1, lt=2**53, description="A line's number.")]
RuleId = Annotated[str, Path(max_length=64, pattern=r"^[a-z0-9][a-z0-9-]*$", description="A rule's id.")]
OPEN: tuple[AlertState, ...] = ("firing", "acknowledged")


class Written(BaseModel):
    """A rule as it is to be, and the version it was made from."""

    model_config = ConfigDict(extra="forbid")
    version: int = Field(0, ge=0, lt=2**53, description="The version that was looked at; 0 for a rule that is new.")
    rule: dict[str, Any] = Field(description="As GET /api/v1/rules/{rule} shows it.")


class Turned(BaseModel):
    """Whether a rule is watched."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool


def router(platform: Platform) -> APIRouter:
    """``/api/v1/alerts``, ``/api/v1/entity-alerts`` and ``/api/v1/rules``."""
    api = new_router("alerts")
    rules = platform.rules

    @api.get("/alerts", summary="Lines of alerts, those that go on first: each stands for one cause in one area")
    def get_alerts(
        person: Reader,
        state: Annotated[list[AlertState] | None, Query(description="Those that go on, if left out.")] = None,
        severity: Annotated[int, Query(ge=1, le=4, description="The least.")] = 1,
        rule: Annotated[str, Query(max_length=64)] = "",
        ward: Annotated[str, Query(max_length=20)] = "",
        since: Annotated[datetime | None, Query(description="Found at this moment or later.")] = None,
        q: Annotated[str, Query(max_length=100, description="Words, without accents, all of one alert.")] = "",
        entity: Annotated[str, Query(max_length=500, description="An entity's URN, or a ward's code.")] = "",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Response:
        found = rules.alerts(
            person,
            AlertQuestion(
                tuple(state or OPEN),
                severity,
                rule,
                ward,
                aware(since, "since"),
                text=q,
                subject=entity,
                limit=limit,
                offset=offset,
            ),
        )
        return json_response(paged([line_json(one) for one in found.groups], found.total, limit, offset))

    @api.get("/alerts/{line}", summary="One line, and each alert it stands for")
    def get_alert(person: Reader, line: Line, limit: Limit = 1000) -> Response:
        found = line_json(rules.group(person, line))
        return json_response(found | {"alerts": [alert_json(one) for one in rules.alerts_of(person, line, limit)]})

    @api.post("/alerts/{line}/acknowledge", summary="Say that somebody looks after it")
    async def acknowledge(request: Request, person: Worker, line: Line) -> Response:
        rules.group(person, line)
        await rules.acknowledge(person, [line], correlation=request.state.correlation)
        return json_response(line_json(rules.group(person, line)))

    @api.get("/entity-alerts", summary="The alerts of one entity or ward, those that go on first")
    def get_entity_alerts(
        person: Reader,
        entity: Annotated[str, Query(max_length=500, description="An entity's URN, or a ward's code.")],
        limit: Limit = 50,
    ) -> Response:
        rows = [alert_json(one) for one in rules.alerts_on(person, entity, limit)]
        return json_response(paged(rows, None, limit, 0))

    @api.get("/rules", summary="Every rule in its newest version")
    def get_rules(person: Reader) -> Response:
        rows = [rule_json(one) for one in rules.rules(person)]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.get("/rules/{rule}", summary="One rule, in its newest version or an older one")
    def get_rule(person: Reader, rule: RuleId, version: Annotated[int | None, Query(ge=1, lt=2**53)] = None) -> Response:
        found = next((one for one in rules.versions(person, rule) if version in (None, one.version)), None)
        if found is None:
            raise not_found("version of the rule", str(version))
        return json_response(rule_json(found))

    @api.put("/rules/{rule}", summary="Make a rule, or its next version")
    async def put_rule(request: Request, person: Writer, rule: RuleId, asked: Written) -> Response:
        try:
            told = msgspec.convert(asked.rule | {"id": rule}, Rule)
        except msgspec.ValidationError as error:
            raise bad_request(f"That is no rule: {error}", "Look at another rule of this city for its form.") from None
        kept = await rules.save(person, told, version=asked.version, correlation=request.state.correlation)
        return json_response(rule_json(kept), 200 if asked.version else 201)

    @api.patch("/rules/{rule}", summary="Switch a rule on or off; what it raised ends when it is switched off")
    async def turn_rule(request: Request, person: Writer, rule: RuleId, asked: Turned) -> Response:
        await rules.turn(person, rule, enabled=asked.enabled, correlation=request.state.correlation)
        return json_response(rule_json(rules.rule(person, rule)))

    return api


def line_json(line: AlertGroup) -> dict[str, Any]:
    """A line as the API shows it; ``count`` alerts, ``open`` of them not ended."""
    return {
        "id": line.id,
        "rule": line.rule,
        "title": {"vi": line.title.vi, "en": line.title.en},
        "state": line.state,
        "severity": line.severity,
        "count": line.count,
        "open": line.open,
        "wards": line.wards,
        "beganAt": instant(line.began_at),
        "detectedAt": instant(line.detected_at),
        "newestAt": instant(line.newest_at),
        "endedAt": instant(line.ended_at),
        "acknowledgedBy": line.acknowledged_by,
        "acknowledgedAt": instant(line.acknowledged_at),
        "incident": line.incident or None,
    }


def alert_json(alert: Alert) -> dict[str, Any]:
    """One alert as the API shows it."""
    return {
        "id": alert.id,
        "line": alert.group,
        "rule": alert.rule,
        "version": alert.version,
        "subject": alert.subject,
        "name": alert.name,
        "ward": alert.ward,
        "state": alert.state,
        "severity": alert.severity,
        "value": alert.value,
        "threshold": alert.threshold,
        "said": {"vi": alert.said.vi, "en": alert.said.en},
        "beganAt": instant(alert.began_at),
        "detectedAt": instant(alert.detected_at),
        "endedAt": instant(alert.ended_at),
        "acknowledgedBy": alert.acknowledged_by,
        "acknowledgedAt": instant(alert.acknowledged_at),
    }


def rule_json(kept: KeptRule) -> dict[str, Any]:
    """A rule as the API shows it: ``rule`` can be sent to another city as it is."""
    return {
        "version": kept.version,
        "enabled": kept.enabled,
        "rule": msgspec.to_builtins(kept.rule),
        "madeBy": kept.made_by,
        "madeAt": instant(kept.made_at),
        "changedAt": instant(kept.changed_at),
        "repeats": kept.made_again,
    }
