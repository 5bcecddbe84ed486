"""The subscriptions of a city: in memory for matching and sending, in the database to survive."""

import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from dothi.access.identity import Identity
from dothi.access.keys import Keys, narrow
from dothi.access.policy import Grant, Person, may
from dothi.api.ngsild.contexts.term_map import CITY_PATH, Contexts, TermMap, link_header
from dothi.api.ngsild.subscriptions.document import Document, expires_at
from dothi.api.ngsild.subscriptions.sealed import Sealer, without_password
from dothi.api.ngsild.subscriptions.taking import Target, target_of
from dothi.data.writer import Writer
from dothi.model.clock import Clock, to_micros
from dothi.model.problem import Problem
from dothi.store.audit import Act
from dothi.store.connection import Connection, Database

TIMEOUT, LONGEST = 10.0, 60.0  # seconds an endpoint is waited for: where it says nothing, and at most
MOST_OF_ONE = 1_000
"""Subscriptions that one owner may have."""
HELD = {
    "gone": "owner-gone",
    "rights": "owner-lost-rights",
    "key": "key-ended",
    "secret": "secret-lost",
}
_COLUMNS = (
    "num, id, owner, grants, document, context, created_at, modified_at, held, pending, due_at, times_sent, times_failed, "
    "last_notification, last_success, last_failure, last_error"
)
_STATE = (
    "UPDATE subscription SET held = ?, pending = ?, due_at = ?, times_sent = ?, times_failed = ?, last_notification = ?, "
    "last_success = ?, last_failure = ?, last_error = ? WHERE id = ?"
)
_GRANTS = msgspec.json.Decoder(tuple[Grant, ...])


@dataclass(slots=True)
class Doing:
    """How sending goes; moments in µs UTC of the machine's clock."""

    times_sent: int = 0
    times_failed: int = 0
    last_notification: int | None = None
    last_success: int | None = None
    last_failure: int | None = None
    last_error: str = ""


@dataclass(slots=True, eq=False)
class Kept:
    """One subscription and how it is doing; moments in µs UTC. ``held`` says why the city paused it: empty or one of HELD's
    words. ``pending`` are entities that changed while it was throttled, ``leaving`` those of them that are
    being told but not durably yet, ``due_at`` when its interval is over.
    """

    num: int
    id: str
    owner: str
    grants: tuple[Grant, ...]
    document: Document = field(repr=False)  # it may say secrets to its receiver
    # {"context": the @context it was told in, "link": its address, "base": this city's own, "credential": the key or client
    # it was told with (empty for none), "since": the outbox row after which it is told}
    told_in: dict[str, Any]
    created_at: int
    modified_at: int
    held: str = ""
    pending: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)
    due_at: int | None = None
    doing: Doing = field(default_factory=Doing)
    # Made of the document once, when it is first needed.
    made: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def notification(self) -> Document:
        """Its NotificationParams."""
        params: Document = self.document["notification"]
        return params

    @property
    def endpoint(self) -> str:
        """The address it notifies, without a password: the name of its queue."""
        return without_password(self.notification["endpoint"]["uri"])

    def status(self, now: int) -> str:
        """active, paused or expired (clause 5.2.12) at ``now`` (µs of the city's clock)."""
        end = self.made.get("end", ...)
        if end is ...:
            end = self.made["end"] = expires_at(self.document)
        if end is not None and end <= now:
            return "expired"
        return "active" if self.document.get("isActive", True) and not self.held else "paused"

    def row(self) -> tuple[object, ...]:
        """What changes of it while it works, for ``_STATE``."""
        doing, waiting = self.doing, self.pending | self.leaving
        return (
            self.held,
            msgspec.json.encode(sorted(waiting)).decode() if waiting else "",
            self.due_at,
            doing.times_sent,
            doing.times_failed,
            doing.last_notification,
            doing.last_success,
            doing.last_failure,
            doing.last_error[:500],
            self.id,
        )


