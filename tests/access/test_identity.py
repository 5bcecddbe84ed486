"""Who a request is: session, credential or stranger; a wrong credential is refused, never taken for a stranger's."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accounts_world import FROM, World

from dothi.access.demo import DEMO_ROLES, DemoPeople
from dothi.access.grants import Granted
from dothi.access.identity import VISITOR, Identity
from dothi.access.policy import LOCAL_OPERATOR, STRANGER, Clearance, Person, Thing, may
from dothi.access.sessions import cookie_header
from dothi.model.problem import Problem

KEY = "k" * 43


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, demo=True)
    yield made
    made.close()


def asked(world: World | None, *, client: str = "127.0.0.1", scheme: str = "http", **headers: str) -> Person:
    return asyncio.run(_asked(world, client=client, scheme=scheme, **headers))


async def _asked(world: World | None, *, client: str = "127.0.0.1", scheme: str = "http", **headers: str) -> Person:
    identity = Identity(KEY)
    identity.accounts = world.accounts if world is not None else None
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope: dict[str, Any] = {"client": (client, 5), "server": ("192.0.2.1", 80), "scheme": scheme, "headers": raw}
    return await identity.of(scope, raw)


def test_the_key_of_the_home_folder_is_the_operators_on_the_machine_itself() -> None:
    bearer = f"Bearer {KEY}"
    assert asked(None) == STRANGER
    assert asked(None, authorization=bearer) == LOCAL_OPERATOR
    assert asked(None, authorization=bearer.replace("Bearer", "bearer")) == LOCAL_OPERATOR
    assert asked(None, authorization=bearer, client="192.0.2.1") == LOCAL_OPERATOR, "its own address"
    for refused in (
        {"authorization": f"{bearer}x"},
        {"authorization": "Bearer "},
        {"authorization": KEY},
        {"authorization": f"Basic {KEY}"},
        {"authorization": "Bearer ký"},
        {"authorization": bearer, "client": "192.0.2.7"},
        {"authorization": bearer, "x_forwarded_for": "127.0.0.1"},
        {"authorization": bearer, "forwarded": "for=127.0.0.1"},
    ):
        with pytest.raises(Problem) as told:
            asked(None, **refused)
        assert told.value.status == 401
        assert KEY not in str(told.value)


def test_an_open_door_lets_strangers_of_this_very_machine_do_all_it_can_do() -> None:
    def at_the_door(path: str, client: str = "127.0.0.1", opened: str = "ngsild", **headers: str) -> Person:
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"client": (client, 5), "server": ("127.0.0.1", 80), "scheme": "http", "path": path, "headers": raw}
        return asyncio.run(Identity(KEY, opened).of(scope, raw))

    visitor = at_the_door("/ngsi-ld/v1/entities")
    assert visitor == VISITOR
    assert all(may(visitor, action) for action in ("entity.write", "history.write", "subscription.write", "context.write"))
    assert not may(visitor, "people.write")
    assert not may(visitor, "entity.read", Thing(Clearance.RESTRICTED))
    assert at_the_door("/api/v1/entities") == STRANGER, "one door, not the house"
    assert at_the_door("/ngsi-ld/v1/entities", client="192.0.2.7") == STRANGER
    assert at_the_door("/ngsi-ld/v1/entities", x_forwarded_for="192.0.2.7") == STRANGER, "a proxy carried it"
    assert at_the_door("/ngsi-ld/v1/entities", opened="") == STRANGER


def test_a_door_may_know_more_credentials() -> None:
    identity, one = Identity(KEY), Person("p-1")

    async def check(credential: str, scope: Any) -> Person | None:
        return one if credential == "mine" else None

    identity.accept("bearer", check)
    identity.accept("Basic", check)

    async def of(*values: str) -> Person:
        raw = [(b"authorization", value.encode()) for value in values]
        return await identity.of({"client": ("192.0.2.7", 5), "headers": raw}, raw)

    assert asyncio.run(of("Bearer mine")) == asyncio.run(of("basic mine")) == one
    for values in (("Bearer other",), ("Digest mine",), ("Bearer mine", "Bearer mine")):
        with pytest.raises(Problem, match="Nobody is known"):
            asyncio.run(of(*values))


def test_a_session_is_its_account_and_an_ended_one_a_stranger(world: World) -> None:
    async def live() -> None:
        account = await world.admit("an", Granted("leader"))
        cookie = await world.accounts.open_session(account, strong=False, **FROM)
        person = world.accounts.person_of(account)
        assert await _asked(world, cookie=f"a=b; dothi_session={cookie}; c") == person
        assert await _asked(world, cookie=f"dothi_session={cookie}", client="192.0.2.7", via="x") == person
        assert await _asked(world, cookie=f"dothi_session={cookie}x") == STRANGER
        assert await _asked(world, cookie="dothi_session=") == STRANGER
        # Behind TLS only a cookie that this very host set over TLS is looked at.
        assert await _asked(world, cookie=f"dothi_session={cookie}", scheme="https") == STRANGER
        assert await _asked(world, cookie=f"__Host-dothi_session={cookie}", scheme="https") == person
        assert await _asked(world, cookie=f"__Host-dothi_session={cookie}") == STRANGER
        with pytest.raises(Problem, match="Nobody is known"):
            await _asked(world, cookie=f"dothi_session={cookie}", authorization="Bearer wrong")
        await world.accounts.end_sessions(account)
        assert await _asked(world, cookie=f"dothi_session={cookie}") == STRANGER

    asyncio.run(live())


def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_lines() -> None:
    assert cookie_header("v", secure=False) == "dothi_session=v; Path=/; HttpOnly; SameSite=Lax"
    assert cookie_header("v", secure=True) == "__Host-dothi_session=v; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert cookie_header("", secure=False).endswith("Max-Age=0")


def test_demo_people_are_there_for_every_role_until_somebody_real_is(world: World) -> None:
    demo = DemoPeople(world.accounts, "00004")

    async def live() -> None:
        assert demo.roles == DEMO_ROLES
        cookies = {role: await demo.sign_in(role, **FROM) for role in demo.roles}
        both = await asyncio.gather(*(demo.sign_in("leader", **FROM) for _ in range(2)))
        assert len(set(both)) == 2
        officer = await _asked(world, cookie=f"dothi_session={cookies['ward_officer']}")
        assert may(officer, "operations.read", Thing(Clearance.RESTRICTED, ward="00004"))
        assert not may(officer, "operations.read", Thing(Clearance.INTERNAL, ward="00005"))
        admin = f"dothi_session={cookies['administrator']}"
        assert may(await _asked(world, cookie=admin), "people.write"), "without a second factor"
        assert await _asked(world, cookie=admin, x_forwarded_for="192.0.2.7") == STRANGER
        assert await _asked(world, cookie=admin, client="192.0.2.7") == STRANGER
        with pytest.raises(Problem, match="does not sign you in"):
            await demo.sign_in("system", **FROM)
        with pytest.raises(Problem, match="does not sign you in"):
            await world.accounts.sign_in("demo-leader", "", **FROM)
        await world.admit("real", Granted("leader"))
        assert demo.roles == ()
        assert await _asked(world, cookie=admin) == STRANGER
        with pytest.raises(Problem, match="does not sign you in"):
            await demo.sign_in("leader", **FROM)

    asyncio.run(live())


def test_where_others_reach_the_city_there_is_no_demo(tmp_path: Path) -> None:
    world = World(tmp_path, demo=True)
    cookie = asyncio.run(DemoPeople(world.accounts, None).sign_in("leader", **FROM))
    world._demo = False
    world.reopen()
    assert DemoPeople(world.accounts, None).roles == ()
    assert asked(world, cookie=f"dothi_session={cookie}") == STRANGER
    world.close()
