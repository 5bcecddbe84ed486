"""More unknown devices than a city may ever have: the lobby keeps its bound, the rest is counted and refused."""

from pathlib import Path

import pytest
from fault_world import DOOR, TENANT, RawMqtt, bare_city, figures, operator, register

from dothi.devices.lobby import MAX_WAITING
from dothi.testing.city import CityProcess, wait_until

BATCH = 1_000
NDJSON = {"Content-Type": "application/x-ndjson"}


def resident_mb(city: CityProcess) -> float:
    """Memory of the server process of its own; not the engines' code, which is mapped when the first hour is sealed."""
    lines = Path(f"/proc/{city.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the server's memory from /proc")
@pytest.mark.parametrize("ids", [20_000, pytest.param(1_000_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_a_flood_of_unknown_devices_stays_at_the_lobbys_bound(tmp_path: Path, ids: int) -> None:
    with bare_city(tmp_path) as city, operator(city) as client:
        register(client, ["known"])
        before = 0.0
        refused = 0
        for first in range(0, ids, BATCH):
            lines = [b'{"device":"flood-%d","values":{"pm25":1}}' % number for number in range(first, first + BATCH)]
            answer = client.post(DOOR, content=b"\n".join(lines), headers=NDJSON)
            if answer.status_code == 503:
                assert answer.json()["type"].endswith(("lobby-full", "behind"))
                assert int(answer.headers["retry-after"]) > 0
                refused += BATCH
            else:
                assert answer.status_code == 202, answer.text
            if first + BATCH == MAX_WAITING:
                wait_until(lambda: client.get("/api/v1/lobby?limit=1").json()["total"] == MAX_WAITING, "the lobby is full")
                before = resident_mb(city)
        assert refused == ids - MAX_WAITING, "once it is full, a body of strangers is refused as a whole"
        assert figures(client)["dothi_lobby_refused_total"] == refused

        # Whoever waits already is still heard, and so are strangers who come together with somebody known.
        line = b'{"device":"%s","values":{"pm25":1}}'
        mixed = b"\n".join(line % name for name in (b"flood-1", b"one-more", b"known"))
        assert client.post(DOOR, content=mixed, headers=NDJSON).json()["accepted"] == 3
        device = RawMqtt(city)
        assert device.publish("hanoi/devices/stranger/readings", b'{"values":{"pm25":1}}')
        device.close()
        wait_until(lambda: figures(client)["dothi_lobby_refused_total"] == refused + 2, "two more are refused and counted")
        urn = f"urn:ngsi-ld:AirQualityObserved:{TENANT}:known"
        wait_until(lambda: client.get(f"/api/v1/entities/{urn}").json()["attributes"].get("pm25"), "the known one is heard")
        heard = client.get("/api/v1/lobby?limit=1").json()
        assert (heard["total"], heard["items"][0]["device"], heard["items"][0]["count"]) == (MAX_WAITING, "flood-1", 2)
        assert client.get("/health").json()["status"] == "ok"
        assert resident_mb(city) < before + 30, "what is refused takes no memory"
