"""Who is told what: changes, or the present, matched with subscriptions and shown as far as their owners may know."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

import msgspec

from dothi.access.policy import Clearance, Person, Reach, Thing, reach
from dothi.api.ngsild.contexts.term_map import Contexts
from dothi.api.ngsild.representation import Shown
from dothi.api.ngsild.subscriptions.about import About, compile_about
from dothi.api.ngsild.subscriptions.events import Event, Moments, as_of, attribute_from, really
from dothi.api.ngsild.subscriptions.kept import Kept, Subscribers
from dothi.api.ngsild.subscriptions.telling import Hidden, led_to, shown_deleted, shown_entity
from dothi.data.batch import IntArray
from dothi.data.classified import Classified
from dothi.data.context import EntityQuery
from dothi.data.document import Document
from dothi.data.predicate import Find
from dothi.data.question import holds
from dothi.model.clock import from_micros
from dothi.model.entity import Attribute, Entity
from dothi.model.problem import Problem
from dothi.platform.platform import Platform

FEW = 32
"""So many entities that one commit changed are told of one by one; more of them, together."""
TOGETHER = 50
MOST_PENDING = 1_000  # entities that are remembered while a subscription is throttled

Owner = Callable[[Kept], Person | None]
Draft = tuple[Kept, list[Shown], Hidden]
Wanted = list[tuple[Event, list[Kept]]]


class Matcher:
    """Finds what is to be told. All of it may run on a thread; ``sort`` runs where subscriptions change."""

    def __init__(self, platform: Platform, contexts: Contexts, subscribers: Subscribers) -> None:
        self._platform, self._contexts, self._subscribers = platform, contexts, subscribers
        self._classified = Classified(platform.types.values())
        self._by_type: dict[str, list[Kept]] = {}
        self._of_any: list[Kept] = []
        self.by_clock: list[Kept] = []
        self.told_at: dict[str, int] = {}  # when throttled ones were told last, µs of the city's clock

    def sort(self) -> None:
        """Sort the subscriptions anew: one was made, changed or deleted."""
        by_type: dict[str, list[Kept]] = {}
        any_, by_clock = list[Kept](), list[Kept]()
        for kept in self._subscribers.all():
            try:
                about = self.about(kept)
            except Problem as problem:  # its @context is not here any more
                kept.doing.last_error = str(problem)
                continue
            if about.by_clock or "throttling" in kept.document:
                by_clock.append(kept)
            if about.by_clock:
                continue
            if about.types is None:
                any_.append(kept)
            for kind in about.types or ():
                by_type.setdefault(kind, []).append(kept)
        self._by_type, self._of_any, self.by_clock = by_type, any_, by_clock

    @property
    def listens(self) -> bool:
        """Whether any subscription is about changes at all."""
        return bool(self._by_type or self._of_any)

    def asks_about(self, kind: str) -> bool:
        """Whether any subscription is about entities of this type (IRI)."""
        return bool(self._of_any) or kind in self._by_type

    def about(self, kept: Kept) -> About:
        """What a subscription asks for, compiled once. Raises Problem 400, 504."""
        found: About | None = kept.made.get("about")
        if found is None:
            found = kept.made["about"] = compile_about(kept.document, self._contexts)
        return found

    def candidates(self, events: Iterable[Event]) -> Wanted:
        """The events some subscription could be about, each with those."""
        found = []
        listed = list(events)
        others = self._further_types([event.num for event in listed if event.type not in self._by_type])
        for event in listed:
            kept = [*self._by_type.get(event.type, ()), *self._of_any]
            for kind in others.get(event.num, ()):
                kept += [one for one in self._by_type.get(kind, ()) if one not in kept]
            if kept:
                found.append((event, kept))
        return found

    def concerned(self, nums: IntArray) -> frozenset[int]:
        """Those of these entities (numbers) that some subscription could be about."""
        if self._of_any:
            return frozenset(nums.tolist())
        index = self._platform.writer.index
        found = {num for num in nums.tolist() if index.type_of(num) in self._by_type}
        return frozenset(found | self._further_types([num for num in nums.tolist() if num not in found]).keys())

    def _further_types(self, nums: Sequence[int]) -> dict[int, list[str]]:
        if not nums or not self._by_type:
            return {}
        found: dict[int, list[str]] = {}
        index = self._platform.writer.index
        with self._platform.database.reader() as db:
            query = "SELECT f.entity, f.type FROM {numbers} w CROSS JOIN further_type f WHERE f.entity = w.value"
            for num, kind in db.execute(db.dialect.fill(query), (msgspec.json.encode(list(set(nums))).decode(),)):
                found.setdefault(num, []).append(index.iri(kind))
        return found

    def read(self, wanted: Iterable[Wanted]) -> dict[tuple[Person, str], Entity]:
        """The entities as they are now, as each owner that is concerned may know them."""
        urns: dict[Person, set[str]] = {}
        owner_of = cache(self.owner)
        for events in wanted:
            for event, subscriptions in events:
                for kept in subscriptions:
                    owner = owner_of(kept)
                    if owner is not None:
                        urns.setdefault(owner, set()).add(event.urn)
        found: dict[tuple[Person, str], Entity] = {}
        for owner, some in urns.items():
            listed = sorted(some)
            for start in range(0, len(listed), 500):
                part = tuple(listed[start : start + 500])
                page = self._platform.context.query(owner, EntityQuery(ids=part, limit=len(part)))
                found.update({(owner, one.id): one for one in page.entities})
        return found

    def owner(self, kept: Kept) -> Person | None:
        """Whose eyes it sees with; None, and paused with the reason, if its owner may not have it any more."""
        owner = self._subscribers.owner_of(kept)
        if owner is None and not kept.held:
            self._subscribers.hold(kept, self._subscribers.why_held(kept))
        return owner

    def told(self, events: Wanted, entities: Mapping[tuple[Person, str], Entity], seq: int) -> list[Draft]:
        """What is to be told of one commit, whose outbox row is ``seq``: nothing to who subscribed after it."""
        found: dict[str, list[Draft]] = {}
        now, moments, owner_of = self._subscribers.now(), Moments(), cache(self.owner)
        for event, subscriptions in events:
            for kept in subscriptions:
                if seq <= kept.told_in.get("since", 0):
                    continue
                try:
                    draft = self._draft(kept, event, entities, now, moments, owner_of)
                except Problem as problem:  # of this one alone: others are told all the same
                    self._subscribers.cannot(kept, problem)
                    continue
                if draft is not None:
                    found.setdefault(kept.id, []).append(draft)
        drafts: list[Draft] = []
        for told in found.values():
            drafts += told if len(told) <= FEW else together(told)
        return drafts

    def _draft(
        self,
        kept: Kept,
        event: Event,
        entities: Mapping[tuple[Person, str], Entity],
        now: int,
        moments: Moments,
        owner_of: Owner,
    ) -> Draft | None:
        """What a subscription is told of an event; None if nothing. Raises Problem."""
        about = self.about(kept)
        if kept.status(now) != "active" or (edits := about.concerns(event)) is None:
            return None
        owner = owner_of(kept)
        if owner is None:
            return None
        unknown = self._unknown_of(owner, event.urn)
        if unknown and edits and not (edits := [one for one in edits if one.attribute not in unknown]):
            return None
        context = self._subscribers.context_of(kept)
        if event.deleted is not None:
            former = self._former(owner, event, event.deleted, unknown, moments)
            if former is None or not holds(about.query, former, self._finder(owner)):
                return None
            shown = [shown_deleted(about, context, former, event, edits, unknown)]
        else:
            entity = self._present(owner, event, entities, unknown, moments)
            if entity is None or (edits and not (edits := really(edits, entity))):
                return None
            if not holds(about.query, entity, self._finder(owner)):
                return None
            if self._throttled(kept, event.urn, now):
                return None
            shown = shown_entity(about, context, (owner, self._platform.context), entity, edits, event.at)
        hidden = {event.urn: sorted(unknown)}
        if about.join:
            hidden |= self.hidden(owner, led_to(shown) - hidden.keys())
        return kept, shown, hidden

    def _present(
        self,
        owner: Person,
        event: Event,
        entities: Mapping[tuple[Person, str], Entity],
        unknown: frozenset[str],
        moments: Moments,
    ) -> Entity | None:
        """The entity as ``event`` left it, as far as ``owner`` may know it."""
        if event.ended is None:
            return as_of(event, entities.get((owner, event.urn)), unknown, moments)
        return as_of(event, self._former(owner, event, event.ended, unknown, moments), unknown, moments)

    def _throttled(self, kept: Kept, urn: str, now: int) -> bool:
        """True if it is too early to tell it again; the entity is remembered, and told as it is when that is over."""
        throttling = kept.document.get("throttling")
        if throttling is None:
            return False
        last = self.told_at.get(kept.id)
        if last is None or now - last >= throttling * 1e6:
            self.told_at[kept.id] = now
            return False
        if len(kept.pending) < MOST_PENDING:
            kept.pending.add(urn)
            self._subscribers.mark(kept.id)
        return True

    def _finder(self, owner: Person) -> Find:
        return lambda urn: self._platform.context.get(owner, urn)

    def _former(
        self, owner: Person, event: Event, document: Document, unknown: frozenset[str], moments: Moments
    ) -> Entity | None:
        """An entity that was deleted, as its ``document`` said; None if ``owner`` may not know it."""
        reached = reach(owner, "entity.read")
        found = self.things([event.urn]).get(event.urn)
        if reached is None or found is None or not reached.covers(found[0]):
            return None
        thing, created = found
        attributes: dict[str, list[Attribute]] = {}
        for iri, instances in document.items():
            kept = [one for instance in instances if (one := attribute_from(instance, moments)) is not None]
            if kept and iri not in unknown:
                attributes[iri] = kept
        return Entity(event.urn, event.type, attributes, thing.ward, thing.agency, from_micros(created), event.at)

    def _unknown_of(self, owner: Person, urn: str) -> frozenset[str]:
        """The attributes (IRIs) of an entity that ``owner`` may not know."""
        reached = reach(owner, "entity.read")
        if reached is None or self._classified.hides(reached) is None:
            return frozenset()
        found = self.things([urn]).get(urn)
        return self._unknown(reached, found[0]) if found is not None else frozenset()

    def things(self, urns: Iterable[str]) -> dict[str, tuple[Thing, int]]:
        """Entities, deleted ones too, as the policy looks at them, and when they were made (µs UTC)."""
        index = self._platform.writer.index
        query = "SELECT e.id, e.type, e.clearance, e.ward, e.owner, e.created_at FROM {texts} w CROSS JOIN entity e "
        with self._platform.database.reader() as db:
            rows = db.execute(
                db.dialect.fill(query + "WHERE e.id = w.value"), (msgspec.json.encode(sorted(urns)).decode(),)
            ).fetchall()
        return {
            urn: (Thing(clearance, ward, owner, index.iri(kind)), created)
            for urn, kind, clearance, ward, owner, created in rows
        }

    def _unknown(self, reached: Reach, thing: Thing) -> frozenset[str]:
        hides = self._classified.hides(reached)
        return hides(thing.type or "", int(thing.clearance), thing.ward, thing.agency) if hides else frozenset()

    def hidden(self, owner: Person, urns: Iterable[str]) -> Hidden:
        """What is left out of entities that are told of: it must not be more when it is sent."""
        reached = reach(owner, "entity.read")
        listed = list(urns)
        if reached is None or self._classified.hides(reached) is None:
            return {urn: [] for urn in listed}
        things = self.things(listed)
        return {urn: sorted(self._unknown(reached, things[urn][0])) if urn in things else [] for urn in listed}

    def of_query(self, kept: Kept, owner: Person, query: EntityQuery) -> list[Draft]:
        """What is told of all entities that ``query`` finds, as they are now."""
        about, context = self.about(kept), self._subscribers.context_of(kept)
        at = self._platform.clock.now()
        told = []
        for entity in self._platform.context.query(owner, query).entities:
            shown = shown_entity(about, context, (owner, self._platform.context), entity, (), at)
            hidden = self.hidden(owner, {entity.id} | (led_to(shown) if about.join else set()))
            told.append((kept, shown, hidden))
        return together(told)

    def covers_plainly(self, reached: Reach, urns: Iterable[str]) -> bool:
        """True if all these entities may be known wherever they lie, with all of their attributes. It asks memory only."""
        most = reached.throughout
        if most is None or self._classified.hides(reached) is not None:
            return False
        clearance_of = self._platform.writer.clearance_of
        return all((clearance_of(urn) or Clearance.PUBLIC) <= most for urn in urns)

    def may_still(self, reached: Reach, found: tuple[Thing, int] | None, hidden: Sequence[str]) -> bool:
        if found is None:
            return True  # of what never was nothing was told
        thing = found[0]
        return reached.covers(thing) and self._unknown(reached, thing) <= set(hidden)


def together(told: Sequence[Draft]) -> list[Draft]:
    """Entities of one subscription in as few notifications as may be; none tells of the same entity twice."""
    found: list[Draft] = []
    for kept, shown, hidden in told:
        last = found[-1] if found else None
        if last is None or len(last[2]) >= TOGETHER or hidden.keys() & last[2].keys():
            found.append((kept, list(shown), dict(hidden)))
        else:
            last[1].extend(shown)
            last[2].update(hidden)
    return found
