"""The kinds of incidents of one city: those its sectors bring, and those somebody adds in the browser."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dothi.access.policy import Person, make_sure_of_all
from dothi.model.clock import from_micros, to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.promise import Urgency
from dothi.model.text import Text, fold
from dothi.platform.incidents.changing import checked_agency, checked_severity, said
from dothi.platform.incidents.kinds import IncidentKind
from dothi.platform.incidents.model import URGENCIES
from dothi.platform.sector import Sector
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

WRITE = "city.write"
OWN = "city-"
"""What the ids of a city's own kinds begin with: no sector's do."""
MOST = 100  # of a city's own
LONGEST_TITLE, LONGEST_HINT = 60, 120  # letters
NO_HINT = Text("", "")
_LONGEST_ID = 40
_NAMES = (
    "id", "version", "title", "title_en", "hint", "hint_en", "agency", "severity", "urgency", "proof", "citizens",
    "retired", "at", "person",
)  # fmt: skip
_NEWEST = (
    f"SELECT {', '.join(_NAMES)} FROM incident_kind k "  # noqa: S608 - names of our own
    "WHERE version = (SELECT max(version) FROM incident_kind o WHERE o.id = k.id) ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a city wants a kind of its own to be; an empty ``hint`` (either language) is none."""

    title: Text
    hint: Text = NO_HINT
    agency: str = ""
    severity: int = 2
    urgency: Urgency = "normal"
    proof: bool = True
    citizens: bool = False
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a kind as somebody wrote it; ``number`` counts from 1."""

    id: str
    number: int
    wanted: Wanted
    at: datetime
    person: str


class Catalogue:
    """Every kind of one city, by id, in ``all``: whoever changes one puts a new table in its place."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        self._declared = _declared(platform.sectors)
        self.all = dict(self._declared)
        for one in self.versions():
            if one.id.startswith(OWN) or one.id in self._declared:
                self.all[one.id] = self._kind(one.id, one.wanted)

    def offered(self) -> list[IncidentKind]:
        """The kinds that something new may be of."""
        return [one for one in self.all.values() if not one.retired]

    def versions(self, id: str = "") -> list[Version]:
        """The newest version of each kind that somebody wrote; of one kind (``id``) all, the newest first."""
        with self._platform.database.reader() as db:
            return _versions(db, id)

    async def add(self, person: Person, name: str, wanted: Wanted, *, correlation: str = "") -> IncidentKind:
        """Make a kind. ``name`` is its id without ``OWN``; "" makes one of its title.

        Raises Problem 400 for what is no kind, 403, 409 for an id that is taken or one kind too many.
        """
        id = OWN + (_id_of(name or wanted.title.vi))
        if id == OWN:
            raise bad_request("The kind has no name of letters.", "Give a short name of Latin letters and digits.")
        if sum(one.startswith(OWN) for one in self.all) >= MOST:
            raise Problem(409, "too-many", f"There are {MOST} kinds already.", "Change one that is used no more.")
        return await self._write(person, id, 0, self._checked(wanted), "kind.create", correlation)

    async def change(self, person: Person, id: str, version: int, wanted: Wanted, *, correlation: str = "") -> IncidentKind:
        """Make the city's own kind ``id``, which was looked at in ``version``, this. Incidents of it stay of it.

        Raises Problem 404, 400, 403, 409 if somebody else changed it meanwhile.
        """
        if not id.startswith(OWN) or id not in self.all:
            raise not_found("kind of incidents that the city made", id[:60])
        return await self._write(person, id, version, self._checked(wanted), "kind.change", correlation)

    async def offer(self, person: Person, id: str, version: int, citizens: bool, *, correlation: str = "") -> IncidentKind:
        """Say whether people may report a kind that a sector brings and means for them. Raises Problem as ``change``."""
        declared = self._declared.get(id)
        if declared is None:
            raise not_found("kind of incidents that a sector brings", id[:60])
        if not declared.citizens:
            raise bad_request("This kind is not for people to report.", "Make one of the city's own.")
        return await self._write(person, id, version, Wanted(declared.title, citizens=citizens), "kind.change", correlation)

    async def _write(
        self, person: Person, id: str, version: int, wanted: Wanted, action: str, correlation: str
    ) -> IncidentKind:
        make_sure_of_all(person, WRITE)
        now, recorded = self._platform.clock.now(), list[Act]()

        def work(db: Connection) -> None:
            known = _versions(db, id)
            if (known[0].number if known else 0) != version:
                taken = action == "kind.create"
                raise Problem(
                    409,
                    "taken" if taken else "changed-meanwhile",
                    f"There is a kind {id!r} already." if taken else "Somebody else changed this kind meanwhile.",
                    "Give it another short name." if taken else "Look at it again, then change it.",
                )
            db.execute(
                f"INSERT INTO incident_kind ({', '.join(_NAMES)}) VALUES ({','.join('?' * len(_NAMES))})",  # noqa: S608 - ours
                (
                    id, version + 1, wanted.title.vi, wanted.title.en, wanted.hint.vi, wanted.hint.en, wanted.agency,
                    wanted.severity, wanted.urgency, int(wanted.proof), int(wanted.citizens), int(wanted.retired),
                    to_micros(now), person.id,
                ),
            )  # fmt: skip
            before = known[0].wanted if known else Wanted(wanted.title)
            recorded.append(Act(person.id, action, id, correlation=correlation, detail=_changes(before, wanted)))

        await self._platform.writer.run(person, now, work, recorded, action=WRITE)
        made = self._kind(id, wanted)
        self.all = {**self.all, id: made}
        return made

    def _kind(self, id: str, wanted: Wanted) -> IncidentKind:
        declared = self._declared.get(id)
        if declared is not None:
            return replace(declared, citizens=declared.citizens and wanted.citizens)
        return IncidentKind(
            id,
            wanted.title,
            agency=wanted.agency,
            severity=wanted.severity,
            urgency=wanted.urgency,
            citizens=wanted.citizens,
            proof=wanted.proof,
            hint=wanted.hint if wanted.hint.vi or wanted.hint.en else None,
            retired=wanted.retired,
        )

    def _checked(self, wanted: Wanted) -> Wanted:
        if wanted.urgency not in URGENCIES:
            raise bad_request(f"There is no urgency {wanted.urgency!r}.", f"Give one of {', '.join(URGENCIES)}.")
        vi, en = (said(one, "name", LONGEST_TITLE) for one in (wanted.title.vi, wanted.title.en))
        hint_vi, hint_en = (said(one, "hint", LONGEST_HINT, needed=False) for one in (wanted.hint.vi, wanted.hint.en))
        if bool(hint_vi) != bool(hint_en):
            raise bad_request("The hint stands in one language only.", "Write it in both, or leave both out.")
        return replace(
            wanted,
            title=Text(vi, en),
            hint=Text(hint_vi, hint_en),
            agency=checked_agency(self._platform.city, wanted.agency),
            severity=checked_severity(wanted.severity),
        )


