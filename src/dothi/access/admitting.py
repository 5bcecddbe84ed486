"""Who is admitted and what they are granted: each change in the name of a person, within what that person administers."""

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dothi.access.grants import Granted, check, decode, encode, inside, require_within
from dothi.access.hashes import hash_of
from dothi.access.known import SELECT, Account, Known, account_of, normal_login
from dothi.access.policy import SYSTEM, WHOLE_CITY, Clearance, Grant, Person, reach
from dothi.access.roles import ROLES
from dothi.access.sessions import HOUR
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.text import fold, nfc
from dothi.store.audit import Act
from dothi.store.connection import Conflict, Connection

LINK_PATH = "/sign-in/link"
"""The page that a one-time link leads to; the token is its query parameter ``token``, so that no log has it."""
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,63}")
_LASTS = {"first": 7 * 24 * HOUR, "invite": 7 * 24 * HOUR, "reset": 24 * HOUR}


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a one-time link is for: ``purpose`` "first", "invite" or "reset"; ``account`` is empty for the first."""

    purpose: str
    account: str
    expires_at: int


class Admitting(Known):
    """Making and changing accounts. ``by`` is who does it; their action is ``people.write``.

    Every change is audited with ids only, and holds at once: the next request of the account is judged by it.
    """

    def visible(self, asker: Person, account: Account) -> bool:
        """True if ``asker`` may know of ``account``: all that it holds lies in what they administer."""
        return _reaches(asker, "people.read", account, self)

    def get(self, asker: Person, account_id: str) -> Account:
        """One account. Raises Problem 404 if there is none, or none that ``asker`` may know of."""
        account = self.account(account_id)
        if account is None or not self.visible(asker, account):
            raise not_found("account", account_id)
        return account

    def list(self, asker: Person, q: str = "", *, limit: int = 50, offset: int = 0) -> tuple[list[Account], int]:
        """A page of the accounts that ``asker`` may know of, by login, and how many there are; ``q`` is part of a name.

        Accents and capitals do not matter in ``q``.
        """
        wanted = f"%{_escaped(fold(nfc(q)).strip())}%"
        with self._database.reader() as connection:
            rows = connection.execute(f"{SELECT} WHERE folded LIKE ? ESCAPE '!' ORDER BY login", (wanted,)).fetchall()
        found = [one for one in map(account_of, rows) if self.visible(asker, one)]
        return found[offset : offset + limit], len(found)

    async def create(
        self,
        by: Person,
        login: str,
        name: str,
        granted: Iterable[Granted] = (),
        *,
        kind: str = "person",
        subject: str | None = None,
        demo: bool = False,
        correlation: str = "",
    ) -> str:
        """A new account's id; it has no password yet: hand out ``reset_link``.

        Raises Problem 400 for a login, name or grant that is none, 403 beyond what ``by`` administers, 409 if the login or
        the subject is taken.
        """
        granted = tuple(granted)
        account_id, login, name = f"p-{secrets.token_hex(10)}", checked_login(login), checked_name(name)
        check(granted, kind)
        self._require_mine(by, granted)
        now = self.now()

        def work(connection: Connection) -> None:
            connection.execute(
                "INSERT INTO account (id, kind, login, name, folded, state, grants, demo, subject, created_at, changed_at) "
                "VALUES (?,?,?,?,?,'active',?,?,?,?,?)",
                (account_id, kind, login, name, fold(f"{name} {login}"), encode(granted), int(demo), subject, now, now),
            )

        act = Act(by.id, "account.create", account_id, "done", correlation, _told(granted))
        try:
            await self._run(by, work, [act], action="people.write")
        except Conflict:
            raise Problem(409, "taken", f"{login!r} is taken already.", "Choose another login.") from None
        self._real = None
        return account_id

    async def change_grants(self, by: Person, account_id: str, granted: Iterable[Granted], *, correlation: str = "") -> None:
        """Give the account exactly ``granted``.

        Raises Problem 400 for grants that are none, 403 for one's own account or beyond what ``by`` administers, 404, 409 if
        nobody would administer the city any more.
        """
        granted = tuple(granted)
        account = self._changeable(by, account_id)
        check(granted, account.kind)
        self._require_mine(by, granted)

        def work(connection: Connection) -> None:
            connection.execute(
                "UPDATE account SET grants = ?, changed_at = ? WHERE id = ?", (encode(granted), self.now(), account_id)
            )
            self._still_administered(connection, account)

        await self._change(
            by, account_id, work, Act(by.id, "account.grant", account_id, "done", correlation, _told(granted))
        )

    async def disable(self, by: Person, account_id: str, *, correlation: str = "") -> None:
        """Shut the account out, and end its sessions at once. Raises as ``change_grants``."""
        account = self._changeable(by, account_id)

        def work(connection: Connection) -> None:
            self._shut(connection, account_id)
            self._still_administered(connection, account)

        await self._change(by, account_id, work, Act(by.id, "account.disable", account_id, "done", correlation))
        self.sessions.forget(account_id)

    async def enable(self, by: Person, account_id: str, *, correlation: str = "") -> None:
        """Let a disabled account in again, with what it was granted, its lock lifted. Raises as ``change_grants``."""
        self._changeable(by, account_id)
        now = self.now()

        def work(connection: Connection) -> None:
            connection.execute(
                "UPDATE account SET state = 'active', failures = 0, locked_until = NULL, last_seen = ?, changed_at = ? "
                "WHERE id = ?",
                (now, now, account_id),
            )

        await self._change(by, account_id, work, Act(by.id, "account.enable", account_id, "done", correlation))

    async def reset_link(self, by: Person, account_id: str, *, correlation: str = "") -> str:
        """The token of a link by which the account sets its password, once; earlier links of it die.

        An invitation (a week) where it has none yet, else a reset (a day). Raises as ``change_grants``, 400 for a system.
        """
        account = self._changeable(by, account_id)
        if account.kind != "person":
            raise bad_request("A system has no password.", "Make a key for it instead.")
        return await self._ticket(by, account_id, "reset" if account.password else "invite", correlation)

    async def forget_factors(self, by: Person, account_id: str, *, correlation: str = "") -> None:
        """Take the account's second factors back, for somebody who lost them; it ends its sessions. Raises as above."""
        self._changeable(by, account_id)

        def work(connection: Connection) -> None:
            connection.execute("UPDATE account SET totp = NULL, changed_at = ? WHERE id = ?", (self.now(), account_id))
            connection.execute("DELETE FROM credential WHERE account = ? AND kind IN ('passkey', 'recovery')", (account_id,))
            self.sessions.delete(connection, account_id)

        await self._change(by, account_id, work, Act(by.id, "account.forget-factors", account_id, "done", correlation))
        self.sessions.forget(account_id)

    async def first_link(self, by: Person = SYSTEM, *, correlation: str = "") -> str:
        """The token of a link that makes the first administrator, for a week; earlier ones die.

        Raises Problem 403 for who does not administer the whole city: it would give more than they hold. 409 if there is an
        administrator already.
        """
        require_within(by, [Grant("administrator", WHOLE_CITY, Clearance(ROLES["administrator"].ceiling))])
        self.require_no_administrator()
        return await self._ticket(by, "", "first", correlation)

    @property
    def needs_first_link(self) -> bool:
        """True at the first start: nobody administers the city, and no link to become it was ever made."""
        with self._database.reader() as connection:
            made = connection.execute("SELECT 1 FROM ticket WHERE purpose = 'first'").fetchone()
            return made is None and not _administrators(connection)

    def require_no_administrator(self) -> None:
        """Raises Problem 409 if somebody administers the city already."""
        with self._database.reader() as connection:
            if _administrators(connection):
                raise Problem(
                    409,
                    "administered",
                    "This city has an administrator.",
                    "Ask them, or make a link for them: dothi account reset-link LOGIN",
                )

    def ticket(self, token: str) -> Ticket | None:
        """What the link with ``token`` is for; None if it was used, is too old or never was."""
        with self._database.reader() as connection:
            row = connection.execute(
                "SELECT purpose, account, expires_at FROM ticket WHERE id = ? AND used_at IS NULL AND expires_at > ?",
                (hash_of(token), self.now()),
            ).fetchone()
        return Ticket(*row) if row else None

    def _spend(self, connection: Connection, token: str) -> None:
        """Use up the ticket inside the caller's transaction. Raises Problem 404 if it is gone by now."""
        now = self.now()
        spent = connection.execute(
            "UPDATE ticket SET used_at = ? WHERE id = ? AND used_at IS NULL AND expires_at > ?", (now, hash_of(token), now)
        )
        if spent.rowcount != 1:
            raise stale_link()

    async def sweep(self) -> int:
        """Disable what was not used for 45 days, and forget what is over; how many accounts were disabled."""
        now = self.now()
        idle = [one for one in self._read("state = 'active' AND demo = 0") if one.unused(now)]

        def work(connection: Connection) -> None:
            for one in idle:
                self._shut(connection, one.id)
            self.sessions.sweep(connection)
            connection.execute("DELETE FROM ticket WHERE expires_at <= ? AND purpose <> 'first'", (now,))

        await self._run(
            SYSTEM, work, [Act(SYSTEM.id, "account.disable", one.id, detail="not used for 45 days") for one in idle]
        )
        for one in idle:
            self.forget(one.id)
            self.sessions.forget(one.id)
        return len(idle)

    async def _ticket(self, by: Person, account_id: str, purpose: str, correlation: str) -> str:
        token, now = secrets.token_urlsafe(32), self.now()

        def work(connection: Connection) -> None:
            connection.execute("UPDATE ticket SET used_at = ? WHERE account = ? AND used_at IS NULL", (now, account_id))
            connection.execute(
                "INSERT INTO ticket (id, account, purpose, expires_at) VALUES (?,?,?,?)",
                (hash_of(token), account_id, purpose, now + _LASTS[purpose]),
            )

        act = Act(by.id, f"account.{purpose}-link", account_id or "city", "done", correlation)
        await self._run(by, work, [act], action="people.write")
        return token

    def _changeable(self, by: Person, account_id: str) -> Account:
        account = self.get(by, account_id)
        if by.id == account_id:
            raise Problem(403, "own-account", "Nobody changes what they themselves may do.", "Ask another administrator.")
        require_within(by, [one.grant(self.types_of_sector) for one in account.granted])
        return account

    def _require_mine(self, by: Person, granted: Iterable[Granted]) -> None:
        """Refuse what ``by`` does not administer; nothing at all, too, lies in no part of the city. Raises Problem 403."""
        grants = [one.grant(self.types_of_sector) for one in granted]
        require_within(by, grants or [Grant("stranger", WHOLE_CITY, Clearance.PUBLIC)])

    def _shut(self, connection: Connection, account_id: str) -> None:
        connection.execute("UPDATE account SET state = 'disabled', changed_at = ? WHERE id = ?", (self.now(), account_id))
        self.sessions.delete(connection, account_id)

    def _still_administered(self, connection: Connection, was: Account) -> None:
        """Refuse to take the last administrator away. Raises Problem 409."""
        if not was.demo and any(one.role == "administrator" for one in was.granted) and not _administrators(connection):
            raise Problem(
                409, "last-administrator", "Nobody would administer the city any more.", "Make another administrator first."
            )

    async def _change(self, by: Person, account_id: str, work: Callable[[Connection], None], act: Act) -> None:
        await self._run(by, work, [act], action="people.write")
        self.forget(account_id)


