"""Notifications over MQTT: a broker somebody else runs, a client somebody else wrote."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import Queue
from typing import Any

import paho.mqtt.client as paho
import pytest
from subscription_world import World, world_in

from dothi.store.nats_process import free_port, server_binary
from dothi.testing.city import PATIENCE, wait_until


class Broker:
    """A server with one topic listened to."""

    def __init__(self, folder: Path, users: str) -> None:
        self.port = free_port("127.0.0.1")
        config = folder / "broker.conf"
        words = f'server_name: broker\nhost: "127.0.0.1"\nport: {free_port("127.0.0.1")}\n{users}\n'
        words += f'jetstream {{ store_dir: "{folder}" }}\n'
        config.write_text(f'{words}mqtt {{ host: "127.0.0.1", port: {self.port} }}\n', encoding="utf-8")
        self._process = subprocess.Popen(
            [server_binary(), "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.heard: Queue[Any] = Queue()

    def listen(self, topic: str, user: str = "", password: str = "") -> None:
        """Hear what is published to ``topic``."""
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        if user:
            self._client.username_pw_set(user, password)
        listening: Queue[bool] = Queue()
        self._client.on_message = lambda _c, _u, message: self.heard.put((message.qos, json.loads(message.payload)))
        self._client.on_subscribe = lambda *_: listening.put(True)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 2)
        wait_until(self._connected, "the broker listens")
        self._client.loop_start()
        assert listening.get(timeout=PATIENCE)

    def _connected(self) -> bool:
        try:
            self._client.connect("127.0.0.1", self.port)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """End it."""
        if hasattr(self, "_client"):
            self._client.loop_stop()
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("mqtt"), sectors="weather") as world:
        yield world


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    users = 'accounts { A { jetstream: enabled, users: [{ user: "me", password: "s:e@c" }] } }'
    with closing(Broker(tmp_path, users)) as one:
        yield one


@pytest.mark.parametrize(("quality", "version"), [("0", None), ("1", "mqtt3.1.1"), ("2", None)])
def test_metadata_and_body_arrive(world: World, broker: Broker, quality: str, version: str | None) -> None:
    broker.listen("city/told", "me", "s:e@c")
    notifier = [{"key": "MQTT-QoS", "value": quality}, *([{"key": "MQTT-Version", "value": version}] if version else [])]
    endpoint = {
        "uri": f"mqtt://me:s%3Ae%40c@127.0.0.1:{broker.port}/city/told",
        "notifierInfo": notifier,
        "receiverInfo": [{"key": "for", "value": "you"}],
    }
    id_ = world.subscribe(notification={"endpoint": endpoint, "format": "keyValues"})
    urn = world.urn()
    world.change("create", urn, level=1)
    qos, told = broker.heard.get(timeout=PATIENCE)
    assert qos == int(quality)
    assert told["metadata"]["for"] == "you"
    assert told["metadata"]["Content-Type"] == "application/json"
    assert told["metadata"]["Link"].startswith("<http")
    assert (told["body"]["type"], told["body"]["subscriptionId"]) == ("Notification", id_)
    assert told["body"]["data"] == [{"id": urn, "type": "Building", "level": 1}]
    wait_until(lambda: world.retrieve(id_)["notification"].get("status") == "ok", "it is known to have arrived")
    world.clean()


def test_a_broker_that_lets_nobody_in_is_a_failure_that_is_seen(world: World, broker: Broker) -> None:
    broker.listen("city/told", "me", "s:e@c")
    id_ = world.subscribe(uri=f"mqtt://me:wrong@127.0.0.1:{broker.port}/city/told")
    world.change("create", world.urn(), level=1)
    wait_until(lambda: world.retrieve(id_)["notification"].get("status") == "failed", "the failure is seen")
    assert broker.heard.empty()
    world.clean()
