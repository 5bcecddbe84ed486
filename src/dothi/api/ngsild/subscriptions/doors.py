"""The doors of subscriptions (ETSI GS CIM 009 v1.8.1, clauses 5.8.1 to 5.8.5, 6.10 and 6.11)."""

from typing import Any
from uuid import uuid4

from starlette.routing import BaseRoute

from dothi.api.encoding import instant
from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.checks import is_uri, part_of_path
from dothi.api.ngsild.contexts.term_map import TermMap, absolute
from dothi.api.ngsild.door import Answer, Asked, door
from dothi.api.ngsild.negotiation import flag, listed, whole
from dothi.api.ngsild.subscriptions.document import (
    USUAL_TRIGGERS,
    check_endpoint,
    merged,
    read_subscription,
    shown,
)
from dothi.api.ngsild.subscriptions.kept import Kept
from dothi.api.ngsild.subscriptions.service import Subscriptions, subscriptions_of
from dothi.model.problem import bad_request, not_found

PATH = "/ngsi-ld/v1/subscriptions"
_BODY = {
    "required": True,
    "content": {media: {"schema": {"type": "object"}} for media in ("application/json", "application/ld+json")},
    "description": "A Subscription (clause 5.2.12): entities or watchedAttributes, and notification with an endpoint.",
}
_DONE = {"204": {"description": "Done."}}
_CREATE = {
    "summary": "Subscribe to changes of entities",
    "requestBody": _BODY,
    "responses": {"201": {"description": "It is kept; Location says where."}},
}
_UPDATE = {"summary": "Change a subscription; null takes a member away", "requestBody": _BODY, "responses": _DONE}
_DELETE = {"summary": "Delete a subscription, and what waits to be sent for it", "responses": _DONE}
_SYS_ATTRS = {
    "name": "options",
    "in": "query",
    "description": "sysAttrs shows when it was made and changed.",
    "schema": {"type": "string", "enum": ["sysAttrs"]},
}
_RETRIEVE = {"summary": "A subscription and how sending goes", "parameters": [_SYS_ATTRS]}
_QUERY = {
    "summary": "One's subscriptions and how sending goes",
    "parameters": [
        _SYS_ATTRS,
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}},
        {"name": "offset", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 10_000_000}},
        {"name": "count", "in": "query", "schema": {"type": "boolean"}, "description": "NGSILD-Results-Count counts all."},
    ],
}
MOST, USUAL = 1_000, 20


