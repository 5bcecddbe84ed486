"""Keys of machines: shown once, never more than their account, ended at once; on both homes."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.access.accounts import Accounts
from dothi.access.grants import Granted
from dothi.access.keys import MOST, PREFIX, Issued, Keys, narrow
from dothi.access.policy import SYSTEM, Clearance, Grant, Person, Scope, Thing, may
from dothi.data.writer import Writer
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.store.audit import verify
from dothi.store.database import Database, migrate
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
TYPES = {"air": frozenset({"urn:air"}), "drainage": frozenset({"urn:drain", "urn:pump"})}


@dataclass
class World:
    database: Database
    writer: Writer
    clock: FixedClock
    accounts: Accounts
    keys: Keys

    def account(self, login: str, *granted: Granted, kind: str = "person") -> str:
        return asyncio.run(self.accounts.create(SYSTEM, login, login, granted, kind=kind))

    def person(self, account: str) -> Person:
        person = self.accounts.person_of(account)
        assert person is not None
        return person

    def issue(self, account: str, *bounds: Granted, by: Person | None = None, days: int = 90, kind: str = "key") -> Issued:
        asker = by or self.person(account)
        return asyncio.run(self.keys.issue(asker, account, kind, "thử", bounds, days))  # type: ignore[arg-type]  # a test may tell a kind there is not

    def of(self, issued: Issued) -> Person | None:
        return self.keys.of_bearer(issued.secret)

    def reopened(self) -> Keys:
        return Keys(self.database, self.writer, self.accounts, self.clock, TYPES)


@pytest.fixture
def world(homes: object, tmp_path: Path) -> Iterator[World]:
    database = open_city(tmp_path)
    migrate(database)
    writer = Writer(database, locate=lambda *_: None)
    clock = FixedClock(NOW)
    accounts = Accounts(database, writer, clock, bytes(32), TYPES)
    yield World(database, writer, clock, accounts, Keys(database, writer, accounts, clock, TYPES))
    writer.close()
    database.close()


ENGINEER = Granted("engineer", 2, sectors=("drainage",))
OPERATOR = Granted("operator", 2)


def test_a_key_does_what_was_chosen_of_its_account_and_no_more(world: World) -> None:
    account = world.account("an", ENGINEER, OPERATOR)
    issued = world.issue(account, Granted("engineer", 1, sectors=("air", "drainage")))
    person = world.of(issued)
    assert person == Person(account, (Grant("engineer", Scope(types=TYPES["drainage"]), Clearance.INTERNAL),))
    assert issued.secret.startswith(f"{PREFIX}{issued.id}_")
    assert world.of(issued) is person  # narrowed once, not at each request


def test_a_key_follows_its_account(world: World) -> None:
    account = world.account("an", ENGINEER, OPERATOR)
    issued = world.issue(account, ENGINEER, OPERATOR)
    asyncio.run(world.accounts.change_grants(SYSTEM, account, [Granted("engineer", 1, wards=("00001",), sectors=("air",))]))
    person = world.of(issued)
    assert person is not None
    assert person.grants == (Grant("engineer", Scope(frozenset({"00001"}), None, frozenset()), Clearance.INTERNAL),)
    asyncio.run(world.accounts.disable(SYSTEM, account))
    assert world.of(issued) is None
    asyncio.run(world.accounts.enable(SYSTEM, account))
    assert world.of(issued) is not None


def test_nothing_else_opens(world: World) -> None:
    account = world.account("an", OPERATOR)
    one, other = world.issue(account, OPERATOR), world.issue(account, OPERATOR)
    client = world.issue(account, OPERATOR, kind="secret")
    secret = one.secret.rpartition("_")[2]
    for wrong in (
        "",
        PREFIX,
        one.id,
        secret,
        one.secret[:-1],
        one.secret + "A",
        f"{PREFIX}{other.id}_{one.secret.partition('_')[2].partition('_')[2]}",
        f"{PREFIX}{one.id}_",
        f"{PREFIX}{client.id}_{client.secret}",
        one.secret.upper(),
    ):
        assert world.keys.of_bearer(wrong) is None, wrong
    assert world.keys.authenticate("secret", client.id, client.secret) is not None
    assert world.keys.authenticate("secret", one.id, one.secret.removeprefix(f"{PREFIX}{one.id}_")) is None


def test_a_key_ends_on_its_day_and_at_once_when_revoked(world: World) -> None:
    account = world.account("an", OPERATOR)
    short, long = world.issue(account, OPERATOR, days=30), world.issue(account, OPERATOR, days=365)
    world.clock.set(NOW + timedelta(days=30, microseconds=-1))
    assert world.of(short) is not None
    world.clock.advance(timedelta(microseconds=1))
    assert world.of(short) is None
    assert world.of(long) is not None
    asyncio.run(world.keys.revoke(world.person(account), long.id, account))
    assert world.of(long) is None
    world.keys = world.reopened()
    assert (world.of(short), world.of(long)) == (None, None)
    ended = {one.id: one.revoked_at for one in world.keys.list(account)}
    assert ended == {short.id: None, long.id: NOW + timedelta(days=30)}


def test_what_was_issued_opens_after_a_restart_and_its_secret_is_nowhere(world: World) -> None:
    account = world.account("an", ENGINEER)
    issued = world.issue(account, ENGINEER)
    before = world.of(issued)
    world.keys = world.reopened()
    assert world.of(issued) == before
    secret = issued.secret.removeprefix(f"{PREFIX}{issued.id}_")
    with world.database.reader() as db:
        told = repr(db.execute("SELECT * FROM credential").fetchall()) + repr(db.execute("SELECT * FROM audit").fetchall())
    assert issued.id in told
    assert secret not in told


def test_only_the_person_makes_keys_of_a_person(world: World) -> None:
    account = world.account("an", OPERATOR)
    with pytest.raises(Problem) as refused:
        world.issue(account, OPERATOR, by=SYSTEM)
    assert refused.value.status == 404
    issued = world.issue(account, OPERATOR)
    stranger = world.person(world.account("binh", OPERATOR))
    with pytest.raises(Problem) as refused:
        asyncio.run(world.keys.revoke(stranger, issued.id, account))
    assert refused.value.status == 404
    with pytest.raises(Problem) as refused:
        asyncio.run(world.keys.revoke(stranger, issued.id, stranger.id))
    assert refused.value.status == 404, "the key of another, called one's own"
    assert world.of(issued) is not None


def test_who_administers_a_person_ends_their_stolen_key(world: World) -> None:
    account = world.account("an", Granted("engineer", 1, wards=("00001",)))
    issued = world.issue(account, Granted("engineer", 1))
    here, there = (
        Person("p-local", (Grant("administrator", Scope(wards=frozenset({ward}))),)) for ward in ("00001", "00002")
    )
    with pytest.raises(Problem) as refused:
        asyncio.run(world.keys.revoke(there, issued.id, account))
    assert refused.value.status == 404
    assert world.of(issued) is not None
    asyncio.run(world.keys.revoke(here, issued.id, account))
    assert world.of(issued) is None


def test_who_administers_a_system_makes_its_keys_within_what_they_administer(world: World) -> None:
    engineer = Granted("engineer", 1, wards=("00001",))
    system = world.account("bang-tin", Granted("operator", 2, wards=("00001",)), engineer, kind="system")
    wider = world.account("ca-thanh-pho", Granted("operator", 2), engineer, kind="system")
    local = Person("p-local", (Grant("administrator", Scope(wards=frozenset({"00001"})), Clearance.RESTRICTED),))
    assert world.of(world.issue(system, engineer, by=local)) is not None
    whole = Person("p-less", (Grant("administrator", clearance=Clearance.INTERNAL),))
    with pytest.raises(Problem) as refused:
        world.issue(system, Granted("operator", 2), by=whole)
    assert refused.value.code == "beyond-reach"
    operator = world.person(world.account("an", OPERATOR))
    for asker, account in ((local, wider), (operator, system)):  # what they may not know of, they make no key for
        with pytest.raises(Problem) as refused:
            world.issue(account, engineer, by=asker)
        assert refused.value.status == 404


@pytest.mark.parametrize(
    ("bounds", "days", "label"),
    [
        ([Granted("operator")], 91, "x"),
        ([Granted("operator")], 36_500, "x"),
        ([Granted("operator")], 90, "  "),
        ([Granted("operator")], 90, "x" * 81),
        ([], 90, "x"),
        ([Granted("engineer")], 90, "x"),
        ([Granted("system")], 90, "x"),
        ([Granted("administrator")], 90, "x"),
        ([Granted("operator"), Granted("security_officer")], 90, "x"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(world: World, bounds: Sequence[Granted], days: int, label: str) -> None:
    account = world.account("an", OPERATOR, Granted("administrator", 2), Granted("security_officer", 2))
    with pytest.raises(Problem) as refused:
        asyncio.run(world.keys.issue(world.person(account), account, "key", label, bounds, days))
    assert refused.value.status == 400
    assert world.keys.list(account) == []


def test_people_of_the_demo_have_no_keys(world: World) -> None:
    world.accounts = Accounts(world.database, world.writer, world.clock, bytes(32), TYPES, demo=True)
    world.keys = world.reopened()
    account = asyncio.run(world.accounts.create(SYSTEM, "demo-operator", "Demo", [OPERATOR], demo=True))
    with pytest.raises(Problem) as refused:
        world.issue(account, OPERATOR)
    assert refused.value.code == "demo"


def test_an_account_has_so_many_keys_at_most(world: World) -> None:
    account = world.account("an", OPERATOR)
    first = world.issue(account, OPERATOR)
    for _ in range(MOST - 1):
        world.issue(account, OPERATOR)
    with pytest.raises(Problem) as refused:
        world.issue(account, OPERATOR)
    assert refused.value.status == 409
    asyncio.run(world.keys.revoke(world.person(account), first.id, account))
    world.issue(account, OPERATOR)


def test_making_and_ending_a_key_are_in_the_audit_log(world: World) -> None:
    account = world.account("an", OPERATOR)
    issued = world.issue(account, OPERATOR)
    asyncio.run(world.keys.revoke(world.person(account), issued.id, account))
    with world.database.reader() as db:
        rows = db.execute(
            "SELECT person_id, action, thing, result FROM audit WHERE action LIKE 'key.%' ORDER BY seq"
        ).fetchall()
        assert verify(db).intact
    thing = f"credential:{issued.id}"
    assert [tuple(row) for row in rows] == [(account, "key.issue", thing, "done"), (account, "key.revoke", thing, "done")]


def test_use_is_noted_and_keeps_the_account_awake(world: World) -> None:
    account = world.account("bang-tin", OPERATOR, kind="system")
    issued = world.issue(account, OPERATOR, by=SYSTEM)
    world.clock.advance(timedelta(days=44))
    assert world.of(issued) is not None
    asyncio.run(world.keys.flush())
    used = NOW + timedelta(days=44)
    assert [one.used_at for one in world.keys.list(account)] == [used]
    with world.database.reader() as db:
        assert db.execute("SELECT last_seen FROM account WHERE id = ?", (account,)).fetchone()[0] == to_micros(used)
    world.clock.advance(timedelta(days=44))
    asyncio.run(world.accounts.sweep())
    assert world.of(issued) is not None


def codes(names: str) -> st.SearchStrategy[frozenset[str] | None]:
    return st.sampled_from([None, frozenset(names[0]), frozenset(names)])


# Few roles, codes and clearances, so that what is drawn meets often.
ROLES = ("operator", "leader")
grants = st.lists(
    st.builds(
        Grant,
        st.sampled_from(ROLES),
        st.builds(Scope, codes("ab"), codes("cd"), codes("ef")),
        st.sampled_from(list(Clearance)[1:3]),
    ),
    min_size=1,
    max_size=2,
)
things = st.builds(Thing, st.sampled_from(list(Clearance)[1:3]), st.sampled_from("ab"), st.sampled_from("cd"), st.just("e"))


@settings(max_examples=60)
@given(mine=grants, bounds=grants, thing=things)
def test_a_narrowed_grant_holds_exactly_where_both_do(mine: list[Grant], bounds: list[Grant], thing: Thing) -> None:
    def allowed(given: Sequence[Grant], role: str) -> bool:
        return may(Person("x", tuple(one for one in given if one.role == role)), "operations.read", thing)

    both = any(allowed(mine, role) and allowed(bounds, role) for role in ROLES)
    assert may(Person("x", narrow(mine, bounds)), "operations.read", thing) == both


def test_a_key_knows_no_more_than_it_was_given_and_no_more_than_its_account() -> None:
    low, high = Grant("operator", clearance=Clearance.INTERNAL), Grant("operator", clearance=Clearance.RESTRICTED)
    assert narrow([low], [high]) == narrow([high], [low]) == (low,)
