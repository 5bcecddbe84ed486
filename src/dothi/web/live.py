"""The stream to browsers: one per browser, only what changed, at most one message every 300 ms per view.

A view is (layers, language, reach): what it shows is worked out once and shared by everybody who looks at it. The first
change goes out at once (leading edge); those that follow within the pause go together. A browser too slow to keep up is
told to load the layers anew instead of being owed an ever longer queue. A view that failed is gone: its streams end, and
the browsers that come back get a new one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dothi.access.identity import signed_of
from dothi.access.policy import Person, Thing, reach
from dothi.access.roles import ACTIONS
from dothi.access.routes import person_of
from dothi.access.sessions import Signed
from dothi.data.news import Changes
from dothi.platform.incidents.model import Incident
from dothi.platform.incidents.sight import seen_among
from dothi.platform.incidents.store import several
from dothi.platform.platform import Platform
from dothi.platform.rules.alerts import things as things_of_lines
from dothi.platform.sector import MapLayer
from dothi.platform.tasks import TaskState
from dothi.ui.language import language_of
from dothi.web import view

PAUSE = 0.3  # seconds between two messages of a view
SUMMARY_PAUSE = 2.0  # tiles, areas and hours cost more and matter less often
SUMMARY_SHARE = 0.1  # and may take this part of the time at most, however large the city
BEAT = 10.0  # a browser that hears nothing for three beats knows that the line is dead
QUEUE = 64
TASK = "live views"
INCIDENTS_TASK = "live incidents"
ALERTS_TASK = "live alerts"
INCIDENTS_PAUSE = 1.0  # seconds between two words of incidents, or of alerts: each makes every browser ask once
_log = structlog.get_logger("dothi.web")


class View:
    """What everybody with the same layers, language and rights sees, and those who are watching it."""

    def __init__(
        self,
        platform: Platform,
        person: Person,
        language: str,
        layers: list[MapLayer],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pause = pause
        self.platform, self.person, self.language, self.layers = platform, person, language, layers
        self.watchers: set[asyncio.Queue[bytes | None]] = set()
        self._changed: dict[str, set[str]] = {}
        self._gone: set[str] = set()
        self._sent: dict[tuple[str, str], Any] = {}
        self._summary = b""
        self._wake, self._stale = asyncio.Event(), asyncio.Event()

    def touch(self, changes: Changes) -> None:
        """Note which entities changed or went; the loop sends them as soon as the pause allows."""
        for layer in self.layers:
            ids = changes.by_type.get(layer.entity_type)
            if ids:
                self._changed.setdefault(layer.id, set()).update(ids)
                self._gone.difference_update(ids)
                self._wake.set()
        if changes.deleted:
            self._gone.update(changes.deleted)
            for waiting in self._changed.values():
                waiting.difference_update(changes.deleted)
            self._wake.set()

    async def run(self) -> None:
        """Send until cancelled: markers at once, the summary beside them so that it never holds them up."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._run_points())
            both.create_task(self._run_summary())

    async def _run_points(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            began = time.monotonic()
            changed, self._changed = self._changed, {}
            gone, self._gone = self._gone, set()
            if gone:
                await self._send_removed(gone)
            for layer in self.layers:
                if changed.get(layer.id):
                    await self._send_points(layer, sorted(changed[layer.id]))
            self._stale.set()
            await self._pause(max(0.0, PAUSE - (time.monotonic() - began)))

    async def _run_summary(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            began = time.monotonic()
            await self._send_summary()
            await self._pause(max(SUMMARY_PAUSE, (time.monotonic() - began) / SUMMARY_SHARE))

    async def _send_points(self, layer: MapLayer, ids: list[str]) -> None:
        found = await run_in_threadpool(view.points, self.platform, self.person, self.language, layer, ids)
        fresh = [point for point in found if self._sent.get((layer.id, point.id)) != point]
        # What was shown and is not found any more left the reach of who watches: it was classified, or it moved.
        left = {one for one in ids if (layer.id, one) in self._sent}.difference(point.id for point in found)
        if left:
            self._tell_removed(left)
        if not fresh:
            return
        for point in fresh:
            self._sent[layer.id, point.id] = point
        self.tell("points", {"layer": layer.id, "points": fresh})

    async def _send_removed(self, gone: set[str]) -> None:
        """Say which entities are no more: a browser may show them though this view never sent them.

        Of those that who watches could not see, nothing is told, not even their names.
        """
        seen = await run_in_threadpool(self.platform.context.known, self.person, gone)
        if seen:
            self._tell_removed(seen)

    def _tell_removed(self, gone: set[str]) -> None:
        for layer in self.layers:
            for one in gone:
                self._sent.pop((layer.id, one), None)
        self.tell("removed", {"ids": sorted(gone)})

    def tell_incidents(self, changed: list[Incident]) -> None:
        """Say which incidents changed: those that who watches may know of."""
        codes = [one.code for one in seen_among(self.person, changed)]
        if codes:
            self.tell("incidents", {"codes": sorted(codes)})

    def tell_alerts(self, changed: dict[int, list[Thing]]) -> None:
        """Say which lines of alerts changed: those of which who watches may know an alert."""
        reached = reach(self.person, "rule.read")
        lines = [line for line, things in changed.items() if reached is not None and any(map(reached.covers, things))]
        if lines:
            self.tell("alerts", {"lines": sorted(lines)})

    async def _send_summary(self) -> None:
        summary = await run_in_threadpool(self._summarise)
        encoded = msgspec.json.encode(summary)
        if encoded != self._summary:
            self._summary = encoded
            self.tell("summary", summary)

    def _summarise(self) -> dict[str, Any]:
        platform, person, language = self.platform, self.person, self.language
        return {
            "tiles": view.tiles(platform, person, language),
            "areas": {layer.id: view.areas(platform, person, language, layer) for layer in self.layers},
            "hours": view.hours(platform, person, language, self.layers),
        }

    def tell(self, kind: str, content: Any) -> None:
        """Put one message into every watcher's queue; a full queue is emptied and its browser told to load anew."""
        message = event(kind, content)
        for queue in self.watchers:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(event("reload", {}))
            queue.put_nowait(message)

    def end(self) -> None:
        """End every stream, whatever still waits in its queue."""
        for queue in self.watchers:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)


class Live:
    """Serves ``/live``: Server-Sent Events (WHATWG HTML, 9.2) named hello, points, removed, summary, incidents, alerts,
    beat, reload."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._views: dict[tuple[Hashable, ...], tuple[View, asyncio.Task[None]]] = {}

    async def stream(self, request: Request) -> Response:
        """One browser's stream. ``layers`` names the layers wanted, comma-separated."""
        layers = view.chosen_layers(self.platform, request.query_params.get("layers"))
        person, language = person_of(request), language_of(request)
        signed = signed_of(request)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(
            self._messages(person, language, layers, signed), headers=headers, media_type="text/event-stream"
        )

    async def _messages(
        self, person: Person, language: str, layers: list[MapLayer], signed: Signed | None = None
    ) -> AsyncIterator[bytes]:
        watched = self._view(person, language, layers)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        watched.watchers.add(queue)
        self.platform.metrics.sse_clients.inc()
        try:
            yield b"retry: 2000\n\n" + event("hello", self._now())
            while True:
                try:
                    async with asyncio.timeout(BEAT):
                        message = await queue.get()
                except TimeoutError:
                    message = event("beat", self._now())
                if message is None or (signed is not None and not self.platform.accounts.holds(signed)):
                    return
                yield message
        finally:
            watched.watchers.discard(queue)
            self.platform.metrics.sse_clients.dec()
            if not watched.watchers:
                await self._drop(watched)

    def _now(self) -> dict[str, datetime]:
        return {"now": self.platform.clock.now()}

    def _view(self, person: Person, language: str, layers: list[MapLayer]) -> View:
        tasks = {TASK: self._listen, INCIDENTS_TASK: self._listen_to_incidents, ALERTS_TASK: self._listen_to_alerts}
        for name, task in tasks.items():
            listening = self.platform.tasks.states.get(name)
            if listening is None or listening.state == "finished":  # one that crashed starts again by itself
                self.platform.tasks.start(name, task)
        # A view shows what several actions read, so all of their reaches are part of what makes two people see the same.
        reaches = tuple(reach(person, action) for action in ACTIONS if action.endswith(".read"))
        key = (language, reaches, *(layer.id for layer in layers))
        known = self._views.get(key)
        if known is not None and not known[1].done():
            return known[0]
        made = View(self.platform, person, language, layers)
        self._views[key] = (
            made,
            asyncio.create_task(self._run(key, made), name=f"view {language} {' '.join(one.id for one in layers)}"),
        )
        return made

    async def _run(self, key: tuple[Hashable, ...], made: View) -> None:
        """Run a view; when it fails, its streams end, so that its browsers come back to a new one."""
        try:
            await made.run()
        except Exception:
            _log.exception("view failed", view=key)
        finally:
            if key in self._views and self._views[key][0] is made:
                del self._views[key]
            made.end()

    async def _drop(self, unwatched: View) -> None:
        for key, (one, task) in list(self._views.items()):
            if one is unwatched:
                del self._views[key]
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _listen(self, state: TaskState) -> None:
        """Pass every committed change to the views, until the city stops: then close every stream."""
        if state.failures:  # nobody listened for a while
            for watched, _task in self._views.values():
                watched.tell("reload", {})
        try:
            async for changes in self.platform.dispatcher.listen():
                for watched, _task in self._views.values():
                    watched.touch(changes)
        finally:
            self.close()

    async def _listen_to_incidents(self, _state: TaskState) -> None:
        """Pass on which incidents changed; browsers then ask for what they show of them."""
        async for codes in self.platform.incidents.listen():
            changed = await run_in_threadpool(self._incidents, codes)
            for watched, _task in list(self._views.values()):
                watched.tell_incidents(changed)
            await asyncio.sleep(INCIDENTS_PAUSE)

    async def _listen_to_alerts(self, _state: TaskState) -> None:
        """Pass on which lines of alerts changed, as those of incidents."""
        async for numbers in self.platform.rules.listen():
            changed = await run_in_threadpool(self._lines, numbers)
            for watched, _task in list(self._views.values()):
                watched.tell_alerts(changed)
            await asyncio.sleep(INCIDENTS_PAUSE)

    def _lines(self, numbers: frozenset[str]) -> dict[int, list[Thing]]:
        with self.platform.database.reader() as db:
            return things_of_lines(db, [int(one) for one in numbers])

    def _incidents(self, codes: frozenset[str]) -> list[Incident]:
        with self.platform.database.reader() as db:
            return several(db, codes)

    def close(self) -> None:
        """End every stream, so that a stopping server does not wait for browsers; who comes back gets a new view."""
        views, self._views = self._views, {}
        for watched, task in views.values():
            task.cancel()
            watched.end()


def event(kind: str, content: Any) -> bytes:
    """One Server-Sent Event with JSON data."""
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(content) + b"\n\n"
