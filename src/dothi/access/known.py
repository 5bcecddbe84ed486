"""Who is known here: accounts as their rows say, kept in memory and exact, because this process alone writes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dothi.access.grants import STRONG_ROLES, Granted, decode
from dothi.access.policy import Person, Thing, may
from dothi.access.sessions import IDLE_STRONG, Sessions, Writes
from dothi.model.clock import MICROSECONDS, Clock, to_micros
from dothi.model.text import nfc
from dothi.store.audit import Act
from dothi.store.connection import Connection, Database

T = TypeVar("T")
IDLE_DAYS = 45
"""An account that was not used for so long is disabled (system security levels, all of them; NĐ 331/2026)."""
IDLE = IDLE_DAYS * 86_400 * MICROSECONDS

_COLUMNS = (
    "id, kind, login, name, state, grants, password, totp, failures, locked_until, demo, subject, created_at, last_seen"
)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody or some system that is known here; moments in µs since 1970 UTC of the machine's clock.

    ``kind`` is "person" or "system"; ``state`` "active" or "disabled"; ``password`` says whether there is one; ``totp`` is
    the sealed secret; ``subject`` "issuer subject" of a sign-in elsewhere; ``last_seen`` is exact to a minute in lists.
    """

    id: str
    kind: str
    login: str
    name: str
    state: str
    granted: tuple[Granted, ...]
    password: str | None
    totp: bytes | None
    failures: int
    locked_until: int | None
    demo: bool
    subject: str | None
    created_at: int
    last_seen: int | None

    @property
    def active(self) -> bool:
        """True unless it was disabled."""
        return self.state == "active"

    @property
    def strong_role(self) -> bool:
        """True if it holds a role that needs a second factor."""
        return any(one.role in STRONG_ROLES for one in self.granted)

    @property
    def idle(self) -> int | None:
        """The longest silence (µs) in a session of it; None without a bound but the session's end."""
        return IDLE_STRONG if self.strong_role else None

    def unused(self, now: int) -> bool:
        """True if it was not used for so long before ``now`` that it is to be disabled."""
        return now - max(self.created_at, self.last_seen or 0) >= IDLE

    def locked(self, now: int) -> bool:
        """True while its password is not looked at, after too many that were wrong."""
        return self.locked_until is not None and now < self.locked_until


class Known:
    """The accounts as they are read. ``clock`` is the machine's, not a replay city's; ``secret`` the installation's.

    ``types_of_sector`` gives the entity types (IRIs) that a sector declares: what a grant over a sector covers. ``demo`` is
    True where only this machine reaches the city.
    """

    def __init__(
        self,
        database: Database,
        writer: Writes,
        clock: Clock,
        secret: bytes,
        types_of_sector: Mapping[str, frozenset[str]],
        *,
        demo: bool = False,
    ) -> None:
        self._database, self._writer, self.clock, self.secret = database, writer, clock, secret
        self.types_of_sector, self._demo = types_of_sector, demo
        self.sessions = Sessions(database, writer, clock)
        self._kept: dict[str, Account] = {}
        self._people: dict[tuple[str, bool], Person] = {}
        self._real: bool | None = None

    def now(self) -> int:
        """The machine's present moment, µs since 1970 UTC."""
        return to_micros(self.clock.now())

    def account(self, account_id: str) -> Account | None:
        """The account with this id, whatever its state."""
        kept = self._kept.get(account_id)
        if kept is None:
            found = self._read("id = ?", account_id)
            if not found:
                return None
            kept = self._kept[account_id] = found[0]
        return kept

    def account_of_login(self, login: str) -> Account | None:
        """The account that signs in as ``login``, in capitals or small letters."""
        return next(iter(self._read("login = ?", normal_login(login))), None)

    def account_of_subject(self, subject: str) -> Account | None:
        """The account that signs in elsewhere as ``subject`` ("issuer subject")."""
        return next(iter(self._read("subject = ?", subject)), None)

    def person_of(self, account_id: str) -> Person | None:
        """Who the account is to the policy, with all its grants; None if it is unknown, disabled or may not sign in here."""
        account = self.account(account_id)
        return self._person(account, strong=True) if account is not None and self.welcome(account) else None

    def able(self, action: str, thing: Thing) -> list[Account]:
        """The people who may do ``action`` to ``thing``, by name: whom it can be given to."""
        found = [one for one in self._read("kind = 'person' AND state = 'active'") if self.welcome(one)]
        return sorted((one for one in found if may(self._person(one, strong=True), action, thing)), key=lambda one: one.name)

    def welcome(self, account: Account) -> bool:
        """True if the account is active; one of the demo only where the demo is offered."""
        return account.active and (not account.demo or self.offers_demo)

    @property
    def offers_demo(self) -> bool:
        """True in a city that only this machine reaches, and only until somebody real has an account."""
        if self._real is None:
            self._real = bool(self._read("demo = ?", 0))
        return self._demo and not self._real

    def factors(self, account_id: str) -> frozenset[str]:
        """What the account shows beside its password: "totp", "passkey", "recovery"; empty if nothing."""
        account = self.account(account_id)
        with self._database.reader() as connection:
            rows = connection.execute(
                "SELECT DISTINCT kind FROM credential WHERE account = ? AND revoked_at IS NULL "
                "AND (kind = 'passkey' OR kind = 'recovery' AND used_at IS NULL)",
                (account_id,),
            ).fetchall()
        return frozenset([kind for (kind,) in rows] + (["totp"] if account is not None and account.totp else []))

    def forget(self, account_id: str) -> None:
        """Read the account anew when it is next asked for: its row was changed."""
        self._kept.pop(account_id, None)
        for strong in (True, False):
            self._people.pop((account_id, strong), None)

    def _person(self, account: Account, *, strong: bool) -> Person:
        """``account`` to the policy; without a second factor (``strong``) the roles that need one are asleep."""
        strong = strong or account.demo
        person = self._people.get((account.id, strong))
        if person is None:
            awake = [one for one in account.granted if strong or one.role not in STRONG_ROLES]
            person = Person(account.id, tuple(one.grant(self.types_of_sector) for one in awake))
            self._people[account.id, strong] = person
        return person

    def _read(self, where: str, *values: object) -> list[Account]:
        with self._database.reader() as connection:
            return [account_of(row) for row in connection.execute(f"{SELECT} WHERE {where}", values).fetchall()]

    async def _run(
        self, by: Person, work: Callable[[Connection], T], acts: Sequence[Act] = (), *, action: str = "entity.write"
    ) -> T:
        return await self._writer.run(by, self.clock.now(), work, acts, action=action)


SELECT = f"SELECT {_COLUMNS} FROM account"  # noqa: S608 - words of ours


def account_of(row: Sequence[object]) -> Account:
    """The account in a row that ``SELECT`` gave."""
    values = list(row)
    values[5], values[10] = decode(str(values[5])), bool(values[10])
    values[7] = None if values[7] is None else bytes(values[7])  # type: ignore[call-overload]  # a BLOB
    return Account(*values)  # type: ignore[arg-type]  # as the columns are


def normal_login(login: str) -> str:
    """The one form of a login: NFC, small letters."""
    return nfc(login).strip().lower()
