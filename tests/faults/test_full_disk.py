"""A disk that fills up under load: the city stops accepting in time, says so, serves on, and loses nothing it promised."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fault_world import DOOR, LOAD, TENANT, Ledger, RawMqtt, bare_city, operator, register, under_load

from dothi.testing.city import CityProcess, running_city, wait_until

MIB = 1024 * 1024
FLOOR = 0.05


class Disk:
    """A real file system of 256 MB, and a file that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._ballast = folder, folder / "ballast"

    @property
    def free(self) -> float:
        usage = shutil.disk_usage(self.folder)
        return usage.free / usage.total

    def leave(self, share: float) -> None:
        """Fill it until only ``share`` of it is free."""
        usage = shutil.disk_usage(self.folder)
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, usage.free - int(share * usage.total))

    def fill(self) -> None:
        """Fill it to the last byte."""
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(64 * 1024)):
                    pass
            except OSError:
                return

    def clear(self) -> None:
        """Somebody has made room."""
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a file system of its own needs root and mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"mount is not permitted here: {mounted.stderr.decode(errors='replace').strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def accepting(client: httpx.Client) -> bool:
    return bool(client.get("/health").json()["accepting"])


def check_refusal(client: httpx.Client) -> None:
    """What a sender hears from a city that takes nothing, and that people are still served."""
    answer = client.post(DOOR, json={"device": "http-0", "values": {"pm25": 1}})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "disk" in answer.json()["title"]
    health = client.get("/health").json()
    assert health["accepting"] is False and health["diskFree"] < FLOOR
    assert client.get("/health/live").status_code == 200
    for page in ("/", "/air", "/devices"):
        shown = client.get(page, params={"lang": "vi"})
        assert shown.status_code == 200, page
        assert "tạm ngừng nhận số đo" in shown.text, page
    assert client.get("/api/v1/entities?type=AirQualityObserved").status_code == 200


def test_a_disk_below_the_floor_closes_the_doors_until_there_is_room(tmp_path: Path, disk: Disk) -> None:
    ledger, rng = Ledger(), random.Random(5)
    with bare_city(tmp_path, home=disk.folder / "home") as city, operator(city) as client:
        register(client, LOAD)
        with under_load(city, ledger):
            wait_until(ledger.more(200, 200, rng), "the city is under load")
            disk.leave(0.04)
            wait_until(lambda: not accepting(client), "the city says that it accepts nothing")
            wait_until(lambda: client.get("/health").json()["diskFree"] < FLOOR, "it has seen why")
            check_refusal(client)
            wait_until(lambda: ledger.missing(client) == 0, "what was acknowledged is in history all the same")
            wait_until(lambda: client.get("/health").json()["lag"] == 0, "ingest has finished what was accepted")
            # The streams are sealed a moment after the city says so, and a device may still read the last PUBACKs.
            wait_until(lambda: not takes_mqtt(city), "no PUBACK comes any more")
            check_refusal(client)
            closed = mqtt_promises(ledger)
            check_refusal(client)
            assert mqtt_promises(ledger) == closed, "no PUBACK while the city takes nothing"
            assert disk.free > 0.01, "there was room to finish"

            disk.clear()
            wait_until(lambda: accepting(client), "the city accepts again")
            wait_until(ledger.more(50, 50, rng), "every device goes on")
        ledger.settled(client)


def test_health_says_what_the_doors_do_at_any_share_of_free_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 0.5
    for user in ("dothi.platform.watch.free_share", "dothi.store.nats_journal.free_share"):
        monkeypatch.setattr(user, lambda folder: free)
    (tmp_path / "no-data").mkdir()
    with running_city(tmp_path, data=tmp_path / "no-data") as city, operator(city) as client:
        # A little above the floor it stays closed, so that it does not flutter.
        for free, open_doors in ((0.051, True), (0.049, False), (0.055, False), (0.07, True)):
            wait_until(lambda expected=open_doors: accepting(client) is expected, f"accepting is {open_doors} at {free}")
            answer = client.post(DOOR, json={"device": "somebody", "values": {"pm25": 1}})
            assert answer.status_code == (202 if open_doors else 503)
            assert ("tạm ngừng nhận số đo" in client.get("/air?lang=vi").text) is not open_doors


def takes_mqtt(city: CityProcess) -> bool:
    """True if a message nobody counts is acknowledged."""
    device = RawMqtt(city)
    taken = device.publish(f"{TENANT}/devices/uncounted/readings", b'{"values":{"pm25":1}}')
    device.close()
    return taken


def mqtt_promises(ledger: Ledger) -> int:
    return sum(len(kept) for device, kept in ledger.kept.items() if device.startswith("mqtt"))


def test_a_disk_that_others_fill_to_the_last_byte(tmp_path: Path, disk: Disk) -> None:
    """Too fast for the floor: writes fail in the middle of everything, and the city comes back by itself."""
    ledger, rng = Ledger(), random.Random(5)
    with bare_city(tmp_path, home=disk.folder / "home") as city, operator(city) as client:
        register(client, LOAD)
        with under_load(city, ledger) as by_http:
            wait_until(ledger.more(200, 200, rng), "the city is under load")
            disk.fill()
            wait_until(lambda: all(device.refusals for device in by_http), "the doors are closed")
            assert {answer.status_code for device in by_http for answer in device.refusals} == {503}
            assert client.get("/").status_code == 200
            # A write may fail before the city looks at its disk.
            wait_until(lambda: not accepting(client), "the city says that it accepts nothing")

            disk.clear()
            wait_until(lambda: client.get("/health").status_code == 200, "the city is well again")
            wait_until(ledger.more(50, 50, rng), "every device goes on")
        ledger.settled(client)
