"""People of each role to try the city as, on one's own machine only; the first real account ends them."""

import asyncio

from dothi.access.accounts import Accounts, wrong
from dothi.access.grants import NOT_FOR_PEOPLE, Granted
from dothi.access.policy import SYSTEM
from dothi.access.roles import ROLES

DEMO_ROLES = tuple(role for role in ROLES if role not in NOT_FOR_PEOPLE)
"""The roles that there is a demo person of, in the order of the table of roles."""


class DemoPeople:
    """One demo person a role, made when first asked for. ``ward`` (code) is the ward officer's.

    Where the demo is not offered (``Accounts.offers_demo``) nobody becomes one of them, and sessions of theirs are nobody's.
    """

    def __init__(self, accounts: Accounts, ward: str | None) -> None:
        self._accounts, self._ward = accounts, ward
        self._making = asyncio.Lock()  # two who press the same button at once become the same person

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that are offered now; empty where the demo is not."""
        return DEMO_ROLES if self._accounts.offers_demo else ()

    async def sign_in(self, role: str, *, address: str, agent: str, correlation: str) -> str:
        """The value of a session's cookie as the demo person of ``role``. Raises Problem 401 where there is none."""
        account_id = await self.account(role, correlation=correlation)
        return await self._accounts.open_session(
            account_id, strong=False, address=address, agent=agent, correlation=correlation
        )

    async def account(self, role: str, *, correlation: str = "") -> str:
        """The account's id of the demo person of ``role``. Raises Problem 401 where there is none."""
        if role not in self.roles:
            raise wrong()
        async with self._making:
            account = self._accounts.account_of_login(f"demo-{role}")
            return account.id if account is not None else await self._make(role, correlation)

    async def _make(self, role: str, correlation: str) -> str:
        ward = (self._ward,) if role == "ward_officer" and self._ward is not None else None
        granted = [Granted(role, ROLES[role].ceiling, wards=ward)]
        return await self._accounts.create(
            SYSTEM, f"demo-{role}", ROLES[role].title.vi, granted, demo=True, correlation=correlation
        )
