"""The data page: which of my data is late or wrong, how much there is of it, and how long it stays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import Person, Thing, may
from dothi.access.routes import person_of
from dothi.data.retention import LEAST_OF_ROWS, Rule
from dothi.data.stored import Stored, TypeStored
from dothi.data.trail import DAY
from dothi.model.clock import from_micros, to_micros
from dothi.model.problem import bad_request, not_found
from dothi.platform.platform import Platform
from dothi.platform.sector import Credit
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web import view, words
from dothi.web.data_attention import attention
from dothi.web.devices import agency_words, held_count

BARS = 30
_FIRST = 12  # months
_HEIGHT = 36  # of the tallest bar, in the units of its drawing


@dataclass(frozen=True, slots=True)
class Bar:
    """One UTC day of readings; ``height`` is 0 for a day without any."""

    at: datetime
    rows: int
    height: float


@dataclass(frozen=True, slots=True)
class Dataset:
    """The readings of one entity type as the page shows them; ``iri`` is empty for a type that a sector declares."""

    title: str
    iri: str
    rule: Rule
    stored: TypeStored | None
    bars: list[Bar]
    counts: dict[str, int]

    @property
    def shares(self) -> list[tuple[str, float]]:
        """Which part of the last day's readings has which grade; empty without any."""
        grades = self.stored.grades if self.stored else (0, 0, 0)
        total = sum(grades)
        return (
            [(name, count / total) for name, count in zip(("good", "suspect", "bad"), grades, strict=True)] if total else []
        )


@dataclass(slots=True)
class Group:
    """Devices of one kind and owner: who sends, and who does not."""

    kind: str
    owner: str
    entity_type: str
    counts: dict[str, int] = field(default_factory=dict)


