"""What machines prove themselves with: API keys and OAuth2 clients, each of an account, each with a part of what it may."""

import asyncio
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from dothi.access.admitting import Admitting
from dothi.access.grants import STRONG_ROLES, Granted, decode, encode, require_within
from dothi.access.hashes import hash_of
from dothi.access.policy import SYSTEM, Grant, Person
from dothi.access.sessions import Writes
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.text import nfc
from dothi.store.audit import Act
from dothi.store.connection import Connection, Database

Kind = Literal["key", "secret"]
LIFETIMES = (30, 90, 365)
"""Days a credential may live: none lives for ever, so that a forgotten one ends by itself."""
MOST = 20
MAX_LABEL = 80
PREFIX = "dothi_"
"""How an API key begins, so that people and scanners of leaked secrets know it when they see it."""

_FLUSH_EVERY = 60.0
_NOBODYS = bytes(32)  # what a secret is compared with where there is none
_COLUMNS = "id, account, kind, label, grants, created_at, used_at, expires_at, revoked_at"


@dataclass(frozen=True, slots=True)
class Key:
    """One credential. ``id`` is its public part (an OAuth2 client's id); ``bounds`` are the grants it is narrowed to."""

    id: str
    account: str
    kind: Kind
    label: str
    bounds: tuple[Granted, ...]
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential and its secret, which is never shown again: the whole API key, or an OAuth2 client's secret."""

    id: str
    secret: str


@dataclass(frozen=True, slots=True)
class _Held:
    """What is needed of a living credential to let it in, in memory: no request waits for the database."""

    account: str
    kind: Kind
    digest: bytes
    bounds: tuple[Grant, ...]
    expires_at: int


