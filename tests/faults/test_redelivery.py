"""Committed, and killed before the acknowledgement: the journal hands everything out again, twice, and nothing changes."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fault_world import DOOR, TENANT, RawMqtt, operator, register

from dothi.access.policy import SYSTEM
from dothi.store.journal import Message
from dothi.store.nats_journal import NatsJournal
from dothi.testing.city import RunningCity, running_city, wait_until

NOW = datetime.now(UTC).replace(microsecond=0)
URN = f"urn:ngsi-ld:AirQualityObserved:{TENANT}:told"


def story(number: int) -> dict[str, Any]:
    """Two values for one moment now and then, late ones, and one the device says nothing about the time of."""
    at = NOW - timedelta(minutes=number % 13)
    return {"device": "told", "at": at.isoformat(), "values": {"pm25": 10.0 + number, "pm10": 20}}


def state(city: RunningCity, client: httpx.Client) -> dict[str, Any]:
    """All that a person can see of the device: history with revisions, the live value, lobby and quarantine."""
    window = {"from": (NOW - timedelta(hours=2)).isoformat(), "to": (NOW + timedelta(hours=1)).isoformat()}
    history = {
        name: client.get(f"/api/v1/entities/{URN}/history", params=window | {"attribute": name}).json()
        for name in ("pm25", "pm10", "no2")
    }
    return {
        "history": [
            {key: told[key] for key in ("observedAt", "values", "grades", "revisions")} for told in history.values()
        ],
        "live": client.get(f"/api/v1/entities/{URN}").json()["attributes"],
        "lobby": [one["device"] for one in client.get("/api/v1/lobby").json()["items"]],
        "held": city.platform.quarantine.counts(SYSTEM).keys(),
    }


def test_what_was_committed_but_not_acknowledged_changes_nothing_when_it_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-data").mkdir()
    committed = 0

    async def forget(journal: NatsJournal, messages: Sequence[Message]) -> None:
        nonlocal committed
        committed += sum(b"told" in one.body or b"nobody" in one.body for one in messages)

    monkeypatch.setattr(NatsJournal, "acknowledge", forget)
    with running_city(tmp_path, data=tmp_path / "no-data") as city, operator(city) as client:
        register(client, ["told"])
        device = RawMqtt(city)
        for number in range(40):
            body = story(number)
            if number % 2:
                assert client.post(DOOR, json=body).status_code == 202
            else:
                assert device.publish(f"{TENANT}/devices/told/readings", json.dumps(body).encode())
        assert client.post(DOOR, json={"device": "told", "values": {"no2": 7}}).status_code == 202
        assert client.post(DOOR, json=[story(1), {"device": "told", "values": {"pm25": "?" * 20_000}}]).status_code == 202
        assert client.post(DOOR, json={"device": "nobody", "values": {"pm25": 1}}).status_code == 202
        device.close()
        wait_until(lambda: committed == 43, "everything is committed, nothing acknowledged")
        before = state(city, client)
        assert any(max(one["revisions"]) > 1 for one in before["history"])
        assert (before["lobby"], set(before["held"])) == (["nobody"], {"too-long"})

    committed = 0
    with running_city(tmp_path, data=tmp_path / "no-data") as city, operator(city) as client:
        wait_until(lambda: committed == 43, "the journal has told it again, and nothing is acknowledged again")
        assert city.platform.ingest.figures.repeated >= 80
        assert state(city, client) == before

    monkeypatch.undo()
    with running_city(tmp_path, data=tmp_path / "no-data") as city, operator(city) as client:
        wait_until(lambda: city.run(city.platform.journal.lag()) == 0, "the journal is empty at last")
        assert city.platform.ingest.figures.repeated >= 80
        assert state(city, client) == before