class DataPages:
    """Serves ``/data``, ``/data.csv`` and the change of how long a dataset is kept."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def page(self, request: Request) -> Response:
        """What is stored, what of it is late or wrong, where it lies, how long it stays, and whom to thank."""
        platform, person, language = self.platform, person_of(request), language_of(request)
        stored, rules = _stored(platform, person), platform.retention.list(person)
        groups = _groups(platform, person, language)
        datasets = _datasets(platform, stored, rules, groups, language)
        return render(
            request,
            platform,
            "dothi.web:data.html",
            stored=stored,
            counted=may(person, "operations.read", Thing()),
            datasets=datasets,
            groups=groups,
            attention=attention(platform, person, language, stored, groups, [(one.title, one.shares) for one in datasets]),
            work=[(one, one.title.in_language(language)) for one in rules if one.rows],
            others=_others(stored, rules, person, language),
            held=held_count(platform, person),
            parts=_parts(stored, language),
            full_in=_full_in(platform, stored),
            credits=_credits(platform, person, language),
            marks=_marks(stored),
            tallest=_HEIGHT,
            bars=BARS,
            done=request.query_params.get("done", ""),
            state_words=partial(words.state_words, language=language),
        )

    def table(self, request: Request) -> Response:
        """Every dataset with its figures, as CSV; times in UTC, sizes in bytes."""
        person, language = person_of(request), language_of(request)
        stored = _stored(self.platform, person)
        rules = self.platform.retention.list(person)
        head = (
            "dataset",
            "readings",
            "notYetInLake",
            "lakeReadings",
            "lakeBytes",
            "lakeFiles",
            "oldest",
            "newest",
            "good24h",
            "suspect24h",
            "bad24h",
            "keptDays",
        )
        rows = (
            (
                one.rule.dataset,
                *(
                    (
                        told.rows,
                        told.fresh,
                        told.lake_rows,
                        told.lake_bytes,
                        told.lake_files,
                        told.oldest.isoformat() if told.oldest else "",
                        told.newest.isoformat() if told.newest else "",
                        *told.grades,
                    )
                    if (told := one.stored)
                    else [None] * 10
                ),
                one.rule.days,
            )
            for one in _datasets(self.platform, stored, rules, [], language)
        )
        return csv_response("data", head, rows)

    def form(self, request: Request) -> Response:
        """How long one dataset is kept, and a form to change that. Raises Problem 404."""
        return self._asked(request, self._rule(person_of(request), request.query_params.get("dataset", "")))

    async def change(self, request: Request) -> Response:
        """Keep a dataset for other than before; asks once more, in numbers, if that destroys anything.

        Raises Problem 400 for a number that makes no sense, 404 for an unknown dataset.
        """
        person, form = person_of(request), await request.form()
        rule = await run_in_threadpool(self._rule, person, str(form.get("dataset", "")))
        text = str(form.get("days", "")).strip().replace(".", "").replace(",", "")
        if form.get("ever") == "yes":
            days = None
        elif text.isascii() and text.isdecimal() and len(text) < 7:
            days = int(text)
        else:
            raise bad_request("That is no number of days.", "Give a whole number of days, or keep the dataset for ever.")
        doomed = await self.platform.retention.doomed(person, rule.dataset, days)
        if doomed and form.get("sure") != "yes":
            return await run_in_threadpool(self._asked, request, rule, days, doomed)
        await self.platform.retention.change(person, rule.dataset, days)
        return RedirectResponse("/data?done=kept#datasets", 303)

    def _asked(
        self, request: Request, rule: Rule, days: int | None = None, doomed: Mapping[int, int] | None = None
    ) -> Response:
        language = language_of(request)
        gone = sorted(doomed or ())
        return render(
            request,
            self.platform,
            "dothi.web:retention.html",
            rule=rule,
            title=rule.title.in_language(language),
            days=days,
            rows=sum((doomed or {}).values()),
            count=len(gone),
            first=_day(gone[0]) if gone else None,
            last=_day(gone[-1]) if gone else None,
            least=LEAST_OF_ROWS if rule.rows else 1,
            months=_months(doomed or {}),
        )

    def _rule(self, person: Person, dataset: str) -> Rule:
        rule = next((one for one in self.platform.retention.list(person) if one.dataset == dataset), None)
        if rule is None or rule.words is not None:
            raise not_found("dataset", dataset)
        return rule


def _stored(platform: Platform, person: Person) -> Stored | None:
    """What was counted, for who sees the whole city: the figures are of all of it."""
    return platform.stored.latest if may(person, "operations.read", Thing()) else None


def _groups(platform: Platform, person: Person, language: str) -> list[Group]:
    """The devices by kind and owner, those with silent ones first; refused ones are left out."""
    found = []
    for (kind, owner), counts in platform.devices.tally(person, lambda one: (one.entity_type, one.owner)).items():
        told = platform.types.get(kind)
        title = told.title.in_language(language) if told else kind.rsplit("/", 1)[-1]
        heard = {str(state): count for state, count in counts.items() if state != "refused"}
        if heard:
            found.append(Group(title, agency_words(platform, owner, language), kind, heard))
    return sorted(found, key=lambda one: (-one.counts.get("silent", 0), -one.counts.get("late", 0), one.kind, one.owner))


def _datasets(platform: Platform, stored: Stored | None, rules: Any, groups: list[Group], language: str) -> list[Dataset]:
    told = {one.type: one for one in stored.types} if stored else {}
    today = to_micros(stored.at if stored else platform.clock.now()) // DAY
    found = []
    for rule in rules:
        if rule.words is not None or rule.rows:
            continue
        counts: dict[str, int] = {}
        for group in groups:
            if group.entity_type == rule.dataset:
                for state, count in group.counts.items():
                    counts[state] = counts.get(state, 0) + count
        one = told.get(rule.dataset)
        title, iri = rule.title.in_language(language), "" if rule.dataset in platform.types else rule.dataset
        found.append(Dataset(title, iri, rule, one, _bars(one.days if one else {}, today), counts))
    return sorted(found, key=lambda one: -(one.stored.rows if one.stored else 0))


def _bars(days: dict[int, int], today: int) -> list[Bar]:
    shown = range(today - BARS + 1, today + 1)
    most = max((days.get(day, 0) for day in shown), default=0)
    return [
        Bar(_day(day), days.get(day, 0), max(1.5, _HEIGHT * days[day] / most) if days.get(day) else 0.0) for day in shown
    ]


def _others(stored: Stored | None, rules: Any, person: Person, language: str) -> list[dict[str, Any]]:
    """The other tables: what is in them, the rule each has of its own, and its page where ``person`` may open it."""
    _ = translator(language)
    if stored is None:
        return []
    rule = {one.dataset: one.words.in_language(language) for one in rules if one.words is not None}
    named = {
        "entity": (_("Thực thể"), "", _("Giữ đến khi bị xóa.")),
        "quarantine": (
            _("Cách ly"),
            "/devices/quarantine" if may(person, "quarantine.read") else "",
            rule.get("quarantine", ""),
        ),
        "outbox": (_("Hộp thư đi"), "", rule.get("outbox", "")),
        "audit": (_("Nhật ký kiểm toán"), "", rule.get("audit", "")),
        "run": (_("Lượt chạy"), "/runs" if may(person, "run.read") else "", ""),
        "forecast": (_("Giá trị dự báo"), "/forecasts", ""),
    }
    return [
        {"title": title, "link": link, "rule": words, "table": stored.tables[name]}
        for name, (title, link, words) in named.items()
    ]


def _parts(stored: Stored | None, language: str) -> list[tuple[str, int]]:
    """The parts of the city's folder with their bytes, the largest first."""
    _ = translator(language)
    if stored is None:
        return []
    titles = {
        "database": _("Cơ sở dữ liệu (gần đây và hiện trạng)"),
        "lake": _("Kho dữ liệu (đã niêm phong)"),
        "journal": _("Nhật ký tiếp nhận"),
        "files": _("Tệp đã tải lên"),
        "backups": _("Bản sao lưu"),
    }
    return sorted(((titles[name], size) for name, size in stored.bytes.items()), key=lambda one: -one[1])


