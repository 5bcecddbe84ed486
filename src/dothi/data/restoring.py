"""A city brought back from elsewhere into an empty database: by the same rules of history, without telling anybody.

A ``Restorer`` takes the place of the ``Writer`` while nothing else runs on the home: readings go through the same
``Recorder``, entities through the same ``Editor``; there is no act for each and nothing to dispatch, because all of it was
recorded and told where it happened.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dothi.access.policy import SYSTEM, Clearance
from dothi.data.batch import EntityChange, IntArray, Readings, SeriesKey
from dothi.data.document import Document, write_document
from dothi.data.editing import Editor
from dothi.data.instances import soonest
from dothi.data.past import Past
from dothi.data.recording import Recorder
from dothi.data.series import SeriesIndex, Written
from dothi.data.shape import box_of
from dothi.model.clock import from_micros
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.problem import Problem
from dothi.store.audit import Act, last_seal, record
from dothi.store.connection import Conflict, Connection, Database

Also = Callable[[Connection], None]

_AS_IT_WAS = "UPDATE entity SET ward = ?, owner = ?, created_at = ?, modified_at = ?, due_at = ?, doc = ? WHERE num = ?"
_SHOW = (
    "INSERT INTO live (series_id, head, observed_at, number, other, grade, reasons, origin, received_at, hidden) "
    "VALUES (?,NULL,?,?,?,?,?,?,?,?) ON CONFLICT (series_id) DO UPDATE SET observed_at = excluded.observed_at, "
    "number = excluded.number, other = excluded.other, grade = excluded.grade, reasons = excluded.reasons, "
    "origin = excluded.origin, received_at = excluded.received_at, hidden = excluded.hidden"
)
_SHOW_NOTHING = "UPDATE live SET observed_at = NULL, hidden = 1 WHERE series_id = ?"


@dataclass(slots=True)
class KeptEntity:
    """An entity as it is kept, without its number; moments in µs UTC. ``place`` is the location it shows (GeoJSON).

    ``type`` and ``more_types`` are IRIs.
    """

    id: str
    type: str
    clearance: Clearance
    ward: str | None
    owner: str | None
    created_at: int
    modified_at: int
    deleted_at: int | None
    document: Document
    place: Any = None
    more_types: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    expires_at: int | None = None

    @property
    def due_at(self) -> int | None:
        """When it, or the first of its attributes, is past its time."""
        return min((one for one in (self.expires_at, soonest(self.document)) if one is not None), default=None)


@dataclass(slots=True)
class ShownValue:
    """What a series shows; ``observed_at`` (µs UTC) None shows nothing, ``hidden`` where its entity shows it no more."""

    series: int
    observed_at: int | None
    number: float | None
    other: str | None
    grade: int
    reasons: int
    origin: int
    received_at: int
    hidden: bool


class Restorer:
    """The only writer of a database that takes in a city. Every method commits whole or not at all, with ``also``."""

    def __init__(self, database: Database) -> None:
        self._db = database.connect_writer()
        self.index = SeriesIndex.load(self._db)
        self._recorder = Recorder(self._db, self.index, Past(database))
        self._editor = Editor(self._db, self.index, lambda _longitude, _latitude: None)
        self._written = Written(self._db, self.index)

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def run(self, work: Also) -> None:
        """Run statements in one transaction."""
        self._transact(lambda: work(self._db))

    def entities(self, kept: Sequence[KeptEntity], also: Also) -> None:
        """Bring back entities, deleted ones too: those live until ``delete``, so that their readings find them."""

        def work() -> None:
            changes = [EntityChange("create", _entity(one), one.clearance) for one in kept]
            self._editor.begin(changes)
            for one, change in zip(kept, changes, strict=True):
                self._editor.edit(change, SYSTEM, one.created_at)
            self._editor.write()
            self._written.write()
            rows = [
                (
                    one.ward,
                    one.owner,
                    one.created_at,
                    one.modified_at,
                    one.due_at,
                    write_document(one.document),
                    self.index.num(one.id),
                )
                for one in kept
            ]
            self._db.executemany(_AS_IT_WAS, rows)
            also(self._db)

        self._transact(work)

    def series(self, keys: Sequence[SeriesKey], units: Sequence[str | None], also: Also) -> None:
        """Bring back series, in this order. Raises KeyError with the id of an entity that is not there."""

        def work() -> None:
            self.index.resolve(keys, units)
            self.index.fit_state()
            self._written.write()
            also(self._db)

        self._transact(work)

    def readings(self, readings: Readings, also: Also) -> None:
        """Bring back history: rows of series that are there, revisions of a key in the order in which they were heard."""
        try:
            self._record(readings, also, careful=False)
        except Conflict:
            self._record(readings, also, careful=True)

    def show(self, values: Iterable[ShownValue], also: Also) -> None:
        """Let series show what they showed, whether or not its reading is still kept."""
        shown, nothing = [], []
        for one in values:
            if one.observed_at is None:
                nothing.append((one.series,))
            else:
                told = (one.observed_at, one.number, one.other, one.grade, one.reasons, one.origin, one.received_at)
                shown.append((one.series, *told, int(one.hidden)))

        def work() -> None:
            self._db.executemany(_SHOW, shown)
            self._db.executemany(_SHOW_NOTHING, nothing)
            also(self._db)

        self._transact(work)

    def delete(self, gone: Sequence[tuple[str, int]], also: Also) -> None:
        """Delete entities again: (id, when in µs UTC). One that is deleted already stays so."""

        def work() -> None:
            there = [(urn, at) for urn, at in gone if self.index.num(urn) is not None]
            changes = [EntityChange("delete", Entity(urn, "")) for urn, _ in there]
            self._editor.begin(changes)
            for (_, at), change in zip(there, changes, strict=True):
                self._editor.edit(change, SYSTEM, at)
            self._editor.write()
            self._editor.finish()
            also(self._db)

        self._transact(work)

    def conclude(self, acts: Sequence[Act], at: int, also: Also) -> None:
        """Record ``acts`` at ``at`` (µs UTC), after whatever the audit log holds."""

        def work() -> None:
            record(self._db, acts, at, last_seal(self._db))
            also(self._db)

        self._transact(work)

    def numbers(self, keys: Sequence[SeriesKey]) -> IntArray:
        """The numbers of series. Raises KeyError with the id of an entity that is not there."""
        return self.index.resolve(keys)

    def _record(self, readings: Readings, also: Also, *, careful: bool) -> None:
        def work() -> None:
            self.index.fit_state()
            self._written.write()
            self._recorder.record(readings, 0, careful=careful)
            also(self._db)

        self._transact(work)

    def _transact(self, work: Callable[[], None]) -> None:
        self._written = Written(self._db, self.index)
        try:
            with self._db.transaction():
                work()
        except BaseException:
            self.index.undo()
            self._recorder.undo()
            raise
        self._recorder.settle()
        self._written.settle()


def _entity(kept: KeptEntity) -> Entity:
    expires = None if kept.expires_at is None else from_micros(kept.expires_at)
    return Entity(
        kept.id,
        kept.type,
        _place(kept.place),
        kept.ward,
        kept.owner,
        more_types=kept.more_types,
        scopes=kept.scopes,
        expires_at=expires,
    )


def _place(shape: Any) -> dict[str, list[Attribute]]:
    """The location that gives an entity its box; one that is no shape moved nothing where it came from either."""
    try:
        box_of(shape)
    except Problem:
        return {}
    return {LOCATION: [Attribute("GeoProperty", shape)]}
