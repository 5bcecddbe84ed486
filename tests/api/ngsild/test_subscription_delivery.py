"""Notifications under failure: a dead receiver delays nobody, nothing is lost, and what nobody takes can be sent again."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from receiver import Receiver, receiving
from subscription_world import SUBSCRIPTIONS, World, iri, world_in

from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM, Clearance
from dothi.api.ngsild.subscriptions import kept, queues
from dothi.api.ngsild.subscriptions.taking import Target
from dothi.model.entity import Entity
from dothi.model.problem import Problem
from dothi.testing.city import wait_until
from dothi.testing.people import insider


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, homes_of_module: SecretStr | None) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("delivery"), sectors="weather", database=homes_of_module) as world:
        yield world


@pytest.fixture
def world(shared: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(queues, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(queues, "LONGEST_WAIT", 0.1)
    shared.receiver.bodies.clear()
    yield shared
    shared.clean()


@pytest.fixture
def dead() -> Iterator[Receiver]:
    with receiving() as receiver:
        receiver.stop()
        yield receiver


def test_a_dead_receiver_delays_nobody_and_gets_everything_when_it_lives_again(world: World, dead: Receiver) -> None:
    late = world.subscribe(uri=dead.url)
    world.subscribe()
    urn = world.urn()
    world.change("create", urn, level=0)
    for level in range(1, 40):
        world.change("merge", urn, level=level)
    assert [one["level"]["value"] for one in world.receiver.wait(40)] == list(range(40))
    wait_until(lambda: world.retrieve(late)["notification"].get("status") == "failed", "the failure is seen")
    shown = world.retrieve(late)["notification"]
    assert shown["timesFailed"] >= 1
    assert shown["lastFailure"].endswith("Z")
    assert "lastSuccess" not in shown
    dead.start()
    assert [one["level"]["value"] for one in dead.wait(40)] == list(range(40))
    wait_until(lambda: world.retrieve(late)["notification"]["status"] == "ok", "the success is seen")


def test_a_receiver_that_was_away_for_a_day_stops_nobody_and_gets_everything(world: World, dead: Receiver) -> None:
    late = world.subscribe(uri=dead.url)
    world.change("create", world.urn(), level=1)

    def tries() -> int:
        return int(world.retrieve(late)["notification"].get("timesFailed", 0))

    wait_until(lambda: tries() > 0, "it was tried")
    before = tries()
    line = world.service.queues._lines[dead.url]
    line.failures = 24 * 60  # a try a minute
    wait_until(lambda: tries() > before + 1, "it is tried on")
    assert world.city.platform.tasks.states["subscriptions"].failures == 0
    assert line.failures > 24 * 60
    dead.start()
    assert [one["level"]["value"] for one in dead.wait(1)] == [1]


def test_what_is_refused_again_and_again_is_a_dead_letter_and_can_be_sent_again(world: World) -> None:
    id_ = world.subscribe()
    world.receiver.answers = [500] * queues.MOST_REFUSALS
    urn = world.urn()
    world.change("create", urn, level=1)
    world.change("merge", urn, level=2)
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [2]

    def dead_letters() -> int:
        return next(one.dead for one in world.service.states(SYSTEM) if one.id == id_)

    wait_until(lambda: dead_letters() == 1, "it is a dead letter")
    assert world.city.run(world.service.resend(SYSTEM, id_)) == 1
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [1]
    wait_until(lambda: dead_letters() == 0, "it is gone")


def test_what_is_paused_lies_and_is_sent_on_resuming_to_where_it_is_to_go_then(world: World, dead: Receiver) -> None:
    id_ = world.subscribe(uri=dead.url)
    world.change("create", world.urn(), level=1)
    wait_until(lambda: "timesFailed" in world.retrieve(id_)["notification"], "it was tried")
    world.city.run(world.service.pause(SYSTEM, id_))
    assert world.retrieve(id_)["status"] == "paused"
    fragment = {"isActive": True, "notification": {"endpoint": {"uri": world.receiver.url}}}
    assert world.client.patch(f"{SUBSCRIPTIONS}/{id_}", json=fragment).status_code == 204
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [1]


def test_a_receiver_that_closes_each_connection_is_told_all_the_same(world: World) -> None:
    id_ = world.subscribe()
    urn = world.urn()
    world.change("create", urn, level=0)
    world.receiver.wait(1)
    # Else its answer may break off with the connection, and what it was told comes again.
    wait_until(lambda: world.retrieve(id_)["notification"].get("status") == "ok", "it is known to have arrived")
    world.receiver.stop()
    world.receiver.start()
    world.change("merge", urn, level=1)
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [1]


def test_an_address_in_vietnamese_is_called_as_addresses_are_written(world: World) -> None:
    world.receiver.paths.clear()
    world.subscribe(uri=f"{world.receiver.url}/phường%20A?loại=mưa&to=50%")
    world.change("create", world.urn(), level=1)
    world.receiver.wait(1)
    assert world.receiver.paths == ["/notify/ph%C6%B0%E1%BB%9Dng%20A?lo%E1%BA%A1i=m%C6%B0a&to=50%"]


def test_a_fault_of_the_city_s_own_in_sending_to_one_stops_nobody_else(
    world: World, dead: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = world.service.queues._send

    async def faulty(target: Target, body: bytes) -> None:
        if target.uri == dead.url:
            raise ValueError("what nobody thought of")
        await send(target, body)

    monkeypatch.setattr(world.service.queues, "_send", faulty)
    odd = world.subscribe(uri=dead.url)
    world.subscribe()
    urn = world.urn()
    for level in range(3):
        world.change("put", urn, level=level)
    assert [one["level"]["value"] for one in world.receiver.wait(3)] == [0, 1, 2]
    wait_until(lambda: {one.id: one for one in world.service.states(SYSTEM)}[odd].dead == 3, "it is given up, and kept")
    assert world.city.platform.tasks.states["subscriptions"].failures == 0
    monkeypatch.undo()
    dead.start()
    assert world.city.run(world.service.resend(SYSTEM, odd)) == 3
    assert [one["level"]["value"] for one in dead.wait(3)] == [0, 1, 2]


def test_an_answer_without_a_length_is_an_answer(world: World) -> None:
    world.receiver.says_length = False
    id_ = world.subscribe()
    urn = world.urn()
    for level in range(3):
        world.change("upsert", urn, level=level)
    assert [one["level"]["value"] for one in world.receiver.wait(3)] == [0, 1, 2]
    world.receiver.says_length = True
    wait_until(lambda: world.retrieve(id_)["notification"].get("status") == "ok", "it is known to have arrived")
    assert "timesFailed" not in world.retrieve(id_)["notification"]


def test_one_who_lost_their_rights_is_told_nothing_more_and_it_is_seen_why(world: World) -> None:
    platform = world.city.platform
    accounts = platform.accounts

    async def made() -> str:
        return await accounts.create(insider(), "theo-doi", "Người theo dõi", [Granted("developer", 1)])

    account = world.city.run(made())
    person = accounts.person_of(account)
    assert person is not None
    told_in = {"context": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld", "link": "x", "base": ""}
    document = {
        "type": "Subscription",
        "entities": [{"type": "https://uri.etsi.org/ngsi-ld/default-context/Building"}],
        "notification": {"endpoint": {"uri": world.receiver.url}},
    }
    id_ = "urn:ngsi-ld:Subscription:theirs"
    world.city.run(world.service.subscribers.create(person, id_, document, told_in, "c"))
    world.service.changed()
    urn = world.urn()
    world.change("create", urn, level=1)  # internal, as everything nobody classified
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [1]
    world.city.run(accounts.change_grants(insider(), account, [Granted("leader", 1)]))
    world.change("merge", urn, level=2)
    wait_until(lambda: _held(world, id_) == kept.HELD["rights"], "the city paused it")
    assert world.receiver.bodies == []
    with pytest.raises(Problem, match="may not be told"):
        world.city.run(world.service.resume(SYSTEM, id_))
    subscription = world.service.subscribers.get(id_)
    assert subscription is not None
    world.city.run(world.service.subscribers.delete(SYSTEM, subscription, "c"))
    world.service.changed()


def test_what_a_key_set_going_ends_with_it(world: World) -> None:
    platform = world.city.platform

    async def made() -> tuple[str, str, str]:
        account = await platform.accounts.create(insider(), "he-thong", "Hệ thống", [Granted("developer", 1)], kind="system")
        issued = await platform.keys.issue(insider(), account, "key", "thử", [Granted("developer", 1)], 30)
        return account, issued.id, issued.secret

    account, key, secret = world.city.run(made())
    own = dict(world.client.headers)
    world.client.headers["authorization"] = f"Bearer {secret}"
    id_ = world.subscribe()
    urn = world.urn()
    world.change("create", urn, level=1)
    world.receiver.wait(1)
    world.city.run(platform.keys.revoke(insider(), key, account))
    world.client.headers.clear()
    world.client.headers.update(own)
    world.change("merge", urn, level=2)
    wait_until(lambda: _held(world, id_) == kept.HELD["key"], "the city paused it")
    assert world.receiver.bodies == []
    subscription = world.service.subscribers.get(id_)
    assert subscription is not None
    world.city.run(world.service.subscribers.delete(SYSTEM, subscription, "c"))
    world.service.changed()


def test_what_became_secret_while_it_waited_is_not_told(world: World, dead: Receiver) -> None:
    id_ = world.subscribe(uri=dead.url)
    open_, secret = world.urn(), world.urn()
    world.change("create", secret, level=1)
    world.change("create", open_, level=2)
    _restrict(world, secret)
    _tried_again(world, id_)  # what was looked at before is not under way any more
    dead.start()
    assert {one["id"] for one in dead.wait(1)} == {open_}


def test_what_can_be_told_only_in_part_and_in_words_that_are_gone_is_given_up_alone(world: World, dead: Receiver) -> None:
    context = world.client.post("/ngsi-ld/v1/jsonldContexts", json={"@context": {"level": "urn:level"}}).headers["location"]
    wordless = world.subscribe(uri=dead.url, jsonldContext=world.city.base_url + context)
    world.subscribe(uri=dead.url)
    open_, secret = world.urn(), world.urn()
    world.change("create", secret, level=1)
    world.change("create", open_, level=2)
    wait_until(lambda: [one.waiting for one in world.service.states(SYSTEM)] == [2, 2], "all of it waits")
    assert world.client.delete(context).status_code == 204
    kept_ = world.service.subscribers.get(wordless)
    assert kept_ is not None
    kept_.made.clear()  # as after a new start
    _restrict(world, secret)
    _tried_again(world, wordless)
    dead.start()
    assert {one["id"] for one in dead.wait(2)} == {open_}
    wait_until(lambda: {one.id: one for one in world.service.states(SYSTEM)}[wordless].dead >= 1, "it is given up, and kept")
    with world.city.platform.database.reader() as db:
        ((why,),) = db.execute("SELECT error FROM notification WHERE subscription = ? AND dead = 1", (wordless,)).fetchall()
    assert "@context" in why
    assert world.city.platform.tasks.states["subscriptions"].failures == 0


def _tried_again(world: World, id_: str) -> None:
    """Wait until two more tries failed."""

    def failed() -> int:
        return world.retrieve(id_)["notification"].get("timesFailed", 0)

    before = failed()
    wait_until(lambda: failed() >= before + 2, "it was tried again")


def _restrict(world: World, urn: str) -> None:
    """Make an entity one that receivers may not know any more."""
    entity, writer = Entity(urn, iri("Building")), world.city.platform.writer
    world.city.run(writer.save(SYSTEM, "merge", entity, at=datetime.now(UTC), clearance=Clearance.RESTRICTED))


def _held(world: World, id_: str) -> str:
    return next(one.held for one in world.service.states(SYSTEM) if one.id == id_)


def test_a_receiver_in_the_citys_own_network_has_to_be_named(tmp_path: Path) -> None:
    with receiving() as receiver, receiving() as other:
        origin = receiver.url.removesuffix("/notify")
        with world_in(tmp_path, sectors="weather", open_doors="", receivers=origin) as world:
            world.client.headers.update(world.city.operator)
            assert "own network" in world.subscribe(uri=other.url, status=400)
            world.subscribe(uri=receiver.url)
            # A name that stands for such an address passes the door, and is not called.
            inward = world.subscribe(uri=other.url.replace("127.0.0.1", "localhost.localdomain"))
            world.change("create", world.urn(), level=1)
            receiver.wait(1)
            wait_until(lambda: world.retrieve(inward)["notification"].get("status") == "failed", "it was not called")
            assert other.attempts == 0
