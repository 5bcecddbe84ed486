"""Lines of alerts as NGSI-LD entities, so that programs subscribe to them: Smart Data Models' ``Alert``.

Who sees of a line only some alerts must read no other in an entity: so a line is one entity for each ward and agency of its
alerts, known as far as the strictest of those it stands for. The tables of alerts stay what counts: an entity is made anew
from them whenever its line changes, and no rule reads it.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from dothi.access.policy import SYSTEM, Clearance
from dothi.data.batch import Batch, EntityChange
from dothi.model.clock import from_micros
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.model.urn import urn
from dothi.platform.rules import store
from dothi.platform.rules.model import Rule, Schedule, Silence
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

COMMON = "https://smartdatamodels.org/"
NAMESPACE = COMMON + "dataModel.Alert/"
ALERT = NAMESPACE + "Alert"
KEPT = timedelta(days=30)
"""How long the entity of what is over can be read; what it was stays in the past as long as retention says."""
SEVERITIES = {1: "low", 2: "medium", 3: "high", 4: "critical"}
_MOST = 100


def _said(name: str, iri: str, vi: str, en: str) -> AttributeType:
    return AttributeType(name, iri, Text(vi, en), value="text")


def _moment(name: str, iri: str, vi: str, en: str) -> AttributeType:
    return AttributeType(name, iri, Text(vi, en), value="json")


Alert = EntityType(
    "Alert",
    ALERT,
    Text("Cảnh báo", "Alert"),
    (  # no `name`: as one of the city's own words it would change what plain JSON of other clients means
        _said("category", NAMESPACE + "category", "Nhóm", "Category"),
        _said("subCategory", NAMESPACE + "subCategory", "Loại", "Subcategory"),
        _said("severity", NAMESPACE + "severity", "Mức độ", "Severity"),
        _said("description", "http://purl.org/dc/terms/description", "Nội dung", "Description"),
        _said("alertSource", NAMESPACE + "alertSource", "Nguồn", "Source"),
        _moment("dateIssued", NAMESPACE + "dateIssued", "Phát lúc", "Issued"),
        _moment("validFrom", COMMON + "validFrom", "Bắt đầu", "Valid from"),
        _moment("validTo", NAMESPACE + "validTo", "Hết lúc", "Valid to"),
        AttributeType("data", "https://uri.etsi.org/ngsi-ld/data", Text("Dữ liệu", "Data"), value="json"),
    ),
    standard="https://github.com/smart-data-models/dataModel.Alert/tree/master/Alert",
    reported=False,
)
_IRIS = {one.name: one.iri for one in Alert.attributes}
_WAITING = "SELECT id, rule, incident, to_publish FROM alert_group WHERE to_publish > 0 ORDER BY id LIMIT ?"
_PARTS = (
    "SELECT ward, count(*), sum(CASE WHEN state <> 'ended' THEN 1 ELSE 0 END), "
    "sum(CASE WHEN state = 'firing' THEN 1 ELSE 0 END), max(severity), max(clearance), owner, "
    "min(began_at), min(detected_at), max(ended_at), max(id) "
    "FROM alert WHERE group_id = ? GROUP BY ward, owner ORDER BY ward, owner"
)
_NEWEST = (
    "SELECT a.subject, a.version, a.said_vi, (e.west + e.east) / 2, (e.south + e.north) / 2 FROM alert a "
    "LEFT JOIN entity e ON e.id = a.subject WHERE a.id = ?"
)
_PUBLISHED = "UPDATE alert_group SET to_publish = to_publish - ? WHERE id = ?"


class _Line(NamedTuple):
    id: int
    rule: str
    incident: str
    changes: int


class _Part(NamedTuple):
    """The alerts of a line in one ward and of one agency; moments in µs."""

    ward: str | None
    alerts: int
    open: int
    firing: int
    severity: int
    clearance: int
    owner: str | None
    began: int
    detected: int
    ended: int | None
    newest: int

    @property
    def state(self) -> str:
        return "firing" if self.firing else "acknowledged" if self.open else "ended"


class Publishing:
    """Writes the entities of lines that changed. What cannot be written now is written at the next look."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        self._category = {one.of: one for sector in platform.sectors for one in sector.alert_categories}

    async def look(self) -> None:
        """Write what changed since it was written last. What is written twice is the same twice."""
        platform = self._platform
        while True:
            with platform.database.reader() as db:
                lines = [_Line(*row) for row in db.execute(_WAITING, (_MOST,))]
                changes = [change for line in lines for change in self._changes(db, line)]
            if not lines:
                return
            now = platform.clock.now()
            await platform.writer.write(Batch(SYSTEM, "alerts", "", now, entities=changes))
            rows = [(line.changes, line.id) for line in lines]

            def work(db: Connection, rows: list[tuple[int, int]] = rows) -> None:
                db.executemany(_PUBLISHED, rows)

            await platform.writer.run(SYSTEM, now, work)

    def _changes(self, db: Connection, line: _Line) -> Iterator[EntityChange]:
        kept = store.rule(db, line.rule)
        if kept is None:
            return
        for row in db.execute(_PARTS, (line.id,)).fetchall():
            part = _Part(*row)
            yield EntityChange("put", self._entity(db, line, part, kept.rule), Clearance(part.clearance))

    def _entity(self, db: Connection, line: _Line, part: _Part, rule: Rule) -> Entity:
        subject, version, said, longitude, latitude = db.execute(_NEWEST, (part.newest,)).fetchone()
        told: dict[str, Any] = {
            "severity": SEVERITIES[part.severity],
            "description": f"{rule.title.vi}: {said}",
            "dateIssued": _date(part.detected),
            "validFrom": _date(part.began),
            "data": {
                "line": line.id,
                "rule": rule.id,
                "version": version,
                "state": part.state,
                "alerts": part.alerts,
                "open": part.open,
                **({"ward": part.ward} if part.ward else {}),
                **({"incident": line.incident} if line.incident else {}),
            },
        } | self._called(rule)
        if subject.startswith("urn:"):
            told["alertSource"] = subject
        over = not part.open and part.ended is not None
        if over:
            told["validTo"] = _date(part.ended)
        attributes = {_IRIS[name]: [Attribute("Property", value)] for name, value in told.items()}
        named = (part.ward, None if part.owner == (rule.owner or None) else part.owner)
        point = self._point(part, rule, longitude, latitude)
        if point is not None:
            attributes[LOCATION] = [Attribute("GeoProperty", {"type": "Point", "coordinates": list(point)})]
        return Entity(
            urn("Alert", self._platform.city.slug, "-".join([str(line.id), *filter(None, named)])),
            ALERT,
            attributes,
            ward=part.ward,
            owner=part.owner,
            expires_at=from_micros(part.ended) + KEPT if over and part.ended is not None else None,
        )

    def _called(self, rule: Rule) -> dict[str, str]:
        """Category and subcategory; of something that fell silent only the category is known."""
        terms = [term for term in rule.terms() if not isinstance(term, Schedule)]
        heard = [term.attribute for term in terms if not isinstance(term, Silence)]
        found = next((self._category[iri] for iri in (*heard, rule.entity_type) if iri in self._category), None)
        if found is None:
            return {}
        sub = found.sub_category if heard else ""
        return {"category": found.category} | ({"subCategory": sub} if sub else {})

    def _point(self, part: _Part, rule: Rule, longitude: float | None, latitude: float | None) -> tuple[float, float] | None:
        """A place within the ward, so that who reaches the entity by its place reaches the alert by its ward."""
        city = self._platform.city
        ward = None if part.ward is None else city.by_code.get(part.ward)
        kind = self._platform.types.get(rule.entity_type)
        place = None if kind is None else kind.attribute(LOCATION)
        known = place is None or int(place.clearance) <= part.clearance
        candidates = [(longitude, latitude)] if known else []
        if ward is not None:
            candidates.append((ward.longitude, ward.latitude))
        for x, y in candidates:
            if x is not None and y is not None:
                within = city.locate(x, y)
                if (None if within is None else within.code) == part.ward:
                    return x, y
        return None


def _date(micros: int | None) -> dict[str, str]:
    assert micros is not None  # noqa: S101 - narrows a type: an alert that is over has ended
    return {"@type": "DateTime", "@value": from_micros(micros).isoformat().replace("+00:00", "Z")}
