"""The drawer: what is known about one entity, most important first, down to the readings themselves."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dothi.access.policy import Person
from dothi.access.routes import person_of
from dothi.data.history import SeriesRows
from dothi.model.clock import from_micros
from dothi.model.entity import Attribute, Entity
from dothi.model.moment import Moment
from dothi.model.problem import bad_request, not_found
from dothi.model.reading import Grade, Origin, Reason
from dothi.model.unit import UNITS
from dothi.platform.platform import Platform
from dothi.platform.sector import Chart, Panel
from dothi.ui.formats import number, relative
from dothi.ui.language import language_of, translator
from dothi.ui.moments import address_of, moment_of
from dothi.ui.page import fill
from dothi.ui.tables import csv_response
from dothi.web import words
from dothi.web.ahead import Ahead, ahead
from dothi.web.view import guarded

TABLE_ROWS = 24
LONGEST = 31 * 24
_LOOKBACK = timedelta(hours=24)  # an older value says nothing about a moment
_TICK = timedelta(microseconds=1)  # the end of a period is not part of it, the moment that is looked at is


@dataclass(frozen=True, slots=True)
class Row:
    """One reading as a table shows it."""

    at: Any
    value: str
    grade: Grade
    quality: str
    reasons: str
    origin: str


@dataclass(frozen=True, slots=True)
class ChartView:
    """A chart with everything it needs: its data as JSON for the island, and the newest rows for everybody."""

    chart: Chart
    data: str
    rows: list[Row]
    total: int
    ahead: Ahead | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One attribute of the entity as it stands now."""

    title: str
    value: str
    unit: str
    at: Any
    grade: Grade
    quality: str
    reasons: str
    origin: str


def panel_context(
    platform: Platform, person: Person, language: str, urn: str, moment: Moment | None = None
) -> dict[str, Any] | None:
    """What the drawer's template needs about ``urn``, now or at ``moment``; None if the asker knows no such entity."""
    entity = platform.context.get(person, urn)
    if entity is None:
        return None
    now = platform.clock.now()
    if moment is not None:
        now, entity = moment.at, _as_it_was(platform, person, entity, moment)
    panel = _panel(platform, person, language, entity, moment)
    alerts = [] if moment is not None else platform.rules.alerts_on(person, urn, 5)
    return {
        "urn": urn,
        "panel": panel,
        "charts": [_chart(platform, person, language, urn, chart, moment) for chart in panel.charts],
        "measured": _measured(platform, language, entity),
        "alerts": [one for one in alerts if one.goes_on],
        "had_alerts": bool(alerts),
        "devices": platform.devices.of_entity(person, urn) if moment is None else [],
        "asked": urlencode({name: value for name, value in address_of(moment).items() if value}),
        "relative": lambda moment: relative(moment, now, language),
        "state_words": partial(words.state_words, language=language),
        "flag_words": partial(words.flag_words, language=language),
    }


class Panels:
    """Serves ``/panel/{urn}``, the drawer's HTML without a frame, and its readings as CSV."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def fragment(self, request: Request) -> Response:
        """The drawer of one entity, now or at a past moment. Raises Problem 404, 400 for a wrong moment."""
        urn, language = request.path_params["urn"], language_of(request)
        moment = moment_of(request, self.platform)
        context = panel_context(self.platform, person_of(request), language, urn, moment)
        if context is None:
            raise not_found("entity", urn)
        return HTMLResponse(fill(language, "dothi.web:panel.html", context), headers={"cache-control": "no-store"})

    async def table(self, request: Request) -> Response:
        """The readings of one attribute over the last ``hours``, up to now or to a past moment, as CSV (RFC 4180, UTF-8 with
        a mark for spreadsheets). Raises Problem 400 for wrong hours or a wrong moment."""
        moment = moment_of(request, self.platform)
        urn, iri = request.path_params["urn"], request.query_params.get("attribute", "")
        try:
            hours = min(max(int(request.query_params.get("hours", "24")), 1), LONGEST)
        except ValueError:
            raise bad_request("hours is not a number.", "Give whole hours, for example hours=24.") from None
        rows = await run_in_threadpool(
            _readings, self.platform, person_of(request), urn, iri, timedelta(hours=hours), moment
        )
        name = urn.rsplit(":", 1)[-1] + "-" + iri.rsplit("/", 1)[-1]
        return csv_response(
            name,
            ("observedAt", "value", "grade", "reasons", "origin"),
            (
                (
                    from_micros(at).isoformat(),
                    value,
                    Grade(grade).name.lower(),
                    _names(Reason(reasons)),
                    Origin(origin).name.lower(),
                )
                for at, value, grade, reasons, origin in zip(
                    rows.observed_at, rows.values, rows.grades, rows.reasons, rows.origins, strict=True
                )
            ),
        )


def _as_it_was(platform: Platform, person: Person, entity: Entity, moment: Moment) -> Entity:
    """``entity`` with the values of ``moment`` where it has observed ones; what was not heard for a day is left out."""
    found: dict[str, list[Attribute]] = {}
    for iri, instances in entity.attributes.items():
        for one in instances:
            if one.observed_at is None:
                found.setdefault(iri, []).append(one)
                continue
            rows = _readings(platform, person, entity.id, iri, _LOOKBACK, moment, one.dataset_id, limit=1)
            if len(rows):
                value = msgspec.structs.replace(
                    one,
                    value=rows.values[-1],
                    observed_at=from_micros(rows.observed_at[-1]),
                    grade=rows.grades[-1],
                    reasons=rows.reasons[-1],
                    origin=rows.origins[-1],
                )
                found.setdefault(iri, []).append(value)
    return msgspec.structs.replace(entity, attributes=found)


def _panel(platform: Platform, person: Person, language: str, entity: Entity, moment: Moment | None) -> Panel:
    """What the entity's sector says about it; its bare name where no sector has words, or the sector fails."""
    kind = platform.types.get(entity.type)
    ward = platform.city.by_code.get(entity.ward or "")
    bare = Panel(
        title=entity.id.rsplit(":", 1)[-1],
        subtitle=" · ".join(
            part for part in (kind.title.in_language(language) if kind else "", ward.full_name if ward else "") if part
        ),
    )
    for sector in platform.sectors:
        if sector.panel is not None and any(one.iri == entity.type for one in sector.entity_types):
            return guarded(partial(sector.panel, platform, person, language, entity, moment), bare, f"panel of {sector.id}")
    return bare


