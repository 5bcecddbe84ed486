"""Coming in: passwords, locks, links and sessions, at both homes; never a word about what was wrong."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import argon2
import pytest
from accounts_world import FROM, NOON, PASSWORD, World

from dothi.access.accounts import MOST_SESSIONS, TRIES, NeedsSecond
from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM, Clearance, Thing, may
from dothi.access.totp import new_totp, seal_totp
from dothi.model.problem import Problem
from dothi.store.audit import verify

pytestmark = pytest.mark.usefixtures("homes")


@pytest.fixture
def world(tmp_path: Path, homes: object) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    with made.database.reader() as db:
        assert verify(db).intact
    made.close()


async def refused(world: World, login: str, password: str) -> Problem:
    with pytest.raises(Problem) as told:
        await world.accounts.sign_in(login, password, **FROM)
    return told.value


def test_who_has_the_password_has_a_session_until_it_ends(world: World) -> None:
    async def live() -> None:
        account = await world.admit("an", Granted("operator", wards=("00004",)))
        cookie = await world.accounts.sign_in(" AN", PASSWORD, **FROM)
        assert isinstance(cookie, str)
        signed = await world.accounts.session_person(cookie)
        assert signed is not None
        assert (signed.account_id, signed.strong, signed.demo) == (account, False, False)
        assert may(signed.person, "operations.read", Thing(Clearance.INTERNAL, ward="00004"))
        assert not may(signed.person, "operations.read", Thing(Clearance.INTERNAL, ward="00005"))
        assert cookie not in str(world.accounts.sessions_of(account))
        world.reopen()
        assert await world.accounts.session_person(cookie) == signed
        assert await world.accounts.session_person(cookie[:-1]) is None
        world.clock.advance(timedelta(hours=11, minutes=59))
        assert await world.accounts.session_person(cookie) is not None
        world.clock.advance(timedelta(minutes=2))
        assert await world.accounts.session_person(cookie) is None
        assert world.accounts.sessions_of(account) == []

    asyncio.run(live())


def test_unknown_wrong_locked_disabled_and_unused_are_told_the_same(world: World) -> None:
    async def live() -> None:
        for login in ("wrong", "locked", "disabled", "unused"):
            account = await world.admit(login)
            if login == "disabled":
                await world.accounts.disable(SYSTEM, account)
        for _ in range(TRIES):
            await refused(world, "locked", "not this one at all")
        world.clock.advance(timedelta(seconds=1))
        told = [
            await refused(world, "nobody", PASSWORD),
            await refused(world, "wrong", "not this one at all"),
            await refused(world, "locked", PASSWORD),
            await refused(world, "disabled", PASSWORD),
        ]
        world.clock.advance(timedelta(days=45))
        told.append(await refused(world, "unused", PASSWORD))
        assert {(one.status, one.code, one.title, one.detail) for one in told} == {
            (401, "wrong-sign-in", told[0].title, told[0].detail)
        }
        assert ("stranger", "session.open", "stranger", "refused") in world.acts()

    asyncio.run(live())


def test_unknown_wrong_locked_and_disabled_cost_the_same_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time tells nothing where the same is done: one comparison of the same cost, one transaction, one act."""
    done: list[str] = []
    compare, write = argon2.PasswordHasher.verify, world.writer.run

    def compared(hasher: argon2.PasswordHasher, kept: str, password: str) -> bool:
        done.append(kept.rpartition("p=1$")[0])
        return compare(hasher, kept, password)

    async def written(*given: Any, **named: Any) -> Any:
        done.append(f"transaction with {len(given[3])} acts")
        return await write(*given, **named)

    async def live() -> None:
        for login in ("wrong", "locked", "disabled"):
            account = await world.admit(login)
            if login == "disabled":
                await world.accounts.disable(SYSTEM, account)
        for _ in range(TRIES):
            await refused(world, "locked", "not this one at all")
        monkeypatch.setattr(argon2.PasswordHasher, "verify", compared)
        monkeypatch.setattr(world.writer, "run", written)
        costs = []
        for login in ("nobody", "wrong", "locked", "disabled"):
            done.clear()
            await refused(world, login, "not this one at all")
            costs.append(list(done))
        assert len(costs[0]) == 2
        assert costs[1:] == costs[:1] * 3

    asyncio.run(live())


