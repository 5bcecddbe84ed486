"""Who is signed in: a random cookie, of which only the hash is kept; it ends by itself, and at once when told to."""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Protocol, TypeVar

from dothi.access.cookies import named
from dothi.access.policy import SYSTEM, Person
from dothi.model.clock import MICROSECONDS, Clock, to_micros
from dothi.store.audit import Act
from dothi.store.connection import Connection, Database, Unavailable

T = TypeVar("T")
COOKIE = "dothi_session"
HOUR = 3600 * MICROSECONDS
LONGEST = 12 * HOUR
"""A session ends this long after it began (µs), whatever happens in it."""
IDLE_STRONG = HOUR // 2
"""A session with a role that needs a second factor ends after so long (µs) without a request."""
_TOUCH = 60 * MICROSECONDS


class Writes(Protocol):
    """The city's one writer, as access needs it (``data.writer.Writer.run``)."""

    async def run(
        self,
        person: Person,
        at: datetime,
        work: Callable[[Connection], T],
        acts: Sequence[Act] = ...,
        *,
        action: str = ...,
    ) -> T:
        """Run ``work`` in a transaction and record ``acts`` in it. Raises Problem 403 if ``person`` may not."""
        ...


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody who is signed in, as pages show them. ``strong`` is True once a second factor was shown in this session."""

    person: Person
    account_id: str
    name: str
    strong: bool
    demo: bool
    session_id: str


@dataclass(slots=True)
class Session:
    """One session, for its owner to look at; moments in µs since 1970 UTC of the machine's clock. ``id`` is no secret."""

    id: str
    account: str
    strong: bool
    created_at: int
    seen_at: int
    expires_at: int
    address: str
    agent: str
    written: int = field(default=0, repr=False)

    def over(self, now: int, idle: int | None) -> bool:
        """True if it has ended by ``now``; ``idle`` is the longest silence (µs) that this account's roles allow."""
        return now >= self.expires_at or (idle is not None and now - self.seen_at >= idle)


def cookie_header(value: str, *, secure: bool) -> str:
    """The Set-Cookie header of a session; an empty ``value`` takes the cookie back (RFC 6265, 4.1).

    ``secure`` is True behind TLS: then only this host can have set it (the ``__Host-`` prefix, RFC 6265bis 4.1.3).
    """
    kept = f"{cookie_name(secure)}={value}; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
    return kept if value else f"{kept}; Max-Age=0"


def cookie_name(secure: bool) -> str:
    """What the session's cookie is called behind TLS (``secure``) and without."""
    return named(COOKIE, secure=secure)


class Sessions:
    """The table of sessions, with those in use kept in memory: this process alone writes them."""

    def __init__(self, database: Database, writer: Writes, clock: Clock) -> None:
        self._database, self._writer, self._clock = database, writer, clock
        self._known: dict[str, Session] = {}

    def make(self, account: str, *, strong: bool, address: str, agent: str) -> tuple[str, Session]:
        """A new session and the value of its cookie; ``write`` it in a transaction, then ``remember`` it."""
        cookie, now = secrets.token_urlsafe(32), to_micros(self._clock.now())
        session = Session(_id(cookie), account, strong, now, now, now + LONGEST, address[:64], agent[:200], now)
        return cookie, session

    def write(self, connection: Connection, session: Session) -> None:
        """Put ``session`` on disk, inside the caller's transaction."""
        connection.execute(
            "INSERT INTO session (id, account, strong, created_at, seen_at, expires_at, address, agent) "
            "VALUES (?,?,?,?,?,?,?,?)",
            (
                bytes.fromhex(session.id),
                session.account,
                int(session.strong),
                session.created_at,
                session.seen_at,
                session.expires_at,
                session.address,
                session.agent,
            ),
        )

    def remember(self, session: Session) -> None:
        """Know ``session`` from now on: its transaction held."""
        self._known[session.id] = session

    def find(self, cookie: str) -> Session | None:
        """The session of ``cookie``, ended or not; None if there is none."""
        id = _id(cookie)
        session = self._known.get(id)
        if session is None:
            found = self._read("id = ?", bytes.fromhex(id))
            if found:
                session = self._known[id] = found[0]
        return session

    def known(self, id: str) -> Session | None:
        """The session with this ``id``, if it was used since the city started and was not ended."""
        return self._known.get(id)

    def of(self, account: str) -> list[Session]:
        """The sessions of ``account`` that have not reached their end, last seen first."""
        now = to_micros(self._clock.now())
        found = [self._known.get(one.id, one) for one in self._read("account = ?", account)]
        return sorted((one for one in found if one.expires_at > now), key=lambda one: -one.seen_at)

    async def touch(self, session: Session) -> None:
        """Note that ``session`` was used now; on disk at most once a minute, with when its account was last seen."""
        now = session.seen_at = to_micros(self._clock.now())
        if now - session.written < _TOUCH:
            return
        session.written = now

        def work(connection: Connection) -> None:
            connection.execute("UPDATE session SET seen_at = ? WHERE id = ?", (now, bytes.fromhex(session.id)))
            connection.execute("UPDATE account SET last_seen = ? WHERE id = ?", (now, session.account))

        with suppress(Unavailable):  # a disk that is full must not keep people from reading
            await self._writer.run(SYSTEM, self._clock.now(), work)

    def delete(self, connection: Connection, account: str, *, only: str | None = None, but: str | None = None) -> None:
        """Take sessions of ``account`` off the disk: all, ``only`` one, or all ``but`` one; then ``forget`` them."""
        sql, values = "DELETE FROM session WHERE account = ?", list[object]([account])
        for id, sign in ((only, "="), (but, "<>")):
            if id is not None:
                sql, values = f"{sql} AND id {sign} ?", [*values, bytes.fromhex(id)]
        connection.execute(sql, values)

    def forget(self, account: str, *, only: str | None = None, but: str | None = None) -> None:
        """Know the sessions no more that ``delete`` took off the disk."""
        gone = [one.id for one in self._known.values() if one.account == account]
        for id in gone:
            if id != but and only in (None, id):
                del self._known[id]

    def sweep(self, connection: Connection) -> None:
        """Take what has ended off the disk and out of memory."""
        now = to_micros(self._clock.now())
        connection.execute("DELETE FROM session WHERE expires_at <= ?", (now,))
        for id in [one.id for one in self._known.values() if one.expires_at <= now]:
            del self._known[id]

    def _read(self, where: str, value: str | bytes) -> list[Session]:
        with self._database.reader() as connection:
            rows = connection.execute(
                f"SELECT id, account, strong, created_at, seen_at, expires_at, address, agent FROM session WHERE {where}",  # noqa: S608 - words of ours
                (value,),
            ).fetchall()
        return [
            Session(bytes(id).hex(), account, bool(strong), made, seen, ends, address, agent, seen)
            for id, account, strong, made, seen, ends, address, agent in rows
        ]


def _id(cookie: str) -> str:
    return sha256(cookie.encode()).hexdigest()
