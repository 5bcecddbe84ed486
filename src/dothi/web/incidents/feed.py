"""The queue beside the map: worked out once a second for everybody who sees the same, however many look."""

import gzip
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.policy import Person, reach
from dothi.access.routes import person_of
from dothi.platform.incidents.model import Incident
from dothi.platform.platform import Platform
from dothi.ui.language import language_of
from dothi.ui.page import fill
from dothi.web.incidents import look
from dothi.web.incidents.look import Row
from dothi.web.incidents.queue import question_of

ROWS, MARKERS = 60, 200
KEPT_FOR = 1.0  # seconds: 200 operators who hear that something changed cost one look
_KEPT = 256  # different queues
_RANK = 1_000.0  # incidents before what is measured
_TOKENS = {4: "severity-4", 3: "severity-3", 2: "severity-2", 1: "severity-1"}


@dataclass(frozen=True, slots=True)
class QueueLook:
    """The queue as the operations page shows it. ``points`` are its markers as JSON; ``last`` runs out soon."""

    rows: list[Row]
    total: int
    overdue: int
    last: int
    points: str
    order: str


class Feed:
    """Serves ``/incidents/queue``: the list as HTML without a frame, filtered by ``q``, ``ward`` and ``order``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._kept: OrderedDict[Hashable, tuple[float, bytes, str]] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    def fragment(self, request: Request) -> Response:
        """The list; unchanged is 304."""
        body, tag = self._packed(person_of(request), language_of(request), request.query_params)
        headers = {"cache-control": "private, no-cache", "etag": tag, "vary": "accept-language, accept-encoding, cookie"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
        else:
            body = gzip.decompress(body)
        return Response(body, headers=headers, media_type="text/html; charset=utf-8")

    def _packed(self, person: Person, language: str, query: Mapping[str, str]) -> tuple[bytes, str]:
        asked = tuple(query.get(name, "") for name in ("q", "ward", "order"))
        key = (language, reach(person, "incident.read"), asked)
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:  # those who come meanwhile wait for the one answer
            kept = self._kept.get(key)
            if kept is not None and time.monotonic() - kept[0] < KEPT_FOR:
                return kept[1], kept[2]
            context = {"work": queue_look(self.platform, person, language, query), "to": _plain, "platform": self.platform}
            body = fill(language, "dothi.web.incidents:list.html", context | {"chosen": ""}).encode()
            tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
            body = gzip.compress(body, 5, mtime=0)  # a tenth, packed once for all who ask
            with self._lock:
                self._kept[key] = time.monotonic(), body, tag
                self._kept.move_to_end(key)
                while len(self._kept) > _KEPT:
                    self._making.pop(self._kept.popitem(last=False)[0], None)
            return body, tag


def _plain(code: str) -> str:
    return f"/?chosen={code}"


def queue_look(platform: Platform, person: Person, language: str, query: Mapping[str, str]) -> QueueLook:
    """What is being worked on, by what is left, by severity or the newest first (``order``)."""
    wanted = {name: query.get(name, "") for name in ("q", "ward", "order")}
    question = replace(question_of(platform, wanted), limit=MARKERS)
    found = platform.incidents.find(person, question)
    rows = look.rows_of(platform, found.incidents[:ROWS], language)
    last = sum(one.clock is not None and one.clock.state == "last" for one in rows)
    return QueueLook(rows, found.total, found.overdue, last, markers(found.incidents, language), question.order)


def markers(incidents: Sequence[Incident], language: str) -> str:
    """The markers of ``incidents`` as JSON that may stand in a page."""
    points = [_point(one, language) for one in incidents if one.longitude is not None]
    return msgspec.json.encode(points).decode().replace("<", "\\u003c")


def _point(one: Incident, language: str) -> dict[str, Any]:
    """A marker, as ``model.ts`` declares it."""
    return {
        "id": one.code,
        "longitude": one.longitude,
        "latitude": one.latitude,
        "title": one.title.in_language(language),
        "label": "",
        "colour": f"var(--{_TOKENS[one.severity]})",
        "ink": "",
        "detail": "",
        "ward": one.ward or None,
        "freshness": "fresh",
        "severity": one.severity,
        "rank": _RANK * one.severity,
        "doubt": "",
        "work": True,
    }
