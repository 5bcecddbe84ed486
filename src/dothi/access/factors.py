"""What somebody shows beside their password, kept by themselves: the app's code and the recovery codes for a lost phone."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from dothi.access.known import Known
from dothi.access.passkeys import Passkeys
from dothi.access.policy import Person
from dothi.access.sessions import Writes
from dothi.access.totp import Totp, accept, new_recovery_codes, new_totp, open_totp, recovery_hash, seal_totp
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.store.audit import Act
from dothi.store.connection import Connection, Database

T = TypeVar("T")


class Factors:
    """Second factors of the accounts of ``accounts``, each changed by its owner only; ``passkeys`` are one kind of them."""

    def __init__(self, database: Database, writer: Writes, accounts: Known) -> None:
        self._database, self._writer, self._accounts = database, writer, accounts
        self.passkeys = Passkeys(database, writer, accounts.clock, accounts.secret)

    def begin_totp(self, account: str) -> tuple[Totp, str]:
        """A fresh secret to show, and the same sealed, for the form that comes back with a code. Nothing is kept yet."""
        made = new_totp()
        return made, seal_totp(self._accounts.secret, account, made).hex()

    def offered_totp(self, account: str, sealed: str) -> Totp:
        """The secret that ``begin_totp`` sealed for this account. Raises Problem 400 for anything else."""
        try:
            found = open_totp(self._accounts.secret, account, bytes.fromhex(sealed))
        except ValueError:
            found = None
        if found is None:
            raise Problem(400, "stale-form", "This code is no longer offered.", "Begin again with a new QR code.")
        return found

    async def keep_totp(self, person: Person, offered: Totp, code: str, *, correlation: str, source: str) -> list[str]:
        """Ask for the app's code from now on, if ``code`` shows that the app has the secret; gives new recovery codes.

        Raises Problem 400 for a code that does not fit.
        """
        kept = accept(offered, code, self._accounts.clock.now())
        if kept is None:
            raise Problem(400, "wrong-code", "This code does not fit.", "Type the code that the app shows now.")
        sealed = seal_totp(self._accounts.secret, person.id, kept)
        codes = new_recovery_codes()

        def work(connection: Connection) -> None:
            connection.execute("UPDATE account SET totp = ? WHERE id = ?", (sealed, person.id))
            self._replace_codes(connection, person.id, codes)

        await self._run(person, work, "totp.add", correlation, source)
        return codes

    async def drop_totp(self, person: Person, *, correlation: str, source: str) -> None:
        """Ask for the app's code no more; the recovery codes, which stand in for it, go with it."""

        def work(connection: Connection) -> None:
            connection.execute("UPDATE account SET totp = NULL WHERE id = ?", (person.id,))
            self._replace_codes(connection, person.id, [])

        await self._run(person, work, "totp.remove", correlation, source)

    async def renew_codes(self, person: Person, *, correlation: str, source: str) -> list[str]:
        """New recovery codes; the old ones work no more. They can be read in this answer and never again."""
        codes = new_recovery_codes()
        await self._run(
            person,
            lambda connection: self._replace_codes(connection, person.id, codes),
            "recovery.renew",
            correlation,
            source,
        )
        return codes

    async def codes_left(self, account: str) -> int:
        """How many recovery codes were not used yet."""

        def count() -> int:
            with self._database.reader() as connection:
                ((left,),) = connection.execute(
                    "SELECT count(*) FROM credential WHERE account = ? AND kind = 'recovery' AND used_at IS NULL", (account,)
                ).fetchall()
            return int(left)

        return await asyncio.to_thread(count)

    def _replace_codes(self, connection: Connection, account: str, codes: list[str]) -> None:
        now = to_micros(self._accounts.clock.now())
        connection.execute("DELETE FROM credential WHERE account = ? AND kind = 'recovery'", (account,))
        hashes = [recovery_hash(self._accounts.secret, account, code) for code in codes]
        connection.executemany(
            "INSERT INTO credential (id, account, kind, secret, created_at) VALUES (?,?,'recovery',?,?)",
            [(f"recovery-{kept.hex()[:24]}", account, kept, now) for kept in hashes],
        )

    async def _run(
        self, person: Person, work: Callable[[Connection], T], action: str, correlation: str, source: str
    ) -> None:
        act = Act(person.id, action, person.id, correlation=correlation, source=source)
        await self._writer.run(person, self._accounts.clock.now(), work, [act], action="account.own")
        self._accounts.forget(person.id)
