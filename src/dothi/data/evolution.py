"""What readings cannot hold of how entities changed: instances nobody observed, what stood beside observed ones, deletions.

An instance is written here when it is superseded or deleted, not when it is made: what stands is beside the entity or is a
reading, so a city that only grows pays nothing. Moments are µs UTC.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgspec

from dothi.data.batch import Trigger
from dothi.data.document import Document, Instance
from dothi.data.editing import Edit
from dothi.data.instances import SCOPE
from dothi.data.series import SeriesIndex
from dothi.data.subjects import marks, pieces
from dothi.store.connection import Connection

_PUT = (
    "INSERT INTO evolution (entity, attribute, dataset, at, kind, body) VALUES (?,?,?,?,?,?) "
    "ON CONFLICT (entity, attribute, dataset, at, kind) DO UPDATE SET body = excluded.body"
)
# What a reading had beside it was noted when it was superseded first: later its entity's document is of another one.
_KEEP = (
    "INSERT INTO evolution (entity, attribute, dataset, at, kind, body) VALUES (?,?,?,?,?,?) "
    "ON CONFLICT (entity, attribute, dataset, at, kind) DO NOTHING"
)
_MEND = "UPDATE evolution SET body = ? WHERE entity = ? AND attribute = ? AND dataset = ? AND at = ? AND kind = ?"
_BESIDE = frozenset("kuxyecm")  # of an observed instance, what its reading does not hold
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Kind(IntEnum):
    """``TOLD``: an instance that was not observed, at the moment it was told (of the scopes: from then on they stood).
    ``BESIDE``: what stood beside an observed one, at the moment of observation. ``GONE``: the instance was deleted then.
    """

    TOLD = 0
    BESIDE = 1
    GONE = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """One row: ``dataset`` None is the default instance; the attribute "" is the entity itself."""

    entity: str
    attribute: str
    dataset: str | None
    at: int
    kind: Kind
    body: Instance

    @property
    def row(self) -> tuple[Any, ...]:
        """As it is stored."""
        body = msgspec.json.encode(self.body).decode()
        return self.entity, self.attribute, self.dataset or "", self.at, int(self.kind), body


class Evolution:
    """Writes what changes leave behind, in the transaction that makes them: ``note`` is the Editor's ``evolve``."""

    def __init__(self, index: SeriesIndex) -> None:
        self._index = index

    def note(self, db: Connection, edits: Sequence[Edit]) -> None:
        """Keep what ``edits`` supersede and delete."""
        marks: list[Mark] = []
        for edit in edits:
            urn, step = self._index.urn(edit.num), edit.step
            if step.attribute == SCOPE:
                marks += _scoped(db, urn, edit)
            elif not step.attribute:
                if edit.trigger is Trigger.ENTITY_DELETED:
                    marks.append(Mark(urn, "", None, edit.at, Kind.GONE, {}))
                    marks += _left(urn, step.before)
            elif step.before is not None:
                marks += _superseded(urn, step.attribute, step.before, step.after)
                if step.after is None:
                    gone = {"k": step.before["k"]}
                    marks.append(Mark(urn, step.attribute, step.dataset, edit.at, Kind.GONE, gone))
                elif _is_belated(step.before, step.after):
                    _note_belated(db, _beside(urn, step.attribute, step.after), plain=_is_plain(step.after))
        beside = [mark.row for mark in marks if mark.kind is Kind.BESIDE]
        if beside:
            db.executemany(_KEEP, beside)
        put(db, [mark for mark in marks if mark.kind is not Kind.BESIDE])


def put(db: Connection, marks: Iterable[Mark]) -> None:
    """Store ``marks``; one of the same entity, attribute, dataset, moment and kind is replaced."""
    rows = [mark.row for mark in marks]
    if rows:
        db.executemany(_PUT, rows)


