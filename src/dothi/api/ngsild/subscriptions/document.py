"""Subscriptions as they are sent, kept and shown (ETSI GS CIM 009 v1.8.1, clauses 5.2.12 to 5.2.15 and 5.8.1 to 5.8.2)."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from dothi.access.outgoing import is_inward, origin_of
from dothi.api.ngsild.checks import is_uri
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.querying.linked import DEEPEST_JOIN
from dothi.api.ngsild.subscriptions.mqtt import check_notifier
from dothi.api.ngsild.versions import version_of
from dothi.model.clock import to_micros
from dothi.model.entity import NULL
from dothi.model.problem import bad_request

Document = dict[str, Any]
"""A subscription with expanded names; times as the client wrote them. ``qContext`` explains the names in ``q``."""

TRIGGERS = ("entityCreated", "entityUpdated", "entityDeleted", "attributeCreated", "attributeUpdated", "attributeDeleted")
USUAL_TRIGGERS = ["attributeCreated", "attributeUpdated"]
FORMATS = {"normalized": "normalized", "concise": "concise", "keyValues": "keyValues", "simplified": "keyValues"}
ACCEPTED = ("application/json", "application/ld+json", "application/geo+json")
MOST_LISTED = 200  # members of one list
LONGEST_TEXT = 4_000
LONGEST_COOLDOWN = 3_600_000
"""Milliseconds: whoever is told at the same address waits too."""

_TYPE_NAME = re.compile(r"[^\s|,;()]+")
_PROJECTED = re.compile(r"[^\s{},|;]+")
_MEMBERS = frozenset({"id", "type", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt"})
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_OURS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "link", "ngsild-tenant"})


def read_subscription(body: Any, context: TermMap, now: datetime) -> Document:
    """A whole subscription as it is kept, without its id. Raises Problem 400 for what the standard does not allow."""
    told = {name: value for name, value in _object(body, "subscription").items() if value is not None}
    found = _read(told, context)
    if told.get("type") != "Subscription":
        raise bad_request("The type of a subscription is Subscription.", "Write type: Subscription.")
    return checked(found, now)


def merged(before: Document, fragment: Any, context: TermMap, now: datetime) -> Document:
    """``before`` with the members of ``fragment`` in their place; null takes one away (clause 5.8.2). Raises Problem 400."""
    told = _object(fragment, "fragment")
    if told.get("type", "Subscription") != "Subscription":
        raise bad_request("The type of a subscription does not change.", "Leave type out.")
    gone = {name for name, value in told.items() if value is None or value == NULL}
    if gone & {"id", "type", "notification"}:
        raise bad_request("What every subscription has cannot be removed.", "Leave id, type and notification in.")
    found = _read({name: value for name, value in told.items() if name not in gone}, context)
    kept = {name: value for name, value in before.items() if name not in gone}
    expires = found.get("expiresAt")
    if expires is not None and moment_of(expires) <= now:
        raise bad_request("expiresAt lies in the past.", "Name a moment to come.")
    return checked({**kept, **found}, now if "expiresAt" in found else None)


def checked(found: Document, now: datetime | None) -> Document:
    """``found``, if its members go together; ``now`` is None where its end was agreed on before. Raises Problem 400."""
    if "notification" not in found:
        raise bad_request("A subscription says how to notify.", "Add notification with an endpoint.")
    if "entities" not in found and "watchedAttributes" not in found and not found.get("localOnly"):
        raise bad_request("A subscription says of what.", "Add entities, watchedAttributes or both, or localOnly.")
    if "timeInterval" in found and ("throttling" in found or "watchedAttributes" in found):
        raise bad_request(
            "timeInterval goes neither with throttling nor with watchedAttributes.", "Leave timeInterval or the other out."
        )
    expires = found.get("expiresAt")
    if expires is not None and now is not None and moment_of(expires) <= now:
        raise bad_request("expiresAt lies in the past.", "Name a moment to come.")
    return found


def moment_of(text: Any) -> datetime:
    """The moment a DateTime names (clause 4.6.3). Raises Problem 400."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass  # what lies before the first year or after the last in UTC is none either
    raise bad_request(f"{text!r:.80} is no moment.", "Write it like 2030-01-31T07:00:00Z.")


