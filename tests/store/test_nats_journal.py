"""The journal's everyday behaviour: what goes in comes out, with what its door knew, until it is acknowledged."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from journal_world import PASSWORD, Mqtt, eventually, fetch_all, new_journal, running_journal

from dothi.model.problem import Problem
from dothi.model.reading import Origin
from dothi.store.journal import JournalDown
from dothi.store.nats_journal import NatsJournal, _where
from dothi.store.nats_process import server_binary
from dothi.store.nats_server import NatsServer
from dothi.store.nats_wire import Address, NatsGone, Wire, parse_urls


def test_what_a_door_knew_comes_out_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, _):
            await journal.append(
                "đ\r\n".encode(),
                source="file",
                device="trạm\r\n1",
                content_type="application/x-ndjson",
                correlation='c"\r\nX: y',
                origin=Origin.REPLAYED,
            )
            await journal.append(b"", source="http", device=None, content_type="application/json", correlation="d")
            first, second = await fetch_all(journal, 2)
            assert (first.source, first.device, first.body) == ("file", "trạm\r\n1", "đ\r\n".encode())
            assert (first.content_type, first.correlation) == ("application/x-ndjson", 'c"\r\nX: y')
            assert first.origin is Origin.REPLAYED
            assert not first.redelivered
            assert (second.device, second.body, second.origin) == (None, b"", None)
            assert first.received_at <= second.received_at
            assert first.received_at > 1_700_000_000_000_000

    asyncio.run(scene())


def test_messages_of_a_client_somebody_else_wrote(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, server):
            client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="station-1")
            client.username_pw_set("gateway", PASSWORD)
            client.connect("127.0.0.1", server.mqtt_port)
            client.loop_start()
            bodies = [b"at most once", b"at least once", b"and retained"]
            client.publish("hanoi/devices/Tram_1-a/readings", bodies[0], qos=0)
            client.publish("hanoi/devices/Tram_1-a/readings", bodies[1], qos=1)
            client.publish("hanoi/devices/Tram_1-a/readings", bodies[2], qos=1, retain=True)
            messages = await fetch_all(journal, 3)
            client.disconnect()
            client.loop_stop()
            assert sorted(message.body for message in messages) == sorted(bodies)
            assert {message.device for message in messages} == {"Tram_1-a"}
            assert {message.source for message in messages} == {"mqtt"}
            assert [message.body for message in messages if message.handle is None] == [bodies[0]]
            await journal.acknowledge(messages)

            async def empty() -> bool:
                return await journal.lag() == 0

            await eventually(empty)
            assert await journal.fetch(10, 0.1) == []

    asyncio.run(scene())


def test_a_device_can_do_nothing_but_send_its_readings(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, server):
            device = Mqtt(server.mqtt_port)
            assert await device.connect() == 0
            for topic in ("hanoi/devices/a/commands", "hue/devices/a/readings", "hanoi/intake", "$JS/API/STREAM/DELETE/x"):
                device.publish(1, b"no", topic=topic)
            device.publish(2, b"yes")
            assert await device.settle({2}) == {2}
            assert [message.body for message in await fetch_all(journal, 1)] == [b"yes"]
            assert await journal.fetch(10, 0.1) == []

            async def told() -> bool:
                return server.refused_topics == 4

            await eventually(told)

            again = Mqtt(server.mqtt_port)
            assert await again.connect() == 0
            again.publish(3, b"x" * 10_000_000)
            async with asyncio.timeout(60):
                await again.closed.wait()
            assert await journal.fetch(10, 0.1) == []

            twice = Mqtt(server.mqtt_port)
            assert await twice.connect() == 0
            twice.publish(4, b"exactly once is not offered", qos=2)
            async with asyncio.timeout(60):
                await twice.closed.wait()

    asyncio.run(scene())


def test_the_private_door_needs_the_credential_of_this_start(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (_, server):
            mode = stat.S_IMODE((tmp_path / "nats.conf").stat().st_mode)
            assert mode == 0o600
            (ours,) = server.addresses()
            assert ours.password not in (tmp_path / "nats.log").read_text()

            async def nothing() -> None:
                return None

            for login in ({}, {"user": "city", "password": "x"}, {"user": "warden"}, {"user": "a", "password": PASSWORD}):
                stranger = Wire(lambda login=login: [Address(ours.host, ours.port, **login)], nothing)
                with pytest.raises(NatsGone):
                    await stranger._connect(0)
        async with running_journal(tmp_path) as (_, server):
            assert server.addresses()[0].password != ours.password

    asyncio.run(scene())


def test_what_was_not_acknowledged_comes_again_after_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, server):
            device = Mqtt(server.mqtt_port)
            assert await device.connect() == 0
            for number in range(1, 5):
                device.publish(number, b"mqtt %d" % number)
            await device.settle({1, 2, 3, 4})
            await journal.append(b"http 1", source="http", device=None, content_type="t", correlation="c")
            await journal.append(b"http 2", source="http", device=None, content_type="t", correlation="c")
            messages = await fetch_all(journal, 6)
            done = [message for message in messages if message.body in (b"mqtt 1", b"mqtt 3", b"http 1")]
            await journal.acknowledge(done)

            async def heard() -> bool:
                return await journal.lag() == 3

            await eventually(heard)
        async with running_journal(tmp_path) as (journal, _):
            again = await fetch_all(journal, 3)
            assert sorted(message.body for message in again) == [b"http 2", b"mqtt 2", b"mqtt 4"]
            assert all(message.redelivered for message in again)
            assert await journal.lag() == 3
            await journal.acknowledge(again)

    asyncio.run(scene())


def test_a_reading_waits_for_nobody(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, server):
            device = Mqtt(server.mqtt_port)
            assert await device.connect() == 0
            loop = asyncio.get_running_loop()
            waits = []
            for number in range(1, 21):
                fetching = asyncio.create_task(journal.fetch(2_000, 30))
                await asyncio.sleep(0)
                began = loop.time()
                device.publish(number, b"%d" % number)
                (message,) = await fetching
                waits.append(loop.time() - began)
                await journal.acknowledge([message])
            # The middle of twenty: a busy machine may hold up some, a design that polls would hold up all.
            assert sorted(waits)[10] < 0.05

    asyncio.run(scene())


def test_bodies_of_every_size_up_to_the_bound(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, _):
            bodies = [os.urandom(size) for size in (1, 100_000, 3_000_000, 8_000_000)]
            for body in bodies:
                await journal.append(body, source="http", device=None, content_type="t", correlation="c")
            assert [message.body for message in await fetch_all(journal, 4)] == bodies
            with pytest.raises(Problem) as refusal:
                await journal.append(b"x" * (8 * 1024 * 1024), source="http", device=None, content_type="t", correlation="c")
            assert refusal.value.status == 413

    asyncio.run(scene())


def test_more_than_is_asked_for_at_once_all_comes(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, server):
            devices = [Mqtt(server.mqtt_port, f"d{number}") for number in range(2)]
            for device in devices:
                assert await device.connect() == 0
                for number in range(1, 6_001):
                    device.publish(number, b"%s %d" % (device.client.encode(), number))
            seen: set[bytes] = set()
            async with asyncio.timeout(90):
                while len(seen) < 12_000:
                    messages = await journal.fetch(2_000, 1)
                    assert len(messages) <= 2_000
                    seen |= {message.body for message in messages}
                    await journal.acknowledge(messages)

            async def empty() -> bool:
                return await journal.lag() == 0

            await eventually(empty)

    asyncio.run(scene())


def test_a_port_that_is_taken_is_said_in_plain_words(tmp_path: Path) -> None:
    async def scene() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            server = NatsServer(tmp_path, "hanoi", "127.0.0.1", taken.getsockname()[1], 1024**3)
            with pytest.raises(JournalDown, match="DOTHI_MQTT_PORT"):
                await server.start()
            assert server.pid is None

    asyncio.run(scene())


def test_two_cities_cannot_share_a_journal(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path):
            second, _ = new_journal(tmp_path)
            with pytest.raises(JournalDown, match="Another city"):
                await second.start()

    asyncio.run(scene())


def test_a_nats_that_others_run(tmp_path: Path) -> None:
    """DOTHI_NATS: nothing of ours runs, and the stream of MQTT messages is still ours to bound."""
    config = tmp_path / "theirs.conf"
    config.write_text(
        f'host: "127.0.0.1"\nport: -1\nports_file_dir: "{tmp_path}"\nmax_payload: 2097152\n'
        f'jetstream {{ store_dir: "{tmp_path}" }}\nauthorization {{ user: "our@city", password: "p:w/d" }}\n'
    )

    async def scene() -> None:
        async def told() -> bool:
            with suppress(OSError, ValueError, KeyError):
                where.append(json.loads((tmp_path / f"nats-server_{theirs.pid}.ports").read_text())["nats"][0])
            return bool(where)

        where: list[str] = []
        await eventually(told)
        port = where[0].rpartition(":")[2]
        known = parse_urls(f"nats://nowhere.invalid:1, nats://our%40city:p%3Aw%2Fd@127.0.0.1:{port}")
        journal = NatsJournal("hanoi", addresses=lambda: known, free_share=lambda: 1.0, max_bytes=16 * 1024**2)
        await journal.start()
        try:
            await journal.append(b"hello", source="http", device="a", content_type="t", correlation="c")
            assert [message.body for message in await fetch_all(journal, 1)] == [b"hello"]
            with pytest.raises(Problem) as refusal:
                await journal.append(b"x" * 2_200_000, source="http", device=None, content_type="t", correlation="c")
            assert refusal.value.status == 413
            info = await journal._wire.api("STREAM.INFO.$MQTT_msgs")
            kept = {key: info["config"][key] for key in ("max_bytes", "discard", "retention")}
            assert kept == {"max_bytes": 16 * 1024**2, "discard": "new", "retention": "interest"}
            assert journal.mqtt_port is None
        finally:
            await journal.stop()

    command = [server_binary(), "-c", str(config), "-l", str(tmp_path / "log")]
    with subprocess.Popen(command) as theirs:
        try:
            asyncio.run(scene())
        finally:
            theirs.terminate()


@pytest.mark.parametrize("wrong", ["http://host", "nats://", "", "host:4222"])
def test_an_address_that_is_none_is_refused_without_repeating_it(wrong: str) -> None:
    with pytest.raises(ValueError, match="looks like"):
        parse_urls(wrong)


def test_both_forms_of_the_acknowledgement_subject() -> None:
    old = b"$JS.ACK.$MQTT_msgs.ingest.2.17.40.1795310884064638984.3"
    new = b"$JS.ACK.hub.ACCHASH.$MQTT_msgs.ingest.2.17.40.1795310884064638984.3.token"
    assert _where(old) == _where(new) == (2, 17, 1795310884064638)


def test_it_runs_on_uvloop_too(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("uvloop does not run there")
    import uvloop

    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, _):
            await journal.append(b"x" * 500_000, source="http", device=None, content_type="t", correlation="c")
            assert len((await fetch_all(journal, 1))[0].body) == 500_000

    uvloop.run(scene())
