"""Writing attributes of one entity (ETSI GS CIM 009, clauses 5.6.2 to 5.6.5 and 5.6.19)."""

from typing import Any

from starlette.routing import BaseRoute

from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.checks import uri
from dothi.api.ngsild.door import Answer, Asked, door
from dothi.api.ngsild.negotiation import flag, listed
from dothi.api.ngsild.querying.retrieve import parameter
from dothi.api.ngsild.writing.documented import DONE, FRAGMENT, OPTIONS, PARTLY_UPDATED, TYPES, operation
from dothi.api.ngsild.writing.provision import fragment_of, made, only, target
from dothi.api.ngsild.writing.reading import read_fragment, read_instances
from dothi.data.batch import EntityChange, EntityKind, Outcome
from dothi.data.instances import SCOPE, is_null
from dothi.model.entity import NULL, Attribute, Entity
from dothi.model.problem import bad_request

NO_OVERWRITE = "noOverwrite"
_APPEND = operation(
    "Append attributes to an entity (ETSI GS CIM 009, clause 5.6.3)",
    TYPES,
    OPTIONS["append"],
    body=FRAGMENT,
    answers=DONE | PARTLY_UPDATED,
)
_UPDATE = operation("Update attributes of an entity (clause 5.6.2)", TYPES, body=FRAGMENT, answers=DONE | PARTLY_UPDATED)
_PATCH = operation("Update one attribute partially (clause 5.6.4)", TYPES, body=FRAGMENT)
_REPLACE = operation("Replace one attribute (clause 5.6.19)", TYPES, body=FRAGMENT)
_DELETE = operation(
    "Delete one attribute, or one instance of it (clause 5.6.5)",
    TYPES,
    parameter("datasetId", "The instance; the default one if none is named.", format="uri"),
    parameter("deleteAll", "Delete all instances.", type="boolean", default=False),
)


def routes(broker: Broker) -> list[BaseRoute]:
    """``/entities/{id}/attrs`` and one attribute below it."""

    def at(method: str, handle: Any, told: Any, path: str, *params: str, body: Any = "merge-patch") -> BaseRoute:
        known = frozenset({"type", *params})
        return door(broker, path, handle, action="entity.write", method=method, params=known, body=body, operation=told)

    every, one = "entities/{id}/attrs", "entities/{id}/attrs/{attr}"
    return [
        at("POST", append, _APPEND, every, "options", body="json"),
        at("PATCH", update, _UPDATE, every),
        at("PATCH", patch, _PATCH, one),
        at("PUT", replace, _REPLACE, one, body="json"),
        at("DELETE", delete, _DELETE, one, "datasetId", "deleteAll", body="none"),
    ]


async def append(asked: Asked) -> Answer:
    """Append attributes to an entity (clause 5.6.3)."""
    entity = _fragment(asked)
    if NULL in entity.scopes or any(is_null(one) for many in entity.attributes.values() for one in many):
        raise bad_request("Null takes away, and nothing is taken away here.", "Update, merge or delete the attribute.")
    kind: EntityKind = "append_new" if no_overwrite(asked) else "append"
    return _updated(await made(asked, EntityChange(kind, entity, only=only(asked))))


async def update(asked: Asked) -> Answer:
    """Update attributes of an entity (clause 5.6.2)."""
    return _updated(await made(asked, EntityChange("update", _fragment(asked), only=only(asked))))


async def patch(asked: Asked) -> Answer:
    """Update one attribute partially (clause 5.6.4)."""
    change = EntityChange("patch_attribute", _one(asked, fragment=True), only=only(asked))
    await made(asked, change)
    return Answer(204)


async def replace(asked: Asked) -> Answer:
    """Replace one attribute (clause 5.6.19)."""
    change = EntityChange("replace_attribute", _one(asked, fragment=False), only=only(asked))
    await made(asked, change)
    return Answer(204)


async def delete(asked: Asked) -> Answer:
    """Delete one attribute, or one instance of it (clause 5.6.5)."""
    urn, dataset = target(asked), asked.query.get("datasetId")
    whole = flag(asked.query.get("deleteAll"), "deleteAll")
    change = EntityChange("delete_attribute", Entity(urn, "", {_name(asked): []}), only=only(asked), whole=whole)
    if dataset is not None and dataset != "@none":
        change.dataset_id = uri(dataset, "The datasetId")
    if whole and change.dataset_id is not None:
        raise bad_request("datasetId and deleteAll exclude each other.", "Leave one of them out.")
    await made(asked, change)
    return Answer(204)


def no_overwrite(asked: Asked) -> bool:
    """Whether what is there is to stay. Raises Problem 400 for another option."""
    options = set(listed(asked.query.get("options")))
    if options - {NO_OVERWRITE}:
        raise bad_request(f"{min(options - {NO_OVERWRITE})[:40]!r} is no option here.", f"Known: {NO_OVERWRITE}.")
    return bool(options)


def _fragment(asked: Asked) -> Entity:
    urn, body = target(asked), fragment_of(asked)
    if not body:
        raise bad_request("The fragment says nothing.", "Send the attributes that are to change.")
    entity = read_fragment(body, asked.context)
    entity.id = urn
    return entity


def _name(asked: Asked) -> str:
    name = asked.path["attr"]
    return SCOPE if name == "scope" else asked.context.expand(name)


def _one(asked: Asked, *, fragment: bool) -> Entity:
    """The entity with the one attribute that the path names, as the body says it."""
    urn, iri, body = target(asked), _name(asked), asked.body
    if iri == SCOPE:
        raise bad_request("The scope is no attribute that can be changed by itself.", "Update the entity's attributes.")
    if not body:
        raise bad_request("The fragment says nothing.", "Send what is to change of the attribute.")
    if isinstance(body, dict) and body.get("datasetId") == NULL:
        raise bad_request("A datasetId cannot be taken away.", "Delete the instance, or write another.")
    found: list[Attribute] = read_instances(iri, body, asked.context, fragment=fragment)
    return Entity(urn, "", {iri: found})


def _updated(outcome: Outcome) -> Answer:
    """Nothing to say if all was updated, else what was and what was not (clause 5.2.18)."""
    if not outcome.not_updated:
        return Answer(204)
    missed = [{"attributeName": iri, "reason": why} for iri, why in outcome.not_updated]
    return Answer(207, {"updated": outcome.updated, "notUpdated": missed}, named=False)
