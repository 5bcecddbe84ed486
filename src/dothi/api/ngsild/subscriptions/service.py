"""Subscriptions at work: who is to be told of a commit, by the clock, and what may still be told when it is sent."""

import asyncio
import threading
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from dothi.access.outgoing import origin_of
from dothi.access.policy import Person, may, reach
from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.contexts.term_map import TermMap, absolute
from dothi.api.ngsild.representation import Shown
from dothi.api.ngsild.subscriptions.about import compile_about
from dothi.api.ngsild.subscriptions.document import Document, shown
from dothi.api.ngsild.subscriptions.events import changed_in, events_of, events_of_changes
from dothi.api.ngsild.subscriptions.http import HttpSender
from dothi.api.ngsild.subscriptions.kept import HELD, Kept, Subscribers, without_secrets
from dothi.api.ngsild.subscriptions.matching import Draft, Matcher
from dothi.api.ngsild.subscriptions.mqtt import MqttSender
from dothi.api.ngsild.subscriptions.queues import DEAD, Letter, Queues
from dothi.api.ngsild.subscriptions.sealed import Sealer
from dothi.api.ngsild.subscriptions.taking import Target
from dothi.api.ngsild.subscriptions.telling import Hidden, message
from dothi.data.batch import decode_changed
from dothi.data.news import Changes
from dothi.model.clock import SystemClock, from_micros
from dothi.model.problem import Problem, not_found
from dothi.platform.platform import Platform
from dothi.platform.subscribing import DeadLetter, SubscriptionState
from dothi.platform.tasks import TaskState
from dothi.store.audit import Act

HANDLER = "ngsild"
MOST_AT_ONCE = 1_000  # entities of one interval
_TICK = 0.25
_LATER = 2_000
_DEAD = "SELECT at, told, attempts, error FROM notification WHERE subscription = ? AND dead = ? ORDER BY id DESC LIMIT ?"
_HIDDEN = msgspec.json.Decoder(Hidden)
Unsent = tuple[str, str, str, bytes]
"""Subscription, endpoint, what it tells of, body."""


