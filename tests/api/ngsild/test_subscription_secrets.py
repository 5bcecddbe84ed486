"""What a subscription says to its receiver alone is never kept or logged in the clear, and not sent if it cannot be read."""

from pathlib import Path
from typing import Any

import pytest
from subscription_world import SUBSCRIPTIONS, world_in

from dothi.access.policy import SYSTEM
from dothi.api.ngsild.subscriptions.kept import HELD
from dothi.api.ngsild.subscriptions.sealed import Sealer
from dothi.model.problem import Problem

SECRET = "Bearer rất-bí-mật-4711"
ID = "urn:ngsi-ld:Subscription:s"


def document(**endpoint: Any) -> dict[str, Any]:
    return {
        "type": "Subscription",
        "notification": {"format": "concise", "endpoint": {"uri": "https://a.example"} | endpoint},
    }


def test_what_is_sealed_opens_here_and_for_its_own_subscription_alone() -> None:
    sealer = Sealer(b"one")
    plain = document(receiverInfo=[{"key": "Authorization", "value": SECRET}], timeout=5)
    kept = sealer.seal(ID, plain)
    assert "4711" not in str(kept)
    assert kept != sealer.seal(ID, plain), "the same is sealed differently each time"
    assert sealer.open(ID, kept) == (plain, True)
    without = document(timeout=5)
    for other, id_, told in (
        (Sealer(b"two"), ID, kept),
        (sealer, f"{ID}2", kept),
        (sealer, ID, document(sealed="AAAA", timeout=5)),
        (sealer, ID, document(sealed="é", timeout=5)),
        (sealer, ID, document(sealed=[], timeout=5)),
    ):
        assert other.open(id_, told) == (without, False)
    assert sealer.open(ID, sealer.seal(ID, without)) == (without, True)


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("mqtt://me:4711@a.example:1883/c/d", "mqtt://me@a.example:1883/c/d"),
        ("mqtts://:4711@a.example/c", "mqtts://@a.example/c"),
        ("mqtt://me:47%4011@a.example/c@d", "mqtt://me@a.example/c@d"),
        ("mqtt://me@a.example/c", "mqtt://me@a.example/c"),
        ("https://a.example/@c?d=1", "https://a.example/@c?d=1"),
    ],
)
def test_a_password_in_an_address_is_sealed_too(uri: str, kept: str) -> None:
    sealer, told = Sealer(b"one"), document(uri=uri)
    sealed = sealer.seal(ID, told)
    assert sealed["notification"]["endpoint"]["uri"] == kept
    assert sealer.open(ID, sealed) == (told, True)
    assert Sealer(b"two").open(ID, sealed) == (document(uri=kept), uri == kept)


def test_it_is_kept_sealed_and_waits_where_it_cannot_be_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    info = [{"key": "Authorization", "value": SECRET.encode("ascii", "ignore").decode()}]
    with world_in(tmp_path, sectors="weather", log_level="debug") as world:
        endpoint = {"uri": world.receiver.url, "receiverInfo": info}
        id_ = world.subscribe(notification={"endpoint": endpoint})
        world.change("create", world.urn(), level=1)
        world.receiver.wait(1)
        assert world.receiver.headers[-1]["authorization"] == info[0]["value"]
        world.receiver.answers = [500] * 3
        world.change("create", world.urn(), level=2)
        world.receiver.wait(1)
        assert world.retrieve(id_)["notification"]["endpoint"]["receiverInfo"] == info
        kept = world.service.subscribers.get(id_)
        assert kept is not None
        assert "4711" not in repr(kept) + repr(world.service.subscribers.target(kept))
    assert all(b"4711" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    secret = next(tmp_path.rglob("secret"))
    former = secret.read_bytes()
    secret.write_bytes(bytes(len(former)))
    with world_in(tmp_path, sectors="weather") as world:
        found = world.retrieve(id_)
        assert (found["status"], found["notification"]["endpoint"]) == ("paused", {"uri": endpoint["uri"]})
        (state,) = world.service.states(SYSTEM)
        assert state.held == HELD["secret"]
        path = f"{SUBSCRIPTIONS}/{id_}"
        assert world.client.patch(path, json={"isActive": False}).status_code == 204
        assert world.client.patch(path, json={"isActive": True}).status_code == 204
        with pytest.raises(Problem, match="cannot be read"):
            world.city.run(world.service.resume(SYSTEM, id_))
        told = {"notification": {"endpoint": {"uri": world.receiver.url, "receiverInfo": info}}}
        assert world.client.patch(path, json=told).status_code == 204
        world.change("create", "urn:ngsi-ld:Building:after", level=3)
        world.receiver.wait(1)
        assert world.receiver.headers[-1]["authorization"] == info[0]["value"]
    assert "4711" not in "".join(capfd.readouterr())
