"""How long each dataset is kept, who said so, and its destruction: whole days, recorded, gone for good."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import msgspec

from dothi.access.policy import SYSTEM, Person, Thing, may
from dothi.data.past import believed
from dothi.data.trail import DAY
from dothi.data.writer import Writer
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.schema import KEEP, EntityType
from dothi.model.text import Text
from dothi.store.audit import Act
from dothi.store.connection import Connection
from dothi.store.database import Database

LONGEST = 36_500  # days
LEAST_OF_ROWS = 32  # days: a month's numbers are given out anew only in another month
_HOUR = DAY // 24

_OTHERS = {
    "outbox": Text("Giữ đến khi mọi nơi nhận đã nghe.", "Kept until every handler has heard it."),
    "quarantine": Text("Giữ đến khi được xử lý; số dòng có giới hạn.", "Kept until it is dealt with; bounded in rows."),
    "audit": Text("Giữ mãi.", "Kept for ever."),
}
_TITLES = {
    "outbox": Text("Hộp thư đi", "Outbox"),
    "quarantine": Text("Cách ly", "Quarantine"),
    "audit": Text("Nhật ký kiểm toán", "Audit log"),
}
_CHANGE = (
    "INSERT INTO retention (dataset, days, changed_by, changed_at) VALUES (?,?,?,?) ON CONFLICT (dataset) "
    "DO UPDATE SET days = excluded.days, changed_by = excluded.changed_by, changed_at = excluded.changed_at"
)
_BEGUN = "destroying:"
_REMEMBER = "INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_OF_TYPE = "IN (SELECT s.id FROM series s JOIN entity e ON e.num = s.entity JOIN name t ON t.id = e.type WHERE t.iri = ?)"
_COUNT = (
    f"SELECT observed_at / {DAY}, count(*) FROM reading "  # noqa: S608 - constants
    f"WHERE observed_at < ? AND series_id {_OF_TYPE} GROUP BY 1"
)
_ADDED = (
    f"SELECT u.observed_at / {DAY}, count(*) FROM unsealed u "  # noqa: S608 - constants
    "JOIN reading r ON r.observed_at = u.observed_at AND r.series_id = u.series_id "
    f"WHERE u.observed_at < ? AND u.series_id {_OF_TYPE} GROUP BY 1"
)
_OLDEST = f"SELECT min(observed_at) FROM reading WHERE observed_at < ? AND series_id {_OF_TYPE}"  # noqa: S608 - constants
_TAKE = f"DELETE FROM reading WHERE observed_at >= ? AND observed_at < ? AND series_id {_OF_TYPE}"  # noqa: S608 - constants
_CHANGES = (
    "FROM evolution WHERE at < ? AND attribute <> 'https://uri.etsi.org/ngsi-ld/scope' "  # scopes stand on
    "AND entity IN (SELECT e.id FROM entity e JOIN name t ON t.id = e.type WHERE t.iri = ?)"
)
_CHANGED = f"SELECT at / {DAY}, count(*) {_CHANGES} GROUP BY 1"
_FORGET = (
    f"DELETE {_CHANGES}",
    f"DELETE FROM unsealed WHERE observed_at < ? AND series_id {_OF_TYPE}",  # noqa: S608 - constants
    f"DELETE FROM late WHERE observed_at < ? AND series_id {_OF_TYPE}",  # noqa: S608 - constants
    f"DELETE FROM anchor WHERE observed_at < ? AND series_id {_OF_TYPE}",  # noqa: S608 - constants
    "UPDATE live SET observed_at = NULL, number = NULL, other = NULL, hidden = 1 "  # noqa: S608 - constants
    f"WHERE observed_at < ? AND series_id {_OF_TYPE}",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows that are no readings and have a rule of how long they are kept, for ever unless somebody says otherwise.

    ``count`` gives those that ended before a border (µs) by UTC day since 1970; ``take`` destroys some of them at a moment
    (µs) and returns False once there are none; ``sweep`` then removes what they leave behind outside the database.
    """

    dataset: str
    title: Text
    count: Callable[[Connection, int], Mapping[int, int]]
    take: Callable[[Connection, int, int], bool]
    sweep: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a dataset is kept: an entity type (its IRI), rows of ``Kept`` (``rows``), or "outbox", "quarantine", "audit",
    which have their own rules (``words``) and are not changed.

    ``days`` None is for ever. ``changed_by`` and ``changed_at`` (aware UTC) tell who chose other than ``default``.
    """

    dataset: str
    title: Text
    days: int | None
    default: int | None
    words: Text | None = None
    changed_by: str = ""
    changed_at: datetime | None = None
    rows: bool = False


class Retention:
    """The rules of a city and their execution."""

    def __init__(self, database: Database, writer: Writer, clock: Clock, types: Mapping[str, EntityType]) -> None:
        self._database, self._writer, self._clock, self._types = database, writer, clock, types
        self._kept: dict[str, Kept] = {}

    def keep(self, kept: Kept) -> None:
        """Let the city choose how long these rows are kept."""
        self._kept[kept.dataset] = kept

    def list(self, asker: Person) -> Sequence[Rule]:
        """Every dataset with its rule, entity types first, as far as ``asker`` may read it throughout the city."""
        if not may(asker, "retention.read"):
            return ()
        return [one for one in self._rules() if may(asker, "retention.read", _thing(one))]

    async def change(self, asker: Person, dataset: str, days: int | None) -> Rule:
        """Keep a dataset for ``days`` days from now on, or for ever (None); what is older goes at the next round of sealing.

        Raises Problem 403, 404 for no such dataset, 400 for a number of days that makes no sense or a dataset whose rule is
        its own.
        """
        _allow(asker, dataset)
        rule = next((one for one in await asyncio.to_thread(self._rules) if one.dataset == dataset), None)
        if rule is None:
            raise not_found("dataset", dataset)
        if rule.words is not None:
            raise bad_request(f"The dataset {dataset} has a rule of its own.", "Change that of an entity type.")
        least = LEAST_OF_ROWS if rule.rows else 1
        if days is not None and not least <= days <= LONGEST:
            raise bad_request(f"It is kept from {least} to {LONGEST} days, or for ever.", "Give a number in between.")
        now = self._clock.now()
        if days == rule.days:
            return rule

        def work(db: Connection) -> None:
            db.execute(_CHANGE, (dataset, days, asker.id, to_micros(now)))

        detail = f"days {_shown(rule.days)} to {_shown(days)}"
        act = Act(asker.id, "retention.change", dataset, detail=detail)
        await self._writer.run(asker, now, work, [act], action="retention.write")
        return replace(rule, days=days, changed_by=asker.id, changed_at=now)

    async def doomed(self, asker: Person, dataset: str, days: int | None) -> Mapping[int, int]:
        """What keeping ``dataset`` for ``days`` days would destroy: rows by UTC day since 1970. Counted exactly.

        Raises Problem 403.
        """
        _allow(asker, dataset)
        if days is None:
            return {}
        border = (to_micros(self._clock.now()) // DAY - days) * DAY
        rows, _days = await asyncio.to_thread(self._condemned, dataset, border)
        return rows

    async def destroy(self) -> None:
        """Destroy what is older than its rule allows: whole UTC days, first in the lake, then in the recent table.

        "Older" goes by the city's clock, but no further than a day past what its senders tell: a clock that runs ahead
        destroys nothing. Two acts are recorded, before and after; a kill in between leaves the first, and the next call goes
        on. The files themselves go with the next tidying after the readers' grace. Raises Problem 503, OSError as the lake
        does.
        """

        def today() -> int:
            with self._database.reader() as db:
                return believed(db, to_micros(self._clock.now()), 1) // DAY

        present = await asyncio.to_thread(today)
        rules, begun = await asyncio.to_thread(lambda: (self._rules(), self._begun()))
        for dataset, (border, detail) in begun.items():
            await self._carry_out(dataset, border, detail)
        for rule in rules:
            if rule.words is None and rule.days is not None:
                await self._destroy(rule.dataset, (present - rule.days) * DAY)

    async def _destroy(self, dataset: str, border: int) -> None:
        rows, _ = await asyncio.to_thread(self._condemned, dataset, border)
        if not rows:
            return
        detail = f"days {_day(min(rows))} to {_day(max(rows))} ({len(rows)}), rows {sum(rows.values())}"
        kept = (_BEGUN + dataset, msgspec.json.encode((border, detail)).decode())
        act = Act(SYSTEM.id, "retention.destroy", dataset, "begun", detail=detail)
        await self._writer.run(SYSTEM, self._clock.now(), lambda db: _execute(db, _REMEMBER, kept), [act])
        await self._carry_out(dataset, border, detail)

    async def _carry_out(self, dataset: str, border: int, detail: str) -> None:
        """Everything after the first act; done again after a kill, it does what is left."""
        act = Act(SYSTEM.id, "retention.destroy", dataset, detail=detail)
        if dataset in self._kept:
            await self._take(self._kept[dataset], border)
            await self._writer.run(SYSTEM, self._clock.now(), lambda db: _forget_begun(db, dataset), [act])
            return
        _, days = await asyncio.to_thread(self._condemned, dataset, border)
        if days:
            await asyncio.to_thread(self._drop, dataset, days)
        while await self._writer.run(SYSTEM, self._clock.now(), partial(_take_hour, dataset=dataset, border=border)):
            pass
        await self._writer.run(SYSTEM, self._clock.now(), partial(_conclude, dataset=dataset, border=border), [act])

    async def _take(self, kept: Kept, border: int) -> None:
        now = self._clock.now()
        while await self._writer.run(SYSTEM, now, lambda db: kept.take(db, border, to_micros(now))):
            pass
        if kept.sweep is not None:
            await kept.sweep()

    def _begun(self) -> dict[str, tuple[int, str]]:
        with self._database.reader() as db:
            found = db.execute("SELECT key, value FROM meta WHERE key LIKE ?", (_BEGUN + "%",)).fetchall()
        return {key.removeprefix(_BEGUN): msgspec.json.decode(value, type=tuple[int, str]) for key, value in found}

    def _condemned(self, dataset: str, border: int) -> tuple[dict[int, int], Sequence[int]]:
        """How many rows must go by day, and which of the days are in the lake."""
        if dataset in self._kept:
            with self._database.reader() as db:
                return dict(self._kept[dataset].count(db, border)), ()
        rows: dict[int, int] = {}
        for file in self._database.lake.files(dataset, 0, border):
            rows[file.day] = rows.get(file.day, 0) + file.rows
        days = sorted(rows)
        with self._database.reader() as db:
            for day, count in db.execute(_ADDED, (border, dataset)):
                rows[day] = rows.get(day, 0) + count
            for day, count in db.execute(_COUNT, (border, dataset)):
                rows.setdefault(day, count)  # elsewhere the lake has them too
            for day, count in db.execute(_CHANGED, (border, dataset)):
                rows[day] = rows.get(day, 0) + count
        return rows, days

    def _drop(self, dataset: str, days: Sequence[int]) -> None:
        with self._database.lake.writing():
            self._database.lake.replace(dataset, days, ())

    def _rules(self) -> Sequence[Rule]:
        with self._database.reader() as db:
            chosen = {
                dataset: (days, by, from_micros(at))
                for dataset, days, by, at in db.execute("SELECT dataset, days, changed_by, changed_at FROM retention")
            }
        rules = []
        for iri in sorted({*self._types, *self._database.lake.types()}):
            kind = self._types.get(iri)
            name = iri.rsplit("/", 1)[-1]
            title, default = (kind.title, kind.keep) if kind else (Text(name, name), KEEP)
            days, by, at = chosen.get(iri, (default, "", None))
            rules.append(Rule(iri, title, days, default, changed_by=by, changed_at=at))
        for one in self._kept.values():
            days, by, at = chosen.get(one.dataset, (None, "", None))
            rules.append(Rule(one.dataset, one.title, days, None, changed_by=by, changed_at=at, rows=True))
        return [*rules, *(Rule(name, _TITLES[name], None, None, words) for name, words in _OTHERS.items())]


def _take_hour(db: Connection, *, dataset: str, border: int) -> bool:
    """Destroy the oldest hour of a dataset in the recent table; False if there is none before ``border``."""
    (oldest,) = db.execute(_OLDEST, (border, dataset)).fetchone()
    if oldest is not None:
        start = oldest // _HOUR * _HOUR
        db.execute(_TAKE, (start, start + _HOUR, dataset))
    return oldest is not None


def _conclude(db: Connection, *, dataset: str, border: int) -> None:
    """Destroy what pointed to the rows that are gone, and the values of things that have been silent since."""
    for statement in _FORGET:
        db.execute(statement, (border, dataset))
    _forget_begun(db, dataset)


def _forget_begun(db: Connection, dataset: str) -> None:
    db.execute("DELETE FROM meta WHERE key = ?", (_BEGUN + dataset,))


def _execute(db: Connection, sql: str, values: tuple[str, ...]) -> None:
    db.execute(sql, values)


def _shown(days: int | None) -> str:
    return "for ever" if days is None else str(days)


def _day(day: int) -> str:
    return f"{from_micros(day * DAY):%Y-%m-%d}"


def _thing(rule: Rule) -> Thing:
    """What a rule is about: all of an entity type, or, where it has words of its own, what belongs to no type."""
    return Thing(type=rule.dataset if rule.words is None else None)


def _allow(asker: Person, dataset: str) -> None:
    if not may(asker, "retention.write", Thing(type=dataset)):
        raise Problem(403, "forbidden", f"{asker.id} may not change this.", "Sign in as one who may.")