class Keys:
    """The credentials of machines. One process writes them, so what it holds in memory is exact.

    ``clock`` is the machine's; ``types_of_sector`` says which entity types (IRIs) a sector's id stands for.
    """

    def __init__(
        self,
        database: Database,
        writer: Writes,
        accounts: Admitting,
        clock: Clock,
        types_of_sector: Mapping[str, frozenset[str]],
    ) -> None:
        self._database, self._writer, self._accounts, self._clock = database, writer, accounts, clock
        self._types = types_of_sector
        self._used: dict[str, int] = {}
        self._narrowed: dict[tuple[str, frozenset[str] | None], tuple[Person, Person]] = {}
        with database.reader() as db:
            rows = db.execute(
                "SELECT id, account, kind, secret, grants, expires_at FROM credential "
                "WHERE kind IN ('key', 'secret') AND revoked_at IS NULL"
            ).fetchall()
        self._held = {
            id: _Held(account, kind, bytes(digest), self._grants(decode(bounds)), expires_at)
            for id, account, kind, digest, bounds, expires_at in rows
        }

    def list(self, account: str) -> "Sequence[Key]":
        """The credentials of ``account``, those that ended included, the newest first."""
        with self._database.reader() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM credential "  # noqa: S608 - constants only
                "WHERE account = ? AND kind IN ('key', 'secret') ORDER BY created_at DESC, id",
                (account,),
            ).fetchall()
        return [_key(row) for row in rows]

    async def issue(
        self,
        asker: Person,
        account: str,
        kind: Kind,
        label: str,
        bounds: Sequence[Granted],
        days: int,
        *,
        correlation: str = "",
    ) -> Issued:
        """Make a credential of ``account`` for ``days``; its secret is in the answer and nowhere else.

        It does what both ``bounds`` and its account's grants allow at the moment of use, and never what asks for a second
        factor. Raises Problem 400, 403, 404 for an account that is none or no system's, 409 beyond ``MOST``.
        """
        action = self._action(asker, account)
        if account != asker.id and self._accounts.get(asker, account).kind != "system":
            raise not_found("system", account)  # a person's are that person's alone: nobody acts in another's name
        person, known = self._accounts.person_of(account), self._accounts.account(account)
        if person is None or known is None:
            raise not_found("account", account)
        if known.demo:
            raise Problem(403, "demo", "People of the demo have no keys.", "Make an account of your own.")
        label = " ".join(nfc(label).split())
        if not label or len(label) > MAX_LABEL:
            raise bad_request(f"A key's name has 1 to {MAX_LABEL} letters.", "Say what will use it.")
        if days not in LIFETIMES:
            raise bad_request(f"A key does not live {days} days.", f"Choose {', '.join(map(str, LIFETIMES))} days.")
        if any(one.role in STRONG_ROLES for one in bounds):
            raise bad_request("A key cannot administer.", "Who administers signs in as a person, in two steps.")
        kept = self._grants(bounds)
        reached = narrow(person.grants, kept)
        if not reached:
            raise bad_request("This key could do nothing.", "Choose at least one of the rights that the account has.")
        if account != asker.id:
            require_within(asker, reached)
        now = self._clock.now()
        at, expires = to_micros(now), to_micros(now + timedelta(days=days))
        if sum(one.account == account and one.expires_at > at for one in self._held.values()) >= MOST:
            raise Problem(409, "too-many-keys", f"An account has at most {MOST} keys.", "Revoke those that nothing uses.")
        id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        held = _Held(account, kind, hash_of(secret), kept, expires)
        row = (id, account, kind, held.digest, label, encode(bounds), at, expires)

        def work(db: Connection) -> None:
            db.execute(
                "INSERT INTO credential (id, account, kind, secret, label, grants, created_at, expires_at) "
                "VALUES (?,?,?,?,?,?,?,?)",
                row,
            )

        roles = " ".join(sorted({one.role for one in bounds}))
        detail = f"{kind} of {account}, {days} days: {roles}"
        act = Act(asker.id, "key.issue", f"credential:{id}", "done", correlation, detail)
        await self._writer.run(asker, now, work, [act], action=action)
        self._held[id] = held
        return Issued(id, f"{PREFIX}{id}_{secret}" if kind == "key" else secret)

    async def revoke(self, asker: Person, id: str, account: str, *, correlation: str = "") -> None:
        """End a credential of ``account`` at once, access tokens made with it included. Raises Problem 403, 404.

        Whoever administers the account may, a person's too: a stolen key must not wait for its owner.
        """
        action = self._action(asker, account)
        held = self._held.get(id)
        if held is None or held.account != account:
            raise not_found("key", id[:40])
        now = self._clock.now()

        def work(db: Connection) -> None:
            db.execute("UPDATE credential SET revoked_at = ? WHERE id = ?", (to_micros(now), id))

        act = Act(asker.id, "key.revoke", f"credential:{id}", "done", correlation, held.account)
        await self._writer.run(asker, now, work, [act], action=action)
        self._held.pop(id, None)
        self._narrowed = {which: known for which, known in self._narrowed.items() if which[0] != id}

    def of_bearer(self, credential: str) -> Person | None:
        """Whose API key this is, with what it may at this moment; None if it is none that lives."""
        id, _separator, secret = credential.removeprefix(PREFIX).partition("_")
        return self.authenticate("key", id, secret)

    def authenticate(self, kind: Kind, id: str, secret: str) -> Person | None:
        """The person that a credential stands for; None if it is none that lives, whatever is wrong with it."""
        held = self._held.get(id)
        fits = hmac.compare_digest(hash_of(secret), held.digest if held else _NOBODYS)
        return self.person_of(id) if held is not None and fits and held.kind == kind else None

    def person_of(self, id: str, roles: frozenset[str] | None = None) -> Person | None:
        """The person of a living credential, with only those grants whose role is in ``roles``; counts as its use.

        None if it ended, or its account did.
        """
        held = self._held.get(id)
        account = self._accounts.person_of(held.account) if held else None
        now = to_micros(self._clock.now())
        if held is None or account is None or held.expires_at <= now:
            return None
        self._used.setdefault(id, now)
        known = self._narrowed.get((id, roles))
        if known is None or known[0] is not account:
            grants = tuple(one for one in narrow(account.grants, held.bounds) if roles is None or one.role in roles)
            known = self._narrowed[id, roles] = (account, Person(account.id, grants))
        return known[1]

    def lives(self, id: str) -> bool:
        """Whether a credential could let anybody in at this moment; asking is no use of it."""
        held = self._held.get(id)
        return held is not None and held.expires_at > to_micros(self._clock.now())

    async def run(self) -> None:
        """Note once a minute which credentials were used: a request must not wait for that."""
        while True:
            await asyncio.sleep(_FLUSH_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Write down when credentials, and with them their accounts, were last used."""
        used, self._used = self._used, {}
        credentials = [(at, id) for id, at in used.items()]
        accounts = [(at, held.account) for id, at in used.items() if (held := self._held.get(id))]

        def work(db: Connection) -> None:
            db.executemany("UPDATE credential SET used_at = ? WHERE id = ?", credentials)
            db.executemany("UPDATE account SET last_seen = ? WHERE id = ?", accounts)

        if used:
            await self._writer.run(SYSTEM, self._clock.now(), work)

    def _action(self, asker: Person, account: str) -> str:
        """What is needed to issue or revoke a credential of ``account``: nothing for one's own, else to keep accounts.

        Raises Problem 404 for an account that ``asker`` may not know of.
        """
        if account == asker.id:
            return "account.own"
        self._accounts.get(asker, account)
        return "people.write"

    def _grants(self, bounds: Iterable[Granted]) -> tuple[Grant, ...]:
        return tuple(one.grant(self._types) for one in bounds)


def narrow(grants: Sequence[Grant], bounds: Sequence[Grant]) -> tuple[Grant, ...]:
    """What both give: of each role the scope in common, up to the lower clearance."""
    found = dict.fromkeys(
        Grant(mine.role, mine.scope.common(bound.scope), min(mine.clearance, bound.clearance))
        for mine in grants
        for bound in bounds
        if mine.role == bound.role
    )
    return tuple(found)


def _key(row: tuple[str, str, Kind, str, str, int, int | None, int, int | None]) -> Key:
    id, account, kind, label, grants, created, used, expires, revoked = row
    return Key(
        id,
        account,
        kind,
        label,
        decode(grants),
        from_micros(created),
        None if used is None else from_micros(used),
        from_micros(expires),
        None if revoked is None else from_micros(revoked),
    )
