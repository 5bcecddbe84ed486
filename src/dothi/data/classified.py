"""Attributes that may be known less far than the thing they are of: decided here for every query and every answer."""

from collections.abc import Callable, Iterable
from functools import lru_cache

from dothi.access.policy import Clearance, Reach, Thing
from dothi.model.schema import EntityType
from dothi.store.connection import Connection

# What ``Reach.where`` asks of a row ``e`` of the table entity.
OF_ENTITY = {
    "clearance": "e.clearance",
    "ward": "e.ward",
    "agency": "e.owner",
    "type": "(SELECT iri FROM name WHERE id = e.type)",
}
# The same of a row ``d`` of the table device LEFT JOIN ``e``, what it reports on: without that it is internal.
OF_DEVICE = {
    "clearance": f"coalesce(e.clearance, {int(Clearance.INTERNAL)})",
    "ward": "d.ward",
    "agency": "d.owner",
    "type": "nullif(d.entity_type, '')",
}
_NOTHING: frozenset[str] = frozenset()
_REMEMBERED = 20_000  # sorts of things for one reach: wards × agencies × types, as far as they are met
Hides = Callable[[str, int, str | None, str | None], frozenset[str]]


class Classified:
    """The attributes that ``types`` declare stricter than public, by type. Of the thing's clearance and the attribute's the
    stricter holds; a classified ``location`` hides the place, and the ward with it.
    """

    def __init__(self, types: Iterable[EntityType]) -> None:
        declared = ((kind.iri, {one.iri: one.clearance for one in kind.attributes if one.clearance}) for kind in types)
        self._declared = {kind: attributes for kind, attributes in declared if attributes}
        self._strictest = max((max(one.values()) for one in self._declared.values()), default=Clearance.PUBLIC)
        # What is hidden follows from the reach and the thing alone, and the same people ask again and again.
        self._hides = lru_cache(maxsize=64)(self._hides_from)

    def hides(self, reached: Reach) -> Hides | None:
        """Asked with type, clearance, ward and agency of a thing that is reached: its attributes (IRIs) that are not.

        None where nothing is ever hidden.
        """
        return self._hides(reached)

    def _hides_from(self, reached: Reach) -> Hides | None:
        throughout = reached.throughout
        if throughout is not None and throughout >= self._strictest:
            return None
        said: dict[tuple[str, int, str | None, str | None], frozenset[str]] = {}
        declared = self._declared
        by_agency = any(scope.agencies is not None for _, scope in reached.parts)

        def hidden(kind: str, clearance: int, ward: str | None, agency: str | None) -> frozenset[str]:
            attributes = declared.get(kind)
            if attributes is None:
                return _NOTHING
            key = kind, clearance, ward, agency if by_agency else None
            found = said.get(key)
            if found is None:
                if len(said) >= _REMEMBERED:
                    said.clear()
                found = said[key] = frozenset(
                    iri
                    for iri, level in attributes.items()
                    if level > clearance and not reached.covers(Thing(level, ward, agency, kind))
                )
            return found

        return hidden

    def knows(self, attribute: str) -> bool:
        """True if some type classifies this attribute."""
        return any(attribute in attributes for attributes in self._declared.values())

    def of_attribute(self, db: Connection, attribute: str) -> dict[str, str]:
        """``OF_ENTITY`` for who asks for one ``attribute`` of entities ``e``."""
        return self._where(db, attribute)

    def of_series(self, db: Connection) -> dict[str, str]:
        """``OF_ENTITY`` for series ``s`` of entities ``e``: each as far as its own attribute may be known."""
        return self._where(db, None)

    def _where(self, db: Connection, attribute: str | None) -> dict[str, str]:
        asked = [
            (kind, iri, int(clearance))
            for kind, attributes in self._declared.items()
            for iri, clearance in attributes.items()
            if attribute in (None, iri)
        ]
        if not asked:
            return OF_ENTITY
        iris = {iri for kind, attribute_iri, _ in asked for iri in (kind, attribute_iri)}
        marks = ",".join("?" * len(iris))
        names = dict(db.execute(f"SELECT iri, id FROM name WHERE iri IN ({marks})", sorted(iris)))  # noqa: S608 - placeholders only
        cases = [
            f"WHEN e.type = {names[kind]}{'' if attribute else f' AND s.attribute = {names[iri]}'} "
            f"AND e.clearance < {clearance} THEN {clearance}"
            for kind, iri, clearance in asked
            if kind in names and (attribute or iri in names)
        ]
        return OF_ENTITY | {"clearance": f"CASE {' '.join(cases)} ELSE e.clearance END"} if cases else OF_ENTITY
