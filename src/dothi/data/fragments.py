"""What each write of NGSI-LD makes of an entity: pure functions from what it was and what is told to what it is then.

Clauses are those of ETSI GS CIM 009.
"""

from collections.abc import Callable, Iterable

from dothi.data.batch import EntityChange
from dothi.data.document import Document, Instance, instance_of
from dothi.data.instances import (
    SCOPE,
    Said,
    Step,
    Turned,
    demand_whole,
    find,
    is_null,
    is_there,
    merged,
    of_some_kind,
    put,
    set_instance,
    take,
    take_all,
    without_expired,
)
from dothi.model.clock import to_micros
from dothi.model.entity import NO_MOMENT, NULL, Attribute, Entity
from dothi.model.problem import Problem, bad_request

_EXISTS = "It is there already, and nothing was to be overwritten."
_ABSENT = "It is not there."


def turn(kind: str, before: Said, change: EntityChange, at: int) -> Turned:
    """What ``change``, done as ``kind`` (one that needs the entity, or ``create``), makes of ``before`` at ``at`` (µs).

    ``before`` stays as it is. Raises Problem 400 for what cannot be told this way, 404 for an attribute that is not there.
    """
    done = Turned(dict(before.document), before.types, before.scopes, before.expires_at)
    _TURNS[kind](done, change, at)
    return done


# Whole entities


def _create(done: Turned, change: EntityChange, at: int) -> None:
    """Clauses 5.6.1 and 5.6.18: nothing else is said of it any more."""
    entity, former = change.entity, done.document
    done.types = _types_of(entity) or done.types
    done.document = {}
    followed = 0  # of those that were there
    for iri, instances in entity.attributes.items():
        kept = former.get(iri, ())
        if len(instances) == 1:  # most have one
            attribute = instances[0]
            demand_whole(attribute)
            dataset = attribute.dataset_id
            before = find(kept, dataset) if kept else None
            followed += before is not None
            one = instance_of(attribute, at, before)
            done.document[iri] = [one]
            done.steps.append(Step(iri, dataset, before if is_there(before) else None, one))
            continue
        made: list[Instance] = []
        for attribute in instances:
            demand_whole(attribute)
            dataset = attribute.dataset_id
            before = find(kept, dataset) if kept else None
            told = find(made, dataset) if made else None  # the past is told in one go: one follows the other
            one = instance_of(attribute, at, before if told is None else told)
            if told is None:
                made.append(one)
                done.steps.append(Step(iri, dataset, before if is_there(before) else None, one))
            else:
                made[made.index(told)] = one
                done.steps.append(Step(iri, dataset, told, one))
        if len(made) > 1:
            made.sort(key=lambda one: one.get("d", ""))
        if made:
            done.document[iri] = made
    if followed < sum(map(len, former.values())):
        _let_go(done, former)
    if NULL in entity.scopes:
        raise bad_request("A scope cannot be null here.", "Leave it out.")
    done.scopes = entity.scopes
    done.expires_at = None if entity.expires_at is None else to_micros(entity.expires_at)


def _let_go(done: Turned, former: Document) -> None:
    """Note what was there and is no more."""
    for iri, kept in former.items():
        now = done.document.get(iri, ())
        for one in kept:
            if "v" in one and find(now, one.get("d")) is None:
                done.steps.append(Step(iri, one.get("d"), one, None))


def _merge(done: Turned, change: EntityChange, at: int) -> None:
    """What this house says of its own things."""
    entity = change.entity
    if entity.type:
        told = _types_of(entity)
        done.types = told + tuple(one for one in done.types[1:] if one not in told)
    for iri, instances in entity.attributes.items():
        if not instances:
            take_all(done, iri)
        for attribute in instances:
            put(done, iri, attribute, at)
    _rest(done, entity)


def _append(done: Turned, change: EntityChange, at: int) -> None:
    """Clauses 5.6.3 and 5.6.9, with overwriting: null takes away (5.5.8)."""
    _append_with(done, change, at, overwrite=True)


def _append_new(done: Turned, change: EntityChange, at: int) -> None:
    """Clause 5.6.3 with noOverwrite: what is there stays, scopes are added."""
    _append_with(done, change, at, overwrite=False)


def _append_with(done: Turned, change: EntityChange, at: int, *, overwrite: bool) -> None:
    entity = change.entity
    for iri, instances in entity.attributes.items():
        for attribute in instances:
            if overwrite and is_null(attribute):
                take(done, iri, attribute.dataset_id)
                continue
            demand_whole(attribute)
            before = find(done.document.get(iri, ()), attribute.dataset_id)
            if overwrite or not is_there(before):
                put(done, iri, attribute, at, before)
            else:
                done.not_updated.append((iri, _EXISTS))
    _add_types(done, entity)
    if overwrite or not done.scopes:
        _rest(done, entity)
    else:
        _scope(done, done.scopes + tuple(one for one in entity.scopes if one not in done.scopes))


def _update(done: Turned, change: EntityChange, at: int) -> None:
    """Clause 5.6.2: instances are replaced whole, or go where they are null (5.5.8); new ones are added."""
    entity = change.entity
    for iri, instances in entity.attributes.items():
        for attribute in instances:
            if not is_null(attribute):
                demand_whole(attribute)
                put(done, iri, attribute, at)
            elif not take(done, iri, attribute.dataset_id):
                done.not_updated.append((iri, _ABSENT))
    _add_types(done, entity)
    if entity.scopes and not done.scopes:
        done.not_updated.append((SCOPE, _ABSENT))
        entity = Entity(entity.id, "", expires_at=entity.expires_at)
    _rest(done, entity)