class Subscriptions:
    """The subscriptions of a running city. ``start`` it before anything is dispatched."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        platform = self.platform = broker.platform
        contexts = self.contexts = broker.contexts
        self.clock, settings = platform.clock, platform.settings
        self.receivers = frozenset(origin_of(one.strip()) for one in settings.receivers.split(",") if one.strip())
        self.anywhere = settings.open_doors == "ngsild"
        self.subscribers = Subscribers(
            platform.database,
            platform.writer,
            platform.clock,
            SystemClock(),
            contexts,
            platform.identity,
            platform.keys,
            Sealer(platform.accounts.secret),
            broker.tenant,
        )
        self._http = HttpSender(self.receivers, anywhere=self.anywhere)
        self._mqtt = MqttSender(self.receivers, anywhere=self.anywhere)
        self.queues = Queues(platform.database, platform.writer, self.subscribers, self._send, self._allowed)
        self.matcher = Matcher(platform, contexts, self.subscribers)
        self.further: dict[str, Subscriptions] = {}  # of the city's further tenants, by name
        self._turn_of_matching = threading.Lock()  # what is throttled is remembered by one thread at a time

    def start(self) -> None:
        """Read what is kept, listen to commits and begin to send."""
        self.subscribers.load()
        self.queues.load()
        self.changed()
        self.platform.writer.keep_before = self.matcher.asks_about
        self.platform.dispatcher.register(HANDLER, self.handle)
        self.platform.tasks.start("subscriptions", self._run)

    def changed(self) -> None:
        """Look at the subscriptions anew: one was made, changed or deleted."""
        self.matcher.sort()

    def check(self, document: Document) -> None:
        """Raises Problem 400, 504 for a subscription that could never be matched."""
        compile_about(document, self.contexts)

    # What commits changed

    async def handle(self, changes: Changes) -> None:
        """Keep what subscribers are to be told of ``changes``; it is durable when this returns."""
        if not self.matcher.listens:
            return
        since = self.platform.dispatcher.states[HANDLER].seq
        letters = await asyncio.to_thread(self._matched, changes, since)
        if letters or self.subscribers.marked:
            await self.queues.put(letters)

    def _matched(self, changes: Changes, since: int) -> list[Unsent]:
        index = self.platform.writer.index
        if since < changes.seq:
            with self.platform.database.reader() as db:
                rows = db.execute(
                    "SELECT seq, at, payload FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (since, 20_000 + _LATER)
                ).fetchall()
            rows = [row for row in rows if row[0] <= changes.seq]
            seqs = [seq for seq, _, _ in rows]
            told = [(at, decode_changed(payload)) for _, at, payload in rows]
            concerned = self.matcher.concerned(changed_in([one for _, one in told], index))
            if not concerned:
                return []
            wanted = [self.matcher.candidates(events) for events in events_of(told, (), index, concerned)]
            entities = self.matcher.read(wanted)
            # What was committed meanwhile says what was there before it: it is read after the entities are.
            with self.platform.database.reader() as db:
                rows = db.execute(
                    "SELECT payload FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (changes.seq, _LATER)
                ).fetchall()
            later = [decode_changed(payload) for (payload,) in rows]
            if later:
                wanted = [self.matcher.candidates(events) for events in events_of(told, later, index, concerned)]
        else:
            seqs, wanted = [changes.seq], [self.matcher.candidates(events_of_changes(changes, index))]
            entities = self.matcher.read(wanted)
        with self._turn_of_matching:
            commits = zip(seqs, wanted, strict=True)
            return self._letters([draft for seq, events in commits for draft in self.matcher.told(events, entities, seq)])

    def _letters(self, drafts: Iterable[Draft]) -> list[Unsent]:
        at = self.clock.now()
        return [
            (kept.id, kept.endpoint, msgspec.json.encode(hidden).decode(), self._message(kept, data, at))
            for kept, data, hidden in drafts
        ]

    def _message(self, kept: Kept, data: list[Shown], at: datetime) -> bytes:
        media = kept.notification["endpoint"].get("accept", "application/json")
        context: TermMap = self.subscribers.context_of(kept)
        return message(kept.id, self.matcher.about(kept), absolute(context.document, kept.told_in["base"]), media, data, at)

    # By the clock

    async def _run(self, _: TaskState) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.queues.run())
                tasks.create_task(self._tick())
        finally:
            await self._http.close()
            await self._mqtt.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            now = self.subscribers.now()
            due = [kept for kept in self.matcher.by_clock if self._is_due(kept, now)]
            if due:
                try:
                    await self.queues.put(await asyncio.to_thread(self._by_the_clock, due, now))
                except BaseException:
                    for kept in due:
                        kept.pending |= kept.leaving  # they are told when they can be kept again
                    raise
                finally:
                    for kept in due:
                        kept.leaving = set()
                self.subscribers.mark(*(kept.id for kept in due))

    def _is_due(self, kept: Kept, now: int) -> bool:
        if kept.status(now) != "active":
            return False
        if kept.due_at is not None:
            return kept.due_at <= now
        wait = kept.document.get("throttling", 0) * 1e6
        return bool(kept.pending) and now - self.matcher.told_at.get(kept.id, 0) >= wait

    def _by_the_clock(self, due: Sequence[Kept], now: int) -> list[Unsent]:
        drafts: list[Draft] = []
        with self._turn_of_matching:
            for kept in due:
                owner = self.matcher.owner(kept)
                if owner is None:
                    continue
                if kept.due_at is not None:
                    interval = round(kept.document["timeInterval"] * 1e6)
                    kept.due_at = max(kept.due_at + interval, now + interval // 2)
                    query = replace(self.matcher.about(kept).query, limit=MOST_AT_ONCE)
                else:
                    kept.leaving, kept.pending = kept.pending, set()
                    query = replace(self.matcher.about(kept).query, ids=tuple(kept.leaving), limit=len(kept.leaving))
                    self.matcher.told_at[kept.id] = now
                self.subscribers.mark(kept.id)
                try:
                    drafts += self.matcher.of_query(kept, owner, query)
                except Problem as problem:
                    self.subscribers.cannot(kept, problem)
            return self._letters(drafts)

    # For those who keep the city running

    def states(self, asker: Person) -> list[SubscriptionState]:
        """How they all are, for who may see the operation of the city, else one's own; the oldest first, tenants last."""
        here = self.broker.here(asker)
        everybody = may(here, "operations.read")
        counts, now = self.queues.counts(), self.subscribers.now()
        found = [
            self._state(kept, counts.get(kept.id, (0, 0)), now)
            for kept in self.subscribers.all()
            if everybody or kept.owner == here.id
        ]
        return found + [state for one in list(self.further.values()) for state in one.states(asker)]

    def of(self, tenant: str) -> "Subscriptions":
        """Those of a further tenant (empty for these). Raises Problem 404 for an unknown one."""
        if not tenant:
            return self
        found = self.further.get(tenant)
        if found is None:
            raise not_found("tenant", tenant)
        return found

    def dead(self, asker: Person, id: str, most: int) -> list[DeadLetter]:
        """The newest dead notifications of a subscription, ``most`` at most. Raises Problem 404."""
        kept = self._seen(asker, id)
        with self.platform.database.reader() as db:
            rows = db.execute(_DEAD, (kept.id, DEAD, most)).fetchall()
        return [DeadLetter(from_micros(at), len(_HIDDEN.decode(told)), tried, error) for at, told, tried, error in rows]

    async def pause(self, asker: Person, id: str, *, correlation: str = "") -> None:
        """Send nothing until ``resume``; what waits is kept. Raises Problem 403, 404."""
        await self._turn(asker, id, correlation, active=False)

    async def resume(self, asker: Person, id: str, *, correlation: str = "") -> None:
        """Send again, what waited first. Raises Problem 403, 404, 409 if its owner may not have it any more or its
        receiverInfo was sealed elsewhere.
        """
        kept = self._named(asker, id)
        why = self.subscribers.why_held(kept)
        if why == HELD["secret"]:
            raise Problem(
                409, "secret-lost", "What it says to its receiver cannot be read here.", "Its owner sends receiverInfo anew."
            )
        if why:
            raise Problem(
                409, "owner-may-not", "Its owner may not be told any more.", "Give the owner the rights back, or delete it."
            )
        await self._turn(asker, id, correlation, active=True)

    async def resend(self, asker: Person, id: str, *, correlation: str = "") -> int:
        """Try the dead notifications of a subscription again; how many there are. Raises Problem 403, 404."""
        kept = self._named(asker, id)
        action = "subscription.write" if kept.owner == asker.id else "operations.write"
        act = Act(asker.id, "subscription.resend", kept.id, correlation=correlation)
        await self.platform.writer.run(asker, self.clock.now(), lambda _: None, [act], action=action)
        return await self.queues.resend(kept)

    async def _turn(self, asker: Person, id: str, correlation: str, *, active: bool) -> None:
        kept = self._named(asker, id)
        fresh = await self.subscribers.update(asker, kept, {**kept.document, "isActive": active}, correlation)
        self.changed()
        await (self.queues.go_on if active else self.queues.rest)(fresh)

    def _seen(self, asker: Person, id: str) -> Kept:
        asker = self.broker.here(asker)
        kept = self.subscribers.get(id)
        if kept is None or not (self.subscribers.may_touch(asker, kept) or may(asker, "operations.read")):
            raise not_found("subscription", id)
        return kept

    def _named(self, asker: Person, id: str) -> Kept:
        kept = self._seen(asker, id)
        if not self.subscribers.may_touch(self.broker.here(asker), kept):
            raise Problem(403, "not-allowed", "You may not change this.", "Ask its owner, or an operator of the city.")
        return kept

    def _state(self, kept: Kept, counts: tuple[int, int], now: int) -> SubscriptionState:
        doing, status = kept.doing, kept.status(now)
        if status == "active" and (doing.last_failure or 0) > (doing.last_success or 0):
            status = "failed"
        shown_ = shown(kept.document, self.contexts.city)
        about = [one["type"] for one in shown_.get("entities", ())] + shown_.get("watchedAttributes", [])
        return SubscriptionState(
            kept.id,
            kept.document.get("subscriptionName", ""),
            kept.owner,
            tuple(about),
            without_secrets(kept.endpoint),
            status,
            kept.held,
            from_micros(kept.created_at),
            doing.times_sent,
            doing.times_failed,
            None if doing.last_success is None else from_micros(doing.last_success),
            None if doing.last_failure is None else from_micros(doing.last_failure),
            doing.last_error,
            *counts,
            self.broker.tenant,
        )

    # At the moment of sending

    def _send(self, target: Target, body: bytes) -> Awaitable[None]:
        return (self._mqtt if target.uri.startswith("mqtt") else self._http).send(target, body)

    async def _allowed(self, letters: Sequence[Letter]) -> list[bytes | Problem | None]:
        """What of each letter may be told at this moment: itself, what is left, nothing, or why that cannot be said."""
        told = [_HIDDEN.decode(letter.told) for letter in letters]
        urns: dict[str, set[str]] = {}
        for letter, of in zip(letters, told, strict=True):
            urns.setdefault(letter.subscription, set()).update(of)
        if all(self._is_plain(id, some) for id, some in urns.items()):
            return [letter.body for letter in letters]
        return await asyncio.to_thread(self._allowed_of, letters, told)

    def _is_plain(self, id: str, urns: Iterable[str]) -> bool:
        kept = self.subscribers.get(id)
        owner = None if kept is None else self.matcher.owner(kept)
        reached = None if owner is None else reach(owner, "entity.read")
        return reached is not None and self.matcher.covers_plainly(reached, urns)

    def _allowed_of(self, letters: Sequence[Letter], told: Sequence[Hidden]) -> list[bytes | Problem | None]:
        things = self.matcher.things({urn for one in told for urn in one})
        found: list[bytes | Problem | None] = []
        for letter, of in zip(letters, told, strict=True):
            kept = self.subscribers.get(letter.subscription)
            owner = None if kept is None else self.matcher.owner(kept)
            reached = None if owner is None else reach(owner, "entity.read")
            if kept is None or owner is None or reached is None:
                found.append(None)
            elif all(self.matcher.may_still(reached, things.get(urn), hidden) for urn, hidden in of.items()):
                found.append(letter.body)
            else:
                try:
                    found.append(self._anew(kept, owner, tuple(of)))
                except Problem as problem:  # its @context is gone, say: of this one alone
                    found.append(problem)
        return found

    def _anew(self, kept: Kept, owner: Person, urns: tuple[str, ...]) -> bytes | None:
        """What was to be told is not this receiver's to know as a whole any more: the same entities as they may see them."""
        drafts = self.matcher.of_query(kept, owner, replace(self.matcher.about(kept).query, ids=urns, limit=len(urns)))
        data = [one for _, shown, _ in drafts for one in shown]
        return self._message(kept, data, self.clock.now()) if data else None


def subscriptions_of(platform: Platform) -> Subscriptions:
    """The subscriptions of a running city."""
    found = platform.subscriptions
    if not isinstance(found, Subscriptions):
        raise TypeError("this platform has other subscriptions than the NGSI-LD door's")
    return found


def broker_of(platform: Platform) -> Broker:
    """The broker of a running city."""
    return subscriptions_of(platform).broker
