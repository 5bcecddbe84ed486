"""When the next mail to somebody may go: together what comes together, ever rarer in a storm, not in quiet hours. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from dothi.model.clock import from_micros, to_micros
from dothi.platform.telling.model import CRITICAL, HOUR, Pace, Quiet


def free_at(pace: Pace, sent: Sequence[int], first: int, severity: int, zone: ZoneInfo) -> int:
    """The moment (µs) from which a mail may go that tells of what waits since ``first``, the gravest of ``severity``.

    ``sent`` are the moments of the mails before, ascending. Within an hour each mail doubles the wait for the next, so that
    ``pace.most`` of them fill it; what is critical skips that wait and the quiet hours, but never makes more of them.
    """
    at = first + pace.settle
    if len(sent) >= pace.most:
        at = max(at, sent[-pace.most] + HOUR)
    if severity >= CRITICAL:
        return at
    lately = sum(moment > at - HOUR for moment in sent)
    if lately:
        at = max(at, sent[-1] + HOUR * 2 ** (lately - 1) // (2**pace.most - 1))
    return at if pace.quiet is None else _after(pace.quiet, at, zone)


def _after(quiet: Quiet, at: int, zone: ZoneInfo) -> int:
    """``at``, or the end of the quiet hours that it lies in."""
    local = from_micros(at).astimezone(zone)
    minute = local.hour * 60 + local.minute
    if not quiet.holds(minute):
        return at
    rest = (quiet.end - minute) % (24 * 60) or 24 * 60
    return to_micros(local.replace(second=0, microsecond=0) + timedelta(minutes=rest))