def _merge_patch(done: Turned, change: EntityChange, at: int) -> None:
    """Clauses 5.6.17 and 5.5.12: a merge patch (RFC 7396) where null is NGSI-LD's."""
    entity = change.entity
    for iri, instances in entity.attributes.items():
        for attribute in instances:
            before = find(done.document.get(iri, ()), attribute.dataset_id)
            if is_null(attribute):
                take(done, iri, attribute.dataset_id)
            elif before is None or not is_there(before) or (attribute.kind and attribute.kind != before["k"]):
                put(done, iri, of_some_kind(attribute, change.lang), at, before)
            else:
                after = merged(before, attribute, at, change, deep=True)
                if after["v"] == {} and before["k"] == "LanguageProperty":
                    take(done, iri, attribute.dataset_id)
                else:
                    set_instance(done, iri, before, after)
    _add_types(done, entity)
    _rest(done, entity)


# Single attributes


def _patch_attribute(done: Turned, change: EntityChange, at: int) -> None:
    """Clause 5.6.4: what is told of an instance takes the place of what was said there, the rest stays (5.5.8)."""
    for iri, instances in _attributes(done, change):
        for attribute in instances:
            before = find(done.document[iri], attribute.dataset_id)
            if before is None or not is_there(before):
                raise _no_instance(iri, attribute.dataset_id)
            if is_null(attribute):
                take(done, iri, attribute.dataset_id)
                continue
            if attribute.kind and attribute.kind != before["k"]:
                raise bad_request(
                    f"{iri} is a {before['k']}, not a {attribute.kind}.", "Replace the attribute to change that."
                )
            set_instance(done, iri, before, merged(before, attribute, at, change, deep=False))


def _replace_attribute(done: Turned, change: EntityChange, at: int) -> None:
    """Clause 5.6.19: another instance in place of the one that is there, of another kind if need be."""
    for iri, instances in _attributes(done, change):
        for attribute in instances:
            demand_whole(attribute)
            before = find(done.document[iri], attribute.dataset_id)
            if before is None or not is_there(before):
                raise _no_instance(iri, attribute.dataset_id)
            put(done, iri, attribute, at, before)


def _delete_attribute(done: Turned, change: EntityChange, at: int) -> None:
    """Clause 5.6.5: one instance, or all of them."""
    for iri in change.entity.attributes:
        if iri == SCOPE:
            if not done.scopes:
                raise _no_instance(iri, None)
            _scope(done, ())
        elif change.whole:
            if not take_all(done, iri):
                raise _no_instance(iri, None)
        elif not take(done, iri, change.dataset_id):
            raise _no_instance(iri, change.dataset_id)


def _drop(done: Turned, change: EntityChange, at: int) -> None:
    """Clause 5.6.21 with ``drop``."""
    for iri in change.entity.attributes:
        if iri == SCOPE:
            _scope(done, ())
        else:
            take_all(done, iri)


def _keep(done: Turned, change: EntityChange, at: int) -> None:
    """Clause 5.6.21 with ``keep``."""
    for iri in list(done.document):
        if iri not in change.entity.attributes:
            take_all(done, iri)
    if SCOPE not in change.entity.attributes:
        _scope(done, ())


def _expire(done: Turned, change: EntityChange, at: int) -> None:
    """Clause 4.22: what is past its time goes."""
    former = done.document
    done.document = without_expired(former, at)
    for iri, instances in former.items():
        for one in instances:
            after = find(done.document.get(iri, ()), one.get("d"))
            if after != one:
                done.steps.append(Step(iri, one.get("d"), one, after))


_TURNS: dict[str, Callable[[Turned, EntityChange, int], None]] = {
    "create": _create,
    "replace": _create,
    "merge": _merge,
    "append": _append,
    "append_new": _append_new,
    "update": _update,
    "merge_patch": _merge_patch,
    "patch_attribute": _patch_attribute,
    "replace_attribute": _replace_attribute,
    "delete_attribute": _delete_attribute,
    "drop": _drop,
    "keep": _keep,
    "expire": _expire,
}


# What they are made of


def _types_of(entity: Entity) -> tuple[str, ...]:
    return (entity.type, *entity.more_types) if entity.type else ()


def _add_types(done: Turned, entity: Entity) -> None:
    more = tuple(one for one in _types_of(entity) if one not in done.types)
    if more:
        done.types += more


def _rest(done: Turned, entity: Entity) -> None:
    """Scopes and the end of an entity, as far as they are told."""
    if entity.scopes:
        _scope(done, () if NULL in entity.scopes else entity.scopes)
    if entity.expires_at is not None:
        done.expires_at = None if entity.expires_at == NO_MOMENT else to_micros(entity.expires_at)


def _scope(done: Turned, scopes: tuple[str, ...]) -> None:
    if scopes != done.scopes:
        was, now = ({"k": "Property", "v": list(one)} if one else None for one in (done.scopes, scopes))
        done.steps.append(Step(SCOPE, None, was, now))
        done.scopes = scopes


def _attributes(done: Turned, change: EntityChange) -> Iterable[tuple[str, list[Attribute]]]:
    for iri, instances in change.entity.attributes.items():
        if iri == SCOPE:
            raise bad_request("A scope cannot be changed as an attribute.", "Update the attributes of the entity.")
        if iri not in done.document:
            raise _no_instance(iri, None)
        yield iri, instances


def _no_instance(iri: str, dataset: str | None) -> Problem:
    which = f"{iri} (dataset {dataset})" if dataset else iri
    return Problem(404, "not-found", f"This entity has no attribute {which}.", "Retrieve the entity to see what it has.")
