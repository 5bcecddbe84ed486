"""Writing the past of entities (ETSI GS CIM 009 v1.8.1, clauses 5.6.11 to 5.6.16).

What was observed becomes readings, and the newest of them what the entity is. Deleting all the past of an entity deletes the
entity with it: what it is now is the end of its past.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute

from dothi.access.policy import SYSTEM, Person
from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.checks import is_uri, moment, part_of_path, scopes, uri
from dothi.api.ngsild.door import ROOT, Answer, Asked, door
from dothi.api.ngsild.negotiation import flag
from dothi.api.ngsild.temporal.replacing import instead_of
from dothi.api.ngsild.temporal.shown import INSTANCE, instance_id
from dothi.api.ngsild.writing.reading import read_entity, read_instances
from dothi.data.batch import Batch, EntityChange, IntArray, ReadingRow, Readings, readings_of
from dothi.data.document import instance_of, shell_of
from dothi.data.evolution import Kind, Mark, forget, put
from dothi.data.evolved import Evolved, Told, Window
from dothi.data.evolving import Page
from dothi.data.instances import SCOPE, is_null
from dothi.data.question import EntityQuery
from dothi.data.sealed_only import SealedOnly
from dothi.model.clock import to_micros
from dothi.model.entity import UNSAID, Attribute, Entity
from dothi.model.problem import Problem, bad_request, not_found
from dothi.store.audit import Act
from dothi.store.connection import Connection

MOST = 20_000
"""Instances in one request."""
_AT_ONCE = 10_000  # readings that are withdrawn in one commit
_PATH = "temporal/entities"
_SOME = Page(1)  # enough to know that there is something
Read = tuple[str | None, int, IntArray]
"""Readings of one series: its dataset, its number and their moments (µs)."""

_KEY = "entity = ? AND attribute = ? AND dataset = ? AND at = ? AND kind = ?"
_OF_ENTITY = frozenset({"id", "type", "scope", "@context", "expiresAt", "createdAt", "modifiedAt", "deletedAt"})


@dataclass(slots=True)
class _Sent:
    """What a body tells: the entity with all instances of each attribute in order of time, and marks to keep beside it."""

    entity: Entity
    marks: list[Mark] = field(default_factory=list)
    gone: list[tuple[str, str | None]] = field(default_factory=list)  # attributes whose newest instance is a deletion


def routes(broker: Broker) -> list[BaseRoute]:
    """``/ngsi-ld/v1/temporal/entities`` and what lies below one of them."""

    def at(method: str, path: str, handle: Any, *params: str, body: Any = "none") -> BaseRoute:
        return door(broker, path, handle, action="history.write", method=method, params=frozenset(params), body=body)

    one = f"{_PATH}/{{id}}"
    attribute, instance = f"{one}/attrs/{{attr}}", f"{one}/attrs/{{attr}}/{{instance}}"
    return [
        at("POST", _PATH, create, body="json"),
        at("DELETE", one, delete),
        at("POST", f"{one}/attrs", append, body="json"),
        at("DELETE", attribute, delete_attribute, "datasetId", "deleteAll"),
        at("PATCH", instance, patch_instance, body="merge-patch"),
        at("DELETE", instance, delete_instance),
        # An id that is missing leaves these.
        at("POST", f"{_PATH}/attrs", nobody),
        at("DELETE", f"{_PATH}/attrs/{{attr}}", nobody, "datasetId", "deleteAll"),
        at("PATCH", f"{_PATH}/attrs/{{attr}}/{{instance}}", nobody, body="merge-patch"),
        at("DELETE", f"{_PATH}/attrs/{{attr}}/{{instance}}", nobody),
    ]


async def create(asked: Asked) -> Answer:
    """Create or update the past of an entity (clause 5.6.11)."""
    sent = _sent(asked, whole=True)
    there = asked.broker.platform.writer.index.num(sent.entity.id) is not None
    await _tell(asked, EntityChange("add", sent.entity), sent)
    if there:
        return Answer(204)
    return Answer(201, headers={"Location": f"{ROOT}{_PATH}/" + part_of_path(sent.entity.id)})


async def append(asked: Asked) -> Answer:
    """Add attributes to the past of an entity (clause 5.6.12)."""
    sent = _sent(asked, whole=False)
    await _tell(asked, EntityChange("append", sent.entity), sent)
    return Answer(204)


async def delete(asked: Asked) -> Answer:
    """Delete the past of an entity, and the entity (clause 5.6.16)."""
    found = await _found(asked, None, _SOME)
    platform = asked.broker.platform
    if platform.writer.index.num(found.id) is not None:
        await _made(asked, EntityChange("delete", Entity(found.id, "")))
    await _withdraw(asked, await run_in_threadpool(_readings, asked, found.id, None))
    await _run(asked, lambda db: forget(db, found.id))
    return Answer(204)


async def delete_attribute(asked: Asked) -> Answer:
    """Delete the past of an attribute, or of one dataset of it (clause 5.6.13)."""
    if asked.path["attr"].startswith(INSTANCE):
        raise bad_request("The attribute's name is missing.", "Put it before the instance's id.")
    iri = _name(asked)
    whole, dataset = flag(asked.query.get("deleteAll"), "deleteAll"), asked.query.get("datasetId")
    if whole and dataset is not None:
        raise bad_request("datasetId and deleteAll exclude each other.", "Leave one of them out.")
    if dataset is not None:
        dataset = None if dataset == "@none" else uri(dataset, "The datasetId")
    found = await _found(asked, iri, _SOME)
    read = await run_in_threadpool(_readings, asked, found.id, iri)
    there = {one.attribute.dataset_id for one in found.instances.get(iri, ())} | {one for one, _, _ in read}
    meant = there if whole else there & {dataset}
    if not meant:
        raise not_found("attribute", asked.path["attr"])
    datasets = None if whole else [dataset]
    await _drop(asked, found.id, iri, meant)
    await _withdraw(asked, [one for one in read if one[0] in meant])
    await _run(asked, lambda db: forget(db, found.id, iri, datasets))
    return Answer(204)


async def patch_instance(asked: Asked) -> Answer:
    """Change one instance (clause 5.6.14)."""
    iri = _name(asked)
    found, told = await _instance(asked, iri)
    after = instead_of(told.attribute, iri, asked)
    if told.kind is None:
        await _correct(asked, found, iri, told, after)
    elif told.kind is Kind.TOLD:
        await _retell(asked, found, iri, told, after)
    else:
        raise bad_request("A deletion cannot be changed.", "Delete the instance instead.")
    return Answer(204)


async def delete_instance(asked: Asked) -> Answer:
    """Delete one instance (clause 5.6.15)."""
    iri = _name(asked)
    found, told = await _instance(asked, iri)
    dataset = told.attribute.dataset_id
    if told.kind is None:
        await _withdraw(asked, _reading(asked, found, iri, told))
        return Answer(204)
    strike = partial(_strike, key=(found.id, iri, dataset or "", told.key, int(told.kind)))
    if not await _run(asked, strike):  # what stands now is beside the entity
        await _drop(asked, found.id, iri, {dataset})
        await _run(asked, strike)
    return Answer(204)


async def nobody(_: Asked) -> Answer:
    """Say that the entity's id is missing."""
    raise bad_request("The entity's id is missing.", "Put it behind /temporal/entities/.")


