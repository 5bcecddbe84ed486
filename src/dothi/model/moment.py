"""A past moment of the city and in whose knowledge it is seen: the time bar's two questions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Knowledge = Literal["now", "then"]


@dataclass(frozen=True, slots=True)
class Moment:
    """The city at ``at`` (aware UTC): with every correction known by now, or only with what had been heard by then."""

    at: datetime
    known: Knowledge = "now"

    @property
    def heard_by(self) -> datetime | None:
        """The last moment at which a reading may have been heard to count; None if all count."""
        return self.at if self.known == "then" else None
