"""What came in and could not be taken: kept with its reason until somebody mends the cause and sends it on, or drops it."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from dothi.access.policy import Person, Thing, may, reach
from dothi.data.batch import Quarantined
from dothi.data.classified import OF_DEVICE
from dothi.data.subjects import marks, pieces
from dothi.data.writer import Writer
from dothi.devices.payload import NDJSON
from dothi.devices.payload import REASONS as PAYLOAD_REASONS
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.problem import Problem, not_found
from dothi.model.reading import Origin
from dothi.model.text import Text
from dothi.store.audit import Act
from dothi.store.connection import Connection, Unavailable
from dothi.store.database import Database
from dothi.store.journal import Journal

MAX_ROWS = 100_000
MAX_BYTES = 256 * 1024 * 1024
MAX_AT_ONCE = 1_000
_ROW_BYTES = 256  # what a row weighs beside its body
_MAX_SENDERS = 10_000
_RESOLVED_KEPT = 10_000

REASONS: dict[str, Text] = PAYLOAD_REASONS | {
    "unmapped-key": Text("Khóa chưa được ánh xạ tới thuộc tính nào", "The key is not mapped to an attribute"),
    "unsealed": Text(
        "Dữ liệu cá nhân chưa niêm phong; nội dung không được giữ", "Personal data that is not sealed; nothing of it is kept"
    ),
    "absurd-time": Text("Thời điểm đo cách xa giờ của thành phố", "The time is far from the city's clock"),
    "no-entity": Text("Thực thể của thiết bị không còn", "The device's entity is gone"),
    "unexpected-answer": Text(
        "Nguồn công khai trả lời khác tài liệu của nó", "A public source answered unlike its documents"
    ),
    "poison": Text("Không ghi được thông điệp", "The message could not be stored"),
}
"""Every reason a message can be held for, in words."""

_COLUMNS = (
    "q.id, q.at, q.source, q.device, q.reason, q.detail, length(q.body), q.content_type, q.correlation, q.received_at, "
    "q.origin"
)
# A message may be known as far as the device that sent it; one of no known device is internal and belongs to none.
_HELD = (
    "FROM quarantine q LEFT JOIN device d ON d.id = q.device LEFT JOIN entity e ON e.id = d.entity_id WHERE q.state = 'held'"
)


Ids = list[int]


@dataclass(frozen=True, slots=True)
class Held:
    """One row: ``reason`` is a key of ``REASONS``, ``size`` the bytes of its body. Times are aware UTC."""

    id: int
    at: datetime
    source: str
    device: str | None
    reason: str
    detail: str
    size: int
    content_type: str
    correlation: str
    received_at: datetime | None
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """``replayed`` went back to the journal; ``missing`` are not held (any more)."""

    replayed: list[int]
    missing: list[int]


class Quarantine:
    """The quarantine of one tenant, bounded by ``max_rows`` and ``max_bytes``.

    Nothing held is ever dropped to make room. When it is full, what would still have to be held is turned away and
    counted by sender, and ``refuses`` tells the doors whom not to listen to until there is room.
    """

    def __init__(
        self,
        database: Database,
        journal: Journal,
        writer: Writer,
        clock: Clock,
        *,
        max_rows: int = MAX_ROWS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._database, self._journal, self._writer, self._clock = database, journal, writer, clock
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self._lock = threading.Lock()
        self._senders: dict[str, int] = {}
        self._turned: set[str] = set()
        self.turned_away = 0
        with database.reader() as connection:
            query = "SELECT count(*), coalesce(sum(length(body)), 0) FROM quarantine WHERE state = 'held'"
            self.rows, size = connection.execute(query).fetchone()
        self.size = size + self.rows * _ROW_BYTES

    # For ingest, on its thread

    def admit(self, messages: list[Quarantined]) -> list[Quarantined]:
        """Those of ``messages`` that were not held before and that there is room for, each once.

        What is admitted counts as held until ``release`` says otherwise.
        """
        fresh = self._new(messages)
        with self._lock:
            for count, (_, one) in enumerate(fresh):
                weight = len(one.body) + _ROW_BYTES
                if self.rows >= self._max_rows or self.size + weight > self._max_bytes:
                    self._turn_away(fresh[count:])
                    return [admitted for _, admitted in fresh[:count]]
                self.rows += 1
                self.size += weight
            return [admitted for _, admitted in fresh]

    def settle(self) -> None:
        """The journal's batch is committed whole: what comes from now on was not turned away before."""
        self._turned.clear()

    def release(self, messages: list[Quarantined]) -> None:
        """These were admitted, but their commit did not hold."""
        with self._lock:
            self.rows -= len(messages)
            self.size -= sum(len(one.body) + _ROW_BYTES for one in messages)

    def refuses(self, device: str) -> bool:
        """True while there is no room and ``device`` has sent what would have to be held."""
        return device in self._senders and (self.rows >= self._max_rows or self.size + _ROW_BYTES >= self._max_bytes)

    def _new(self, messages: Sequence[Quarantined]) -> Sequence[tuple[str, Quarantined]]:
        """Each of ``messages`` that has no row yet, not even one that was resolved, by its key."""
        if not messages:
            return []
        keyed = {one.key: one for one in messages}
        wanted = msgspec.json.encode(list(keyed)).decode()
        query = "SELECT q.key FROM {texts} w CROSS JOIN quarantine q WHERE q.key = w.value"
        with self._database.reader() as connection:
            for (key,) in connection.execute(connection.dialect.fill(query), (wanted,)):
                del keyed[key]
        return [*keyed.items()]

    def _turn_away(self, messages: Sequence[tuple[str, Quarantined]]) -> None:
        for key, one in messages:
            if key in self._turned:
                continue
            self._turned.add(key)
            self.turned_away += 1
            sender = one.device or one.source
            if sender in self._senders or len(self._senders) < _MAX_SENDERS:
                self._senders[sender] = self._senders.get(sender, 0) + 1

    # For people

    def list(self, asker: Person, reason: str | None = None, limit: int = 50, offset: int = 0) -> tuple[Sequence[Held], int]:
        """What is held, newest first, and how many there are; nothing for an asker who may not see it."""
        held, values = _reached(asker, "quarantine.read")
        if reason is not None:
            held, values = f"{held} AND q.reason = ?", [*values, reason]
        with self._database.reader() as connection:
            total = connection.execute(f"SELECT count(*) {held}", values).fetchone()[0]
            query = f"SELECT {_COLUMNS} {held} ORDER BY q.id DESC LIMIT ? OFFSET ?"
            rows = connection.execute(query, [*values, limit, offset]).fetchall()
        return [_held(row) for row in rows], total

    def get(self, asker: Person, number: int) -> tuple[Held, bytes]:
        """One row with its raw body. Raises Problem 404, also for an asker who may not see it."""
        held, values = _reached(asker, "quarantine.read")
        with self._database.reader() as connection:
            row = connection.execute(f"SELECT {_COLUMNS}, q.body {held} AND q.id = ?", [*values, number]).fetchone()
        if row is not None:
            return _held(row[:-1]), row[-1]
        raise not_found("quarantined message", str(number))

    def counts(self, asker: Person) -> dict[str, int]:
        """How many are held, by reason; empty for an asker who may not see it."""
        held, values = _reached(asker, "quarantine.read")
        with self._database.reader() as connection:
            query = f"SELECT q.reason, count(*) {held} GROUP BY q.reason ORDER BY 2 DESC, 1"
            return dict(connection.execute(query, values))

    def senders(self, asker: Person) -> dict[str, int]:
        """Whom a full quarantine turned away since the city started, and how often; the worst first."""
        if not may(asker, "quarantine.read", Thing()):
            return {}
        with self._lock:
            return dict(sorted(self._senders.items(), key=lambda pair: -pair[1]))

    async def replay(self, asker: Person, ids: Sequence[int]) -> ReplayResult:
        """Send held messages through ingest again, as they came: same device, door, origin, correlation and moment.

        One that still cannot be taken comes back as a new row. Raises Problem 403, 400 for more than ``MAX_AT_ONCE``
        ids, and JournalFull or JournalDown when the journal takes no more; what it took until then is marked.
        """
        asked = self._asked(asker, ids)
        wanted = await asyncio.to_thread(self._decidable, asker, asked)
        replayed: list[int] = []
        missing = [number for number in asked if number not in wanted]
        try:
            for number in wanted:
                try:
                    held, body = await asyncio.to_thread(self.get, asker, number)
                except Unavailable:
                    raise
                except Problem:
                    missing.append(number)
                    continue
                received = to_micros(held.received_at or held.at)
                await self._journal.append(
                    with_moment(body, held.content_type, received),
                    source=held.source,
                    device=held.device,
                    content_type=held.content_type,
                    correlation=held.correlation,
                    origin=held.origin,
                )
                replayed.append(number)
        finally:
            if replayed:
                await self._resolve(asker, replayed, "replayed")
        return ReplayResult(replayed, missing)

    async def discard(self, asker: Person, ids: Sequence[int]) -> Ids:
        """Drop held messages for good; returns the ids that were held. Raises Problem 403, or 400 for too many ids."""
        return await self._resolve(
            asker, await asyncio.to_thread(self._decidable, asker, self._asked(asker, ids)), "discarded"
        )

    def _asked(self, asker: Person, ids: Sequence[int]) -> Ids:
        if not may(asker, "quarantine.write"):
            raise Problem(403, "not-allowed", "You may not decide about quarantine.", "Ask the operator of this city.")
        if len(ids) > MAX_AT_ONCE:
            raise Problem(400, "too-many", f"{len(ids)} messages at once.", f"Choose at most {MAX_AT_ONCE}.")
        return list(dict.fromkeys(ids))

    def _decidable(self, asker: Person, ids: Sequence[int]) -> Ids:
        """Those of ``ids`` that are held and that the asker may decide about, in their order."""
        held, values = _reached(asker, "quarantine.write")
        found: set[int] = set()
        with self._database.reader() as connection:
            for some in pieces(ids):
                rows = connection.execute(f"SELECT q.id {held} AND q.id IN ({marks(some)})", [*values, *some])
                found.update(number for (number,) in rows)
        return [number for number in ids if number in found]

    async def _resolve(self, asker: Person, ids: Sequence[int], state: str) -> Ids:
        """Mark rows and let go of their bodies; only the newest marks are kept."""
        now = self._clock.now()

        def resolve(connection: Connection) -> dict[int, int]:
            done = {}
            for number in ids:
                query = "SELECT length(body) FROM quarantine WHERE id = ? AND state = 'held'"
                row = connection.execute(query, (number,)).fetchone()
                if row is not None:
                    connection.execute(
                        "UPDATE quarantine SET state = ?, replayed_at = ?, body = ? WHERE id = ?",
                        (state, to_micros(now), b"", number),
                    )
                    done[number] = row[0]
            connection.execute(
                "DELETE FROM quarantine WHERE state <> 'held' AND id <= "
                "(SELECT id FROM quarantine WHERE state <> 'held' ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (_RESOLVED_KEPT,),
            )
            return done

        act = Act(asker.id, "quarantine.write", "quarantine", state, detail=",".join(map(str, ids)))
        done = await self._writer.run(asker, now, resolve, [act], action="quarantine.write")
        with self._lock:
            self.rows -= len(done)
            self.size -= sum(done.values()) + len(done) * _ROW_BYTES
        return [*done]


