"""How people come in: passwords, second factors, one-time links and sessions; never a word about which of them was wrong."""

import asyncio
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from weakref import WeakValueDictionary

from dothi.access.admitting import Admitting, Ticket, checked_login, checked_name, stale_link
from dothi.access.grants import Granted, encode
from dothi.access.known import IDLE_DAYS, Account
from dothi.access.passwords import check_password, hash_password, password_fits
from dothi.access.policy import SYSTEM
from dothi.access.roles import ROLES
from dothi.access.sessions import Session, Signed
from dothi.access.totp import spend_code
from dothi.model.clock import MICROSECONDS
from dothi.model.problem import Problem
from dothi.model.text import fold
from dothi.store.audit import CAME_FROM, Act
from dothi.store.connection import Conflict, Connection

__all__ = ["IDLE_DAYS", "Account", "Accounts", "NeedsSecond", "Signed", "Ticket", "wrong"]

TRIES = 10
"""Wrong passwords or codes in a row that an account bears; each further one doubles the wait, from a minute to an hour."""
MOST_SESSIONS = 20
"""Sessions of one account at once; with one more the one that was seen the longest ago ends."""
RECENT = 15 * 60 * MICROSECONDS
"""How long (µs) after signing in one may change what opens an account: a desk left alone must not give it away."""
_LONGEST_WAIT = 60
_PENDING = 5 * 60 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class NeedsSecond:
    """The password fits; ``pending`` (for a hidden field, five minutes) and one of ``factors`` open the session."""

    pending: str
    factors: frozenset[str]


def wrong() -> Problem:
    """The one answer to everything that does not open a session."""
    return Problem(
        401,
        "wrong-sign-in",
        "This does not sign you in.",
        f"Check what you typed; after {TRIES} wrong tries wait a while, or ask an administrator for a new link.",
    )