def expires_at(document: Document) -> int | None:
    """When the subscription ends (µs UTC of the city's clock); None if it does not."""
    text = document.get("expiresAt")
    return None if text is None else to_micros(moment_of(text))


def shown(document: Document, context: TermMap) -> Document:
    """``document`` with the names of ``context``, as an answer has it."""
    answer = {name: value for name, value in document.items() if name != "qContext"}
    short = _each(context.compact)
    if "entities" in document:
        answer["entities"] = [
            {**one, "type": _TYPE_NAME.sub(lambda name: context.compact(name.group()), one["type"])}
            if "type" in one
            else one
            for one in document["entities"]
        ]
    if "watchedAttributes" in document:
        answer["watchedAttributes"] = short(document["watchedAttributes"])
    geo = document.get("geoQ")
    if geo is not None and "geoproperty" in geo:
        answer["geoQ"] = {**geo, "geoproperty": context.compact(geo["geoproperty"])}
    notification = dict(document["notification"])
    for name in ("attributes", "pick", "omit"):
        if name in notification:
            notification[name] = [_projected(one, context.compact) for one in notification[name]]
    answer["notification"] = notification
    return answer


def check_endpoint(endpoint: Document, named: frozenset[str], *, anywhere: bool) -> None:
    """Refuse an endpoint that cannot be notified, or lies plainly in the city's own network, unless ``named``.

    A name is looked up when it is called; only what it says itself is judged here. Raises Problem 400.
    """
    uri = endpoint["uri"]
    try:
        parts = urlsplit(uri)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise bad_request(f"{uri!r:.200} is no address to notify.", "Write http, https, mqtt or mqtts addresses.")
    if parts.scheme in ("mqtt", "mqtts"):
        topic = unquote(parts.path.lstrip("/"))
        if not topic or "#" in uri or not {"#", "+", "\0"}.isdisjoint(topic):
            raise bad_request("An MQTT endpoint names a topic.", "Write mqtt://host:1883/a/topic, without + and #.")
        wrong = check_notifier([(one["key"], one["value"]) for one in endpoint.get("notifierInfo", ())])
        if wrong:
            raise bad_request("notifierInfo cannot be followed.", wrong)
    elif parts.scheme not in ("http", "https") or parts.username is not None or parts.password is not None:
        raise bad_request(
            "Notifications go to http, https, mqtt or mqtts.", "Put credentials of http into receiverInfo, not the address."
        )
    if not anywhere and origin_of(uri) not in named and is_inward(host):
        raise bad_request(
            f"{host} lies in the city's own network.",
            "Its operator names such receivers in DOTHI_RECEIVERS; others have a public address.",
        )


def _read(told: Mapping[str, Any], context: TermMap) -> Document:
    found: Document = {}
    for name, value in told.items():
        reader = _READERS.get(name)
        if reader is not None:
            found[name] = reader(value, context)
    if "q" in found:
        found["qContext"] = context.document
    return found


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_request(f"A {what} is a JSON object.", "See clause 5.2.12 of the standard.")
    return value


def _text(name: str) -> Callable[[Any, TermMap], str]:
    def read(value: Any, _: TermMap) -> str:
        if not isinstance(value, str) or not value or len(value) > LONGEST_TEXT:
            raise bad_request(f"{name} is a text.", f"Write up to {LONGEST_TEXT} letters.")
        return value

    return read


def _flag(name: str) -> Callable[[Any, TermMap], bool]:
    def read(value: Any, _: TermMap) -> bool:
        if not isinstance(value, bool):
            raise bad_request(f"{name} is true or false.", "Write it without quotes.")
        return value

    return read


def _positive(name: str) -> Callable[[Any, TermMap], float]:
    def read(value: Any, _: TermMap) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1e9:
            raise bad_request(f"{name} is a number of seconds above zero.", "Write it without quotes.")
        return value

    return read


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list) or not value or len(value) > MOST_LISTED:
        raise bad_request(f"{name} is a list of 1 to {MOST_LISTED} members.", "Leave it out where it says nothing.")
    return value


def _texts(value: Any, name: str) -> list[str]:
    for one in _list(value, name):
        if not isinstance(one, str) or not one:
            raise bad_request(f"{name} lists texts.", "Name one thing in each.")
    return list(value)