# What is sent


def _sent(asked: Asked, *, whole: bool) -> _Sent:
    """What the body tells. Raises Problem 400."""
    body = asked.body
    if not isinstance(body, dict):
        raise bad_request("The past of one entity is an object.", "Send id, type and attributes.")
    if whole:
        if "type" not in body:
            raise bad_request("The entity has no type.", "Give its type, or a list of types.")
        head = {name: body[name] for name in ("id", "type", "expiresAt") if name in body}
        entity = read_entity(head, asked.context)
    else:
        if not body:
            raise bad_request("The fragment says nothing.", "Send the attributes that are to be added.")
        entity = Entity(uri(asked.path["id"], "The id"), "")
    sent = _Sent(entity)
    count = 0
    for name, told in body.items():
        if name not in _OF_ENTITY:
            iri = asked.context.expand(name)
            several = told if isinstance(told, list) else [told]
            count += len(several)
            if count > MOST:
                raise bad_request(f"There are more than {MOST} instances.", "Send them in several requests.")
            _take(sent, iri, [_read(asked, iri, one) for one in several])
    if "scope" in body:
        _take_scopes(sent, body["scope"])
    return sent


def _read(asked: Asked, iri: str, said: Any) -> Attribute:
    if not isinstance(said, dict):
        raise bad_request(f"{iri} must be an instance or a list of them.", "Send type, value and observedAt.")
    (one,) = read_instances(iri, said, asked.context, fragment=True)
    if one.value is UNSAID or not one.kind:
        raise bad_request(f"An instance of {iri} has no value.", "Say its value, object, languageMap, json, vocab or list.")
    return one