def _full_in(platform: Platform, stored: Stored | None) -> timedelta | None:
    """When the disk will be full at the present growth, in real time: a replay's days pass faster. None if it is not known
    or does not grow."""
    if stored is None or not stored.growth or stored.growth <= 0:
        return None
    days = stored.free / stored.growth / (platform.replay.speed if platform.replay else 1.0)
    return timedelta(days=min(days, 365_000))


def _marks(stored: Stored | None) -> dict[str, datetime | None]:
    """How far sealing is; None before it began."""
    if stored is None:
        return {"sealed": None, "recent": None}
    sealed, recent = stored.marks.sealed_until, stored.marks.recent_from
    return {"sealed": from_micros(sealed) if sealed else None, "recent": from_micros(recent) if recent else None}


def _credits(platform: Platform, person: Person, language: str) -> list[Credit]:
    found: list[Credit] = []
    for sector in platform.sectors:
        if sector.credits is not None:
            found += view.guarded(partial(sector.credits, platform, person, language), [], f"credits of {sector.id}")
    return found


def _months(doomed: Mapping[int, int]) -> list[tuple[str, int, float]]:
    """What goes first: (month, rows, part of the fullest in %) of the oldest months."""
    months: dict[str, int] = {}
    for day in sorted(doomed):
        month = f"{_day(day):%m/%Y}"
        months[month] = months.get(month, 0) + doomed[day]
    first = list(months.items())[:_FIRST]
    most = max((rows for _, rows in first), default=1)
    return [(month, rows, round(100 * rows / most, 1)) for month, rows in first]


def _day(day: int) -> datetime:
    return datetime.fromtimestamp(day * DAY / 1e6, UTC)
