"""What the engine found, kept: alerts and their lines, in the transaction that keeps where the rules stand."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from dothi.access.policy import Clearance
from dothi.model.schema import EntityType
from dothi.model.text import Text, fold
from dothi.model.ward import Ward
from dothi.platform.rules import words
from dothi.platform.rules.engine import Found
from dothi.platform.rules.grouping import NOWHERE, Group, Groups
from dothi.platform.rules.store import KeptRule, next_number
from dothi.store.connection import Connection

NAME = "https://smartdatamodels.org/name"
_ENTITIES = "SELECT e.id, e.ward, e.owner, e.clearance, e.doc FROM {texts} w CROSS JOIN entity e WHERE e.id = w.value"
_ALERT = (
    "INSERT INTO alert (id, group_id, rule, version, subject, entity_type, name, state, severity, began_at, detected_at, "
    "value, threshold, said_vi, said_en, folded, ward, owner, clearance) "
    "VALUES (?,?,?,?,?,?,?,'firing',?,?,?,?,?,?,?,?,?,?,?)"
)
_GROUP = (
    "INSERT INTO alert_group (id, rule, state, severity, began_at, detected_at, newest_at, wards, to_tell) "
    "VALUES (?,?,'firing',?,?,?,?,?,?)"
)
_GROWN_GROUP = (
    "UPDATE alert_group SET newest_at = ?, wards = ?, to_publish = to_publish + 1, to_tell = CASE WHEN incident <> '' "
    "AND wards <> ? AND to_tell IN ('', 'graver') THEN trim(to_tell || ' spread') ELSE to_tell END WHERE id = ?"
)
_GRAVER = (
    "UPDATE alert SET severity = ?, value = ?, threshold = ?, said_vi = ?, said_en = ?, folded = ? "
    "WHERE id = ? AND severity < ?"
)
_GRAVER_GROUP = (
    "UPDATE alert_group SET severity = ?, "
    "to_tell = CASE WHEN incident <> '' AND to_tell IN ('', 'spread') THEN trim(to_tell || ' graver') ELSE to_tell END "
    "WHERE id = ? AND severity < ?"
)


class Said(NamedTuple):
    """What the engine found, with names: ``subject`` is an entity's URN or a ward's code.

    ``graver`` is the severity that an open alert rises to if a step of its rule fired; 0 for the rule itself.
    """

    rule: KeptRule
    subject: str
    found: Found
    graver: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Whose cell it is."""
        return self.rule.rule.id, self.subject


class _Of(NamedTuple):
    """What an alert is of."""

    name: str
    ward: str | None
    owner: str | None
    clearance: int


@dataclass(slots=True)
class Kept:
    """How alerts stand: the number of each (rule, subject) that has an open one, and the lines that changed."""

    open: dict[tuple[str, str], int]
    changed: set[int] = field(default_factory=set)


