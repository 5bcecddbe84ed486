"""Who admits whom: nobody gives more than they administer, changes themselves, or takes the last administrator away."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts_world import FROM, TYPES, World
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.access.grants import Granted, decode, encode, inside
from dothi.access.policy import STRANGER, SYSTEM, Clearance, Grant, Person, Scope, Thing
from dothi.model.problem import Problem

ADMIN = Granted("administrator", 2)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def ward_admin(*wards: str, clearance: Clearance = Clearance.INTERNAL) -> Person:
    return Person("p-ward", (Grant("administrator", Scope(wards=frozenset(wards)), clearance),))


async def status(work: object) -> int:
    with pytest.raises(Problem) as told:
        await work  # type: ignore[misc]  # a coroutine of any kind
    return told.value.status


def test_an_administrator_of_a_ward_admits_for_that_ward_only(world: World) -> None:
    async def live() -> None:
        accounts, by = world.accounts, ward_admin("00004")
        mine = await accounts.create(by, "mine", "Của tôi", [Granted("ward_officer", wards=("00004",))])
        other = await accounts.create(SYSTEM, "other", "Của phường khác", [Granted("ward_officer", wards=("00005",))])
        for granted in (
            Granted("ward_officer"),
            Granted("ward_officer", wards=("00004", "00005")),
            Granted("ward_officer", clearance=2, wards=("00004",)),
            Granted("leader", sectors=("air",)),
        ):
            assert await status(accounts.create(by, "new", "Mới", [granted])) == 403
            assert await status(accounts.change_grants(by, mine, [granted])) == 403
        assert [one.id for one in accounts.list(by)[0]] == [mine]
        assert await status(accounts.change_grants(by, other, [])) == 404
        assert await status(accounts.disable(by, other)) == 404
        assert await status(accounts.reset_link(by, other)) == 404
        assert {one.login for one in accounts.list(SYSTEM)[0]} == {"mine", "other"}
        assert accounts.list(STRANGER) == ([], 0)
        await accounts.change_grants(by, mine, [Granted("leader", wards=("00004",))])
        person = accounts.person_of(mine)
        assert person is not None and [one.role for one in person.grants] == ["leader"]

    asyncio.run(live())


def test_an_administrator_of_a_ward_is_no_way_to_one_of_the_city(world: World) -> None:
    async def live() -> None:
        accounts, by = world.accounts, ward_admin("00004", clearance=Clearance.PERSONAL)
        assert await status(accounts.first_link(by)) == 403, "although nobody administers the city"
        assert accounts.needs_first_link
        whole = Person("p-whole", (Grant("administrator", clearance=Clearance.INTERNAL),))
        assert await status(accounts.first_link(whole)) == 403, "it would reach further than theirs"

    asyncio.run(live())


def test_who_is_granted_nothing_is_the_citys_and_not_a_wards(world: World) -> None:
    async def live() -> None:
        accounts, by = world.accounts, ward_admin("00004")
        assert await status(accounts.create(by, "nothing", "Chưa có quyền")) == 403
        assert accounts.account_of_login("nothing") is None
        mine = await accounts.create(by, "mine", "Của tôi", [Granted("ward_officer", wards=("00004",))])
        assert await status(accounts.change_grants(by, mine, [])) == 403
        await accounts.change_grants(SYSTEM, mine, [])
        assert await accounts.create(SYSTEM, "nothing", "Chưa có quyền")

    asyncio.run(live())


def test_nobody_changes_what_they_themselves_may_do(world: World) -> None:
    async def live() -> None:
        accounts = world.accounts
        me = await world.admit("me", ADMIN)
        await world.admit("second", ADMIN)
        by = accounts.person_of(me)
        assert by is not None
        assert await status(accounts.change_grants(by, me, [ADMIN, Granted("operator", 2)])) == 403
        assert await status(accounts.disable(by, me)) == 403
        assert await status(accounts.reset_link(by, me)) == 403
        assert await status(accounts.forget_factors(by, me)) == 403

    asyncio.run(live())


@pytest.mark.parametrize(
    "granted",
    [
        Granted("system"),
        Granted("device"),
        Granted("nobody"),
        Granted("leader", 3),
        Granted("leader", -1),
        Granted("developer", 2),
        Granted("leader", wards=()),
    ],
)
def test_grants_that_nobody_may_hold_are_refused(world: World, granted: Granted) -> None:
    assert asyncio.run(status(world.accounts.create(SYSTEM, "new", "Mới", [granted]))) == 400


def test_a_system_may_send_but_has_no_password(world: World) -> None:
    async def live() -> None:
        made = await world.accounts.create(SYSTEM, "tram-so", "Hệ thống trạm", [Granted("device")], kind="system")
        assert await status(world.accounts.reset_link(SYSTEM, made)) == 400

    asyncio.run(live())


@pytest.mark.parametrize("login", ["", "a", "có dấu", "a b c", "-abc", "x" * 65, "a'; --", "a\nbc", "../etc"])
def test_a_login_is_plain(world: World, login: str) -> None:
    assert asyncio.run(status(world.accounts.create(SYSTEM, login, "Mới"))) == 400


def test_a_login_is_taken_once_and_found_without_accents(world: World) -> None:
    async def live() -> None:
        await world.accounts.create(SYSTEM, "Duc", "Đỗ Văn Đức")
        assert await status(world.accounts.create(SYSTEM, "duc", "Khác")) == 409
        for q, found in (("do van", 1), ("ĐỨC", 1), ("%", 0), ("_", 0), ("", 1)):
            assert world.accounts.list(SYSTEM, q)[1] == found, q

    asyncio.run(live())


def test_a_change_holds_for_the_sessions_there_are(world: World) -> None:
    async def live() -> None:
        account = await world.admit("an", Granted("operator"))
        cookie = await world.accounts.open_session(account, strong=True, **FROM)
        before = await world.accounts.session_person(cookie)
        await world.accounts.change_grants(SYSTEM, account, [Granted("leader", sectors=("air",))])
        signed = await world.accounts.session_person(cookie)
        assert signed is not None
        assert before is not None and world.accounts.holds(signed) and not world.accounts.holds(before)
        assert signed.person.grants == (Grant("leader", Scope(types=TYPES["air"]), Clearance.INTERNAL),)
        world.reopen()
        assert world.accounts.person_of(account) == signed.person
        assert ("system", "account.grant", account, "done") in world.acts()

    asyncio.run(live())


_BOUND = st.none() | st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True).map(
    lambda one: tuple(sorted(one))
)
_GRANTED = st.builds(Granted, st.just("leader"), st.integers(0, 2), _BOUND, _BOUND, st.none())


@settings(max_examples=60)
@given(st.lists(_GRANTED, max_size=4))
def test_what_is_written_down_is_read_back(granted: list[Granted]) -> None:
    assert decode(encode(granted)) == tuple(granted)


@settings(max_examples=60)
@given(_GRANTED, _GRANTED, st.builds(Thing, st.just(Clearance.INTERNAL), st.sampled_from("abcd"), st.sampled_from("abcd")))
def test_a_scope_inside_another_never_covers_more(one: Granted, other: Granted, thing: Thing) -> None:
    inner, outer = one.grant(TYPES).scope, other.grant(TYPES).scope
    if inside(inner, outer) and inner.covers(thing):
        assert outer.covers(thing)
