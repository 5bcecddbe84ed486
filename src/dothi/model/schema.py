"""What kinds of things and attributes there are: the part of the common urban data schema that code can check."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from dothi.model.clearance import Clearance
from dothi.model.text import Text

KEEP = 3_650

ValueKind = Literal["number", "text", "boolean", "json", "geometry"]


@dataclass(frozen=True, slots=True)
class AttributeType:
    """An attribute of an entity type and what its values must look like.

    ``name`` is the short term, ``iri`` its expanded form. ``unit`` (UN/CEFACT) is the unit values are stored in;
    ``minimum``/``maximum`` bound what is physically possible, in that unit; ``max_change_per_hour`` is the fastest
    believable change; a value that stays exactly the same for ``stuck_after`` is suspect. A value ``speaks_for`` the
    stretch of time that begins when it is observed and that it is made of (an hour's index): it is known when that is over.
    ``clearance`` is how far it may be known wherever the thing itself may be known further; the stricter of both holds.
    """

    name: str
    iri: str
    title: Text
    value: ValueKind = "number"
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    max_change_per_hour: float | None = None
    stuck_after: timedelta | None = None
    decimals: int = 1
    speaks_for: timedelta = timedelta(0)
    clearance: Clearance = Clearance.PUBLIC


@dataclass(frozen=True, slots=True)
class EntityType:
    """A kind of thing. ``standard`` names where it is defined, e.g. a Smart Data Model's address.

    ``keep`` is for how many days what is observed of it is kept unless a person says otherwise; None is for ever. One that
    is not ``reported`` the city writes itself, out of what it knows: no device reports it and no rule watches it.
    """

    name: str
    iri: str
    title: Text
    attributes: tuple[AttributeType, ...]
    standard: str = ""
    keep: int | None = KEEP
    reported: bool = True

    def attribute(self, name: str) -> AttributeType | None:
        """The attribute with this short name or IRI, or None."""
        return next((one for one in self.attributes if name in (one.name, one.iri)), None)