def _declared(sectors: Sequence[Sector]) -> dict[str, IncidentKind]:
    """Every kind of the sectors by its id; where a kind names no agency it is its sector's."""
    return {one.id: replace(one, agency=one.agency or sector.agency) for sector in sectors for one in sector.incident_kinds}


def _id_of(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", fold(name)).strip("-")[:_LONGEST_ID].strip("-")


def _changes(before: Wanted, now: Wanted) -> str:
    """Which fields changed, with what they were and are, for the audit log."""
    told = []
    for field in fields(Wanted):
        was, is_now = _plain(getattr(before, field.name)), _plain(getattr(now, field.name))
        if was != is_now:
            told.append(f"{field.name}: {was} → {is_now}")
    return "; ".join(told)


def _plain(value: Any) -> str:
    return f"{value.vi} / {value.en}" if isinstance(value, Text) else str(value)


def _versions(db: Connection, id: str) -> list[Version]:
    if id:
        query = f"SELECT {', '.join(_NAMES)} FROM incident_kind WHERE id = ? ORDER BY version DESC"  # noqa: S608 - ours
        rows = db.execute(query, (id,))
    else:
        rows = db.execute(_NEWEST)
    return [_version(*row) for row in rows]


def _version(
    id: str, number: int, title: str, title_en: str, hint: str, hint_en: str, agency: str, severity: int,
    urgency: Urgency, proof: int, citizens: int, retired: int, at: int, person: str,
) -> Version:  # fmt: skip
    wanted = Wanted(
        Text(title, title_en), Text(hint, hint_en), agency, severity, urgency, bool(proof), bool(citizens), bool(retired)
    )
    return Version(id, number, wanted, from_micros(at), person)
