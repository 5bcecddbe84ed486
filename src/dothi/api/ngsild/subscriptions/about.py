"""What a subscription asks for, compiled once: which entities, which of their changes, and how they are shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from dothi.api.ngsild.contexts.term_map import Contexts
from dothi.api.ngsild.languages import wanted
from dothi.api.ngsild.projection import CORE_MEMBERS, WHOLE, Projection, read_projection
from dothi.api.ngsild.querying.asking import read_query_body
from dothi.api.ngsild.querying.linked import DEEPEST_JOIN, Join
from dothi.api.ngsild.shape import Format, Shape
from dothi.api.ngsild.subscriptions.document import FORMATS, USUAL_TRIGGERS, Document
from dothi.api.ngsild.subscriptions.events import Edit, Event
from dothi.api.ngsild.subscriptions.kept import terms_of
from dothi.api.ngsild.versions import Version, version_of
from dothi.data.question import EntityQuery

_OF_ENTITY = frozenset({"attributeCreated", "attributeUpdated", "attributeDeleted"})


@dataclass(frozen=True, slots=True)
class About:
    """``types`` (IRIs) are those it can be about, None for any; ``watched`` the attributes whose changes count, None for
    all. ``by_clock`` says that it is told at intervals, whatever changes, ``version`` which one of the standard its receiver
    knows, None for the newest.
    """

    query: EntityQuery
    types: frozenset[str] | None
    watched: frozenset[str] | None
    triggers: frozenset[str]
    shape: Shape
    join: Join | None
    only_changed: bool
    show_changes: bool
    by_clock: bool
    version: Version | None

    def concerns(self, event: Event) -> list[Edit] | None:
        """The edits of ``event`` that it is to be told of (none for one of the entity itself); None if it is not."""
        if event.deleted is not None:
            gone = [
                Edit(iri, one.get("d"), "attributeDeleted", one, None)
                for iri, instances in event.deleted.items()
                for one in instances
            ]
            if "attributeDeleted" in self.triggers and (found := self._watched(gone)):
                return found
            return [] if "entityDeleted" in self.triggers and (self.watched is None or self._watched(gone)) else None
        edits = self._watched(event.edits)
        found = [one for one in edits if one.trigger in self.triggers]
        if found:
            return found
        if event.created and "entityCreated" in self.triggers and (self.watched is None or edits):
            return []
        return [] if event.updated and self.watched is None and "entityUpdated" in self.triggers else None

    def _watched(self, edits: Iterable[Edit]) -> list[Edit]:
        return [one for one in edits if self.watched is None or one.attribute in self.watched]


def compile_about(document: Document, contexts: Contexts) -> About:
    """What ``document`` asks for. Raises Problem 400 for a query that makes no sense, 504 for a context that is not here."""
    asked: dict[str, Any] = {name: document[name] for name in ("entities", "geoQ", "scopeQ") if name in document}
    if "q" in document:
        asked["q"] = unquote(document["q"])  # clients write it as it would stand in an address
        if "expandValues" in document:
            asked["expandValues"] = document["expandValues"]
        asked |= {"join": "flat", "joinLevel": DEEPEST_JOIN}  # q may ask about what it leads to, joined or not
    query = read_query_body(asked, terms_of(contexts, document["qContext"]) if "q" in document else contexts.core)
    notification = document["notification"]
    triggers = set(document.get("notificationTrigger", USUAL_TRIGGERS))
    if "entityUpdated" in triggers:
        triggers |= _OF_ENTITY
    watched = document.get("watchedAttributes")
    datasets = document.get("datasetId")
    how, format_ = notification.get("join"), FORMATS[notification.get("format", "normalized")]
    lang = document.get("lang")
    shape = Shape(
        _format(format_),
        notification.get("sysAttrs", False),
        wanted(lang) if lang else (),
        notification["endpoint"].get("accept") == "application/geo+json",
        projection=_projection(notification, contexts),
        datasets=frozenset(datasets) if datasets else None,
    )
    return About(
        query,
        _types(document),
        frozenset(watched) if watched else None,
        frozenset(triggers),
        shape,
        Join("inline" if how == "inline" else "flat", notification.get("joinLevel", 1))
        if how in ("inline", "flat")
        else None,
        notification.get("onlyChangedAttributes", False),
        notification.get("showChanges", False),
        "timeInterval" in document,
        version_of(document["ngsildConformance"]) if "ngsildConformance" in document else None,
    )


def _format(name: str) -> Format:
    return "concise" if name == "concise" else "keyValues" if name == "keyValues" else "normalized"


def _projection(notification: Document, contexts: Contexts) -> Projection:
    def text(name: str) -> str | None:
        return ",".join(notification[name]) if name in notification else None

    if not {"attributes", "pick", "omit"} & notification.keys():
        return WHOLE
    attributes = text("attributes")
    if attributes is not None:
        kept = [one for one in notification["attributes"] if one not in CORE_MEMBERS]
        return read_projection(",".join(kept), None, None, contexts.core) if kept else WHOLE
    return read_projection(None, text("pick"), text("omit"), contexts.core)


def _types(document: Document) -> frozenset[str] | None:
    """The types that the selectors name, whatever stands between them."""
    found: set[str] = set()
    for selector in document.get("entities", [{"type": "*"}]):
        if selector["type"] == "*":
            return None
        found.update(name for name in _split(selector["type"]) if name)
    return frozenset(found)


def _split(expression: str) -> list[str]:
    for mark in "(),;":
        expression = expression.replace(mark, "|")
    return expression.split("|")
