"""The app and the recovery codes of an account, at both homes: kept, spent, renewed, taken away."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from accounts_world import FROM, PASSWORD, World
from pyotp import TOTP

from dothi.access.accounts import NeedsSecond
from dothi.access.factors import Factors
from dothi.access.grants import Granted
from dothi.access.policy import Person
from dothi.access.totp import RECOVERY_CODES, Totp
from dothi.model.problem import Problem

pytestmark = pytest.mark.usefixtures("homes")
TOLD = {"correlation": "c-1", "source": "192.0.2.7"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def _somebody(world: World, login: str) -> tuple[Factors, Person]:
    person = world.accounts.person_of(asyncio.run(world.admit(login, Granted("operator"))))
    assert person is not None
    return Factors(world.database, world.writer, world.accounts), person


def _code(world: World, totp: Totp) -> str:
    return TOTP(totp.secret).at(world.clock.now())


async def _second(world: World, code: str) -> str:
    came = await world.accounts.sign_in("lan", PASSWORD, **FROM)
    assert isinstance(came, NeedsSecond)
    return await world.accounts.second_factor(came.pending, code, **FROM)


def test_the_app_is_asked_for_once_it_has_shown_a_code(world: World) -> None:
    factors, person = _somebody(world, "lan")
    offered, sealed = factors.begin_totp(person.id)
    assert factors.offered_totp(person.id, sealed) == offered
    for account, other in ((person.id, "no hex"), (person.id, sealed[:-2]), ("p-somebody-else", sealed)):
        with pytest.raises(Problem, match="no longer offered"):
            factors.offered_totp(account, other)
    with pytest.raises(Problem, match="does not fit"):
        asyncio.run(factors.keep_totp(person, offered, "000000", **TOLD))
    assert world.accounts.factors(person.id) == set(), "nothing is kept until then"
    codes = asyncio.run(factors.keep_totp(person, offered, _code(world, offered), **TOLD))
    assert len(codes) == RECOVERY_CODES
    assert world.accounts.factors(person.id) == {"totp", "recovery"}
    with pytest.raises(Problem, match="does not sign you in"):
        asyncio.run(_second(world, _code(world, offered)))  # the code that turned it on is spent
    world.clock.advance(timedelta(seconds=30))
    assert asyncio.run(_second(world, _code(world, offered)))
    asyncio.run(factors.drop_totp(person, **TOLD))
    assert world.accounts.factors(person.id) == set()
    assert isinstance(asyncio.run(world.accounts.sign_in("lan", PASSWORD, **FROM)), str)
    done = [act[1] for act in world.acts() if act[0] == person.id]
    assert [one for one in done if one.startswith("totp")] == ["totp.add", "totp.remove"]


def test_a_recovery_code_works_once_for_its_account_until_new_ones_are_made(world: World) -> None:
    factors, person = _somebody(world, "lan")
    _same, other = _somebody(world, "hoa")
    offered, _sealed = factors.begin_totp(person.id)
    first = asyncio.run(factors.keep_totp(person, offered, _code(world, offered), **TOLD))
    others = asyncio.run(factors.renew_codes(other, **TOLD))
    assert asyncio.run(_second(world, f" {first[0].upper()} "))
    for spent in (first[0], others[0], first[1][:-1], ""):
        with pytest.raises(Problem, match="does not sign you in"):
            asyncio.run(_second(world, spent))
    assert asyncio.run(factors.codes_left(person.id)) == RECOVERY_CODES - 1
    renewed = asyncio.run(factors.renew_codes(person, **TOLD))
    with pytest.raises(Problem, match="does not sign you in"):
        asyncio.run(_second(world, first[1]))
    assert asyncio.run(_second(world, renewed[1]))
    kept = world.database.folder.rglob("*")
    assert all(renewed[2].encode() not in one.read_bytes() for one in kept if one.is_file()), "only hashes are kept"