def checked_login(login: str) -> str:
    """``login`` in its one form. Raises Problem 400 for one that is none."""
    login = normal_login(login)
    if not _LOGIN.fullmatch(login):
        raise bad_request(f"{login[:64]!r} cannot be a login.", "Use 2 to 64 letters without accents, digits and . _ @ + -.")
    return login


def checked_name(name: str) -> str:
    """``name`` in NFC, in one line. Raises Problem 400 for none or a very long one."""
    name = " ".join(nfc(name).split())
    if not 0 < len(name) <= 120 or not name.isprintable():
        raise bad_request("A name has 1 to 120 characters.", "Write the name as people here know it.")
    return name


def stale_link() -> Problem:
    """The problem of a one-time link that works no more."""
    return Problem(404, "stale-link", "This link works no more.", "Ask whoever sent it for a new one.")


def _administrators(connection: Connection) -> bool:
    """True if somebody who may sign in administers the whole city."""
    rows = connection.execute("SELECT grants FROM account WHERE state = 'active' AND demo = 0").fetchall()
    granted = [one for (text,) in rows for one in decode(text) if one.role == "administrator"]
    return any(one.wards is None and one.agencies is None and one.sectors is None for one in granted)


def _reaches(asker: Person, action: str, account: Account, known: Known) -> bool:
    reached = reach(asker, action)
    scopes = [scope for _, scope in reached.parts] if reached is not None else []
    if any(scope.everything for scope in scopes):
        return True
    grants = [one.grant(known.types_of_sector) for one in account.granted]
    return bool(grants) and all(any(inside(one.scope, scope) for scope in scopes) for one in grants)


def _told(granted: Iterable[Granted]) -> str:
    """Grants in a line of the audit log."""
    told = []
    for one in granted:
        bounds = (("wards", one.wards), ("agencies", one.agencies), ("sectors", one.sectors))
        over = " ".join(f"{name} {','.join(bound)}" for name, bound in bounds if bound is not None)
        told.append(f"{one.role} {Clearance(one.clearance).name.lower()} {over}".strip())
    return "; ".join(told) or "nothing"


def _escaped(text: str) -> str:
    return re.sub(r"([!%_])", r"!\1", text)