def marks_of(db: Connection, urns: Sequence[str], attributes: Sequence[str] | None = None) -> list[Mark]:
    """All that is kept of these entities (and of these attributes, with the scopes and the entity itself), oldest first."""
    found = []
    among = ""
    values: tuple[str, ...] = ()
    if attributes is not None:
        values = tuple(dict.fromkeys([*attributes, SCOPE, ""]))
        among = f" AND attribute IN ({marks(values)})"
    for some in pieces(urns):
        query = (
            "SELECT entity, attribute, dataset, at, kind, body FROM evolution "  # noqa: S608 - placeholders only
            f"WHERE entity IN ({marks(some)}){among} ORDER BY at, kind"
        )
        for entity, attribute, dataset, at, kind, body in db.execute(query, (*some, *values)):
            found.append(Mark(entity, attribute, dataset or None, at, Kind(kind), _decode(body)))
    return found


def forget(db: Connection, urn: str, attribute: str | None = None, datasets: Iterable[str | None] | None = None) -> None:
    """Let everything kept of an entity go, or of one attribute of it, or of these datasets of that."""
    if attribute is None:
        db.execute("DELETE FROM evolution WHERE entity = ?", (urn,))
    elif datasets is None:
        db.execute("DELETE FROM evolution WHERE entity = ? AND attribute = ?", (urn, attribute))
    else:
        query = "DELETE FROM evolution WHERE entity = ? AND attribute = ? AND dataset = ?"
        db.executemany(query, [(urn, attribute, dataset or "") for dataset in datasets])


def _superseded(urn: str, attribute: str, before: Instance, after: Instance | None) -> list[Mark]:
    if "t" not in before:
        return [Mark(urn, attribute, before.get("d"), before["m"], Kind.TOLD, before)]
    if after is not None and after.get("t") == before["t"]:
        return []  # the same reading, told anew
    alike = before["k"] == ("Property" if after is None else after["k"])
    belated = after is not None and _is_belated(before, after) and not _is_plain(after)
    if _is_plain(before) and alike and not belated:
        return []
    return [_beside(urn, attribute, before)]


def _is_belated(before: Instance, after: Instance) -> bool:
    """An older observation was told after a newer one."""
    return "t" in before and "t" in after and after["t"] < before["t"]


def _note_belated(db: Connection, mark: Mark, *, plain: bool) -> None:
    """What stands beside an entity is of its newest reading: an older one that is told later needs a row of its own."""
    if plain:
        *key, body = mark.row
        db.execute(_MEND, (body, *key))
    else:
        put(db, [mark])


def _is_plain(one: Instance) -> bool:
    return "x" not in one and "y" not in one


def _beside(urn: str, attribute: str, one: Instance) -> Mark:
    body = {key: said for key, said in one.items() if key in _BESIDE}
    return Mark(urn, attribute, one.get("d"), one["t"], Kind.BESIDE, body)


def _left(urn: str, document: Instance | Document | None) -> list[Mark]:
    """What a deleted entity leaves behind."""
    left: list[Mark] = []
    for attribute, instances in (document or {}).items():
        for one in instances:
            if "v" in one:
                left += _superseded(urn, attribute, one, None)
    return left


def _scoped(db: Connection, urn: str, edit: Edit) -> list[Mark]:
    """Scopes are kept from the moment they stand: the first ones since the entity was made."""
    before, after = edit.step.before, edit.step.after
    found = []
    if before is not None:
        query = (
            "SELECT created_at FROM entity WHERE id = ? "
            "AND NOT EXISTS (SELECT 1 FROM evolution WHERE entity = ? AND attribute = ?)"
        )
        row = db.execute(query, (urn, urn, SCOPE)).fetchone()
        if row is not None:
            found.append(Mark(urn, SCOPE, None, row[0], Kind.TOLD, before))
    kind = Kind.GONE if after is None else Kind.TOLD
    return [*found, Mark(urn, SCOPE, None, edit.at, kind, after or {"k": "Property"})]
