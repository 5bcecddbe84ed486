"""``dothi replay-city`` as a process: a city of its own beside the live one, from recorded data or from an export."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from dothi.access.local_key import operator_headers
from dothi.testing.city import running_city, wait_until
from dothi.testing.recording import FIRST, LAST, NOW, PEAK, SMOGGY, recording

COMMAND = (sys.executable, "-c", "from dothi.cli import main; main()")


def _environment(home: Path, **settings: str) -> dict[str, str]:
    empty = home.parent / "no-data"
    empty.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOTHI_")}
    return kept | {"DOTHI_HOME": str(home), "DOTHI_DATA": str(empty), "COLUMNS": "200"} | settings


def _run(home: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments],
        env=_environment(home, **settings),
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def replaying(home: Path, *arguments: str, **settings: str) -> Iterator[tuple[httpx.Client, Path]]:
    """``dothi replay-city`` until the block ends; its pages' client, and what it printed."""
    log = home.parent / "replay.log"
    with log.open("wb") as output:
        command = [*COMMAND, "replay-city", *arguments]
        process = subprocess.Popen(
            command, env=_environment(home, **settings), cwd=home.parent, stdout=output, stderr=output
        )
    try:
        wait_until(
            lambda: "Ctrl-C stops" in log.read_text("utf-8") or process.poll() is not None, "the replay says where it is"
        )
        (address,) = home.glob("replays/*/address")
        url = msgspec.json.decode(address.read_bytes())["url"]
        headers = operator_headers(address.parent)
        with httpx.Client(base_url=url, trust_env=False, timeout=30, headers=headers) as client:
            yield client, log
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text("utf-8")[-2000:]
    finally:
        if process.poll() is None:
            process.kill()


def _points(client: httpx.Client, at: datetime | None = None, known: str = "now") -> dict[str, dict[str, Any]]:
    query = {} if at is None else {"at": at.isoformat(), "known": known}
    found = client.get("/map/layers/air.json", params=query).json()["points"]
    return {point["title"]: point for point in found}


def test_a_recording_is_lived_through_again_beside_the_live_city(tmp_path: Path) -> None:
    data = recording(tmp_path)
    with running_city(tmp_path) as live:
        taken = httpx.URL(live.base_url).port
        start = NOW - timedelta(hours=12)
        arguments = (str(data), "--from", start.isoformat(), "--to", LAST.isoformat(), "--speed", "60")
        with replaying(live.home, *arguments, DOTHI_PORT=str(taken)) as (client, log):
            assert httpx.URL(str(client.base_url)).port != taken
            said = log.read_text("utf-8")
            assert str(client.base_url).rstrip("/") in said
            assert "60 × as fast" in said
            wait_until(lambda: _points(client).get(SMOGGY, {}).get("label", "–") != "–", "the stations have an index")
            for path in ("/", "/air", "/devices", "/docs", "/nowhere"):
                page = client.get(path, headers={"accept": "text/html", "accept-language": "vi"})
                assert "PHÁT LẠI" in page.text, path
            now = datetime.fromisoformat(client.get("/map/layers/air.json").json()["at"])
            assert start <= now < start + timedelta(hours=6)
            peak = FIRST.replace(minute=0) + timedelta(hours=PEAK + 1)
            wait_until(lambda: _points(client, peak).get(SMOGGY, {}).get("severity", 0) >= 2, "its past can be looked at")
            again = _run(live.home, "replay-city", *arguments)
            assert again.returncode == 2
            assert "is being replayed at" in again.stderr
        with httpx.Client(base_url=live.base_url, trust_env=False, headers=live.operator, timeout=60) as client:
            assert SMOGGY not in _points(client), "the live city never hears of it"


def test_an_export_is_lived_through_again_as_it_was_heard(tmp_path: Path) -> None:
    data = recording(tmp_path)
    home = tmp_path / "live"
    with (
        running_city(tmp_path, home=home, data=data, replay_speed=1) as city,
        httpx.Client(base_url=city.base_url, trust_env=False, headers=city.operator, timeout=60) as client,
    ):
        (station,) = [one for one in client.get("/api/v1/devices?limit=50").json()["items"] if one["name"] == SMOGGY]
        at = NOW - timedelta(minutes=30)
        wait_until(lambda: SMOGGY in _points(client), "stations are heard")
        client.post(f"/api/v1/devices/{station['id']}/readings", json={"at": at.isoformat(), "values": {"temp": 31.5}})
        history = f"/api/v1/entities/{station['entity']}/history?attribute=temperature"
        wait_until(lambda: client.get(history).json()["values"] == [31.5], "the reading is stored")
    written = tmp_path / "written"
    told = _run(home, "export", str(written), DOTHI_DATA=str(data))
    assert told.returncode == 0, told.stderr
    start = NOW - timedelta(hours=6)
    with replaying(home, str(written), "--from", start.isoformat(), "--speed", "20000") as (client, _log):
        wait_until(lambda: len(_points(client)) == 4, "its stations are there")
        wait_until(lambda: client.get(history).json()["values"] == [31.5], "and what was heard comes again, in its time")
        assert client.get(history).json()["origins"] == ["replayed"]
        page = client.get("/", headers={"accept": "text/html", "accept-language": "vi"})
        assert "PHÁT LẠI" in page.text
        past = _points(client, FIRST + timedelta(hours=10), "then")
        assert {point["freshness"] for point in past.values()} == {"fresh"}, "what came in bulk counts from its own time on"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere",), "There is no folder nowhere"),
        (("data", "--from", "2026-05-20", "--to", "2026-05-19"), "would end before it begins"),
        (("data", "--from", "2026-06-01"), "Nothing is recorded from"),
        (("data", "--to", "2026-05-01"), "Nothing is recorded between"),
        (("data", "--from", "tomorrow"), "'tomorrow' is no moment"),
        (("data", "--speed", "0"), "DOTHI_REPLAY_SPEED is not valid"),
        (("data/air",), "holds nothing to replay"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    recording(tmp_path, hours=4)
    told = _run(tmp_path / "home", "replay-city", *arguments)
    assert told.returncode == 2
    assert words in told.stderr
    assert len([line for line in told.stderr.splitlines() if line.strip()]) == 1
    assert not (tmp_path / "home" / "replays").exists(), "nothing was begun"
