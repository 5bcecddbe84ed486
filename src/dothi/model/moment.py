"""A past moment of the city and in whose knowledge it is seen: the time bar's two questions."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from dothi.model.problem import Problem

Knowledge = Literal["now", "then"]
ADVICE = "Give a date and time with its offset, for example 2026-05-20T14:00:00Z."
_AHEAD = timedelta(minutes=1)  # an asker's clock may be this much before the city's
_OLDEST_YEAR = 1900


@dataclass(frozen=True, slots=True)
class Moment:
    """The city at ``at`` (aware UTC): with every correction known by now, or only with what had been heard by then."""

    at: datetime
    known: Knowledge = "now"

    @property
    def heard_by(self) -> datetime | None:
        """The last moment at which a reading may have been heard to count; None if all count."""
        return self.at if self.known == "then" else None


def past_moment(at: datetime, known: Knowledge, now: datetime) -> Moment:
    """``at`` as somebody asks for it when the city's clock shows ``now`` (aware UTC).

    Raises Problem 400 for a time without an offset, one that lies ahead, and one before any record.
    """
    if at.tzinfo is None:
        raise Problem(400, "bad-moment", "A moment without an offset has no place on the city's clock.", ADVICE)
    try:
        moment = at.astimezone(UTC)
    except OverflowError:
        raise Problem(400, "bad-moment", "That time is beyond the calendar.", ADVICE) from None
    if moment.year < _OLDEST_YEAR:
        raise Problem(400, "bad-moment", "That time is long before any record.", ADVICE)
    if moment > now + _AHEAD:
        advice = f"Ask for one up to the city's present, {now:%Y-%m-%dT%H:%M:%SZ}."
        raise Problem(400, "future-moment", "That moment lies ahead.", advice)
    return Moment(min(moment, now), known)