def test_a_lock_grows_ends_and_is_forgotten_after_a_success(world: World) -> None:
    async def live() -> None:
        account = await world.admit("an")
        for waited in (1, 2, 4, 8, 16, 32, 60, 60):
            for _ in range(TRIES if waited == 1 else 1):
                await refused(world, "an", "not this one at all")
            known = world.accounts.account(account)
            assert known is not None and known.locked_until is not None
            assert known.locked_until - world.accounts.now() == waited * 60_000_000
            await refused(world, "an", PASSWORD)  # the right one is not looked at, and the wait does not grow
            again = world.accounts.account(account)
            assert again is not None and again.locked_until == known.locked_until
            world.clock.advance(timedelta(minutes=waited))
        assert await world.accounts.sign_in("an", PASSWORD, **FROM)
        known = world.accounts.account(account)
        assert known is not None
        assert (known.failures, known.locked_until) == (0, None)

    asyncio.run(live())


def test_a_strong_role_sleeps_until_the_second_factor_and_its_session_ends_in_silence(world: World) -> None:
    async def live() -> None:
        account = await world.admit("chi", Granted("administrator", 2), Granted("leader"))
        weak = await world.accounts.open_session(account, strong=False, **FROM)
        strong = await world.accounts.open_session(account, strong=True, **FROM)
        one, other = await world.accounts.session_person(weak), await world.accounts.session_person(strong)
        assert one is not None and other is not None
        assert may(one.person, "operations.read") and not may(one.person, "people.write")
        assert may(other.person, "people.write")
        for _ in range(3):
            world.clock.advance(timedelta(minutes=29))
            assert await world.accounts.session_person(strong) is not None
        world.clock.advance(timedelta(minutes=30))
        assert await world.accounts.session_person(strong) is None

    asyncio.run(live())


def test_the_second_step_counts_its_tries_and_takes_a_code_once(world: World) -> None:
    from pyotp import TOTP

    async def live() -> None:
        account = await world.admit("binh", Granted("administrator", 2))
        totp = new_totp()
        sealed = seal_totp(world.accounts.secret, account, totp)
        await world.writer.run(
            SYSTEM, NOON, lambda db: db.execute("UPDATE account SET totp = ? WHERE id = ?", (sealed, account))
        )
        world.accounts.forget(account)
        came = await world.accounts.sign_in("binh", PASSWORD, **FROM)
        assert isinstance(came, NeedsSecond)
        assert came.factors == {"totp"}
        code = TOTP(totp.secret).at(NOON)
        wrong = "000000" if code != "000000" else "111111"
        for bad in (came.pending.replace(account, "p-0"), came.pending + "0", "", "a.b.c"):
            with pytest.raises(Problem, match="does not sign you in"):
                await world.accounts.second_factor(bad, code, **FROM)
        with pytest.raises(Problem, match="does not sign you in"):
            await world.accounts.second_factor(came.pending, wrong, **FROM)
        known = world.accounts.account(account)
        assert known is not None and known.failures == 1
        cookie = await world.accounts.second_factor(came.pending, code, **FROM)
        signed = await world.accounts.session_person(cookie)
        assert signed is not None and signed.strong and may(signed.person, "people.write")
        with pytest.raises(Problem, match="does not sign you in"):
            await world.accounts.second_factor(came.pending, code, **FROM)
        world.clock.advance(timedelta(minutes=5))
        assert world.accounts.pending_account(came.pending) is None

    asyncio.run(live())


