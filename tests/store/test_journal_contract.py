"""The promise "acknowledged means durable", pinned to the nats-server that is installed: a PUBACK means it is stored."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from journal_world import MIB, Disk, Mqtt, emptied, eventually, fetch_all, new_journal, running_journal

from dothi.store.journal import JournalDown, JournalFull
from dothi.store.nats_wire import NatsGone

BODY = b'{"values":{"pm25":%d}}'


def test_no_puback_for_what_a_full_stream_did_not_store(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path, max_bytes=64 * 1024) as (journal, server):
            device = Mqtt(server.mqtt_port)
            assert await device.connect() == 0
            sent = {number: b"%d:" % number + b"x" * 1_000 for number in range(1, 201)}
            for number, body in sent.items():
                device.publish(number, body)
                # A few at a time: a closed connection takes with it the acknowledgements that were still on the way.
                if number % 5 == 0 and await device.settle({number}) == set():
                    break
            acked = device.acked
            assert 30 < len(acked) < 100
            assert device.closed.is_set()
            # A message whose acknowledgement was lost with the connection is kept as well.
            kept = await journal._wire.api(f"STREAM.INFO.{journal._mqtt.name}")
            found = await fetch_all(journal, kept["state"]["messages"])
            assert {sent[number] for number in acked} <= {message.body for message in found}

            await journal.acknowledge(found)
            await emptied(journal)
            again = Mqtt(server.mqtt_port)
            assert await again.connect() == 0
            again.publish(1, b"after")
            assert await again.settle({1}) == {1}
            assert [message.body for message in await fetch_all(journal, 1)] == [b"after"]

    asyncio.run(scene())


async def _publish_until_killed(server_port: int, kill: asyncio.Event, rounds: int) -> set[bytes]:
    """Publish through kills, reconnecting; returns every body that was acknowledged."""
    acked: set[bytes] = set()
    for turn in range(rounds):
        device = Mqtt(server_port, f"dev{turn}")
        while await device.connect() != 0:
            device = Mqtt(server_port, f"dev{turn}")
            await asyncio.sleep(0.02)
        bodies: dict[int, bytes] = {}
        number = 0
        while not device.closed.is_set() and number < 20_000:
            for _ in range(200):
                number += 1
                bodies[number] = b'{"values":{"n":%d},"turn":%d}' % (number, turn)
                device.publish(number, bodies[number])
            await device.settle({number})
            if number >= 1_000:
                kill.set()
        acked |= {bodies[one] for one in device.acked}
        await device.close()
    return acked


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.long)])
def test_every_puback_survives_kill_9_of_the_server(tmp_path: Path, rounds: int) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, server):
            acked: set[bytes] = set()
            seen: set[bytes] = set()
            for _ in range(rounds):
                kill = asyncio.Event()
                work = asyncio.create_task(_publish_until_killed(server.mqtt_port, kill, 1))
                await kill.wait()
                pid = server.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                acked |= await work
                assert len(acked) >= 1_000

                async def all_there(acked: set[bytes] = acked) -> bool:
                    messages = await journal.fetch(2_000, 0.2)
                    seen.update(message.body for message in messages)
                    await journal.acknowledge(messages)
                    return acked <= seen

                await eventually(all_there)

            async def empty() -> bool:
                messages = await journal.fetch(2_000, 0.05)
                await journal.acknowledge(messages)
                return not messages and journal.healthy() and await journal.lag() == 0

            await eventually(empty)
            assert server.restarts == rounds

    asyncio.run(scene())


def test_no_device_enters_before_somebody_keeps_its_messages(tmp_path: Path) -> None:
    async def scene() -> None:
        _, server = new_journal(tmp_path)
        await server.start()
        early = Mqtt(server.mqtt_port)
        assert await early.connect() in (-1, 5)
        await server.stop()
        async with running_journal(tmp_path) as (_, opened):
            assert await Mqtt(opened.mqtt_port).connect() == 0

    asyncio.run(scene())


def test_a_server_that_lost_its_store_opens_only_with_a_new_one(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, server):
            pid = server.pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            shutil.rmtree(tmp_path / "jetstream")
            os.kill(pid, signal.SIGKILL)
            device = Mqtt(server.mqtt_port)
            while await device.connect() != 0:
                device = Mqtt(server.mqtt_port)
                await asyncio.sleep(0.01)
            device.publish(1, b"first of the new store")
            assert await device.settle({1}) == {1}
            assert [message.body for message in await fetch_all(journal, 1)] == [b"first of the new store"]

    asyncio.run(scene())


def test_a_consumer_deleted_by_somebody_comes_back(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, server):
            await journal.fetch(1, 0.01)
            with suppress(NatsGone):  # the answer may find us gone already
                await journal._wire.api("CONSUMER.DELETE.$MQTT_msgs.dothi_hanoi_ingest")
            device = Mqtt(server.mqtt_port)
            while await device.connect() != 0:  # nobody judges who comes while we come back ourselves
                device = Mqtt(server.mqtt_port)

            async def heard() -> bool:
                # What was published while nobody was interested is gone by the stream's nature: a device repeats itself.
                device.publish(1, b"still here")
                return bool(await journal.fetch(10, 0.1))

            await eventually(heard)
            assert journal.healthy()

    asyncio.run(scene())


def test_below_the_disk_floor_nothing_is_accepted_and_what_is_kept_is_served(tmp_path: Path) -> None:
    async def scene() -> None:
        disk = Disk()
        async with running_journal(tmp_path, disk=disk) as (journal, server):
            device = Mqtt(server.mqtt_port)
            assert await device.connect() == 0
            device.publish(1, b"before")
            assert await device.settle({1}) == {1}

            disk.free = 0.04

            async def refuses() -> bool:
                return not journal.healthy() and journal._told_streams is True

            await eventually(refuses)
            device.publish(2, b"refused")
            assert await device.settle({2}) == set()
            assert device.closed.is_set()
            with pytest.raises(JournalFull) as refusal:
                await append(journal, b"refused too")
            assert (refusal.value.status, refusal.value.retry_after) == (503, 60)
            assert "5%" in (journal.refusal() or Disk).en
            assert [message.body for message in await fetch_all(journal, 1)] == [b"before"]

            disk.free = 0.055  # above the floor, but not by enough
            with pytest.raises(TimeoutError):
                await eventually(lambda: _is(journal.healthy), 0.2)
            disk.free = 0.08
            await eventually(lambda: _is(lambda: journal.healthy() and journal._told_streams is False))
            await append(journal, b"after")
            again = Mqtt(server.mqtt_port)
            assert await again.connect() == 0
            again.publish(1, b"after, by mqtt")
            assert await again.settle({1}) == {1}
            assert {message.body for message in await fetch_all(journal, 2)} == {b"after", b"after, by mqtt"}

    asyncio.run(scene())


def test_a_killed_city_leaves_no_server_behind_and_loses_nothing(tmp_path: Path) -> None:
    script = """
