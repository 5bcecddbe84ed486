"""What readings cannot hold of how entities changed: instances nobody observed, what stood beside observed ones, deletions.

An instance is written here when it is superseded or deleted, not when it is made: what stands is beside the entity or is a
reading, so a city that only grows pays nothing, but for what is told beside observations. Moments are µs UTC.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any

import msgspec

from dothi.data.batch import Trigger
from dothi.data.document import Document, Instance
from dothi.data.editing import Edit
from dothi.data.instances import SCOPE, Step
from dothi.data.series import SeriesIndex
from dothi.data.subjects import marks, pieces
from dothi.store.connection import Connection

_PUT = (
    "INSERT INTO evolution (entity, attribute, dataset, at, kind, body) VALUES (?,?,?,?,?,?) "
    "ON CONFLICT (entity, attribute, dataset, at, kind) DO UPDATE SET body = excluded.body"
)
_KEEP = (
    "INSERT INTO evolution (entity, attribute, dataset, at, kind, body) VALUES (?,?,?,?,?,?) "
    "ON CONFLICT (entity, attribute, dataset, at, kind) DO NOTHING"
)
_MEND = "UPDATE evolution SET body = ? WHERE entity = ? AND attribute = ? AND dataset = ? AND at = ? AND kind = ?"
_BESIDE = frozenset("kuxyecm")  # of an observed instance, what its reading does not hold
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Kind(IntEnum):
    """``TOLD``: an instance that was not observed, at the moment it was told (of the scopes: from then on they stood).
    ``BESIDE``: what stood beside an observed one, at the moment of observation. ``GONE``: the instance was deleted then.
    """

    TOLD = 0
    BESIDE = 1
    GONE = 2


_TOLD = int(Kind.TOLD)
_Row = tuple[str, str, str, int, int, str]


class Mark(msgspec.Struct, frozen=True):
    """One row: ``dataset`` None is the default instance; the attribute "" is the entity itself."""

    entity: str
    attribute: str
    dataset: str | None
    at: int
    kind: Kind
    body: Instance

    @property
    def row(self) -> _Row:
        """As it is stored."""
        return self.entity, self.attribute, self.dataset or "", self.at, int(self.kind), _encode(self.body).decode()


class Evolution:
    """Writes what changes leave behind, in the transaction that makes them: ``note`` is the Editor's ``evolve``."""

    def __init__(self, index: SeriesIndex) -> None:
        self._index = index

    def note(self, db: Connection, edits: Sequence[Edit]) -> None:
        """Keep what ``edits`` supersede and delete."""
        rows: list[_Row] = []
        kinds: list[Mark] = []
        plain: list[Mark] = []
        urn_of = self._index.urn
        for edit in edits:
            step = edit.step
            attribute, before, after = step.attribute, step.before, step.after
            if (
                attribute == SCOPE
                or not attribute
                or after is None
                or "t" in after
                or (before is not None and "t" in before)
            ):
                rows += [mark.row for mark in self._marks(db, edit, kinds, plain)]
            elif before is not None:  # of what is new the document beside the entity says it all
                rows.append((urn_of(edit.num), attribute, step.dataset or "", before["m"], _TOLD, _encode(before).decode()))
        if rows:
            db.executemany(_PUT, rows)
        if kinds:
            db.executemany(_KEEP, [mark.row for mark in kinds])
        if plain:
            db.executemany(_MEND, [(row[-1], *row[:-1]) for row in (mark.row for mark in plain)])

    def _marks(self, db: Connection, edit: Edit, kinds: list[Mark], plain: list[Mark]) -> list[Mark]:
        """Of a step of scopes, of the entity itself, of an instance that goes, or that was or is observed."""
        step, urn, marks = edit.step, self._index.urn(edit.num), list[Mark]()
        attribute, before, after = step.attribute, step.before, step.after
        if attribute == SCOPE:
            return _scoped(db, urn, edit)
        if not attribute:
            if edit.trigger is Trigger.ENTITY_DELETED:
                marks.append(Mark(urn, "", None, edit.at, Kind.GONE, {}))
                _leave(urn, before, marks, kinds)
            return marks
        if before is not None:
            _supersede(urn, attribute, before, after, marks, kinds)
        if after is None:
            gone = {"k": before["k"] if before else "Property"}
            marks.append(Mark(urn, attribute, step.dataset, edit.at, Kind.GONE, gone))
        elif "t" in after:
            beside = _beside(urn, attribute, after)
            if not _is_plain(after):
                marks.append(beside)
            elif self._told_before(urn, step):
                plain.append(beside)
        return marks

    def _told_before(self, urn: str, step: Step) -> bool:
        """Whether something may have stood beside an observation of that moment, which is told anew."""
        before, after = step.before, step.after
        if before is not None and after is not None and "t" in before:
            return bool(before["t"] >= after["t"])
        return self._index.find(urn, step.attribute, step.dataset) is not None


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


def ended(db: Connection, urns: Sequence[str], now: int) -> dict[tuple[str, str, str | None], list[int]]:
    """Observations past their own ``expiresAt`` at ``now`` (µs): their moments, by entity, attribute and dataset."""
    found: dict[tuple[str, str, str | None], list[int]] = {}
    for some in pieces(urns):
        query = (
            "SELECT entity, attribute, dataset, at, body FROM evolution "  # noqa: S608 - placeholders only
            f"WHERE entity IN ({marks(some)}) AND kind = ? AND body LIKE ?"
        )
        for entity, attribute, dataset, at, body in db.execute(query, (*some, int(Kind.BESIDE), '%"e":%')):
            if _decode(body).get("e", now + 1) <= now:
                found.setdefault((entity, attribute, dataset or None), []).append(at)
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


def _supersede(
    urn: str, attribute: str, before: Instance, after: Instance | None, marks: list[Mark], kinds: list[Mark]
) -> None:
    if "t" not in before:
        marks.append(Mark(urn, attribute, before.get("d"), before["m"], Kind.TOLD, before))
    elif before["k"] != ("Property" if after is None else after["k"]):
        kinds.append(_beside(urn, attribute, before))  # of its readings nothing else says of which kind they were


def _is_plain(one: Instance) -> bool:
    return not {"x", "y", "e"} & one.keys()


def _beside(urn: str, attribute: str, one: Instance) -> Mark:
    body = {key: said for key, said in one.items() if key in _BESIDE}
    return Mark(urn, attribute, one.get("d"), one["t"], Kind.BESIDE, body)


def _leave(urn: str, document: Instance | Document | None, marks: list[Mark], kinds: list[Mark]) -> None:
    """What a deleted entity leaves behind."""
    for attribute, instances in (document or {}).items():
        for one in instances:
            if "v" in one:
                _supersede(urn, attribute, one, None, marks, kinds)


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