def test_the_password_counts_its_tries_although_it_fits_while_the_code_does_not(world: World) -> None:
    async def live() -> None:
        account = await world.admit("binh")
        sealed = seal_totp(world.accounts.secret, account, new_totp())
        await world.writer.run(
            SYSTEM, NOON, lambda db: db.execute("UPDATE account SET totp = ? WHERE id = ?", (sealed, account))
        )
        world.accounts.forget(account)
        for _ in range(TRIES):
            came = await world.accounts.sign_in("binh", PASSWORD, **FROM)
            assert isinstance(came, NeedsSecond)
            with pytest.raises(Problem):
                await world.accounts.second_factor(came.pending, "no code", **FROM)
        await refused(world, "binh", PASSWORD)

    asyncio.run(live())


def test_signing_out_changing_the_password_and_being_shut_out_end_sessions_at_once(world: World) -> None:
    async def live() -> None:
        account = await world.admit("an", Granted("leader"))
        cookies = [await world.accounts.open_session(account, strong=False, **FROM) for _ in range(3)]
        signed = [await world.accounts.session_person(cookie) for cookie in cookies]
        assert signed[0] is not None and signed[1] is not None
        await world.accounts.sign_out(signed[0])
        assert [await world.accounts.session_person(cookie) is None for cookie in cookies] == [True, False, False]
        with pytest.raises(Problem, match="does not sign you in"):
            await world.accounts.change_password(signed[1], "not this one at all", "một câu khác hẳn 42")
        await world.accounts.change_password(signed[1], PASSWORD, "một câu khác hẳn 42")
        world.reopen()
        assert [await world.accounts.session_person(cookie) is None for cookie in cookies] == [True, False, True]
        await refused(world, "an", PASSWORD)
        assert await world.accounts.session_person(cookies[1]) and world.accounts.holds(signed[1])
        await world.accounts.disable(SYSTEM, account)
        assert await world.accounts.session_person(cookies[1]) is None
        assert not world.accounts.holds(signed[1])
        assert world.accounts.person_of(account) is None
        await world.accounts.enable(SYSTEM, account)
        assert await world.accounts.session_person(cookies[1]) is None, "what was ended stays ended"
        assert world.accounts.person_of(account) is not None

    asyncio.run(live())


def test_a_link_works_once_and_not_for_ever(world: World) -> None:
    async def live() -> None:
        accounts = world.accounts
        account = await accounts.create(SYSTEM, "an", "An")
        first = await accounts.reset_link(SYSTEM, account)
        token = await accounts.reset_link(SYSTEM, account)
        assert accounts.ticket(first) is None, "a new link ends the older one"
        found = accounts.ticket(token)
        assert found is not None and (found.purpose, found.account) == ("invite", account)
        with pytest.raises(Problem, match="easy to guess"):
            await accounts.redeem(token, "matkhau123456", **FROM)
        both = await asyncio.gather(*(accounts.redeem(token, PASSWORD, **FROM) for _ in range(2)), return_exceptions=True)
        assert sorted(type(one).__name__ for one in both) == ["Problem", "str"]
        again = await accounts.reset_link(SYSTEM, account)
        assert getattr(accounts.ticket(again), "purpose", "") == "reset"
        world.clock.advance(timedelta(days=1))
        assert accounts.ticket(again) is None
        with pytest.raises(Problem, match="works no more"):
            await accounts.redeem(again, PASSWORD, **FROM)

    asyncio.run(live())


def test_the_first_link_makes_one_administrator(world: World) -> None:
    async def live() -> None:
        accounts = world.accounts
        assert accounts.needs_first_link
        lost = await accounts.first_link()
        assert not accounts.needs_first_link, "it is said once"
        token = await accounts.first_link()
        with pytest.raises(Problem, match="works no more"):
            await accounts.redeem(lost, PASSWORD, login="root", name="Ai đó", **FROM)
        cookie = await accounts.redeem(token, PASSWORD, login="Chi", name=" Nguyễn  Chi ", **FROM)
        assert isinstance(cookie, str)
        signed = await accounts.session_person(cookie)
        assert signed is not None and signed.name == "Nguyễn Chi"
        person = accounts.person_of(signed.account_id)
        assert person is not None and may(person, "people.write", Clearance.RESTRICTED)
        for work in (accounts.first_link(), accounts.redeem(token, PASSWORD, login="b", name="B", **FROM)):
            with pytest.raises(Problem):
                await work
        with pytest.raises(Problem, match="Nobody would administer"):
            await accounts.disable(SYSTEM, signed.account_id)
        with pytest.raises(Problem, match="Nobody would administer"):
            await accounts.change_grants(SYSTEM, signed.account_id, [Granted("leader")])

    asyncio.run(live())


