"""What commits did, as subscriptions look at it: entity by entity, each edit with what was there before and after it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from dothi.data.batch import Changed, IntArray, Trigger, pack, unpack
from dothi.data.document import Document, Instance, attribute_of, instance_of
from dothi.data.news import Changes
from dothi.data.series import SeriesIndex
from dothi.model.clock import from_micros
from dothi.model.entity import Attribute, Entity

UNKNOWN: Any = object()
"""Stands for what an instance was after an edit where only the entity as it is now says that."""

_SCALARS = frozenset({float, int, str})
_ENCODER = msgspec.json.Encoder(order="sorted")
_OF_ENTITY = frozenset({Trigger.ENTITY_CREATED, Trigger.ENTITY_DELETED})
_WORDS = {
    Trigger.ATTRIBUTE_CREATED: "attributeCreated",
    Trigger.ATTRIBUTE_UPDATED: "attributeUpdated",
    Trigger.ATTRIBUTE_DELETED: "attributeDeleted",
}


@dataclass(slots=True)
class Edit:
    """One attribute instance that was told of. ``trigger`` is the standard's word; ``before`` the instance as it was, None
    if there was none (or nobody kept it); ``after`` is UNKNOWN where nothing else was told of it since, None if it was gone.
    """

    attribute: str
    dataset: str | None
    trigger: str
    before: Instance | None = None
    after: Any = UNKNOWN


@dataclass(slots=True)
class Event:
    """What one commit did to one entity. ``deleted`` carries the document of an entity that was deleted, ``ended`` what it
    was when it was deleted later.
    """

    num: int
    urn: str
    type: str
    at: datetime
    created: bool = False
    updated: bool = False
    deleted: Document | None = None
    ended: Document | None = None
    edits: list[Edit] = field(default_factory=list)


class Moments(dict[int, datetime]):
    """Moments of µs, each made once."""

    def __missing__(self, micros: int) -> datetime:
        moment = self[micros] = from_micros(micros)
        return moment


def changed_in(rows: Iterable[Changed], index: SeriesIndex) -> IntArray:
    """The numbers of all entities that outbox rows tell of, each once."""
    parts = [np.empty(0, np.int64)]
    for changed in rows:
        parts += [unpack(changed.edits)[::4], index.entity_of(unpack(changed.series)).astype(np.int64)]
    return np.unique(np.concatenate(parts))


def events_of(
    rows: Iterable[tuple[int, Changed]], later: Iterable[Changed], index: SeriesIndex, concerned: frozenset[int]
) -> list[list[Event]]:
    """The events of outbox rows (µs of the commit, what it changed), oldest first; ``later`` rows are not told of yet, but
    say what was there before them. Only ``concerned`` entities (numbers) are looked at.
    """
    last: dict[tuple[int, str, str | None], Edit] = {}
    alive: dict[int, list[Event]] = {}
    found = []
    for at, changed in rows:
        events: list[Event] = []
        open_: dict[int, Event] = {}
        moment = from_micros(at)
        told: set[tuple[int, str, str | None]] = set()
        for num, attribute, dataset, trigger, before in _edits(changed):
            if num not in concerned:
                continue
            key = (num, attribute, dataset)
            # The same once more, or the entity itself: somebody else's write that shares the commit.
            again = key in told if attribute else trigger in _OF_ENTITY
            if again:
                told -= {one for one in told if one[0] == num}
            if num not in open_ or again:
                event = open_[num] = Event(num, index.urn(num), index.type_of(num), moment)
                events.append(event)
            _take(open_[num], attribute, dataset, trigger, before, last)
            told.add(key)
            if trigger == Trigger.ENTITY_DELETED:
                told -= {one for one in told if one[0] == num}
                _end(alive, open_.pop(num))
            elif again or events[-1] is open_[num]:
                _begin(alive, open_[num])
        for event in _observed(changed, index, moment, open_, concerned):
            events.append(event)
            _begin(alive, event)
        found.append(events)
    for changed in later:
        for num, attribute, dataset, trigger, before in _edits(changed):
            if num in alive:
                event = Event(num, "", "", from_micros(0))
                _take(event, attribute, dataset, trigger, before, last)
                if event.deleted is not None:
                    _end(alive, event)
    return found


def _begin(alive: dict[int, list[Event]], event: Event) -> None:
    known = alive.setdefault(event.num, [])
    if not known or known[-1] is not event:
        known.append(event)


def _end(alive: dict[int, list[Event]], event: Event) -> None:
    for earlier in alive.pop(event.num, ()):
        earlier.ended = event.deleted


def events_of_changes(changes: Changes, index: SeriesIndex) -> list[Event]:
    """The same of what the dispatcher merged: sent again after it was parked, its rows are gone."""
    events: dict[str, Event] = {}
    for one in changes.edits:
        num = index.number_of(one.entity) or 0
        event = events.setdefault(one.entity, Event(num, one.entity, index.type_of(num), changes.at))
        _take(event, one.attribute, one.dataset, one.trigger, one.before, {})
    known = {event.num: event for event in events.values()}
    return [*events.values(), *_observed(Changed(series=pack(changes.series)), index, changes.at, known, None)]


def _edits(changed: Changed) -> Iterable[tuple[int, str, str | None, Trigger, Any]]:
    names = changed.names
    for place, (num, name, dataset, trigger) in enumerate(unpack(changed.edits).reshape(-1, 4).tolist()):
        yield num, names[name], names[dataset] or None, Trigger(trigger), changed.before.get(place)


def _take(
    event: Event,
    attribute: str,
    dataset: str | None,
    trigger: Trigger,
    before: Any,
    last: dict[tuple[int, str, str | None], Edit],
) -> None:
    if not attribute:
        event.created |= trigger == Trigger.ENTITY_CREATED
        event.updated |= trigger == Trigger.ENTITY_UPDATED
        if trigger == Trigger.ENTITY_DELETED:
            event.deleted = before or {}
            for iri, instances in event.deleted.items():
                for one in instances:
                    _ended(last, (event.num, iri, one.get("d")), one)
        return
    edit = Edit(attribute, dataset, _WORDS[trigger], before)
    key = (event.num, attribute, dataset)
    _ended(last, key, before)
    if trigger == Trigger.ATTRIBUTE_DELETED:
        edit.after = None
    else:
        last[key] = edit
    event.edits.append(edit)


def _ended(last: dict[tuple[int, str, str | None], Edit], key: tuple[int, str, str | None], before: Any) -> None:
    """What an edit left is what the next one found."""
    known = last.pop(key, None)
    if known is not None and before is not None:
        known.after = before


def _observed(
    changed: Changed, index: SeriesIndex, moment: datetime, open_: Mapping[int, Event], concerned: frozenset[int] | None
) -> list[Event]:
    """Readings of devices: what they changed is told as it is now, however often they came; the events that are new."""
    known, found = dict(open_), list[Event]()
    numbers = unpack(changed.series)
    if concerned is not None and len(numbers):
        numbers = numbers[np.isin(index.entity_of(numbers), np.fromiter(concerned, np.int64, len(concerned)))]
    for series in numbers.tolist():
        num = index.owner_of(series)
        attribute, dataset = index.attribute_of(series), index.dataset_of(series)
        event = known.get(num)
        if event is None:
            event = known[num] = Event(num, index.urn(num), index.type_of(num), moment)
            found.append(event)
        elif any(one.attribute == attribute and one.dataset == dataset for one in event.edits):
            continue
        event.edits.append(Edit(attribute, dataset, "attributeUpdated"))
    return found


def as_of(event: Event, now: Entity | None, unknown: frozenset[str], moments: Moments) -> Entity | None:
    """The entity as ``event`` left it: as it is ``now``, with what was changed since put back; None if nothing is known.

    Attributes that are ``unknown`` (IRIs) to whoever asks stay out of it.
    """
    if now is None:
        return None
    attributes = dict(now.attributes)
    for edit in event.edits:
        if edit.after is UNKNOWN or edit.after is None or edit.attribute in unknown:
            continue
        instance = attribute_from(edit.after, moments)
        if instance is not None:
            put_instance(attributes, edit.attribute, instance)
    return Entity(
        now.id,
        now.type,
        attributes,
        now.ward,
        now.owner,
        now.created_at,
        now.modified_at,
        now.more_types,
        now.scopes,
        now.expires_at,
    )


def really(edits: Iterable[Edit], entity: Entity) -> list[Edit]:
    """Those of ``edits`` that left something else than was there: what is told once more as it was is no change (clause
    5.8.6). ``entity`` is what they left.
    """
    return [one for one in edits if one.before is None or "v" not in one.before or _differs(one, one.before, entity)]


def _differs(edit: Edit, before: Instance, entity: Entity) -> bool:
    if edit.after is not UNKNOWN:
        return not edit.after or _said(before) != _said(edit.after)
    instances = entity.attributes.get(edit.attribute, ())
    left = next((one for one in instances if one.dataset_id == edit.dataset), None)
    if left is None or _is_another(before["v"], left.value):
        return True
    return _said(before) != _said(instance_of(left, 0, None))


def _is_another(value: Any, left: Any) -> bool:
    """Whether two scalars differ for certain: most changes are told by this alone."""
    return value.__class__ in _SCALARS and left.__class__ in _SCALARS and value != left


def _said(kept: Instance) -> dict[str, Any]:
    """An instance without when it was said. Values as text: to Python 1 and true are equal."""
    found: dict[str, Any] = {key: said for key, said in kept.items() if key not in "cmvx"}
    found["v"] = _ENCODER.encode(kept.get("v"))
    found["x"] = {iri: [_said(one) for one in instances] for iri, instances in kept.get("x", {}).items()}
    return found


def attribute_from(kept: Instance, moments: Moments) -> Attribute | None:
    """The attribute of a stored instance; None if its value is not kept with it."""
    return attribute_of(kept, moments) if "v" in kept else None


def put_instance(attributes: dict[str, list[Attribute]], iri: str, instance: Attribute) -> None:
    """Let ``instance`` stand in the place of the one of its dataset; lists are made anew, never changed."""
    kept: Sequence[Attribute] = attributes.get(iri, ())
    others = [one for one in kept if one.dataset_id != instance.dataset_id]
    attributes[iri] = sorted([*others, instance], key=lambda one: one.dataset_id or "")