class Accounts(Admitting):
    """Everybody who is known to this city, and how they come in.

    ``address`` is where a request comes from, ``agent`` its User-Agent, ``correlation`` the request's id: they stand in the
    session and the audit log. Values of cookies that these give belong into ``sessions.cookie_header``.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._proving = WeakValueDictionary[str, asyncio.Lock]()

    async def session_person(self, cookie: str) -> Signed | None:
        """Who is signed in with ``cookie`` (its value); None if it is none, has ended or the account is shut out.

        A session ends after 12 hours, with a role that needs a second factor after 30 minutes without a request.
        """
        session = self.sessions.find(cookie)
        if session is None:
            return None
        account = self.account(session.account)
        if account is None or not self.welcome(account) or session.over(self.now(), account.idle):
            return None
        await self.sessions.touch(session)
        person = self._person(account, strong=session.strong)
        return Signed(person, account.id, account.name, session.strong, account.demo, session.id)

    def came_lately(self, signed: Signed) -> bool:
        """True if this session began so shortly ago that it may change what opens an account."""
        session = self.sessions.known(signed.session_id)
        return session is not None and session.created_at > self.now() - RECENT

    def holds(self, signed: Signed) -> bool:
        """True while that session lasts with the same rights: what goes on for long, a stream, asks again and again."""
        session, account = self.sessions.known(signed.session_id), self.account(signed.account_id)
        if session is None or account is None or not self.welcome(account) or session.over(self.now(), account.idle):
            return False
        return self._person(account, strong=session.strong) == signed.person

    async def sign_in(self, login: str, password: str, *, address: str, agent: str, correlation: str) -> str | NeedsSecond:
        """The value of a new session's cookie, or what else is needed.

        Raises Problem 401, in the same words and after the same time for a login that is unknown, a password that is wrong
        and an account that is locked, disabled, unused for 45 days or of the demo.
        """
        account = self.account_of_login(login)
        fits = await password_fits(account.password if account is not None else None, password)
        account = self.account_of_login(login)  # what others tried meanwhile counts
        if account is None or not fits or account.demo or not self._open(account):
            raise await self._refuse(account, address, correlation)
        factors = self.factors(account.id)
        if factors & {"totp", "passkey"}:
            return NeedsSecond(self._pending(account.id), factors)
        return await self.open_session(account.id, strong=False, address=address, agent=agent, correlation=correlation)

    async def second_factor(self, pending: str, code: str, *, address: str, agent: str, correlation: str) -> str:
        """The value of a new, strong session's cookie, for a TOTP or recovery code. Raises Problem 401."""
        account = self.pending_account(pending)
        if account is None:
            raise await self._refuse(None, address, correlation)
        async with self._one_by_one(account.id):  # or a thousand guesses at once would be looked at before the first counts
            account = self.account(account.id)
            if account is None or not self._open(account):
                raise await self._refuse(account, address, correlation)
            cookie, session = self.sessions.make(account.id, strong=True, address=address, agent=agent)
            ended = self._too_many(account.id)

            def work(connection: Connection) -> None:
                if spend_code(connection, self.secret, session.account, code, self.clock.now()) is None:
                    raise _NotSpent
                self._begin(connection, session, ended)

            act = Act(account.id, "session.open", account.id, "done", correlation, "with a second factor", address)
            try:
                await self._run(SYSTEM, work, [act, *_made_room(account.id, ended, correlation)])
            except _NotSpent:
                raise await self._refuse(account, address, correlation) from None
            self._begun(session, ended)
            return cookie

    def pending_account(self, pending: str) -> Account | None:
        """Whose password fitted a moment ago; None if that is too long ago or was never said."""
        account_id, _, rest = pending.partition(".")
        ends, _, mac = rest.partition(".")
        if not ends.isdigit() or not hmac.compare_digest(mac.encode(), self._mac(f"{account_id}.{ends}").encode()):
            return None
        return self.account(account_id) if int(ends) > self.now() else None

    async def open_session(self, account_id: str, *, strong: bool, address: str, agent: str, correlation: str) -> str:
        """The value of a new session's cookie, for an account that has proved itself; ``strong`` by a second factor.

        Raises Problem 401 for an account that is shut out.
        """
        account = self.account(account_id)
        if account is None or not self.welcome(account) or account.unused(self.now()):
            raise await self._refuse(account, address, correlation)
        cookie, session = self.sessions.make(account_id, strong=strong, address=address, agent=agent)
        how = "with a second factor" if strong else "with one factor"
        act = Act(account_id, "session.open", account_id, "done", correlation, how, address)
        ended = self._too_many(account_id)
        acts = [act, *_made_room(account_id, ended, correlation)]
        await self._run(SYSTEM, lambda connection: self._begin(connection, session, ended), acts)
        self._begun(session, ended)
        return cookie

    async def sign_out(self, signed: Signed, *, correlation: str = "") -> None:
        """End this session."""
        await self.end_sessions(signed.account_id, only=signed.session_id, correlation=correlation)

    async def end_sessions(
        self, account_id: str, *, only: str | None = None, but: str | None = None, correlation: str = ""
    ) -> None:
        """End sessions of the account by its own wish: all, ``only`` one, or all ``but`` one."""
        act = Act(
            account_id,
            "session.close",
            account_id,
            "done",
            correlation,
            "this one" if only else "all others" if but else "all",
        )
        await self._run(SYSTEM, lambda connection: self.sessions.delete(connection, account_id, only=only, but=but), [act])
        self.sessions.forget(account_id, only=only, but=but)

    def sessions_of(self, account_id: str) -> list[Session]:
        """The account's sessions that last, last seen first."""
        account, now = self.account(account_id), self.now()
        idle = account.idle if account is not None else None
        return [one for one in self.sessions.of(account_id) if not one.over(now, idle)]

    async def change_password(self, signed: Signed, old: str, new: str, *, correlation: str = "") -> None:
        """Set the own password; ends the account's other sessions.

        Raises Problem 400 for a new one that is too easy, 401 if ``old`` is wrong, which counts as a wrong try.
        """
        async with self._one_by_one(signed.account_id):
            account = self.account(signed.account_id)
            if account is None or account.demo:
                raise wrong()
            fits = await password_fits(account.password, old)
            if not fits or account.locked(self.now()):
                raise await self._refuse(account, CAME_FROM.get(), correlation)
        kept = await hash_password(check_password(new, account.login, account.name))

        def work(connection: Connection) -> None:
            self._set_password(connection, signed.account_id, kept)
            self.sessions.delete(connection, signed.account_id, but=signed.session_id)

        await self._run(SYSTEM, work, [Act(account.id, "account.password", account.id, "done", correlation)])
        self.forget(account.id)
        self.sessions.forget(account.id, but=signed.session_id)

    async def redeem(
        self, token: str, password: str, *, login: str = "", name: str = "", address: str, agent: str, correlation: str
    ) -> str | NeedsSecond:
        """Set the password by a one-time link and come in; ``login`` and ``name`` are wanted of the first administrator.

        The account's other sessions end. Raises Problem 400 for a password, login or name that will not do (the link still
        works then), 404 for a link that works no more, 409 for a login that is taken.
        """
        ticket = self.ticket(token)
        if ticket is None:
            raise stale_link()
        if ticket.purpose == "first":
            account_id = await self._first(token, password, login, name, correlation)
        else:
            account_id = await self._renew(token, ticket, password, correlation)
        factors = self.factors(account_id)
        if factors & {"totp", "passkey"}:
            return NeedsSecond(self._pending(account_id), factors)
        return await self.open_session(account_id, strong=False, address=address, agent=agent, correlation=correlation)

    async def _first(self, token: str, password: str, login: str, name: str, correlation: str) -> str:
        self.require_no_administrator()
        login, name = checked_login(login), checked_name(name)
        kept = await hash_password(check_password(password, login, name))
        account_id, now = f"p-{secrets.token_hex(10)}", self.now()
        granted = [Granted("administrator", ROLES["administrator"].ceiling)]

        def work(connection: Connection) -> None:
            self._spend(connection, token)
            connection.execute(
                "INSERT INTO account (id, kind, login, name, folded, state, grants, password, created_at, changed_at) "
                "VALUES (?,'person',?,?,?,'active',?,?,?,?)",
                (account_id, login, name, fold(f"{name} {login}"), encode(granted), kept, now, now),
            )

        acts = [Act(account_id, "account.create", account_id, "done", correlation, "first administrator")]
        try:
            await self._run(SYSTEM, work, acts)
        except Conflict:
            raise Problem(409, "taken", f"{login!r} is taken already.", "Choose another login.") from None
        self._real = None
        return account_id

    async def _renew(self, token: str, ticket: Ticket, password: str, correlation: str) -> str:
        account = self.account(ticket.account)
        if account is None or not account.active:
            raise stale_link()
        kept = await hash_password(check_password(password, account.login, account.name))

        def work(connection: Connection) -> None:
            self._spend(connection, token)
            self._set_password(connection, account.id, kept)
            self.sessions.delete(connection, account.id)

        await self._run(SYSTEM, work, [Act(account.id, "account.password", account.id, "done", correlation, "by link")])
        self.forget(account.id)
        self.sessions.forget(account.id)
        return account.id

    def _set_password(self, connection: Connection, account_id: str, kept: str) -> None:
        now = self.now()
        connection.execute(
            "UPDATE account SET password = ?, failures = 0, locked_until = NULL, last_seen = ?, changed_at = ? WHERE id = ?",
            (kept, now, now, account_id),
        )

    def _open(self, account: Account) -> bool:
        now = self.now()
        return self.welcome(account) and not account.locked(now) and not account.unused(now)

    def _one_by_one(self, account_id: str) -> asyncio.Lock:
        """Held while somebody proves to be this account: each guess knows of those before it."""
        return self._proving.setdefault(account_id, asyncio.Lock())

    def _too_many(self, account_id: str) -> list[str]:
        """The sessions that end when one more begins: those that were seen the longest ago."""
        return [one.id for one in self.sessions.of(account_id)[MOST_SESSIONS - 1 :]]

    def _begin(self, connection: Connection, session: Session, ended: Iterable[str]) -> None:
        for id in ended:
            self.sessions.delete(connection, session.account, only=id)
        self.sessions.write(connection, session)
        connection.execute(
            "UPDATE account SET failures = 0, locked_until = NULL, last_seen = ? WHERE id = ?",
            (session.created_at, session.account),
        )

    def _begun(self, session: Session, ended: Iterable[str]) -> None:
        for id in ended:
            self.sessions.forget(session.account, only=id)
        self.sessions.remember(session)
        self.forget(session.account)

    async def _refuse(self, account: Account | None, address: str, correlation: str) -> Problem:
        """Count and record a try that failed, with the same work for somebody unknown; what to raise."""
        account_id, now = account.id if account is not None else "", self.now()

        def work(connection: Connection) -> None:
            connection.execute(
                "UPDATE account SET failures = failures + 1 WHERE id = ? AND (locked_until IS NULL OR locked_until <= ?)",
                (account_id, now),
            )
            row = connection.execute("SELECT failures FROM account WHERE id = ?", (account_id,)).fetchone()
            over = (row[0] if row else 0) - TRIES
            wait = min(2 ** min(max(over, 0), 10), _LONGEST_WAIT) * 60 * MICROSECONDS
            connection.execute(
                "UPDATE account SET locked_until = ? WHERE id = ? AND failures >= ? "
                "AND (locked_until IS NULL OR locked_until <= ?)",
                (now + wait, account_id, TRIES, now),
            )

        who = account_id or "stranger"
        act = Act(who, "session.open", who, "refused", correlation, source=address)
        await self._run(SYSTEM, work, [act])
        if account is not None:
            self.forget(account.id)
        return wrong()

    def _pending(self, account_id: str) -> str:
        told = f"{account_id}.{self.now() + _PENDING}"
        return f"{told}.{self._mac(told)}"

    def _mac(self, told: str) -> str:
        return hmac.new(self.secret, b"second factor:" + told.encode(), sha256).hexdigest()


def _made_room(account_id: str, ended: Sequence[str], correlation: str) -> list[Act]:
    detail = f"{len(ended)} seen the longest ago"
    return [Act(account_id, "session.close", account_id, "done", correlation, detail)] if ended else []


class _NotSpent(Exception):  # noqa: N818 - not an error: a code that opens nothing
    pass
