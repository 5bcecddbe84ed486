"""The forecasts page: what the city foretells, how wrong it was beside naive forecasts, any past one beside what came."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.policy import Person
from dothi.access.routes import person_of
from dothi.model.clock import from_micros
from dothi.model.problem import bad_request, not_found
from dothi.model.reading import Grade
from dothi.model.text import fold
from dothi.model.unit import UNITS
from dothi.platform.forecasts import ENOUGH, HOUR, KEEP, Forecast, Score, Scores
from dothi.platform.platform import Platform
from dothi.platform.runs import Run
from dothi.platform.sector import Process, Target
from dothi.ui.formats import number
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web import ahead
from dothi.web.devices import link, page_number

WINDOWS = {"1": timedelta(days=1), "7": timedelta(days=7), "30": timedelta(days=30)}
LATE = timedelta(hours=3)
ISSUES = 300  # past issues that one may choose from
PAGE = 25
_HEIGHT, _FOOT = 190, 20  # pixels of the drawing, and of its foot
_RANK = {"loses": 0, "better": 1, "few": 2}

Sort = Callable[["Row"], Any]
SORTS: dict[str, Sort] = {
    "verdict": lambda row: (_RANK[row.score.verdict], -_loss(row.score), fold(row.name)),
    "name": lambda row: fold(row.name),
    "model": lambda row: -row.score.model,
    "persistence": lambda row: -row.score.persistence,
    "yesterday": lambda row: -row.score.yesterday,
    "coverage": lambda row: row.score.coverage if row.score.coverage is not None else 2.0,
    "cases": lambda row: -row.score.cases,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One entity and how wrong its forecasts were."""

    entity: str
    name: str
    score: Score


@dataclass(frozen=True, slots=True)
class Card:
    """One process: what it foretells, how it does, when it last spoke, and its newest run."""

    process: Process
    target: Target
    title: str
    unit: str
    score: Score
    issued: datetime | None
    late: bool
    last: Run | None
    running: Run | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the drawing: (x1 %, y1, x2 %, y2) in pixels downwards, piece by piece."""

    id: str
    pieces: list[tuple[float, float, float, float]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Errors by horizon, ready to be drawn: lines, (y, label) across, (x %, label) below."""

    lines: list[Line]
    across: list[tuple[float, str]]
    below: list[tuple[float, str]]
    height: int