class Keeper:
    """Writes what was found. If what it wrote does not hold, neither do its ``groups``: they are read again then."""

    def __init__(self, types: Mapping[str, EntityType], wards: Mapping[str, Ward], groups: Groups) -> None:
        self._types, self._wards, self._groups = types, wards, groups
        # How far an alert may be known follows from what its rule looks at.
        self._clearance = {
            (kind.iri, one.iri): int(one.clearance) for kind in types.values() for one in kind.attributes if one.clearance
        }

    def keep(self, db: Connection, said: Sequence[Said], now: int, open_alerts: Mapping[tuple[str, str], int]) -> Kept:
        """Store ``said`` in its order; ``now`` (µs) is when it was found."""
        kept = Kept(dict(open_alerts))
        for part in _in_turn(said):
            for one in part:
                if one.graver and one.found.fired and one.key in kept.open:
                    self._raise(db, one, kept)
            part = [one for one in part if not one.graver]  # what is less grave again stays what it was until it ends
            fired = [one for one in part if one.found.fired and one.key not in kept.open]
            if fired:
                self._fire(db, fired, now, kept)
            ended = [one for one in part if not one.found.fired and one.key in kept.open]
            if ended:
                for rule, number in end(db, [(one.found.since, kept.open.pop(one.key)) for one in ended], now, kept.changed):
                    self._groups.drop(rule, number)
        return kept

    def _fire(self, db: Connection, fired: Sequence[Said], now: int, kept: Kept) -> None:
        things = self._things(db, fired)
        next_alert, next_group = next_number(db, "alert"), next_number(db, "alert_group")
        given = iter(range(next_group, next_group + len(fired)))
        begun = set[int]()
        by_rule: dict[str, list[Said]] = {}
        for one in fired:
            by_rule.setdefault(one.rule.rule.id, []).append(one)
        for rule, several in by_rule.items():
            wards = [things[one.subject].ward or NOWHERE for one in several]
            groups = self._groups.place(rule, wards, now, lambda: next(given), several[0].rule.rule.spread)
            for one, ward in zip(several, wards, strict=True):
                group, of = groups[ward], things[one.subject]
                if group.id >= next_group and group.id not in begun:
                    begun.add(group.id)
                    self._begin(db, group, one, now)
                kept.changed.add(group.id)
                self._insert(db, next_alert, group, one, of, now)
                kept.open[one.key] = next_alert
                next_alert += 1
            for group in {id(group): group for group in groups.values()}.values():
                named = msgspec.json.encode(sorted(group.wards)).decode()
                db.execute(_GROWN_GROUP, (now, named, named, group.id))

    def _raise(self, db: Connection, one: Said, kept: Kept) -> None:
        """An alert that goes on is graver than it was: so are its line and what the line opened."""
        number = kept.open[one.key]
        (name, group, ward) = db.execute("SELECT name, group_id, ward FROM alert WHERE id = ?", (number,)).fetchone()
        text = self._words(one, name)
        row = (
            one.graver,
            one.found.value,
            one.found.limit,
            text.vi,
            text.en,
            self._sought(one, text, name, ward),
            number,
            one.graver,
        )
        if not db.execute(_GRAVER, row).rowcount:
            return
        db.execute(_GRAVER_GROUP, (one.graver, group, one.graver))
        db.execute("UPDATE alert_group SET to_publish = to_publish + 1 WHERE id = ?", (group,))
        kept.changed.add(group)

    def _begin(self, db: Connection, group: Group, one: Said, now: int) -> None:
        rule = one.rule.rule
        to_tell = "open" if rule.incident else ""
        db.execute(_GROUP, (group.id, rule.id, rule.severity, one.found.since, now, now, "[]", to_tell))

    def _insert(self, db: Connection, number: int, group: Group, one: Said, of: _Of, now: int) -> None:
        rule, found = one.rule.rule, one.found
        text = self._words(one, of.name)
        row = (
            *(number, group.id, rule.id, one.rule.version, one.subject, rule.entity_type, of.name, rule.severity),
            *(
                found.since,
                now,
                found.value,
                found.limit,
                text.vi,
                text.en,
                self._sought(one, text, of.name, of.ward),
                of.ward,
                of.owner,
                of.clearance,
            ),
        )
        db.execute(_ALERT, row)

    def _words(self, one: Said, name: str) -> Text:
        if isinstance(one.found.subject, str):
            return words.of_ward(round(one.found.value or 0), name, one.rule.rule.title)
        found = one.found
        return words.said(found.term, found.value, self._types, one.rule.rule.entity_type, name, found.limit)

    def _sought(self, one: Said, text: Text, name: str, ward: str | None) -> str:
        """What an alert is found by."""
        of_ward, rule = self._wards.get(ward or ""), one.rule.rule
        where = "" if of_ward is None else of_ward.full_name
        return fold(f"{rule.id} {rule.title.vi} {rule.title.en} {name} {where} {text.vi} {text.en}")

    def _things(self, db: Connection, fired: Iterable[Said]) -> dict[str, _Of]:
        found: dict[str, _Of] = {}
        urns = []
        for one in fired:
            if isinstance(one.found.subject, str):
                ward = self._wards.get(one.subject)
                name = one.subject if ward is None else ward.full_name
                found[one.subject] = _Of(name, one.subject, one.rule.rule.owner or None, self._least(one))
            else:
                urns.append(one.subject)
        page = msgspec.json.encode(sorted(set(urns))).decode()
        rows = {row[0]: row for row in db.execute(db.dialect.fill(_ENTITIES), (page,))}
        for one in fired:
            if isinstance(one.found.subject, int):
                _, of_ward, owner, clearance, doc = rows[one.subject]
                name = _name(doc) or one.subject.rsplit(":", 1)[-1]
                found[one.subject] = _Of(
                    name, of_ward, owner or one.rule.rule.owner or None, max(clearance, self._least(one))
                )
        return found

    def _least(self, one: Said) -> int:
        """Alerts are for those who work here; what is classified stays so."""
        rule = one.rule.rule
        watched = [getattr(term, name, "") for term in rule.terms() for name in ("attribute", "than")]
        return max([int(Clearance.INTERNAL), *(self._clearance.get((rule.entity_type, iri), 0) for iri in watched)])


def _name(doc: str) -> str:
    kept = msgspec.json.decode(doc).get(NAME) or [{}]
    value = kept[0].get("v")
    return value if isinstance(value, str) else ""


def end(db: Connection, rows: Sequence[tuple[int, int]], now: int, changed: set[int]) -> list[tuple[str, int]]:
    """End alerts, (ended at (µs), number), and the lines that have none left: (rule, number) of those."""
    db.executemany("UPDATE alert SET state = 'ended', ended_at = ? WHERE id = ?", rows)
    page = msgspec.json.encode([number for _, number in rows]).decode()
    query = db.dialect.fill(
        "SELECT DISTINCT g.id, g.rule, g.incident, g.to_tell FROM {numbers} w CROSS JOIN alert a "
        "JOIN alert_group g ON g.id = a.group_id WHERE a.id = w.value"
    )
    over = []
    for number, rule, incident, to_tell in db.execute(query, (page,)).fetchall():
        changed.add(number)
        db.execute("UPDATE alert_group SET to_publish = to_publish + 1 WHERE id = ?", (number,))
        (left,) = db.execute("SELECT count(*) FROM alert WHERE group_id = ? AND state <> 'ended'", (number,)).fetchone()
        if not left:
            telling = f"{to_tell} ended".strip() if incident else to_tell
            query = "UPDATE alert_group SET state = 'ended', ended_at = ?, to_tell = ? WHERE id = ?"
            db.execute(query, (now, telling, number))
            over.append((rule, number))
    return over


def _in_turn(said: Sequence[Said]) -> Iterator[list[Said]]:
    """Parts, in order, none of which says two things of one cell."""
    part: list[Said] = []
    keys = set[tuple[str, str]]()
    for one in said:
        if one.key in keys:
            yield part
            part, keys = [], set()
        part.append(one)
        keys.add(one.key)
    yield part