def _take(sent: _Sent, iri: str, instances: Sequence[Attribute]) -> None:
    """Instances in order of time; those that are null say that there was none from then on (clause 4.5.7)."""
    newest: dict[str | None, Attribute] = {}
    kept = []
    for one in sorted(instances, key=lambda one: (one.observed_at is None, one.observed_at or 0)):
        newest[one.dataset_id] = one
        if not is_null(one):
            kept.append(one)
        elif one.observed_at is None:
            raise bad_request(f"A deletion of {iri} does not say when.", "Give its observedAt.")
        else:
            at = to_micros(one.observed_at)
            sent.marks.append(Mark(sent.entity.id, iri, one.dataset_id, at, Kind.GONE, {"k": one.kind, "t": at}))
    sent.gone += [(iri, dataset) for dataset, one in newest.items() if is_null(one)]
    if kept:
        sent.entity.attributes[iri] = kept


def _take_scopes(sent: _Sent, said: Any) -> None:
    """Scopes, or instances of them, each from its observedAt on (clause 4.5.6)."""
    several = said if isinstance(said, list) else [said]
    if not any(isinstance(one, dict) for one in several):
        sent.entity.scopes = scopes(said)
        return
    found = []
    for one in several:
        if not isinstance(one, dict) or "value" not in one:
            raise bad_request("An instance of the scope has no value.", "Send type, value and observedAt.")
        found.append((to_micros(moment(one.get("observedAt"), "observedAt")), scopes(one["value"])))
    for at, paths in sorted(found):
        sent.marks.append(Mark(sent.entity.id, SCOPE, None, at, Kind.TOLD, {"k": "Property", "v": list(paths)}))
        sent.entity.scopes = paths


# What is found


async def _found(asked: Asked, iri: str | None, page: Page | None = None) -> Evolved:
    """The entity that the path names, with its past (or that of one attribute; of ``page``). Raises Problem 404, 400."""
    urn = uri(asked.path["id"], "The id")
    attributes = None if iri is None else (iri,)
    found = await run_in_threadpool(_past, asked, asked.person, urn, attributes, page)
    if found is None or (found.deleted_at is not None and not found.instances):
        raise not_found("entity", urn)
    return found


def _past(asked: Asked, person: Person, urn: str, attributes: Sequence[str] | None, page: Page | None) -> Evolved | None:
    past = asked.broker.evolutions
    found = past.of(person, urn, Window(), attributes, action="history.write", page=page)
    deleted = past.of(person, urn, Window(by="deletedAt"), attributes, action="history.write")
    if found is not None and deleted is not None:
        for iri, told in deleted.instances.items():
            known = {(one.kind, one.key, one.attribute.dataset_id) for one in found.instances.get(iri, ())}
            more = [one for one in told if (one.kind, one.key, one.attribute.dataset_id) not in known]
            found.instances[iri] = [*found.instances.get(iri, ()), *more]
    return found


async def _instance(asked: Asked, iri: str) -> tuple[Evolved, Told]:
    """The instance that the path names. Raises Problem 404, 400."""
    wanted = asked.path["instance"]
    if not is_uri(wanted):
        raise bad_request(f"The instance {wanted[:80]!r} is not a URI.", "Take it from the past of the entity.")
    found = await _found(asked, iri)
    for one in found.instances.get(iri, ()):
        if instance_id(found.id, iri, one.attribute.dataset_id, one.kind, one.key) == wanted:
            return found, one
    raise not_found("instance", wanted)


def _name(asked: Asked) -> str:
    name = asked.path["attr"]
    if not name.strip("."):
        raise bad_request(f"{name!r} is no name.", "Name an attribute.")
    return SCOPE if name == "scope" else asked.context.expand(name)


# What is done


async def _tell(asked: Asked, change: EntityChange, sent: _Sent) -> None:
    """Keep what was sent, all of it or nothing."""
    platform = asked.broker.platform
    await platform.writer.save(
        asked.person,
        change.kind,
        change.entity,
        at=platform.clock.now(),
        correlation=asked.correlation,
        also=lambda db: put(db, sent.marks),
        action="history.write",
    )
    for iri, dataset in sent.gone:
        await _drop(asked, change.entity.id, iri, {dataset})


async def _drop(asked: Asked, urn: str, iri: str, datasets: Iterable[str | None]) -> None:
    """Let what stands now of these datasets go, where there is something."""
    for dataset in datasets:
        change = EntityChange("delete_attribute", Entity(urn, "", {iri: []}), dataset_id=dataset)
        try:
            await _made(asked, change)
        except Problem as problem:
            if problem.status != 404:
                raise


async def _made(asked: Asked, change: EntityChange) -> None:
    platform = asked.broker.platform
    (outcome,) = await platform.writer.edit(
        asked.person, (change,), at=platform.clock.now(), correlation=asked.correlation, action="history.write"
    )
    if outcome.problem is not None:
        raise outcome.problem