class ForecastPages:
    """Serves ``/forecasts`` and ``/forecasts.csv``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def index(self, request: Request) -> Response:
        """Every process that forecasts, the losing ones first; of one its errors, and one forecast beside what came.

        Raises Problem 404 for an unknown process, 400 for a time that is none.
        """
        platform, person, language = self.platform, person_of(request), language_of(request)
        query = request.query_params
        cards = sorted((self._card(person, language, id) for id in platform.forecasts.processes()), key=_losing_first)
        asked = query.get("process") or (cards[0].process.id if cards else "")
        card = next((one for one in cards if one.process.id == asked), None)
        if card is None and asked:
            raise not_found("process", asked[:100])
        shown: dict[str, Any] = {}
        if card is not None:
            window = query.get("days") if query.get("days") in WINDOWS else "7"
            scores = platform.forecasts.scores(person, card.process.id, WINDOWS[str(window)])
            rows, page = self._rows(request, person, language, card, scores), page_number(request)
            shown = {
                "scores": scores,
                "days": window,
                "drawing": drawing(scores, language),
                "rows": rows[(page - 1) * PAGE : page * PAGE],
                "total": len(rows),
                "page": page,
                "size": PAGE,
                "sort": query.get("sort") if query.get("sort") in SORTS else "verdict",
                **self._chosen(request, person, language, card, scores),
            }
        return render(
            request,
            platform,
            "dothi.web:forecasts.html",
            cards=cards,
            card=card,
            q=query.get("q", "")[:100].strip(),
            enough=ENOUGH,
            keep=KEEP.days,
            error_words=partial(ahead.error_words, language=language),
            naive_words=partial(ahead.naive_words, language=language),
            link=partial(link, request),
            **shown,
        )

    def table(self, request: Request) -> Response:
        """Errors by entity, filtered and sorted as on the page, as CSV. Raises Problem 404."""
        person, language = person_of(request), language_of(request)
        listed = list(self.platform.forecasts.processes())
        asked = request.query_params.get("process") or next(iter(listed), "")
        if asked not in listed:
            raise not_found("process", asked[:100])
        card = self._card(person, language, asked)
        days = request.query_params.get("days", "7")
        scores = self.platform.forecasts.scores(person, asked, WINDOWS.get(days, WINDOWS["7"]))
        head = ("entity", "name", "unit", "cases", "maeModel", "maePersistence", "maeYesterday", "coverage80", "verdict")
        cells = (
            (
                row.entity,
                row.name,
                card.unit,
                row.score.cases,
                round(row.score.model, 3),
                round(row.score.persistence, 3),
                round(row.score.yesterday, 3),
                None if row.score.coverage is None else round(row.score.coverage, 3),
                row.score.verdict,
            )
            for row in self._rows(request, person, language, card, scores)
        )
        return csv_response(f"forecasts-{asked}", head, cells)

    def _card(self, person: Person, language: str, id: str) -> Card:
        platform = self.platform
        process, target = platform.forecasts.processes()[id]
        kind = platform.types.get(target.entity_type)
        attribute = kind.attribute(target.attribute) if kind else None
        unit = UNITS.get(attribute.unit or "") if attribute else None
        issued = platform.forecasts.last_issued(person, id)
        return Card(
            process,
            target,
            attribute.title.in_language(language) if attribute else "",
            unit.symbol if unit else "",
            platform.forecasts.scores(person, id).overall,
            issued,
            issued is not None and platform.clock.now() - issued > LATE,
            next(iter(platform.runs.list(person, process=id, limit=1)[0]), None),
            next(iter(platform.runs.list(person, process=id, state="running", limit=1)[0]), None),
        )

    def _names(self, person: Person, language: str, target: Target) -> dict[str, str]:
        layers = (layer for sector in self.platform.sectors for layer in sector.layers)
        points = next((one.points for one in layers if one.entity_type == target.entity_type and one.points), None)
        return {one.id: one.title for one in points(self.platform, person, language)} if points else {}

    def _rows(self, request: Request, person: Person, language: str, card: Card, scores: Scores) -> list[Row]:
        names = self._names(person, language, card.target)
        rows = [Row(urn, names.get(urn, urn.rsplit(":", 1)[-1]), score) for urn, score in scores.by_entity.items()]
        wanted = fold(request.query_params.get("q", "")[:100].strip())
        sort = SORTS.get(request.query_params.get("sort", ""), SORTS["verdict"])
        return sorted((row for row in rows if wanted in fold(row.name)), key=sort)

    def _chosen(self, request: Request, person: Person, language: str, card: Card, scores: Scores) -> dict[str, Any]:
        """One forecast of one entity, as asked for in the address, beside what came."""
        query, platform = request.query_params, self.platform
        names = self._names(person, language, card.target)
        known = sorted(((name, urn) for urn, name in names.items()), key=lambda one: fold(one[0]))
        entity = query.get("entity") or next((urn for _, urn in known if urn in scores.by_entity), "")
        issues = platform.forecasts.issues(person, card.process.id, entity, card.target.attribute, ISSUES) if entity else []
        found = None
        if issues:
            # Without a wish: the newest of which the whole day has come and its last hour was told.
            whole = next((at for at in issues if at + 25 * HOUR <= platform.clock.now()), issues[-1])
            moment = _moment(query["issued"]) if query.get("issued") else whole
            found = platform.forecasts.latest(person, card.process.id, entity, card.target.attribute, moment)
        return {
            "entities": known,
            "entity": entity,
            "issues": issues,
            "chosen": found,
            "chosen_data": self._data(person, language, card, found) if found else "",
            "chosen_rows": ahead.rows_of(found, language) if found else [],
            "chosen_words": self._words(card, found, language) if found else [],
        }

    def _data(self, person: Person, language: str, card: Card, found: Forecast) -> str:
        start, end = found.issued_at - 24 * HOUR, found.issued_at + 24 * HOUR
        rows = self.platform.history.series(person, found.entity, found.attribute, start, end)
        known = [
            (from_micros(at).timestamp(), value)
            for at, value, grade in zip(rows.observed_at, rows.values, rows.grades, strict=True)
            if isinstance(value, (int, float)) and grade != Grade.BAD and card.target.believable(value)
        ]
        data = {
            "t": [int(at) for at, _ in known],
            "v": [round(value, 3) for _, value in known],
            "from": int(start.timestamp()),
            "to": int(end.timestamp()),
            "unit": card.unit,
            "title": card.title,
            "thresholds": [],
            "language": language,
            "ahead": ahead.points_of(found, language),
        }
        # "<" would end the script element that carries the data.
        return msgspec.json.encode(data).decode().replace("<", "\\u003c")

    def _words(self, card: Card, found: Forecast, language: str) -> list[str]:
        """When it was issued and how far it was off, once something has come."""
        _ = translator(language)
        said = [ahead.issued_words(found, language)]
        if found.method != "model":
            said.append(ahead.method_words(found.method, language))
        came = [(one, one.actual) for one in found.points if one.actual is not None]
        if not came:
            return [*said, _("Chưa có giờ nào biết kết quả.")]
        off = [sum(abs(one.value - actual) for one, actual in came) / len(came)]
        for name in ("persistence", "yesterday"):
            pairs = [(getattr(one, name), actual) for one, actual in came if getattr(one, name) is not None]
            off.append(sum(abs(value - actual) for value, actual in pairs) / len(pairs) if pairs else float("nan"))
        model, persistence, yesterday = (number(one, language, 1) if one == one else "–" for one in off)
        said.append(
            _(
                "Đã biết {count} trong {all} giờ: sai ±{model} {unit}; giữ nguyên số đo cuối ±{persistence};"
                " lấy cùng giờ hôm qua ±{yesterday}."
            ).format(
                count=len(came),
                all=len(found.points),
                model=model,
                unit=card.unit,
                persistence=persistence,
                yesterday=yesterday,
            )
        )
        return said


def drawing(scores: Scores, language: str) -> Drawing | None:
    """Errors by horizon as lines; None with fewer than two horizons to join."""
    horizons = list(scores.by_horizon)
    if len(horizons) < 2:
        return None
    last = max(24, *horizons)
    top = max(max(one.model, one.persistence, one.yesterday) for one in scores.by_horizon.values()) * 1.1 or 1.0
    room = _HEIGHT - _FOOT

    def x(horizon: float) -> float:
        return round((horizon - 0.5) / last * 100, 2)

    def y(value: float) -> float:
        return round(room - value / top * (room - 14), 1)

    lines = []
    for name in ("yesterday", "persistence", "model"):
        dots = [(x(horizon), y(getattr(scores.by_horizon[horizon], name))) for horizon in horizons]
        lines.append(Line(name, [(*one, *other) for one, other in pairwise(dots)]))
    step = next(one for one in (1, 2, 5, 10, 20, 50, 100, 500, 1000, 1e9) if top / one <= 5)
    across = [(y(step * place), number(step * place, language)) for place in range(int(top / step) + 1)]
    below = [(x(horizon), str(horizon)) for horizon in (1, 6, 12, 18, 24) if horizon <= last]
    return Drawing(lines, across, below, _HEIGHT)


def _loss(score: Score) -> float:
    """By how much of the naive error the model is worse; below 0 it is better."""
    return (score.model - score.naive) / score.naive if score.naive else 0.0


def _losing_first(card: Card) -> tuple[int, str]:
    return _RANK[card.score.verdict], card.process.id


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise bad_request(f"{text[:40]!r} is no time.", "Give one like 2026-05-20T07:00:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
