"""What a notification says (ETSI GS CIM 009 v1.8.1, clauses 5.3.1 and 5.8.6), as far as its receiver may know it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any
from uuid import uuid4

import msgspec

from dothi.access.policy import Person
from dothi.api.encoding import instant
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.querying.linked import joined
from dothi.api.ngsild.representation import Shown, collected, shaper
from dothi.api.ngsild.subscriptions.about import About
from dothi.api.ngsild.subscriptions.events import Edit, Event, Moments, attribute_from, put_instance
from dothi.api.ngsild.versions import told_in
from dothi.api.ngsild.writing.reading import VALUE_KEYS
from dothi.data.context import Context
from dothi.data.document import Instance
from dothi.model.entity import NULL, Attribute, Entity

_RUN = uuid4()  # of this process; asking the system for each notification would cost more than making it
_NUMBERS = count()
Hidden = dict[str, list[str]]
"""Entities (URNs) that something tells of, each with its attributes (IRIs) that its receiver may not know."""


def shown_entity(
    about: About, context: TermMap, reader: tuple[Person, Context], entity: Entity, edits: Sequence[Edit], at: datetime
) -> list[Shown]:
    """An entity that changed, shown as the subscription wants it, with what it leads to where that was asked for."""
    moments = Moments()
    attributes = entity.attributes
    if about.only_changed and edits:
        touched = {edit.attribute for edit in edits}
        attributes = {iri: instances for iri, instances in attributes.items() if iri in touched}
    gone = _gone(about, edits, attributes)
    if gone:
        attributes = dict(attributes)
    for edit in gone:
        put_instance(attributes, edit.attribute, _nothing(edit, moments))
    told = entity if attributes is entity.attributes else replace_attributes(entity, attributes)
    person, city = reader
    if about.join is None:
        found = [shaper(context, about.shape)(told)]
    else:
        found, _ = joined(person, city, [told], lambda _: context, about.shape, about.join)
    others = [edit for edit in edits if edit.trigger != "attributeDeleted"]
    _decorate(about, context, found[0], [*others, *gone], at, moments)
    return found


def shown_deleted(
    about: About, context: TermMap, former: Entity, event: Event, edits: Sequence[Edit], unknown: frozenset[str]
) -> Shown:
    """An entity that was deleted: what it was, when it went, and of its attributes those that the subscription watches.

    With showChanges all of them, each with what it said last, but those ``unknown`` (IRIs) to its receiver.
    """
    moments = Moments()
    attributes: dict[str, list[Attribute]] = {}
    document = event.deleted or {}
    gone = list(edits)
    if about.show_changes and not gone:
        gone = [
            Edit(iri, one.get("d"), "attributeDeleted", one, None)
            for iri, instances in document.items()
            for one in instances
        ]
    gone = _gone(about, [edit for edit in gone if edit.attribute not in unknown], {})
    for edit in gone:
        put_instance(attributes, edit.attribute, _nothing(edit, moments))
    told = replace_attributes(former, attributes)
    shape = replace(about.shape, geojson=False)
    found = shaper(context, shape)(told)
    _decorate(about, context, found, gone, event.at, moments)
    found["deletedAt"] = instant(event.at)
    return found


def replace_attributes(entity: Entity, attributes: dict[str, list[Attribute]]) -> Entity:
    """``entity`` with other attributes; itself stays as it is."""
    return Entity(
        entity.id,
        entity.type,
        attributes,
        entity.ward,
        entity.owner,
        entity.created_at,
        entity.modified_at,
        entity.more_types,
        entity.scopes,
        entity.expires_at,
    )


def message(kept_id: str, about: About, context: Any, media: str, data: list[Shown], at: datetime) -> bytes:
    """The body of a notification (clause 5.3.1); ``context`` is what JSON-LD names as its @context."""
    if about.version is not None:
        told_in(data, about.version)
    told: dict[str, Any] = {
        "id": f"urn:ngsi-ld:Notification:{_RUN}-{next(_NUMBERS)}",
        "type": "Notification",
        "subscriptionId": kept_id,
        "notifiedAt": instant(at),
    }
    if media == "application/ld+json":
        for one in data:
            one["@context"] = context
        told["@context"] = context
    told["data"] = collected(data) if about.shape.geojson else data
    return msgspec.json.encode(told)


def led_to(data: Iterable[Shown]) -> set[str]:
    """The ids of all entities in what is shown, those within others included."""
    found: set[str] = set()
    stack: list[Any] = list(data)
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            if isinstance(one.get("id"), str) and "type" in one:
                found.add(one["id"])
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)
    return found


def _gone(about: About, edits: Sequence[Edit], left: Mapping[str, object]) -> list[Edit]:
    """The deleted instances to show: one for several where nothing is ``left``, unless what each was is told."""
    gone = [edit for edit in edits if edit.trigger == "attributeDeleted"]
    if about.show_changes or not gone:
        return gone
    several = {name for name, count in Counter(edit.attribute for edit in gone).items() if count > 1 and name not in left}
    whole = {edit.attribute: replace(edit, dataset=None) for edit in reversed(gone) if edit.attribute in several}
    return [edit for edit in gone if edit.attribute not in whole] + list(whole.values())


def _nothing(edit: Edit, moments: Moments) -> Attribute:
    """What stands for an instance that was deleted (NGSI-LD Null, clause 4.5.0)."""
    before = edit.before or {}
    kind = before.get("k", "Property")
    return Attribute(
        kind,
        {"@none": NULL} if kind == "LanguageProperty" else NULL,
        dataset_id=edit.dataset,
        created_at=moments[before["c"]] if "c" in before else None,
        modified_at=moments[before["m"]] if "m" in before else None,
    )


def _decorate(about: About, context: TermMap, found: Shown, edits: Sequence[Edit], at: datetime, moments: Moments) -> None:
    """Add to what is shown what was there before (showChanges), and when it went (sysAttrs)."""
    if about.shape.format == "keyValues" or not (about.show_changes or about.shape.sys_attrs):
        return
    holder: Mapping[str, Any] = found["properties"] if about.shape.geojson and "properties" in found else found
    for edit in edits:
        instance = _instance(holder.get(context.compact(edit.attribute)), edit.dataset)
        if instance is None:
            continue
        if about.show_changes and edit.before is not None and edit.trigger != "attributeCreated":
            _put_previous(about, context, instance, edit.attribute, edit.before, moments)
        if about.shape.sys_attrs and edit.trigger == "attributeDeleted":
            instance["deletedAt"] = instant(at)


def _instance(shown: Any, dataset: str | None) -> Shown | None:
    """The instance of ``dataset`` among those shown of an attribute."""
    for one in shown if isinstance(shown, list) else (shown,):
        if isinstance(one, dict) and one.get("datasetId") == dataset:
            return one
    return None


def _put_previous(about: About, context: TermMap, instance: Shown, iri: str, before: Instance, moments: Moments) -> None:
    former = attribute_from(before, moments)
    if former is None:
        return
    shape = replace(about.shape, format="normalized", geojson=False, datasets=None, languages=())
    stub = Entity("", "", {iri: [former]})
    shown = shaper(context, replace(shape, projection=about.shape.projection.__class__()))(stub).get(context.compact(iri))
    key = VALUE_KEYS.get(former.kind, "value")
    if isinstance(shown, dict) and key in shown:
        instance[f"previous{key[0].upper()}{key[1:]}"] = shown[key]
