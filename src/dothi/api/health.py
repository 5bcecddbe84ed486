"""Seen from outside: does the process serve, does the city work, what does it count."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from dothi import __version__
from dothi.access.policy import may
from dothi.access.routes import page, person_of
from dothi.api.encoding import instant, json_response
from dothi.platform.platform import Platform
from dothi.platform.tasks import TaskState
from dothi.store.connection import DatabaseError

_PATIENCE = 2.0
_WELL = {"description": "It works.", "content": {"application/json": {"schema": {"type": "object"}}}}
_HEALTH = {
    "summary": "Whether the city works: journal, database and ingest",
    "responses": {"200": _WELL, "503": _WELL | {"description": "One of them fails; which, is in works."}},
}


def routes(platform: Platform) -> list[BaseRoute]:
    """``/health/live``, ``/health`` and ``/metrics``."""

    async def live(_: Request) -> Response:
        return json_response({"status": "ok"})

    async def health(request: Request) -> Response:
        works = await state_of_works(platform)
        ok = all(works.values())
        answer: dict[str, Any] = {
            "status": "ok" if ok else "failed",
            "works": works,
            "city": platform.city.slug,
            "version": __version__,
            "time": instant(platform.clock.now()),
            "replay": platform.replay is not None,
            "drill": platform.replay is not None and bool(platform.replay.drill),
            "simulated": platform.simulated,
            "approximate": platform.city.approximate,
        }
        person = person_of(request)
        if may(person, "operations.read"):
            answer["home"] = platform.database.kind
            answer["lag"] = platform.watch.lag
            answer["diskFree"] = round(platform.watch.free, 4)
            if (leap := platform.watch.leap) is not None:
                answer["clockLeap"] = {"to": instant(leap.to), "seconds": round(leap.by.total_seconds())}
            answer["accepting"] = platform.watch.refusal() is None
            answer["devices"] = await asyncio.to_thread(platform.devices.counts, person)
            answer["tasks"] = [_task(state) for state in platform.tasks.states.values()]
        return json_response(answer, 200 if ok else 503, {"Cache-Control": "no-store"})

    async def metrics(_: Request) -> Response:
        text = await asyncio.to_thread(platform.metrics.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return [
        page("/health/live", live, action="health.read", operation={"summary": "Whether the process serves"}),
        page("/health", health, action="health.read", operation=_HEALTH),
        page("/metrics", metrics, action="metrics.read"),
    ]


async def state_of_works(platform: Platform) -> dict[str, bool]:
    """The three without which the city does not work: journal, database, ingest (running and not too far behind)."""
    lag = platform.watch.lag
    works = platform.tasks.running("ingest") and not platform.ingest.figures.stalled
    return {
        "journal": platform.journal.healthy(),
        "database": await _database_answers(platform),
        "ingest": works and lag is not None and lag <= platform.watch.bound,
    }


async def _database_answers(platform: Platform) -> bool:
    def ask() -> bool:
        with platform.database.reader() as connection:
            return bool(connection.execute("SELECT 1").fetchone() == (1,))

    try:
        async with asyncio.timeout(_PATIENCE):
            return await asyncio.to_thread(ask)
    except (DatabaseError, TimeoutError):
        return False


def _task(state: TaskState) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": state.name, "state": state.state, "failures": state.failures}
    if state.last_error:
        shown["lastError"] = state.last_error
    if state.note is not None:
        shown["note"] = {"vi": state.note.vi, "en": state.note.en, "again": instant(state.again)}
    if state.total:
        shown["done"], shown["total"] = state.done, state.total
    return shown