async def _run(asked: Asked, work: Any) -> Any:
    """Statements on what is kept beside readings; who may do them to this entity was asked when it was found."""
    platform = asked.broker.platform
    act = Act(asked.person.id, "history.write", asked.path["id"], correlation=asked.correlation)
    return await platform.writer.run(asked.person, platform.clock.now(), work, [act], action="history.write")


def _readings(asked: Asked, urn: str, iri: str | None) -> list[Read]:
    """All readings of an entity, or of one attribute of it; who may change it was asked when it was found."""
    past, index = asked.broker.evolutions, asked.broker.platform.writer.index
    attributes = None if iri is None else (iri,)
    return [
        (one.dataset, series, one.frame["observed_at"].to_numpy())
        for _, columns in past.columns(SYSTEM, EntityQuery(ids=(urn,)), Window(), attributes, expired=True)
        for one in columns
        if (series := index.find(urn, one.attribute, one.dataset)) is not None
    ]


def _reading(asked: Asked, found: Evolved, iri: str, told: Told) -> list[Read]:
    series = asked.broker.platform.writer.index.find(found.id, iri, told.attribute.dataset_id)
    return [] if series is None else [(told.attribute.dataset_id, series, np.array([told.key], np.int64))]


async def _withdraw(asked: Asked, read: Sequence[Read]) -> None:
    """Withdraw readings."""
    for _, series, moments in read:
        for start in range(0, len(moments), _AT_ONCE):
            at = moments[start : start + _AT_ONCE]
            count, zeros = len(at), np.zeros(len(at), np.int64)
            gone = Readings(np.full(count, series), at.copy(), np.full(count, np.nan), zeros, zeros, zeros, zeros)
            gone.withdrawn = np.ones(count, np.bool_)
            await _store(asked, gone)


async def _correct(asked: Asked, found: Evolved, iri: str, told: Told, after: Attribute) -> None:
    """What a reading is to be: another value, moment, or something else beside it."""
    platform, observed = asked.broker.platform, after.observed_at
    assert observed is not None  # noqa: S101 - a reading was observed
    now = platform.clock.now()
    row = ReadingRow(
        found.id,
        iri,
        observed,
        after.value,
        after.origin,
        after.unit,
        after.dataset_id,
        grade=after.grade,
        reasons=after.reasons,
        received_at=now,
    )
    await _store(asked, readings_of([row]))
    if observed != told.attribute.observed_at:
        await _withdraw(asked, _reading(asked, found, iri, told))
    if any(one.sub or one.object_type or one.expires_at for one in (told.attribute, after)):
        body = shell_of(instance_of(after, to_micros(now), None))
        mark = Mark(found.id, iri, after.dataset_id, to_micros(observed), Kind.BESIDE, body)
        await _run(asked, lambda db: put(db, [mark]))


async def _retell(asked: Asked, found: Evolved, iri: str, told: Told, after: Attribute) -> None:
    """What an instance that nobody observed is to be: one that was superseded, or the one that stands."""
    platform, entity = asked.broker.platform, Entity(found.id, "", {iri: [after]})
    body = instance_of(after, told.key, None)
    *key, text = Mark(found.id, iri, after.dataset_id, told.key, Kind.TOLD, body).row

    def work(db: Connection) -> int:
        SealedOnly(platform.types.values()).check(db, platform.writer.index, (EntityChange("append", entity),), None)
        return db.execute(f"UPDATE evolution SET body = ? WHERE {_KEY}", (text, *key)).rowcount  # noqa: S608 - constants

    if not await _run(asked, work):
        await _made(asked, EntityChange("replace_attribute", entity, dataset_id=after.dataset_id))
        await _run(asked, partial(_strike, key=key))  # it was changed: what it was before is no instance of its own


def _strike(db: Connection, *, key: Sequence[Any]) -> int:
    return db.execute(f"DELETE FROM evolution WHERE {_KEY}", key).rowcount  # noqa: S608 - constants


async def _store(asked: Asked, readings: Readings) -> None:
    """Readings of an entity that the asker may change; the door of readings is another one."""
    platform = asked.broker.platform
    act = Act(asked.person.id, "history.write", asked.path["id"], correlation=asked.correlation)
    batch = Batch(SYSTEM, "temporal", asked.correlation, platform.clock.now(), readings=readings, acts=[act])
    try:
        await platform.writer.write(batch)
    except (KeyError, ValueError):
        raise bad_request(
            "The instance cannot be changed like this.", "Its entity is no more, or its value is none."
        ) from None