def _entities(value: Any, context: TermMap) -> list[Document]:
    """EntitySelector (clause 5.2.33): which entities, by type, id or pattern."""
    found = []
    for one in _list(value, "entities"):
        selector = _object(one, "member of entities")
        kept: Document = {}
        if "id" in selector:
            ids = selector["id"] if isinstance(selector["id"], list) else [selector["id"]]
            if not ids or not all(map(is_uri, ids)):
                raise bad_request("The id of an entity is a URI.", "Write it like urn:ngsi-ld:Building:1.")
            kept["id"] = selector["id"]
        if "idPattern" in selector:
            kept["idPattern"] = _text("idPattern")(selector["idPattern"], context)
        if not isinstance(selector.get("type"), str) or not selector["type"]:
            raise bad_request("A member of entities names a type.", "Write type: Building, or * for all.")
        kept["type"] = (
            "*" if selector["type"] == "*" else _TYPE_NAME.sub(lambda name: context.expand(name.group()), selector["type"])
        )
        found.append(kept)
    return found


def _watched(value: Any, context: TermMap) -> list[str]:
    return [context.expand(one) for one in _texts(value, "watchedAttributes")]


def _triggers(value: Any, _: TermMap) -> list[str]:
    found = _texts(value, "notificationTrigger")
    if not set(found) <= set(TRIGGERS):
        raise bad_request("A notificationTrigger is not known.", f"Known: {', '.join(TRIGGERS)}.")
    return found


def _uris(value: Any, _: TermMap) -> list[str]:
    for one in _texts(value, "datasetId"):
        if one != "@none" and not is_uri(one):
            raise bad_request("datasetId lists URIs.", "Write @none for the default instance.")
    return list(value)


def _moment(value: Any, _: TermMap) -> str:
    moment_of(value)
    return str(value)


def _context_address(value: Any, _: TermMap) -> str:
    if not is_uri(value):
        raise bad_request("jsonldContext is the URI of an @context.", "Write a whole address.")
    return str(value)


def _conformance(value: Any, _: TermMap) -> str:
    version_of(value)
    return str(value)


def _geo(value: Any, context: TermMap) -> Document:
    """GeoQuery (clause 5.2.13); whether it makes sense, the query itself says."""
    told = _object(value, "geoQ")
    if not {"geometry", "coordinates", "georel"} <= told.keys():
        raise bad_request("geoQ has geometry, coordinates and georel.", "See clause 4.10 of the standard.")
    kept = {name: told[name] for name in ("geometry", "coordinates", "georel")}
    if "geoproperty" in told:
        kept["geoproperty"] = context.expand(_text("geoproperty")(told["geoproperty"], context))
    return kept


def _filter_of_sources(value: Any, context: TermMap) -> str:
    text = _text("csf")(value, context)
    if not text[0].isalpha() and text.count("(") != text.count(")"):
        raise bad_request("csf is no query.", "See clause 4.9 of the standard.")
    return text


def _notification(value: Any, context: TermMap) -> Document:
    """NotificationParams (clause 5.2.14); what the system provides itself is passed over."""
    told = {name: one for name, one in _object(value, "notification").items() if name not in _PROVIDED}
    if any(one is None for name, one in told.items() if name == "endpoint"):
        raise bad_request("A notification has an endpoint.", "Leave it in.")
    told = {name: one for name, one in told.items() if one is not None and one != NULL}
    found: Document = {}
    for name in ("attributes", "pick", "omit"):
        if name in told:
            found[name] = [_projected(one, context.expand) for one in _texts(told[name], f"notification.{name}")]
    if "attributes" in found and ("pick" in found or "omit" in found):
        raise bad_request("attributes goes neither with pick nor with omit.", "Use pick and omit.")
    if set(found.get("pick", ())) & set(found.get("omit", ())):
        raise bad_request("The same member stands in pick and in omit.", "Take it out of one.")
    for name in ("sysAttrs", "showChanges", "onlyChangedAttributes"):
        if name in told:
            found[name] = _flag(f"notification.{name}")(told[name], context)
    if "format" in told:
        if not isinstance(told["format"], str) or told["format"] not in FORMATS:
            raise bad_request("This format is not known.", f"Known: {', '.join(FORMATS)}.")
        found["format"] = told["format"]
    if found.get("showChanges") and FORMATS[found.get("format", "normalized")] == "keyValues":
        raise bad_request("showChanges does not go with simplified values.", "Use normalized or concise.")
    if "join" in told:
        if told["join"] not in ("flat", "inline", "@none"):
            raise bad_request("join is flat, inline or @none.", "See clause 4.5.23 of the standard.")
        found["join"] = told["join"]
    if "joinLevel" in told:
        if type(told["joinLevel"]) is not int or not 1 <= told["joinLevel"] <= DEEPEST_JOIN:
            raise bad_request(f"joinLevel is a whole number from 1 to {DEEPEST_JOIN}.", "Write it without quotes.")
        found["joinLevel"] = told["joinLevel"]
    found["endpoint"] = _endpoint(told.get("endpoint"))
    return found