class Subscribers:
    """All subscriptions. One process writes them, so what it holds in memory is exact; ``clock`` is the city's."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        clock: Clock,
        machine: Clock,
        contexts: Contexts,
        identity: Identity,
        keys: Keys,
        sealer: Sealer,
        tenant: str,
    ) -> None:
        self._database, self._writer, self._clock, self._machine = database, writer, clock, machine
        self._contexts, self._identity, self._keys, self._tenant = contexts, identity, keys, tenant
        self._sealer = sealer
        self._lock = threading.Lock()
        self._all: dict[str, Kept] = {}
        self._dirty: set[str] = set()

    def load(self) -> None:
        """Read them all. Call it once, before the city works."""
        with self._database.reader() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM subscription ORDER BY num").fetchall()  # noqa: S608 - constants
        for row in rows:
            num, id_, owner, grants, kept, told_in, created, modified, held, pending, due, *doing = row
            document, opened = self._sealer.open(id_, msgspec.json.decode(kept))
            self._all[id_] = Kept(
                num,
                id_,
                owner,
                _GRANTS.decode(grants),
                document,
                msgspec.json.decode(told_in),
                created,
                modified,
                held if opened else HELD["secret"],
                set(msgspec.json.decode(pending)) if pending else set(),
                due_at=due,
                doing=Doing(*doing),
            )

    def all(self) -> list[Kept]:
        """Every subscription, in the order in which they were made."""
        with self._lock:
            return list(self._all.values())

    def get(self, id_: str) -> Kept | None:
        """The subscription with this id."""
        return self._all.get(id_)

    def own(self, asker: Person) -> list[Kept]:
        """Those that ``asker`` may touch, in the order in which they were made."""
        return [one for one in self.all() if self.may_touch(asker, one)]

    def may_touch(self, asker: Person, kept: Kept) -> bool:
        """Whether it is the asker's own, or the asker runs the city's operation."""
        return kept.owner == asker.id or may(asker, "operations.write")

    def owner_of(self, kept: Kept) -> Person | None:
        """Who is told: its owner with what was granted then and is granted still; None if nobody may have it any more."""
        present = self._identity.known(kept.owner)
        if present is None or not self._key_lives(kept):
            return None
        made = kept.made.get("person")
        if made is None or made[0] is not present:
            made = kept.made["person"] = (present, Person(present.id, narrow(present.grants, kept.grants)))
        person: Person = made[1]
        return person if may(person, "subscription.write") else None

    def why_held(self, kept: Kept) -> str:
        """Why the city must pause it at this moment; empty if it need not."""
        if kept.held == HELD["secret"]:  # until it is told anew
            return kept.held
        if self.owner_of(kept) is not None:
            return ""
        if self._identity.known(kept.owner) is None:
            return HELD["gone"]
        return HELD["rights"] if self._key_lives(kept) else HELD["key"]

    def _key_lives(self, kept: Kept) -> bool:
        """What a key set going ends with it: a stolen one that was revoked tells nobody anything any more."""
        credential = kept.told_in.get("credential")
        return not credential or self._keys.lives(credential)

    def hold(self, kept: Kept, why: str) -> None:
        """Pause it, visibly, because its owner may not have it any more."""
        kept.held = why
        self.mark(kept.id)

    def context_of(self, kept: Kept) -> TermMap:
        """The @context of what it sends (``jsonldContext``, else the one it was told in). Raises Problem 504."""
        found = kept.made.get("context")
        if found is None:
            spec = kept.document.get("jsonldContext", kept.told_in["context"])
            found = kept.made["context"] = terms_of(self._contexts, spec)
        context: TermMap = found
        return context

    def link(self, kept: Kept) -> str:
        """The address of the @context of what it sends; one that begins with "/" is of this city."""
        link: str = kept.document.get("jsonldContext", kept.told_in["link"])
        return link

    def target(self, kept: Kept) -> Target:
        """Where and how it is sent."""
        found = kept.made.get("target")
        if found is None:
            link = link_header(self.link(kept), kept.told_in["base"])
            found = kept.made["target"] = target_of(kept.notification["endpoint"], link, self._tenant, TIMEOUT, LONGEST)
        target: Target = found
        return target

    async def create(self, asker: Person, id_: str, document: Document, told_in: dict[str, Any], correlation: str) -> Kept:
        """Keep a new one. Raises Problem 403, 409 for an id that is taken or too many of one owner."""
        now = self._machine.now()
        at = to_micros(now)
        if sum(one.owner == asker.id for one in self.all()) >= MOST_OF_ONE:
            raise Problem(409, "too-many", f"One owner has at most {MOST_OF_ONE} subscriptions.", "Delete one first.")
        due, sealed = self._due(document), _json(self._sealer.seal(id_, document))

        def work(db: Connection) -> tuple[int, dict[str, Any]]:
            since = {**told_in, "since": _newest(db)}
            row = (id_, asker.id, _json(asker.grants), sealed, _json(since), at, at, due)
            if db.execute("SELECT 1 FROM subscription WHERE id = ?", (id_,)).fetchone():
                raise Problem(409, "already-exists", f"{id_} exists already.", "Choose another id, or update it.")
            query = (
                "INSERT INTO subscription (id, owner, grants, document, context, created_at, modified_at, due_at) "
                "VALUES (?,?,?,?,?,?,?,?) RETURNING num"
            )
            ((num,),) = db.execute(query, row).fetchall()
            return int(num), since

        act = Act(asker.id, "subscription.create", id_, correlation=correlation, detail=_said(document))
        num, since = await self._writer.run(asker, now, work, [act], action="subscription.write")
        kept = Kept(num, id_, asker.id, asker.grants, document, since, at, at, due_at=due)
        with self._lock:
            self._all[id_] = kept
        return kept

    async def update(
        self, asker: Person, kept: Kept, document: Document, correlation: str, credential: str | None = None
    ) -> Kept:
        """Keep another ``document`` of it. If it is its owner who changes it, the owner's grants count anew, and the
        ``credential`` (empty for none) it is changed with.
        """
        now = self._machine.now()
        at = to_micros(now)
        own = asker.id == kept.owner
        grants = asker.grants if own else kept.grants
        again = kept.document.get("timeInterval") != document.get("timeInterval")
        due = self._due(document) if again else kept.due_at
        told_in = dict(kept.told_in)
        if own and credential is not None:
            told_in["credential"] = credential
        fresh = Kept(kept.num, kept.id, kept.owner, grants, document, told_in, kept.created_at, at)
        fresh.due_at, fresh.pending, fresh.doing = due, kept.pending, kept.doing
        sealed = _json(self._sealer.seal(kept.id, document))
        if kept.held == HELD["secret"] and fresh.notification["endpoint"] == kept.notification["endpoint"]:
            fresh.held = kept.held
        elif document.get("isActive", True):
            fresh.held = self.why_held(fresh)
        elif kept.held != HELD["secret"]:
            fresh.held = kept.held

        def work(db: Connection) -> None:
            fresh.told_in["since"] = _newest(db)
            row = (_json(grants), sealed, _json(fresh.told_in), at, fresh.held, due, kept.id)
            query = "UPDATE subscription SET grants = ?, document = ?, context = ?, modified_at = ?, held = ?, due_at = ?"
            db.execute(f"{query} WHERE id = ?", row)

        act = Act(asker.id, "subscription.update", kept.id, correlation=correlation, detail=_said(document))
        action = "subscription.write" if own else "operations.write"
        await self._writer.run(asker, now, work, [act], action=action)
        with self._lock:
            if kept.id in self._all:
                self._all[kept.id] = fresh
        return fresh

    async def delete(self, asker: Person, kept: Kept, correlation: str) -> None:
        """Forget it, and all that waits to be sent for it."""

        def work(db: Connection) -> None:
            db.execute("DELETE FROM subscription WHERE id = ?", (kept.id,))
            db.execute("DELETE FROM notification WHERE subscription = ?", (kept.id,))

        act = Act(asker.id, "subscription.delete", kept.id, correlation=correlation)
        action = "subscription.write" if asker.id == kept.owner else "operations.write"
        await self._writer.run(asker, self._machine.now(), work, [act], action=action)
        with self._lock:
            self._all.pop(kept.id, None)

    def cannot(self, kept: Kept, problem: Problem) -> None:
        """Note that something could not be told, and why: nothing is passed over in silence."""
        kept.doing.times_failed += 1
        kept.doing.last_failure, kept.doing.last_error = self.machine_now(), str(problem)
        self.mark(kept.id)

    def save(self, db: Connection) -> list[str]:
        """Write down how those that worked are doing; returns their ids, to be marked again should the commit fail."""
        with self._lock:
            some, self._dirty = self._dirty, set()
        db.executemany(_STATE, [kept.row() for id_ in sorted(some) if (kept := self._all.get(id_)) is not None])
        return sorted(some)

    def mark(self, *ids: str) -> None:
        """Write down soon how these are doing. Safe on any thread."""
        with self._lock:
            self._dirty.update(ids)

    @property
    def marked(self) -> bool:
        """Whether there is anything to write down."""
        return bool(self._dirty)

    def now(self) -> int:
        """The city's present moment (µs UTC)."""
        return to_micros(self._clock.now())

    def machine_now(self) -> int:
        """The machine's present moment (µs UTC): what was sent when."""
        return to_micros(self._machine.now())

    def _due(self, document: Document) -> int | None:
        interval = document.get("timeInterval")
        return None if interval is None else self.now() + round(interval * 1e6)


def terms_of(contexts: Contexts, spec: Any) -> TermMap:
    """The table of an @context that a subscription was told in. Raises Problem 504 if it is not here any more."""
    return contexts.city if spec == CITY_PATH else contexts.of(spec)


def _newest(db: Connection) -> int:
    """The newest outbox row: what it tells of was there before."""
    return int(db.execute("SELECT max(seq) FROM outbox").fetchone()[0] or 0)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _said(document: Document) -> str:
    """What the audit log says of it."""
    return f"to {without_secrets(document['notification']['endpoint']['uri'])}"[:300]


def without_secrets(uri: str) -> str:
    """An address without a password, nor what is asked for in it: that may be a token."""
    return urlsplit(without_password(uri))._replace(query="").geturl()
