"""Entity changes into tables: what is not observed is a document beside the entity, what is observed becomes readings."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite

import msgspec

from dothi.access.policy import Clearance, Person, Thing, reach
from dothi.access.secrecy import KEY, is_marked, may_be_marked, refused
from dothi.data.batch import EntityChange, Outcome, ReadingRow, Trigger, join_value
from dothi.data.classified import Classified, Hides
from dothi.data.document import Document
from dothi.data.entity_rows import EntityRows, State
from dothi.data.fragments import turn
from dothi.data.instances import SCOPE, Step, Turned
from dothi.data.series import SeriesIndex
from dothi.data.shape import Box, box_of
from dothi.model.clock import from_micros
from dothi.model.entity import LOCATION, Attribute
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.reading import Grade, Origin, Reason
from dothi.store.connection import Connection

Locate = Callable[[float, float], str | None]
_MAKES = {"create": "create", "upsert": "merge", "put": "replace", "add": "append"}
_NOBODY = State()
_NOTHING: frozenset[str] = frozenset()
# A member of an enumeration costs as much as a whole step of a change.
_CREATED, _UPDATED, _DELETED = Trigger.ATTRIBUTE_CREATED, Trigger.ATTRIBUTE_UPDATED, Trigger.ATTRIBUTE_DELETED
_encode = msgspec.json.Encoder().encode


class Edit(msgspec.Struct, frozen=True):
    """One step of a change that was made at ``at`` (µs) to entity ``num``.

    Of the entity itself the attribute is "", and ``step`` holds its documents: before, where it was there, and after.
    """

    num: int
    at: int
    trigger: Trigger
    step: Step


Evolve = Callable[[Connection, Sequence[Edit]], None]


@dataclass(slots=True)
class Edited:
    """What changes did: numbers of entities by outcome, every step in order, and the readings they carried."""

    created: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    rows: list[ReadingRow] = field(default_factory=list)
    # By entity: instances (attribute, dataset) whose reading is to be hidden, or shown again, once all readings are stored.
    hidden: dict[int, dict[tuple[str, str | None], bool]] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)  # those of which everything is hidden before that


class Editor:
    """Writes entity changes on the writer's connection, inside its transaction: ``begin``, ``edit`` each, ``write``, and
    ``finish`` when their readings are stored.

    ``evolve`` is told every step in the same transaction.
    """

    def __init__(
        self, connection: Connection, index: SeriesIndex, locate: Locate, classified: Classified | None = None
    ) -> None:
        self._db, self._index, self._locate = connection, index, locate
        self._classified = classified or Classified(())
        self._hides: dict[tuple[int, str], Hides | None] = {}
        self._rows = EntityRows(connection, index)
        self._done = Edited()
        self._asked: dict[tuple[int, str], dict[tuple[Clearance, str | None, str | None, str], bool]] = {}
        self.evolve: Evolve | None = None

    def begin(self, changes: Iterable[EntityChange]) -> Edited:
        """Read what ``changes`` are of; what they do is gathered in the answer."""
        self._rows.load({change.entity.id for change in changes})
        self._done, self._asked, self._hides = Edited(), {}, {}
        return self._done

    def edit(self, change: EntityChange, person: Person, at: int, action: str = "entity.write") -> Outcome:
        """Make one change at ``at`` (µs), or none of it.

        Raises Problem 403 for what is marked as a state secret, and if ``person`` may not do ``action`` to what the entity
        was, to what it is to be, to what it was before it was deleted (its history comes back with it), or to an attribute
        that is classified stricter than it (whether or not it is there); 404 or 409 if
        the entity is absent or present against the kind of change, 404 for an attribute that is not there, 400 for what
        cannot be told this way and for a location that is no geometry.
        """
        entity, kind = change.entity, change.kind
        if _is_secret(entity.attributes):
            raise refused()
        state = self._rows.state(entity.id) or _NOBODY
        gone = state.expires_at is not None and state.expires_at <= at
        exists = state.alive and not gone
        if kind == "create" and exists:
            raise Problem(409, "already-exists", f"{entity.id} exists already.", "Merge into it, or choose another id.")
        if not exists and kind not in _MAKES and not (gone and kind == "expire"):
            raise not_found("entity", entity.id)
        if exists and change.only is not None and not change.only(state.said.types):
            raise not_found("entity", entity.id)
        doing = (_MAKES[kind] if exists else "create") if kind in _MAKES else kind
        if kind == "delete" or (gone and kind == "expire"):
            self._demand(person, action, change, state, state.clearance, state.ward, state.said.types)
            return self._delete(state, at)
        before = state if exists else State(clearance=state.clearance)
        hidden = self._hidden(person, action, change, state)
        if hidden and not hidden.isdisjoint(entity.attributes):
            raise _forbidden(person, entity.id)
        turned = turn(doing, before.said, change, at)
        _demand_finite(turned.steps)
        if not turned.types:
            raise Problem(400, "bad-request", f"{entity.id} has no type.", "Say what kind of thing it is.")
        clearance = state.clearance if change.clearance is None else change.clearance
        box, ward = self._placed(before, change, turned, anew=doing in ("create", "replace"))
        self._demand(person, action, change, state, clearance, ward, turned.types)
        if hidden and any(step.attribute in hidden for step in turned.steps):
            raise _forbidden(person, entity.id)
        if gone and state.alive:
            self._delete(state, at)
        owner = entity.owner or before.owner
        if exists and not turned.steps and _same(before, turned, clearance, box, ward, owner):
            return Outcome(entity.id, "unchanged", not_updated=turned.not_updated)
        created = at if before.created_at is None else before.created_at
        after = State(self._index.reserve(entity.id), entity.id, True, clearance, ward, owner, box, created, at)
        after.said = turned.said
        self._tell(after, before, turned, at)
        self._rows.put(after)
        outcome = Outcome(entity.id, "changed" if exists else "created", not_updated=turned.not_updated)
        if turned.not_updated:
            outcome.updated = list(dict.fromkeys(step.attribute for step in turned.steps))
        return outcome

    def write(self) -> None:
        """Write what the changes made of their entities; their readings have to be stored next."""
        self._rows.write()
        if self.evolve is not None and self._done.edits:
            self.evolve(self._db, self._done.edits)

    def finish(self) -> None:
        """Hide what is not shown any more, now that the readings are stored."""
        if self._done.ended:
            query = "UPDATE live SET hidden = 1 WHERE series_id IN (SELECT id FROM series WHERE entity = ?)"
            self._db.executemany(query, [(num,) for num in self._done.ended])
        rows = []
        for num, instances in self._done.hidden.items():
            urn = self._index.urn(num)
            found = ((self._index.find(urn, *instance), hidden) for instance, hidden in instances.items())
            rows += [(int(hidden), series) for series, hidden in found if series is not None]
        if rows:
            self._db.executemany("UPDATE live SET hidden = ? WHERE series_id = ? AND observed_at IS NOT NULL", rows)

    def move(self, series: Iterable[int]) -> None:
        """Take the shown value of location ``series`` over as the place of their entities, of default instances alone."""
        for number in series:
            if self._index.dataset_of(number) is not None:
                continue
            row = self._db.execute("SELECT other FROM live WHERE series_id = ? AND hidden = 0", (number,)).fetchone()
            if row is None:
                continue
            try:
                box = box_of(join_value(None, row[0]))
            except Problem:
                continue  # the reading stands as it was told; a place that is none moves nothing
            self._rows.move(self._index.owner_of(number), box, self._ward(box))

    def _demand(
        self,
        person: Person,
        action: str,
        change: EntityChange,
        state: State,
        clearance: Clearance,
        ward: str | None,
        types: tuple[str, ...],
    ) -> None:
        entity = change.entity
        thing = clearance, ward, entity.owner or state.owner, types[0] if types else entity.type
        allowed = self._may(person, action, thing)
        if allowed and state.num:
            was = state.clearance, state.ward, state.owner, state.said.types[0]
            allowed = was == thing or self._may(person, action, was)
        if not allowed:
            raise _forbidden(person, entity.id)

    def _hidden(self, person: Person, action: str, change: EntityChange, state: State) -> frozenset[str]:
        """The attributes of the entity, as it is or as it is told to be, that ``person`` does not reach with ``action``."""
        key = id(person), action
        if key not in self._hides:
            reached = reach(person, action)
            self._hides[key] = None if reached is None else self._classified.hides(reached)
        hides = self._hides[key]
        if hides is None:
            return _NOTHING
        if state.num:
            return hides(state.said.types[0], state.clearance, state.ward, state.owner)
        clearance = Clearance.INTERNAL if change.clearance is None else change.clearance
        return hides(change.entity.type, clearance, change.entity.ward, change.entity.owner)

    def _may(self, person: Person, action: str, thing: tuple[Clearance, str | None, str | None, str]) -> bool:
        """The policy's answer, remembered for one transaction: a batch asks of the same sort of thing again and again."""
        asked = self._asked.setdefault((id(person), action), {})
        found = asked.get(thing)
        if found is None:
            reached = reach(person, action)
            found = asked[thing] = reached is not None and reached.covers(Thing(*thing))
        return found

    def _ward(self, box: Box) -> str | None:
        return self._locate((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)

    def _placed(self, before: State, change: EntityChange, turned: Turned, *, anew: bool) -> tuple[Box | None, str | None]:
        """Where the entity will be: the ward of its place, whatever ward it claims. Raises Problem 400 for no geometry."""
        former = (None, None) if anew else (before.box, before.ward)
        box, ward = former[0], change.entity.ward or former[1]
        for step in turned.steps:
            if step.attribute == LOCATION and step.dataset is None:
                if step.after is None:
                    box, ward = None, change.entity.ward
                else:
                    box = box_of(step.after["v"])
        if box is not None and box != former[0]:
            ward = before.ward if box == before.box and before.ward is not None else self._ward(box)
        return box, ward

    def _tell(self, after: State, before: State, turned: Turned, at: int) -> None:
        """Note what is to follow from each step."""
        done, num = self._done, after.num
        new = before.created_at is None
        (done.created if new else done.changed).append(num)
        if new or not turned.steps:
            trigger = Trigger.ENTITY_CREATED if new else Trigger.ENTITY_UPDATED
            done.edits.append(Edit(num, at, trigger, _whole(before.said.document, after.said.document)))
        hidden = done.hidden.setdefault(num, {}) if self._index.observes(num) else done.hidden.get(num)
        for step in turned.steps:
            trigger = _CREATED if step.before is None else _UPDATED if step.after is not None else _DELETED
            done.edits.append(Edit(num, at, trigger, step))
            observed = step.after is not None and "t" in step.after
            if observed:
                done.rows.append(_reading(after.id, step, at))
                if hidden is None:
                    hidden = done.hidden[num] = {}
            if hidden is not None and step.attribute != SCOPE:
                hidden[step.attribute, step.dataset] = not observed

    def _delete(self, state: State, at: int) -> Outcome:
        self._done.deleted.append(state.num)
        whole = _whole(state.said.document, None)
        self._done.edits.append(Edit(state.num, at, Trigger.ENTITY_DELETED, whole))
        if self._done.hidden.pop(state.num, None) is not None or self._index.observes(state.num):
            self._done.ended.append(state.num)
        self._rows.put(state.ended(at))
        return Outcome(state.id, "deleted")


def _forbidden(person: Person, urn: str) -> Problem:
    return Problem(403, "forbidden", f"{person.id} may not change {urn}.", "Ask the agency that owns it.")


def _whole(before: Document | None, after: Document | None) -> Step:
    return Step("", None, before or None, after)


def _same(before: State, turned: Turned, clearance: Clearance, box: Box | None, ward: str | None, owner: str | None) -> bool:
    return before.said == turned.said and (before.clearance, before.box, before.ward, before.owner) == (
        clearance,
        box,
        ward,
        owner,
    )


def _reading(urn: str, step: Step, at: int) -> ReadingRow:
    said = step.after
    assert said is not None  # noqa: S101 - asked for by the caller
    return ReadingRow(
        urn,
        step.attribute,
        from_micros(said["t"]),
        said["v"],
        Origin(said.get("o", 0)),
        said.get("u", ""),
        step.dataset,
        grade=Grade(said.get("g", 0)),
        reasons=Reason(said.get("r", 0)),
        received_at=from_micros(at),
    )


def _demand_finite(steps: Sequence[Step]) -> None:
    for step in steps:
        after = step.after
        if after is not None and type(after.get("v")) is float and not isfinite(after["v"]):
            raise bad_request(f"{step.attribute} is a number without an end.", "Send a finite number.")


def _is_secret(attributes: dict[str, list[Attribute]]) -> bool:
    """True if anything that is said about an entity is marked as a state secret."""
    for iri, instances in attributes.items():
        if KEY in iri and is_marked({iri: [{"value": one.value} for one in instances]}):
            return True
        for one in instances:
            kind = type(one.value)
            if (kind is dict or kind is list) and may_be_marked(_encode(one.value)) and is_marked(one.value):
                return True
            if one.sub and _is_secret(one.sub):
                return True
    return False