def test_who_was_not_seen_for_45_days_is_disabled(world: World) -> None:
    async def live() -> None:
        gone, here = await world.admit("gone"), await world.admit("here")
        world.clock.advance(timedelta(days=30))
        cookie = await world.accounts.open_session(here, strong=False, **FROM)
        world.clock.advance(timedelta(minutes=2))
        await world.accounts.session_person(cookie)
        assert await world.accounts.sweep() == 0
        world.clock.advance(timedelta(days=15))
        assert await world.accounts.sweep() == 1
        states = {one.id: one.state for one in world.accounts.list(SYSTEM)[0]}
        assert states == {gone: "disabled", here: "active"}
        assert ("system", "account.disable", gone, "done") in world.acts()
        with world.database.reader() as db:
            assert db.execute("SELECT count(*) FROM session").fetchall() == [(0,)]

    asyncio.run(live())


def test_guesses_that_come_at_once_count_like_those_that_come_in_turn(world: World) -> None:
    from pyotp import TOTP

    async def live() -> None:
        account, totp = await world.admit("binh"), new_totp()
        sealed = seal_totp(world.accounts.secret, account, totp)
        await world.writer.run(
            SYSTEM, NOON, lambda db: db.execute("UPDATE account SET totp = ? WHERE id = ?", (sealed, account))
        )
        world.accounts.forget(account)
        came = await world.accounts.sign_in("binh", PASSWORD, **FROM)
        assert isinstance(came, NeedsSecond)
        guesses = ["no code"] * (TRIES + 5) + [TOTP(totp.secret).at(NOON)]
        told = await asyncio.gather(
            *(world.accounts.second_factor(came.pending, one, **FROM) for one in guesses), return_exceptions=True
        )
        assert not [one for one in told if isinstance(one, str)], "the right one came after the account was locked"

    asyncio.run(live())


def test_guesses_at_the_old_password_count_too_when_they_come_at_once(world: World) -> None:
    async def live() -> None:
        account = await world.admit("an")
        signed = await world.accounts.session_person(await world.accounts.open_session(account, strong=False, **FROM))
        assert signed is not None
        guesses = ["not this one at all"] * (TRIES + 2) + [PASSWORD]
        told = await asyncio.gather(
            *(world.accounts.change_password(signed, one, "một câu khác hẳn 42") for one in guesses), return_exceptions=True
        )
        assert all(isinstance(one, Problem) for one in told)
        known = world.accounts.account(account)
        assert known is not None and known.failures == TRIES

    asyncio.run(live())


def test_an_account_has_so_many_sessions_and_the_one_seen_longest_ago_makes_room(world: World) -> None:
    async def live() -> None:
        account, other = await world.admit("an"), await world.admit("other")
        world.clock.advance(timedelta(seconds=1))
        kept = await world.accounts.open_session(other, strong=False, **FROM)
        cookies = []
        for _ in range(MOST_SESSIONS + 3):
            world.clock.advance(timedelta(minutes=2))
            cookies.append(await world.accounts.open_session(account, strong=False, **FROM))
            assert await world.accounts.session_person(cookies[0]), "what is in use stays"
        closed = [one for one in world.acts() if one[:2] == (account, "session.close")]
        assert len(closed) == 4, "each in the log, that of the first link too"
        for _ in range(2):
            lasting = [await world.accounts.session_person(one) is not None for one in cookies]
            assert lasting == [True] + [False] * 3 + [True] * (MOST_SESSIONS - 1)
            assert await world.accounts.session_person(kept) is not None
            world.reopen()

    asyncio.run(live())