def _endpoint(value: Any) -> Document:
    """Endpoint (clause 5.2.15)."""
    if not isinstance(value, dict) or not is_uri(value.get("uri")):
        raise bad_request("A notification has an endpoint with a uri.", "Write endpoint: {uri: https://…}.")
    found: Document = {"uri": value["uri"]}
    if "accept" in value:
        if value["accept"] not in ACCEPTED:
            raise bad_request("An endpoint accepts JSON, JSON-LD or GeoJSON.", f"Write one of {', '.join(ACCEPTED)}.")
        found["accept"] = value["accept"]
    for name, most in (("timeout", 10**9), ("cooldown", LONGEST_COOLDOWN)):
        if name in value:
            number = value[name]
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number <= most:
                raise bad_request(f"endpoint.{name} is a number of milliseconds above zero.", f"At most {most}, no quotes.")
            found[name] = number
    for name in ("receiverInfo", "notifierInfo"):
        if name in value:
            found[name] = [_pair(one, name) for one in _list(value[name], f"endpoint.{name}")]
    if found["uri"].partition(":")[0].lower() in ("http", "https"):
        for pair in found.get("receiverInfo", ()):
            if _HEADER.fullmatch(pair["key"]) is None or pair["key"].lower() in _OURS or not pair["value"].isprintable():
                raise bad_request("A receiverInfo pair cannot be sent as a header.", "Use letters, digits and hyphens.")
    return found


def _pair(value: Any, name: str) -> Document:
    """KeyValuePair (clause 5.2.22)."""
    if not isinstance(value, dict) or not all(isinstance(value.get(one), str) for one in ("key", "value")):
        raise bad_request(f"{name} lists pairs of a key and a value, both texts.", "Write {key: …, value: …}.")
    return {"key": value["key"], "value": value["value"]}


def _projected(text: str, change: Callable[[str], str]) -> str:
    """A member of pick, omit or attributes (clause 4.21) with its names changed; what every entity has keeps its name."""
    return _PROJECTED.sub(lambda name: name.group() if name.group() in _MEMBERS else change(name.group()), text)


def _each(change: Callable[[str], str]) -> Callable[[list[str]], list[str]]:
    return lambda names: [change(one) for one in names]


_PROVIDED = frozenset({"status", "timesSent", "timesFailed", "lastNotification", "lastFailure", "lastSuccess"})
_READERS: dict[str, Callable[[Any, TermMap], Any]] = {
    "type": _text("type"),
    "subscriptionName": _text("subscriptionName"),
    "description": _text("description"),
    "entities": _entities,
    "watchedAttributes": _watched,
    "notificationTrigger": _triggers,
    "timeInterval": _positive("timeInterval"),
    "throttling": _positive("throttling"),
    "q": _text("q"),
    "geoQ": _geo,
    "csf": _filter_of_sources,
    "scopeQ": _text("scopeQ"),
    "lang": _text("lang"),
    "isActive": _flag("isActive"),
    "notification": _notification,
    "expiresAt": _moment,
    "datasetId": _uris,
    "expandValues": _text("expandValues"),
    "jsonKeys": _text("jsonKeys"),
    "localOnly": _flag("localOnly"),
    "splitEntities": _flag("splitEntities"),
    "ngsildConformance": _conformance,
    "jsonldContext": _context_address,
}
