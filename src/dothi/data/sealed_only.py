"""Attributes that are personal take sealed values only: held where every write passes, whichever door it came by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from dothi.access.personal.reading import tokens_known
from dothi.data.batch import EntityChange, Readings
from dothi.data.series import SeriesIndex
from dothi.model.clearance import Clearance
from dothi.model.entity import NULL, UNSAID, Attribute
from dothi.model.problem import Problem
from dothi.model.schema import EntityType
from dothi.store.connection import Connection


class SealedOnly:
    """Refuses what would put a personal value into the record in the clear, or a token that this city never gave out.

    An attribute (an IRI) that any of ``types`` declares personal is personal wherever it stands.
    """

    def __init__(self, types: Iterable[EntityType] = ()) -> None:
        self.attributes = frozenset(
            one.iri for kind in types for one in kind.attributes if one.clearance >= Clearance.PERSONAL
        )

    def check(self, db: Connection, index: SeriesIndex, changes: Sequence[EntityChange], readings: Readings | None) -> None:
        """Raises Problem 400 for a value in the clear, a forged token, one of another city, or one that was forgotten."""
        if not self.attributes:
            return
        told = [pair for change in changes for pair in self._of(change.entity.attributes)]
        if readings:
            told += self._read(index, readings)
        if not told:
            return
        wrong = next((name for name, value in told if not isinstance(value, str) or not value.startswith("dtp1.")), None)
        if wrong is not None:
            raise Problem(
                400,
                "not-sealed",
                f"{wrong} is personal: it takes sealed values only.",
                "Seal the value first (POST /api/v1/personal/subjects/{subject}/records) and send the token.",
            )
        known = tokens_known(db, [value for _, value in told])
        wrong = next((name for name, value in told if value not in known), None)
        if wrong is not None:
            raise Problem(
                400,
                "unknown-token",
                f"{wrong} carries a token that this city did not give out, or has forgotten.",
                "Send the token as it was given; if the value was erased, ask the person anew.",
            )

    def _of(self, attributes: Mapping[str, Sequence[Attribute]]) -> Iterator[tuple[str, object]]:
        """Name and value of what is personal, attributes of attributes included."""
        for iri, instances in attributes.items():
            for one in instances:
                if iri in self.attributes and one.value is not UNSAID and one.value != NULL:
                    yield iri, one.value
                if one.sub:
                    yield from self._of(one.sub)

    def _read(self, index: SeriesIndex, readings: Readings) -> Iterator[tuple[str, object]]:
        for iri in sorted(self.attributes):
            for row in np.flatnonzero(np.isin(readings.series, index.of_attribute(readings.series, iri))).tolist():
                if readings.withdrawn is None or not readings.withdrawn[row]:
                    text = None if readings.other is None else readings.other[row]
                    yield iri, None if text is None else msgspec.json.decode(text)