class Doors:
    """Serves ``subscriptions`` and ``subscriptions/{id}``."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions
        self._kept = subscriptions.subscribers

    async def create(self, asked: Asked) -> Answer:
        """Create a subscription (clause 5.8.1)."""
        service, body = self._subscriptions, asked.body
        if not isinstance(body, dict):
            raise bad_request("A subscription is a JSON object.", "See clause 5.2.12 of the standard.")
        id_ = body.get("id", f"urn:ngsi-ld:Subscription:{uuid4()}")
        if not is_uri(id_):
            raise bad_request("The id of a subscription is a URI.", "Write it like urn:ngsi-ld:Subscription:1.")
        document = read_subscription(body, asked.context, service.clock.now())
        await self._check(document)
        base = str(asked.request.base_url).rstrip("/")
        told_in = {
            "context": asked.context.document,
            "link": await service.contexts.keep(asked.context),
            "base": base,
            "credential": _credential(asked),
        }
        kept = await self._kept.create(asked.person, str(id_), document, told_in, asked.correlation)
        service.changed()
        return Answer(201, headers={"Location": f"{PATH}/{part_of_path(kept.id)}"})

    async def query(self, asked: Asked) -> Answer:
        """List the subscriptions one has made (clause 5.8.4)."""
        limit = whole(asked.query.get("limit"), "limit", USUAL, MOST)
        offset = whole(asked.query.get("offset"), "offset", 0, 10_000_000)
        count, sys_attrs = flag(asked.query.get("count"), "count"), self._sys_attrs(asked)
        if limit == 0 and not count:
            raise bad_request("limit=0 only makes sense with count=true.")
        found = self._kept.own(asked.person)
        page = found[offset : offset + limit]
        links = []
        if offset > 0 and limit:
            links.append(_link(limit, max(0, offset - limit), "prev"))
        if limit and offset + limit < len(found):
            links.append(_link(limit, offset + limit, "next"))
        headers = {"NGSILD-Results-Count": str(len(found))} if count else {}
        if links:
            headers["Link"] = ", ".join(links)
        return Answer(body=[self._told(one, asked.context, sys_attrs) for one in page], headers=headers)

    async def retrieve(self, asked: Asked) -> Answer:
        """Retrieve a subscription (clause 5.8.3)."""
        return Answer(body=self._told(self._named(asked), asked.context, self._sys_attrs(asked)))

    async def update(self, asked: Asked) -> Answer:
        """Update a subscription (clause 5.8.2)."""
        service, kept = self._subscriptions, self._named(asked)
        document = merged(kept.document, asked.body, asked.context, service.clock.now())
        await self._check(document)
        fresh = await self._kept.update(asked.person, kept, document, asked.correlation, _credential(asked))
        service.changed()
        if fresh.status(self._kept.now()) == "active":
            await service.queues.go_on(fresh)
        return Answer(204)

    async def delete(self, asked: Asked) -> Answer:
        """Delete a subscription (clause 5.8.5)."""
        kept = self._named(asked)
        await self._kept.delete(asked.person, kept, asked.correlation)
        self._subscriptions.changed()
        self._subscriptions.queues.look_again(kept.endpoint)
        return Answer(204)

    def _named(self, asked: Asked) -> Kept:
        id_ = asked.path["id"]
        if not is_uri(id_):
            raise bad_request(f"{id_[:80]!r} is no URI.", "Ids of subscriptions look like urn:ngsi-ld:Subscription:1.")
        kept = self._kept.get(id_)
        if kept is None or not self._kept.may_touch(asked.person, kept):
            raise not_found("subscription", id_)
        return kept

    async def _check(self, document: dict[str, Any]) -> None:
        """Raises Problem 400 for what could never be matched or sent, 504 for a context that cannot be had."""
        service = self._subscriptions
        check_endpoint(document["notification"]["endpoint"], service.receivers, anywhere=service.anywhere)
        if "jsonldContext" in document:
            await service.contexts.resolve(document["jsonldContext"])
        service.check(document)

    def _sys_attrs(self, asked: Asked) -> bool:
        options = listed(asked.query.get("options"))
        if not set(options) <= {"sysAttrs"}:
            raise bad_request("The only option of subscriptions is sysAttrs.")
        return "sysAttrs" in options

    def _told(self, kept: Kept, context: TermMap, sys_attrs: bool) -> dict[str, Any]:
        """A subscription with what the system says of it (tables 5.2.12-2 and 5.2.14-2)."""
        answer = {"id": kept.id, **shown(kept.document, context)}
        if answer.get("isActive", False):
            del answer["isActive"]  # true is what it is where nothing is said
        answer["status"] = kept.status(self._kept.now())
        answer.setdefault("notificationTrigger", USUAL_TRIGGERS)
        answer.setdefault("jsonldContext", absolute(kept.told_in["link"], kept.told_in["base"]))
        doing, notification = kept.doing, answer["notification"]
        if doing.times_sent:
            notification["timesSent"] = doing.times_sent
            notification["lastNotification"] = instant(doing.last_notification)
        if doing.times_failed:
            notification["timesFailed"] = doing.times_failed
            notification["lastFailure"] = instant(doing.last_failure)
        if doing.last_success is not None:
            notification["lastSuccess"] = instant(doing.last_success)
        if doing.last_success is not None or doing.last_failure is not None:
            notification["status"] = "ok" if (doing.last_success or 0) >= (doing.last_failure or 0) else "failed"
        if sys_attrs:
            answer["createdAt"], answer["modifiedAt"] = instant(kept.created_at), instant(kept.modified_at)
        return answer


def routes(broker: Broker) -> list[BaseRoute]:
    """The doors of subscriptions."""
    doors = Doors(subscriptions_of(broker.platform))
    write, read = "subscription.write", "subscription.read"
    options = frozenset({"options"})
    paging = options | {"limit", "offset", "count"}
    one = "subscriptions/{id}"
    return [
        door(broker, "subscriptions", doors.create, action=write, method="POST", body="json", operation=_CREATE),
        door(broker, "subscriptions", doors.query, action=read, params=paging, operation=_QUERY),
        door(broker, one, doors.retrieve, action=read, params=options, operation=_RETRIEVE),
        door(broker, one, doors.update, action=write, method="PATCH", body="merge-patch", operation=_UPDATE),
        door(broker, one, doors.delete, action=write, method="DELETE", operation=_DELETE),
    ]


def _credential(asked: Asked) -> str:
    """The id of the key or client that the request came with; empty for a session."""
    return str(getattr(asked.request.state, "credential", ""))


def _link(limit: int, offset: int, relation: str) -> str:
    return f'<{PATH}?limit={limit}&offset={offset}>;rel="{relation}";type="application/ld+json"'
