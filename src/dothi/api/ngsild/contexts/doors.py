"""Hosting @contexts: add, list, serve and delete or reload them (ETSI GS CIM 009 v1.8.1, clauses 5.13 and 6.29 to 6.30)."""

from typing import Any, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from dothi.access.routes import page
from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.contexts.bundled import is_core
from dothi.api.ngsild.contexts.jsonld import compiled
from dothi.api.ngsild.contexts.store import HOSTED, Entry, Kind
from dothi.api.ngsild.contexts.term_map import CITY_PATH, absolute
from dothi.api.ngsild.door import Answer, Asked, door
from dothi.api.ngsild.negotiation import LD_JSON, flag, read_json, sent_type
from dothi.api.ngsild.problems import invalid_request
from dothi.model.problem import bad_request, not_found

_KINDS: tuple[Kind, ...] = get_args(Kind)


def routes(broker: Broker) -> list[BaseRoute]:
    """``/ngsi-ld/v1/jsonldContexts``, and the city's own names at CITY_PATH."""
    contexts, store = broker.contexts, broker.contexts.store
    own = msgspec.json.encode(contexts.city_document)

    async def add(asked: Asked) -> Answer:
        """Add an @context to be hosted here (clause 6.29.3.1)."""
        sent_type(asked.request.headers.get("content-type", ""), "json")
        body = read_json(await asked.request.body())
        if not isinstance(body, dict) or "@context" not in body:
            raise invalid_request("The body has no @context.", 'Send {"@context": …}.')
        context = body["@context"]
        compiled(context, lambda _url: {}, is_core)  # what it names elsewhere is looked at when it is used
        entry = await store.add(asked.person, context, asked.correlation)
        return Answer(201, headers={"Location": entry.url})

    async def listed(asked: Asked) -> Answer:
        """List the @contexts kept here (clause 6.29.3.2)."""
        details, kind = flag(asked.query.get("details"), "details"), asked.query.get("kind")
        if kind is not None and kind not in _KINDS:
            raise bad_request(f"There is no kind {kind[:40]!r} of @context.", f"Known: {', '.join(_KINDS)}.")
        found = store.listed(kind)
        return Answer(body=[_told(asked, one) if details else _url(asked, one) for one in found], named=False)

    async def serve(asked: Asked) -> Answer:
        """Serve an @context, or with details=true what is known about it (clause 6.30.3.1)."""
        key = asked.path["id"]
        details = flag(asked.query.get("details"), "details")
        entry = store.find(key)
        if entry is not None:
            return Answer(body=_told(asked, entry) if details else {"@context": entry.context}, named=False)
        sent = contexts.inline(key)
        if sent is None or details:
            raise not_found("@context", key)
        return Answer(body={"@context": sent.document}, named=False)

    async def delete(asked: Asked) -> Answer:
        """Delete an @context, or with reload=true read a cached one again (clause 6.30.3.2)."""
        key = asked.path["id"]
        reload = flag(asked.query.get("reload"), "reload")
        entry = store.find(key)
        if reload and (entry is None or entry.kind != "Cached"):
            raise bad_request(f"{key[:200]!r} is no cached @context.", "Only those that came from elsewhere are reloaded.")
        if entry is None:
            raise not_found("@context", key)
        if reload:
            await store.reload(entry)
        elif is_core(entry.url):
            raise bad_request("The core context cannot be deleted.", "Names would mean nothing without it.")
        else:
            await store.delete(asked.person, entry, asked.correlation)
        contexts.forget(entry)
        return Answer(204)

    async def city_names(_: Request) -> Response:
        return Response(own, media_type=LD_JSON, headers={"Cache-Control": "public, max-age=3600"})

    where, one = HOSTED.removeprefix("/ngsi-ld/v1/").rstrip("/"), HOSTED.removeprefix("/ngsi-ld/v1/") + "{id}"
    return [
        door(broker, where, add, action="context.write", method="POST"),
        door(broker, where, listed, action="context.read", params=frozenset({"details", "kind"})),
        door(broker, one, serve, action="context.read", params=frozenset({"details"})),
        door(broker, one, delete, action="context.write", method="DELETE", params=frozenset({"reload"})),
        page(CITY_PATH, city_names, action="city.read", name="ngsild-context"),
    ]


def _url(asked: Asked, entry: Entry) -> Any:
    return absolute(entry.url, str(asked.request.base_url))


def _told(asked: Asked, entry: Entry) -> dict[str, Any]:
    """What is known about a document (clause 5.2.x: URL, localId, kind, timestamp and last use)."""
    told = {"URL": _url(asked, entry), "localId": entry.local_id, "kind": entry.kind, "createdAt": entry.created_at}
    used = asked.broker.contexts.store.used_at(entry)
    if used is not None:
        told["lastUsage"] = used
    return told
