"""Who must be told of a breach: whose data, what was kept, since when (Law 91/2025, NĐ 356/2025: within 72 hours)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from dothi.access.personal.model import KINDS
from dothi.access.personal.reading import reached
from dothi.access.policy import Person
from dothi.model.clock import from_micros, to_micros
from dothi.model.problem import bad_request
from dothi.store.connection import Connection

NOTICE = timedelta(hours=72)
"""From finding a breach to telling of it."""


def due(found: datetime | None, now: datetime) -> datetime:
    """By when people must be told of a breach that was ``found`` at that moment, ``now`` if nobody says when (both aware).

    Raises Problem 400 for a moment that is yet to come: it would put the notice off.
    """
    if found is not None and found > now:
        raise bad_request("The breach was found in the future.", "Say when somebody first knew of it.")
    return (now if found is None else found) + NOTICE


_EARLIEST, _LATEST = 1970, 9000
_KEPT = (
    "SELECT subject, purpose, kind, created_at FROM personal_record "
    "WHERE created_at < ? AND until > ? AND (ended_at IS NULL OR ended_at >= ?) ORDER BY subject, created_at"
)
_SEEN = (
    "SELECT subject, kinds, at FROM personal_look "
    "WHERE at >= ? AND at < ? AND (CAST(? AS text) IS NULL OR person = ?) ORDER BY at"
)


@dataclass(frozen=True, slots=True)
class Affected:
    """One subject: what was within reach in the period, since when it was kept, and who looked meanwhile.

    ``account`` is who can be told through this city; None has to be reached otherwise. Moments are aware UTC.
    """

    subject: str
    account: str | None
    state: str
    kinds: Sequence[str]
    sensitive: bool
    purposes: Sequence[str]
    records: int
    since: datetime
    looks: int
    last_look: datetime | None


def affected(db: Connection, person: Person, since: datetime, until: datetime, by: str | None = None) -> Sequence[Affected]:
    """Whose data could be read from ``since`` to ``until`` (aware; the end excluded), and what it was.

    With ``by`` (a person's id, a stolen account say) only the subjects that one looked at, and the kinds they saw. Only
    purposes in the asker's reach. Raises Problem 400 for a period that ends before it begins.
    """
    if not all(_EARLIEST <= moment.year <= _LATEST for moment in (since, until)):
        raise bad_request("The period lies beyond any calendar.", f"Give years from {_EARLIEST} to {_LATEST}.")
    if since >= until:
        raise bad_request("The period ends before it begins.", "Give a since that comes before until.")
    start, end = to_micros(since), to_micros(until)
    mine = reached(db, person, "personal.breach")
    seen: dict[str, list[tuple[set[str], int]]] = {}
    for subject, kinds, at in db.execute(_SEEN, (start, end, by, by)):
        seen.setdefault(subject, []).append((set(msgspec.json.decode(kinds, type=list[str])), at))
    kept: dict[str, list[tuple[str, str, int]]] = {}
    for subject, purpose, kind, created in db.execute(_KEPT, (end, start, start)):
        if purpose in mine and (by is None or any(kind in kinds for kinds, _ in seen.get(subject, ()))):
            kept.setdefault(subject, []).append((purpose, kind, created))
    known = {one: (account, state) for one, account, state in db.execute("SELECT id, account, state FROM personal_subject")}
    return [
        Affected(
            subject,
            *known.get(subject, (None, "erased")),
            kinds=[kind for kind in KINDS if any(kind == one for _, one, _ in rows)],
            sensitive=any(KINDS[kind].sensitive for _, kind, _ in rows if kind in KINDS),
            purposes=sorted({purpose for purpose, _, _ in rows}),
            records=len(rows),
            since=from_micros(min(created for _, _, created in rows)),
            looks=len(seen.get(subject, ())),
            last_look=from_micros(seen[subject][-1][1]) if subject in seen else None,
        )
        for subject, rows in kept.items()
    ]
