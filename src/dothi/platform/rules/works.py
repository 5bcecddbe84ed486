"""Maintenance: while people work on a thing, a ward or the whole city, nothing fires there."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from dothi.model.clock import to_micros
from dothi.platform.rules.store import Maintenance


class _Work(NamedTuple):
    """A time of maintenance in µs, of a ward (code), an entity (number) or, if both are None, of the whole city."""

    start: int
    until: int
    ward: str | None
    entity: int | None

    def concerns(self, entity: int | None, ward: str | None) -> bool:
        if self.entity is not None:
            return self.entity == entity
        return self.ward is None or self.ward == ward


class Works:
    """Times of maintenance as the engine asks for them; ``number_of`` gives an entity's number by URN."""

    def __init__(self, kept: Iterable[Maintenance] = (), number_of: Callable[[str], int | None] = lambda _: None) -> None:
        told = sorted(kept, key=lambda one: one.start)  # each may lead into the next
        numbers = [(one, number_of(one.entity) if one.entity else None) for one in told]
        self._works = [
            _Work(to_micros(one.start), to_micros(one.until), one.ward, number)
            for one, number in numbers
            if number is not None or one.entity is None
        ]

    def free(self, entity: int | None, ward: str | None, at: int) -> int:
        """The first moment (µs) from ``at`` on at which nobody works on this entity in this ward."""
        for one in self._works:
            if one.start <= at < one.until and one.concerns(entity, ward):
                at = one.until
        return at
