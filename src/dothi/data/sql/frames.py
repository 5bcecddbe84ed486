"""What the city's database gives a question: only rows its asker may see leave it, so that nothing else can leak on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from dothi.access.policy import Reach, Thing
from dothi.data.classified import OF_DEVICE, OF_ENTITY, Classified
from dothi.data.document import read_document
from dothi.data.past import marks_of
from dothi.data.subjects import marks
from dothi.data.terms import Terms
from dothi.devices.registry import heard_state
from dothi.devices.specs import NAME
from dothi.model.entity import LOCATION
from dothi.model.unit import UNITS
from dothi.store.connection import Connection, Result

if TYPE_CHECKING:
    import polars as pl

    from dothi.data.sql.answer import World

CHUNK = 50_000
_FEW = 20  # attributes that a question names
_ENTITIES = (
    "SELECT e.num, e.id, e.type, e.clearance, e.ward, e.owner, (e.west + e.east) / 2, (e.south + e.north) / 2, "
    "e.created_at, e.modified_at, e.deleted_at, e.doc FROM entity e WHERE {reached} ORDER BY e.num"
)
_SERIES = (
    "SELECT s.id, s.entity, s.attribute, s.dataset, s.unit FROM series s JOIN entity e ON e.num = s.entity WHERE {reached}"
)
_LIVE = (
    "SELECT l.series_id, l.observed_at, l.number, l.other, l.grade, l.origin, l.received_at FROM series s "
    "JOIN entity e ON e.num = s.entity JOIN live l ON l.series_id = s.id "
    "WHERE {reached} AND e.deleted_at IS NULL AND l.hidden = 0"
)
_TOLD = "SELECT r.series_id, r.observed_at, r.revision, r.number, r.other, r.grade, r.origin, r.received_at, r.withdrawn "
_RECENT = f"{_TOLD} FROM reading r WHERE r.observed_at >= ? AND r.observed_at < ?"
_UNSEALED = (
    f"{_TOLD} FROM unsealed u JOIN reading r ON r.observed_at = u.observed_at AND r.series_id = u.series_id "
    "WHERE u.observed_at >= ? AND u.observed_at < ?"
)
_DEVICES = (
    "SELECT d.id, d.name, d.entity_id, d.entity_type, d.state, d.last_seen, d.cadence_s, d.ward, d.longitude, d.latitude, "
    "d.owner, d.created_at FROM device d LEFT JOIN entity e ON e.id = d.entity_id "
    "WHERE {reached} ORDER BY d.id"
)
_RUNS = (
    "SELECT id, process, version, state, requested_by, requested_at, started_at, ended_at, seconds FROM run "
    "ORDER BY requested_at, id"
)
_FORECASTS = (
    "SELECT f.process, f.series_id, f.issued_at, f.target_at, f.value, f.low, f.high, f.persistence, f.yesterday, f.actual, "
    "f.run FROM forecast f ORDER BY f.process, f.issued_at, f.series_id, f.target_at"
)
_PLACE = {"ward": "String", "ward_name": "String", "longitude": "Float64", "latitude": "Float64"}
_RAW = {
    "series": "Int32",
    "observed_at": "Int64",
    "revision": "Int32",
    "number": "Float64",
    "other": "String",
    "grade": "Int8",
    "origin": "Int8",
    "received_at": "Int64",
    "withdrawn": "Int8",
}


class Frames:
    """The city's tables as data frames, read through one snapshot of its database."""

    def __init__(self, world: "World", db: Connection) -> None:
        self._world, self._db = world, db
        self._terms, self._classified = Terms(world.types), Classified(world.types)
        self._names = dict(db.execute("SELECT id, iri FROM name").fetchall())
        self._short = {number: self._terms.compact(iri) for number, iri in self._names.items()}
        self._wards = {ward.code: ward.full_name for ward in world.wards}

    def entities(self, reached: Reach) -> "pl.DataFrame":
        """Everything that was not deleted."""
        rows = [row[2:] for row in self._entities(reached) if row[-1] is None]
        kinds = {"id": "String", "type": "String", "name": "String"} | _PLACE
        kinds |= {"owner": "String", "created_at": "Time", "modified_at": "Time", "deleted_at": "Int64"}
        return _frame(kinds, rows).drop("deleted_at")

    def series(self, reached: Reach) -> "pl.DataFrame":
        """Every series with what it is of, things that are gone included: their history stays. ``seen`` is always true."""
        owners = {
            num: (urn, name, (iri, kind), ward, ward_name, longitude, latitude, deleted is not None)
            for num, iri, urn, kind, name, ward, ward_name, longitude, latitude, *_, deleted in self._entities(reached)
        }
        rows = []
        for number, entity, attribute, dataset, unit in self._rows(_SERIES, reached, self._classified.of_series(self._db)):
            urn, name, kind, ward, ward_name, longitude, latitude, gone = owners[entity]
            named, whose = self._short[attribute], self._short[dataset] if dataset else None
            place = (ward, ward_name, longitude, latitude)
            rows.append((number, attribute, urn, name, *kind, named, whose, unit, *place, gone, True))
        kinds = {"series": "Int32", "attribute_id": "Int32", "entity": "String", "name": "String", "type_iri": "String"}
        kinds |= {"type": "String", "attribute": "String", "dataset": "String", "unit": "String"} | _PLACE
        kinds |= {"gone": "Boolean", "seen": "Boolean"}
        return _frame(kinds, rows)

    def live(self, reached: Reach) -> "pl.DataFrame":
        """The newest value of every series of things that are there."""
        kinds = {name: kind for name, kind in _RAW.items() if name not in ("revision", "withdrawn")}
        return _frame(kinds, self._rows(_LIVE, reached, self._classified.of_series(self._db)).fetchall())

    def sealed_until(self) -> int:
        """The moment (µs UTC) up to which the lake holds everything but what ``recent`` calls unsealed."""
        return marks_of(self._db).sealed_until

    def recent(self, start: int, end: int, series: "pl.DataFrame", *, unsealed: bool = False) -> "Iterator[pl.DataFrame]":
        """The rows of recent history with ``start`` ≤ observed < ``end`` (µs), of ``series`` only, in pieces.

        With ``unsealed`` only those of keys that the lake does not hold whole.
        """
        import polars as pl

        known = series.select("series", "attribute_id")
        query, values = _UNSEALED if unsealed else _RECENT, known["attribute_id"].unique().to_list()
        if not len(known):
            return
        if len(values) <= _FEW:
            # Of what one asks for seldom more than a tenth is wanted, and rows are what costs here.
            query += f" AND r.series_id IN (SELECT id FROM series WHERE attribute IN ({marks(values)}))"  # noqa: S608 - placeholders only
        else:
            values = []
        for rows in _pieces(self._db.execute(query, [start, end, *values])):
            yield _frame(_RAW, rows).join(known, on="series").with_columns(pl.col("withdrawn").cast(pl.Boolean))

    def attributes(self) -> "pl.DataFrame":
        """What the city's types declare."""
        kinds = {"type": "String", "attribute": "String", "title_vi": "String", "title_en": "String", "unit": "String"}
        kinds |= {"symbol": "String", "minimum": "Float64", "maximum": "Float64"}
        rows = [
            (
                kind.name,
                one.name,
                one.title.vi,
                one.title.en,
                one.unit,
                UNITS[one.unit].symbol if one.unit in UNITS else None,
                one.minimum,
                one.maximum,
            )
            for kind in self._world.types
            for one in kind.attributes
        ]
        return _frame(kinds, rows)

    def wards(self) -> "pl.DataFrame":
        """The city's wards."""
        kinds = {"ward": "String", "name": "String", "full_name": "String", "kind": "String", "longitude": "Float64"}
        kinds |= {"latitude": "Float64", "area_km2": "Float64", "population": "Int64"}
        rows = [
            (one.code, one.name, one.full_name, one.kind, one.longitude, one.latitude, one.area_km2, one.population)
            for one in self._world.wards
        ]
        return _frame(kinds, rows)

    def devices(self, reached: Reach, now: int) -> "pl.DataFrame":
        """Devices whose entity may be seen; one without an entity is internal. States are those of ``now`` (µs)."""
        types = {kind.iri: kind.name for kind in self._world.types}
        rows = [
            (
                *(one, name, entity or None, types.get(kind, self._terms.compact(kind)) or None),
                *(heard_state(state, seen, cadence, now), seen, cadence, ward, self._wards.get(ward or "")),
                *(longitude, latitude, owner, created),
            )
            for one, name, entity, kind, state, seen, cadence, ward, longitude, latitude, owner, created in self._rows(
                _DEVICES, reached, OF_DEVICE
            )
        ]
        kinds = {"id": "String", "name": "String", "entity": "String", "type": "String", "state": "String"}
        kinds |= {"last_seen": "Time", "cadence": "Float64"} | _PLACE | {"owner": "String", "created_at": "Time"}
        return _frame(kinds, rows)

    def runs(self, reached: Reach) -> "pl.DataFrame":
        """Executions of processes; they are internal."""
        kinds = {"id": "String", "process": "String", "version": "String", "state": "String", "requested_by": "String"}
        kinds |= {"requested_at": "Time", "started_at": "Time", "ended_at": "Time", "seconds": "Float64"}
        return _frame(kinds, self._db.execute(_RUNS).fetchall() if reached.covers(Thing()) else [])

    def forecasts(self, series: "pl.DataFrame") -> "pl.DataFrame":
        """Stored forecasts of the series in ``series``."""
        kinds = {"process": "String", "series": "Int32", "issued_at": "Time", "target_at": "Time"}
        kinds |= dict.fromkeys(("value", "low", "high", "persistence", "yesterday", "actual"), "Float64") | {"run": "String"}
        known = series.select("series", "entity", "name", "attribute", "unit", "ward", "ward_name")
        return _frame(kinds, self._db.execute(_FORECASTS).fetchall()).join(known, on="series", maintain_order="left")

    def _rows(self, query: str, reached: Reach, of: Mapping[str, str]) -> Result:
        condition, values = reached.where(**of)
        return self._db.execute(query.replace("{reached}", condition), values)

    def _entities(self, reached: Reach) -> "Iterator[tuple[Any, ...]]":
        hides = self._classified.hides(reached)
        for num, urn, kind, clearance, ward, owner, longitude, latitude, *times, doc in self._rows(
            _ENTITIES, reached, OF_ENTITY
        ):
            iri = self._names[kind]
            hidden = hides(iri, clearance, ward, owner) if hides else frozenset[str]()
            place = (ward, self._wards.get(ward or ""), longitude, latitude)
            seen_at = (None,) * 4 if LOCATION in hidden else place
            yield (num, iri, urn, self._short[kind], _name_of(doc, hidden), *seen_at, owner, *times)


def _name_of(doc: str, hidden: frozenset[str]) -> str | None:
    """What people call a thing: its attribute ``name``, of whichever vocabulary, unless that is hidden."""
    if "name" not in doc:
        return None
    document = read_document(doc)
    for iri in (NAME, *document):
        if iri not in hidden and (iri == NAME or iri.endswith(("/name", "#name"))):
            for one in document.get(iri, ()):
                if isinstance(one.get("v"), str):
                    return str(one["v"])
    return None


def _pieces(rows: Iterable[Any]) -> Iterator[Sequence[Any]]:
    left = iter(rows)
    while piece := list(islice(left, CHUNK)):
        yield piece


def _frame(kinds: dict[str, str], rows: Sequence[Sequence[Any]]) -> "pl.DataFrame":
    import polars as pl

    schema = {name: pl.Int64 if kind == "Time" else getattr(pl, kind) for name, kind in kinds.items()}
    moments = [pl.col(name).cast(pl.Datetime("us", "UTC")) for name, kind in kinds.items() if kind == "Time"]
    return pl.DataFrame(rows, schema, orient="row").with_columns(moments)