import asyncio, sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from journal_world import new_journal
async def main():
    journal, server = new_journal(Path(sys.argv[1]))
    await journal.start()
    for number in range(200):
        await journal.append(b"%d" % number, source="http", device=None, content_type="t", correlation="c")
    print(server.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    command = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as city:
        assert city.stdout is not None
        server_pid = int(city.stdout.readline())
        city.kill()

    async def scene() -> None:
        async def gone() -> bool:
            return _is_gone(server_pid)

        if sys.platform == "linux":
            await eventually(gone)
        async with running_journal(tmp_path) as (journal, _):
            bodies = {message.body for message in await fetch_all(journal, 200)}
            assert bodies == {b"%d" % number for number in range(200)}

    asyncio.run(scene())


def test_an_orphan_is_ended_by_the_next_start(tmp_path: Path) -> None:
    """Where nothing ends the child with us, the pid file leads to it."""

    async def scene() -> None:
        journal, server = new_journal(tmp_path)
        await journal.start()
        pid = server.pid
        assert pid is not None
        await append(journal, b"kept")
        # As after a kill -9 of the city: nobody supervises the server, nobody holds the lock.
        keeper = server._keeper
        assert keeper is not None
        keeper.cancel()
        server._release_lock()
        async with running_journal(tmp_path) as (second, newer):
            assert newer.pid != pid
            assert [message.body for message in await fetch_all(second, 1)] == [b"kept"]
        await journal._wire.close()

    asyncio.run(scene())


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


async def append(journal, body: bytes) -> None:
    await journal.append(body, source="http", device=None, content_type="application/json", correlation="c")


async def _is(condition) -> bool:
    return condition()


def test_the_http_stream_refuses_when_full_and_keeps_what_it_took(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path, max_bytes=MIB) as (journal, _):
            taken = []
            with pytest.raises(JournalFull) as refusal:
                for number in range(100):
                    await append(journal, b"%d" % number + b"x" * 50_000)
                    taken.append(number)
            assert refusal.value.status == 503
            assert refusal.value.retry_after
            kept = await fetch_all(journal, len(taken))
            assert [int(message.body.split(b"x")[0]) for message in kept] == taken
            await journal.acknowledge(kept)
            await emptied(journal)
            await append(journal, b"after")

    asyncio.run(scene())


def test_a_dead_journal_says_so_and_comes_back(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, server):
            pid = server.pid
            assert pid is not None
            await append(journal, b"before")
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: _is(lambda: not journal.healthy()))
            with pytest.raises(JournalDown) as refusal:
                await append(journal, b"too early")
            assert (refusal.value.status, bool(refusal.value.retry_after)) == (503, True)
            await eventually(lambda: _is(journal.healthy))
            await append(journal, b"after")
            bodies = {message.body for message in await fetch_all(journal, 2)}
            assert {b"before", b"after"} <= bodies

    asyncio.run(scene())