def _readings(
    platform: Platform,
    person: Person,
    urn: str,
    iri: str,
    length: timedelta,
    moment: Moment | None,
    dataset: str | None = None,
    limit: int = 10_000,
) -> SeriesRows:
    """The readings of the time ``length`` up to now or to ``moment``, which is part of it."""
    if moment is None:
        now = platform.clock.now()
        return platform.history.series(person, urn, iri, now - length, now, dataset_id=dataset, limit=limit)
    end = moment.at + _TICK
    start, heard_by = end - length, moment.heard_by
    if moment.known == "now":
        end -= next((one.speaks_for for kind in platform.types.values() if (one := kind.attribute(iri))), timedelta(0))
    return platform.history.series(person, urn, iri, start, end, dataset_id=dataset, limit=limit, heard_by=heard_by)


def _chart(platform: Platform, person: Person, language: str, urn: str, chart: Chart, moment: Moment | None) -> ChartView:
    now = platform.clock.now() if moment is None else moment.at
    rows = _readings(platform, person, urn, chart.attribute, timedelta(hours=chart.hours), moment)
    usable = [
        (at // 1_000_000, value)
        for at, value, grade in zip(rows.observed_at, rows.values, rows.grades, strict=True)
        if isinstance(value, (int, float)) and grade != Grade.BAD
    ]
    data = {
        "t": [at for at, _ in usable],
        "v": [round(value, 3) for _, value in usable],
        "from": int((now - timedelta(hours=chart.hours)).timestamp()),
        "to": int(now.timestamp()),
        "unit": chart.unit,
        "title": chart.title,
        "thresholds": chart.thresholds,
        "language": language,
    }
    coming = ahead(platform, person, language, urn, chart, moment)
    if coming is not None and coming.points is not None:
        data |= {"ahead": coming.points, "to": coming.points["t"][-1]}
    newest = range(len(rows.observed_at) - 1, max(-1, len(rows.observed_at) - 1 - TABLE_ROWS), -1)
    table = [
        Row(
            from_micros(rows.observed_at[place]),
            value_words(rows.values[place], language),
            Grade(rows.grades[place]),
            words.grade_words(Grade(rows.grades[place]), language),
            ", ".join(words.reason_words(Reason(rows.reasons[place]), language)),
            words.origin_words(Origin(rows.origins[place]), language),
        )
        for place in newest
    ]
    # "<" would end the script element that carries the data.
    encoded = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    return ChartView(chart, encoded, table, len(rows.observed_at), coming)


def _measured(platform: Platform, language: str, entity: Entity) -> list[Measured]:
    """The numbers its type declares, in the declared order, that have been observed."""
    kind = platform.types.get(entity.type)
    found = []
    for declared in kind.attributes if kind else ():
        now = entity.first(declared.iri)
        if declared.value != "number" or now is None or now.observed_at is None:
            continue
        unit = UNITS.get(now.unit or declared.unit or "")
        found.append(
            Measured(
                declared.title.in_language(language),
                value_words(now.value, language, declared.decimals),
                unit.symbol if unit else "",
                now.observed_at,
                now.grade,
                words.grade_words(now.grade, language),
                ", ".join(words.reason_words(now.reasons, language)),
                words.origin_words(now.origin, language),
            )
        )
    return found


def value_words(value: Any, language: str, decimals: int | None = None) -> str:
    """A reading as people read it, without its unit."""
    _ = translator(language)
    if isinstance(value, bool):
        return _("có") if value else _("không")
    if isinstance(value, (int, float)):
        return number(value, language, decimals)
    return _("đã rút") if value is None else str(value)


def _names(reasons: Reason) -> str:
    return " ".join(reason.name.lower() for reason in Reason if reason & reasons and reason.name)
