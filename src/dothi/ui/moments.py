"""Which moment a page is asked to show: read from its address or its form, and written into addresses again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.requests import Request

from dothi.model.moment import ADVICE, Knowledge, Moment, past_moment
from dothi.model.problem import Problem
from dothi.ui import formats

if TYPE_CHECKING:
    from dothi.platform.platform import Platform


def moment_of(request: Request, platform: "Platform") -> Moment | None:
    """The past moment in the address (``at``: RFC 3339 with an offset; ``known``: now or then), None for the present.

    Raises Problem 400 for a time that cannot be read, has no offset or lies ahead, and for another ``known``.
    """
    query = request.query_params
    known = _knowledge(query.get("known", ""))
    text = query.get("at", "").strip()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a plus in an address reads as a blank
    except ValueError:
        raise _wrong(f"at={text[:40]!r} is no time.") from None
    return past_moment(at, known, platform.clock.now())


def typed_moment(query: Mapping[str, str], platform: "Platform") -> Moment:
    """The moment of the form: ``day`` (2026-05-20) and ``time`` (14:00) in the city's zone, and ``known``. Problem 400."""
    text = f"{query.get('day', '')}T{query.get('time') or '00:00'}"
    try:
        at = datetime.fromisoformat(text[:19]).replace(tzinfo=formats.city_zone())
    except ValueError:
        raise _wrong(f"{text[:19]!r} is no day and time.") from None
    return past_moment(at, _knowledge(query.get("known", "")), platform.clock.now())


def _knowledge(text: str) -> Knowledge:
    if text in ("", "now"):
        return "now"
    if text == "then":
        return "then"
    raise Problem(
        400,
        "bad-moment",
        f"known={text[:20]!r} is neither now nor then.",
        "Give known=now for what is known today, known=then for what had been heard by that moment.",
    )


def _wrong(title: str) -> Problem:
    return Problem(400, "bad-moment", title, ADVICE)


def written(at: datetime) -> str:
    """A moment as addresses write it: ``2026-05-20T07:00:00Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def address_of(moment: Moment | None) -> dict[str, str]:
    """``moment`` as parameters of an address, both empty for the present."""
    if moment is None:
        return {"at": "", "known": ""}
    return {"at": written(moment.at), "known": moment.known if moment.known == "then" else ""}
