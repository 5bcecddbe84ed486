"""Which entities and series a question about the past is of, as whoever asks may know them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from dothi.access.policy import Reach
from dothi.data.classified import OF_ENTITY, Classified
from dothi.model.entity import LOCATION
from dothi.store.connection import Connection

T = TypeVar("T")
MOST_IN = 500  # values in one IN (…)


_NOTHING: frozenset[str] = frozenset()


class Subject(NamedTuple):
    """An entity a question is of. ``place`` is the middle of where it is now (longitude, latitude); ``hidden`` are the
    attributes (IRIs) that whoever asks may not know of it.
    """

    num: int
    urn: str
    type: str
    ward: str | None
    place: tuple[float, float] | None
    hidden: frozenset[str] = frozenset()


class SeriesOf(NamedTuple):
    """A series of a subject: its number, whose it is, of which attribute (IRI), dataset and unit."""

    id: int
    num: int
    attribute: str
    dataset: str | None
    unit: str | None


def subjects(
    db: Connection,
    reached: Reach,
    classified: Classified,
    *,
    type: str | None = None,
    urns: Sequence[str] | None = None,
    ward: str | None = None,
    alive_at: int | None = None,
) -> list[Subject]:
    """Entities in the order in which they were made; ``urns`` None is all. ``alive_at`` (µs): not those deleted by then."""
    query = (
        "SELECT e.num, e.id, n.iri, e.ward, (e.west + e.east) / 2, (e.south + e.north) / 2, e.clearance, e.owner "
        "FROM entity e JOIN name n ON n.id = e.type WHERE "
    )
    condition, values = reached.where(**(OF_ENTITY if ward is None else classified.of_attribute(db, LOCATION)))
    query += condition
    if type is not None:
        query += " AND n.iri = ?"
        values.append(type)
    if ward is not None:
        query += " AND e.ward = ?"
        values.append(ward)
    if alive_at is not None:
        query += " AND (e.deleted_at IS NULL OR e.deleted_at > ?)"
        values.append(alive_at)
    found = []
    for some in [None] if urns is None else pieces(sorted(set(urns))):
        among = "" if some is None else f" AND e.id IN ({marks(some)})"
        found += db.execute(query + among, [*values, *(some or ())]).fetchall()
    found.sort(key=lambda row: row[0])
    hides = classified.hides(reached)
    listed = []
    for num, urn, iri, of, longitude, latitude, clearance, owner in found:
        hidden = hides(iri, clearance, of, owner) if hides else _NOTHING
        if LOCATION in hidden:
            listed.append(Subject(num, urn, iri, None, None, hidden))
        else:
            listed.append(Subject(num, urn, iri, of, None if longitude is None else (longitude, latitude), hidden))
    return listed


def series_of(
    db: Connection, chosen: Sequence[Subject], attributes: Sequence[str] | None, *, all_datasets: bool = False
) -> list[SeriesOf]:
    """The series of these entities without what is hidden of them; ``attributes`` None is all.

    Without ``all_datasets`` only default instances.
    """
    query = (
        "SELECT s.id, s.entity, a.iri, d.iri, s.unit FROM series s JOIN name a ON a.id = s.attribute "
        "LEFT JOIN name d ON d.id = s.dataset WHERE "
    )
    conditions: list[str] = []
    values: list[object] = []
    if not all_datasets:
        conditions.append("s.dataset = 0")
    if attributes is not None:
        conditions.append(f"a.iri IN ({marks(attributes)})")
        values += attributes
    nums = {subject.num for subject in chosen}
    hidden = {subject.num: subject.hidden for subject in chosen if subject.hidden}
    found = []
    if len(nums) <= 4 * MOST_IN:
        for some in pieces(sorted(nums)):
            among = " AND ".join([*conditions, f"s.entity IN ({marks(some)})"])
            found += db.execute(query + among, [*values, *some]).fetchall()
    else:
        rows = db.execute(query + (" AND ".join(conditions) or "1 = 1"), values)
        found = [row for row in rows if row[1] in nums]
    return [SeriesOf(*row) for row in found if row[2] not in hidden.get(row[1], ())]


def marks(values: Sequence[object]) -> str:
    """Placeholders for an IN (…)."""
    return ",".join("?" * len(values))


def pieces(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """``values`` in pieces that fit into one IN (…)."""
    for start in range(0, len(values), MOST_IN):
        yield values[start : start + MOST_IN]
