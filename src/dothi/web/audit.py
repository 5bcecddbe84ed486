"""The auditors' page: who did what, on what, from where, why and how it ended; looking at it is recorded too."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from dothi.access.policy import STRANGER, may
from dothi.access.routes import person_of
from dothi.access.wording import DEEDS, RESULTS, deed, outcome, particulars
from dothi.model.clock import SystemClock, from_micros, to_micros
from dothi.model.problem import bad_request, not_found
from dothi.model.text import Text, fold
from dothi.platform.auditing import Sought, reads_all
from dothi.platform.platform import Platform
from dothi.platform.runs import ASKERS
from dothi.store.audit import Act, Row
from dothi.store.audit_copy import write_copy
from dothi.store.checkpoints import fingerprint
from dothi.ui.formats import city_zone
from dothi.ui.language import language_of
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web.devices import link

PAGE = 50
MOST = 100_000  # rows of a table
_NOBODY = {STRANGER.id: Text("Khách, chưa đăng nhập", "A stranger, not signed in"), "many": Text("Nhiều người", "Many")}
_HEAD = (
    *("number", "at", "person", "name", "action", "what", "thing", "result", "detail", "from", "why", "correlation"),
    "hash",
)


class AuditPages:
    """Serves ``/audit``, ``/audit.csv`` and ``/audit.zip``, the copy that is checked without us."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    async def page(self, request: Request) -> Response:
        """What was done, the newest first, filtered as the address says. Raises Problem 400 for a wrong date."""
        sought = _sought(request)
        await self._tell(request, "audit.read", _words_of(sought))
        return await run_in_threadpool(self._page, request, sought)

    async def table(self, request: Request) -> Response:
        """The same rows as CSV, the newest ``MOST`` of them; moments in UTC. Raises as ``page``."""
        sought = _sought(request)
        await self._tell(request, "audit.export", f"CSV {_words_of(sought)}".strip())
        return await run_in_threadpool(self._table, request, sought)

    async def copy(self, request: Request) -> Response:
        """The whole log with its checkpoints, signed to its last row, as ``dothi audit export`` writes it.

        Raises Problem 404 for who may not read it all.
        """
        if not reads_all(person_of(request)):
            raise not_found("file", "audit.zip")
        await self._tell(request, "audit.export", "ZIP")
        await self.platform.auditing.checkpoint()
        cache = self.platform.settings.home / "cache"
        cache.mkdir(exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=cache)
        path = Path(folder.name) / "audit.zip"
        try:
            await run_in_threadpool(write_copy, self.platform.database, path)
        except BaseException:
            folder.cleanup()
            raise
        name = f"audit-{self.platform.tenant}-{SystemClock().now():%Y%m%dT%H%M%SZ}.zip"
        headers = {"cache-control": "no-store"}
        return FileResponse(path, filename=name, headers=headers, background=BackgroundTask(folder.cleanup))

    async def _tell(self, request: Request, action: str, detail: str) -> None:
        person = person_of(request)
        act = Act(person.id, action, "audit", correlation=request.state.correlation, detail=detail)
        await self.platform.auditing.tell(person, act)

    def _page(self, request: Request, sought: Sought) -> Response:
        platform, person, language = self.platform, person_of(request), language_of(request)
        names = self._names(language)
        found = platform.auditing.find(person, sought, _spoken(names), PAGE)
        query = request.query_params
        newest = platform.auditing.latest()
        return render(
            request,
            platform,
            "dothi.web:audit.html",
            q=sought.words,
            asked={name: query.get(name, "") for name in ("since", "until", "person", "action", "refused", "machines")},
            sought=sought,
            rows=[(row, from_micros(row.at), *outcome(row.result, language)) for row in found.rows],
            older=found.older,
            names=names,
            deeds=sorted(((code, words.in_language(language)) for code, words in DEEDS.items()), key=lambda one: one[1]),
            deed=partial(deed, language=language),
            particulars=partial(particulars, language=language),
            newest=newest,
            signed_at=from_micros(newest.at) if newest else None,
            fingerprint=fingerprint(newest.key) if newest else "",
            may_export=may(person, "audit.export") and reads_all(person),
            reads_all=reads_all(person),
            most=MOST,
            link=partial(link, request),
        )

    def _table(self, request: Request, sought: Sought) -> Response:
        language = language_of(request)
        names = self._names(language)

        def every() -> Iterator[Row]:
            part, left = sought, MOST
            while left > 0:
                found = self.platform.auditing.find(person_of(request), part, _spoken(names), min(left, 5_000))
                yield from found.rows
                left -= len(found.rows)
                if found.older is None:
                    return
                part = replace(part, before=found.older)

        cells = (
            (
                row.seq,
                from_micros(row.at).isoformat(),
                row.person,
                names.get(row.person, ""),
                row.action,
                deed(row.action, language),
                row.thing,
                row.result,
                row.detail,
                row.source,
                row.why,
                row.correlation,
                row.hash.hex(),
            )
            for row in every()
        )
        return csv_response("audit", _HEAD, cells)

    def _names(self, language: str) -> dict[str, str]:
        """What to call the persons of the log who are known here; the log itself has only their ids."""
        with self.platform.database.reader() as db:
            known = {str(person): str(name) for person, name in db.execute("SELECT id, name FROM account")}
        return known | {person: words.in_language(language) for person, words in (ASKERS | _NOBODY).items()}


def _sought(request: Request) -> Sought:
    """What the address asks for. The machine writes a row every few seconds, so whoever asks for nothing in particular is
    shown what people did; ``machines=yes`` shows all."""
    query = request.query_params
    particular = any(query.get(name) for name in ("q", "person", "action", "machines"))
    before = query.get("before", "")
    start, end = _day(query.get("since", "")), _day(query.get("until", ""))
    return Sought(
        words=query.get("q", "")[:100].strip(),
        person=query.get("person", "")[:200],
        action=query.get("action", "")[:100],
        refused=query.get("refused") == "yes",
        people=not particular,
        start=None if start is None else to_micros(start),
        end=None if end is None else to_micros(end + timedelta(days=1)),
        before=int(before) if before.isdecimal() and len(before) < 19 else None,
    )


def _day(text: str) -> datetime | None:
    """The beginning of a day of the city's time. Raises Problem 400."""
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), city_zone())
    except ValueError:
        raise bad_request(f"{text[:40]!r} is no date.", "Write 2026-05-01.") from None


def _words_of(sought: Sought) -> str:
    """What was looked for, for the log."""
    told: dict[str, Any] = {
        "words": sought.words,
        "person": sought.person,
        "action": sought.action,
        "refused": sought.refused,
        "from": sought.start and from_micros(sought.start).isoformat(),
        "to": sought.end and from_micros(sought.end).isoformat(),
        "before": sought.before,
    }
    return ", ".join(f"{name} {value}" for name, value in told.items() if value)


def _spoken(names: dict[str, str]) -> Callable[[Row], str]:
    """What a row says in people's words, in both languages, without accents."""
    deeds = {code: fold(f"{words.vi} {words.en}") for code, words in DEEDS.items()}
    results = {code: fold(f"{words.vi} {words.en}") for code, words in RESULTS.items()}
    called = {person: fold(name) for person, name in names.items()}

    def said(row: Row) -> str:
        result = results.get(row.result.partition(": ")[0], "")
        told = fold(particulars(row.detail, "vi"))
        return f"{deeds.get(row.action, '')} {called.get(row.person, '')} {called.get(row.thing, '')} {result} {told}"

    return said