def _reached(asker: Person, action: str) -> tuple[str, list[object]]:
    """Where what is held is read from, as far as ``asker`` reaches it with ``action``: text and parameters."""
    reached = reach(asker, action)
    condition, values = ("1 = 0", list[object]()) if reached is None else reached.where(**OF_DEVICE)
    return f"{_HELD} AND {condition}", values


def with_moment(body: bytes, content_type: str, received_at: int) -> bytes:
    """``body`` with the moment it was received (µs UTC) wherever it gives none, so that a replay does not move it in time.

    What cannot be read as JSON objects comes back as it is.
    """
    moment = from_micros(received_at)

    def timed(item: Any) -> Any:
        return {"at": moment} | item if isinstance(item, dict) else item

    try:
        if content_type.startswith(NDJSON):
            return b"\n".join(msgspec.json.encode(timed(item)) for item in msgspec.json.Decoder().decode_lines(body))
        items = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    return msgspec.json.encode([timed(item) for item in items] if isinstance(items, list) else timed(items))


def _held(row: Sequence[Any]) -> Held:
    number, at, source, device, reason, detail, size, content_type, correlation, received_at, origin = row
    return Held(
        number,
        from_micros(at),
        source,
        device,
        reason,
        detail,
        size,
        content_type,
        correlation,
        None if received_at is None else from_micros(received_at),
        None if origin is None else Origin(origin),
    )
