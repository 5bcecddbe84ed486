"""The command line: what it prints, and one clear line with exit code 2 for everything that is wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dothi.access.policy import LOCAL_OPERATOR
from dothi.cli.client import write_address
from dothi.store.audit import walk
from dothi.testing.city import RunningCity, running_city, wait_until
from dothi.testing.processes import FAIL

Told = subprocess.CompletedProcess[str]


def dothi(home: Path, *arguments: str, **settings: str) -> Told:
    """Run a command with a clean environment and no recorded data."""
    empty = home.parent / "no-data"
    empty.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOTHI_")}
    environment |= {"DOTHI_HOME": str(home), "DOTHI_DATA": str(empty), "COLUMNS": "200"}
    environment |= {"DOTHI_PORT": "1"} | settings  # where nobody listens: a city of this machine's own is not asked
    command = [sys.executable, "-c", "from dothi.cli import main; main()", *arguments]
    return subprocess.run(
        command, env=environment, cwd=home.parent, capture_output=True, text=True, timeout=120, check=False
    )


def refused(told: Told) -> str:
    """The one line in which a command refused."""
    assert told.returncode == 2, told
    assert "Traceback" not in told.stderr
    lines = [line for line in told.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A running city whose address the commands find in its home."""
    with running_city(tmp_path_factory.mktemp("city")) as running:
        write_address(running.home, running.base_url, running.mqtt_port)
        yield running


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (("status",), {}, "No city answers"),
        (("devices", "list"), {}, "No city answers"),
        (("replay", "nothing.csv"), {}, "No city answers"),
        (("run",), {"DOTHI_PORT": "many"}, "DOTHI_PORT is not valid"),
        (("run",), {"DOTHI_REPLAY_SPEED": "-1"}, "DOTHI_REPLAY_SPEED is not valid"),
        (("run",), {"DOTHI_CITY": "99", "DOTHI_PORT": "0"}, "Set DOTHI_CITY to one of"),
        (("run",), {"DOTHI_DATA": "/nowhere/at/all", "DOTHI_PORT": "0"}, "Mend DOTHI_DATA"),
        (("run",), {"DOTHI_SECTORS": "tides", "DOTHI_PORT": "0"}, "No sector 'tides'"),
        (("run",), {"DOTHI_HOST": "192.0.2.1", "DOTHI_PORT": "0"}, "Set DOTHI_TLS_CERTIFICATE"),
        (("city", "search", "qqqq"), {}, "No ward or commune"),
        (("backup", "out.tar.gz"), {}, "There is no city"),
        (("restore", "nothing.tar.gz"), {}, "nothing.tar.gz"),
        (("move", "--to", "sqlite"), {}, "There is no city to copy"),
        (("move", "--to", "mysql://an:secret@h/x"), {}, "A database is a URL like"),
        (("run",), {"DOTHI_DATABASE": "postgresql://an:secret@127.0.0.1:1/x", "DOTHI_PORT": "0"}, "127.0.0.1"),
    ],
)
def test_what_is_wrong_ends_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], settings: dict[str, str], words: str
) -> None:
    closed = {"DOTHI_PORT": "1"}  # nobody listens there
    line = refused(dothi(tmp_path / "home", *arguments, **(closed | settings)))
    assert words in line
    assert "secret" not in line


def test_version_and_help(tmp_path: Path) -> None:
    assert dothi(tmp_path / "home", "--version").stdout.startswith("dothi ")
    shown = dothi(tmp_path / "home", "--help").stdout
    for command in ("run", "replay", "devices", "city", "status", "doctor", "backup", "restore", "move"):
        assert command in shown


def test_a_command_starts_without_the_engines_of_a_city() -> None:
    heavy = "sqlalchemy|numpy|duckdb|polars|fastapi|psycopg"
    told = f"import dothi.cli, sys; print(*sorted({{*'{heavy}'.split('|')}} & sys.modules.keys()))"
    asked = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert asked.stdout.split() == []


def test_a_city_is_described_without_being_started(tmp_path: Path) -> None:
    told = dothi(tmp_path / "home", "city", "info", DOTHI_CITY="25")
    assert told.returncode == 0
    assert "Phú Thọ" in told.stdout
    assert "Phường Đống Đa" in dothi(tmp_path / "home", "city", "search", "dong da").stdout


def test_doctor_says_what_is_missing_and_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(0o755)
    opened = dothi(tmp_path / "open", "doctor", DOTHI_PORT="0", DOTHI_MQTT_PORT="0")
    assert opened.returncode == 0
    assert "others on this machine" in opened.stdout
    well = dothi(tmp_path / "home", "doctor", DOTHI_PORT="0", DOTHI_MQTT_PORT="0")
    assert well.returncode == 0, well.stdout
    assert "The city can run here." in well.stdout
    ill = dothi(
        tmp_path / "home", "doctor", DOTHI_PORT="0", DOTHI_MQTT_PORT="0", DOTHI_DISK_FLOOR="0.99999", DOTHI_CITY="99"
    )
    assert ill.returncode == 2
    assert "no reading is accepted" in ill.stdout
    assert "Set DOTHI_CITY" in ill.stdout
    assert "2 to mend" in ill.stdout


def test_status_of_a_running_city(city: RunningCity) -> None:
    told = dothi(city.home, "status")
    assert told.returncode == 0, told.stderr
    for words in (city.base_url, "hanoi", "simulated", "task ingest", "running"):
        assert words in told.stdout


def test_status_of_a_city_that_does_not_work(city: RunningCity) -> None:
    watch = city.platform.watch
    bound, watch.bound = watch.bound, -1
    try:
        told = dothi(city.home, "status")
    finally:
        watch.bound = bound
    assert told.returncode == 2
    assert "no: ingest" in told.stdout


def test_runs_of_a_running_city(city: RunningCity) -> None:
    city.platform.runs.register(FAIL)
    run_id = city.run(city.platform.runs.submit(LOCAL_OPERATOR, "test.fail", {"how": "die"}))
    wait_until(lambda: "worker-died" in dothi(city.home, "runs", "--search", "hong").stdout, "the run failed")
    assert run_id in dothi(city.home, "runs", "--state", "failed", "--limit", "5").stdout
    assert run_id not in dothi(city.home, "runs", "--state", "done").stdout
    assert "A state is one of" in refused(dothi(city.home, "runs", "--state", "odd"))


def test_a_file_is_replayed_and_its_device_admitted_and_refused(city: RunningCity, tmp_path: Path) -> None:
    file = tmp_path / "day.ndjson"
    rows = [{"device": "cli-1", "at": f"2026-05-14T0{hour}:00:00Z", "values": {"pm25": hour}} for hour in range(5)]
    file.write_text("\n".join([*map(json.dumps, rows), "not a message"]), encoding="utf-8")
    sent = dothi(city.home, "replay", str(file))
    assert sent.returncode == 0, sent.stderr
    assert "5 messages" in sent.stdout
    assert "1 rows were left out" in sent.stderr
    wait_until(lambda: "cli-1" in dothi(city.home, "devices", "list", "--lobby").stdout, "it waits in the lobby")
    admitted = dothi(city.home, "devices", "admit", "cli-1", "--type", "AirQualityObserved", "--name", "Trạm dòng lệnh")
    assert admitted.returncode == 0, admitted.stderr
    assert "cli-1" in dothi(city.home, "devices", "list", "--search", "dong lenh").stdout
    assert dothi(city.home, "devices", "refuse", "cli-1").returncode == 0
    assert "No device" in refused(dothi(city.home, "devices", "refuse", "nobody"))
    assert "cannot be used" in refused(dothi(city.home, "devices", "admit", "x", "--type", "Nothing", "--name", "x"))


def test_the_first_sensor_as_its_tutorial_has_it(city: RunningCity) -> None:
    """Enrol, speak, admit, issue, speak again, take back: secrets alone on stdout, so that a shell can keep them."""
    readings, body = f"{city.base_url}/api/v1/devices/cli-sensor/readings", {"values": {"pm25": 21.5}}

    def send(secret: str) -> int:
        return httpx.post(readings, json=body, auth=("cli-sensor", secret), trust_env=False, timeout=60).status_code

    enrolled = dothi(city.home, "devices", "enrol", "--label", "Thử", "--days", "1")
    code = enrolled.stdout.strip()
    assert (enrolled.returncode, len(code.split())) == (0, 1)
    assert send(code) == 202
    wait_until(lambda: "cli-sensor" in dothi(city.home, "devices", "list", "--lobby").stdout, "it waits in the lobby")
    place = ("--longitude", "105.85", "--latitude", "21.03", "--cadence", "60")
    admitted = dothi(
        city.home, "devices", "admit", "cli-sensor", "--type", "AirQualityObserved", "--name", "Của tôi", *place
    )
    assert admitted.returncode == 0, admitted.stderr
    assert send(code) == 403
    secret = dothi(city.home, "devices", "secret", "cli-sensor").stdout.strip()
    assert send(secret) == 202
    assert dothi(city.home, "devices", "withdraw", "cli-sensor").returncode == 0
    assert send(secret) == 401
    listed = dothi(city.home, "devices", "enrolments").stdout
    number = enrolled.stderr.split()[-1]
    assert number in listed
    assert code not in listed
    assert dothi(city.home, "devices", "close", number).returncode == 0
    assert send(code) == 401
    assert "No enrolment code" in refused(dothi(city.home, "devices", "close", "0" * 12))


def test_devices_are_registered_from_a_file(city: RunningCity, tmp_path: Path) -> None:
    file = tmp_path / "devices.json"
    file.write_text(json.dumps([{"id": f"bulk-{number}", "type": "AirQualityObserved"} for number in range(600)]))
    assert "600 registered" in dothi(city.home, "devices", "register", str(file)).stdout
    file.write_text("{")
    assert "not JSON" in refused(dothi(city.home, "devices", "register", str(file)))


def test_a_backup_is_taken_while_it_runs_and_brought_back_elsewhere(city: RunningCity, tmp_path: Path) -> None:
    told = {"id": "kept", "type": "AirQualityObserved", "name": "Giữ"}
    httpx.post(f"{city.base_url}/api/v1/devices", json=told, headers=city.operator, trust_env=False, timeout=60)
    archive = tmp_path / "city.tar.gz"
    assert dothi(city.home, "backup", str(archive), "--reason", "Bản sao hằng đêm").returncode == 0
    assert "exists already" in refused(dothi(city.home, "backup", str(archive)))
    assert "already runs on" in refused(dothi(city.home, "restore", str(archive), "--overwrite"))
    (tmp_path / "new").mkdir()
    home = tmp_path / "new" / "home"
    assert dothi(home, "restore", str(archive), "--reason", "Hỏng đĩa").returncode == 0
    assert "already" in refused(dothi(home, "restore", str(archive)))
    with running_city(tmp_path / "new") as again:
        kept = f"{again.base_url}/api/v1/devices/kept"
        found = httpx.get(kept, headers=again.operator, trust_env=False, timeout=60).json()
        with again.platform.database.reader() as db:
            told = [(row.action, row.why) for row in walk(db) if row.detail.endswith(str(archive))]
    assert found["name"] == "Giữ"
    assert told == [("city.export", "Bản sao hằng đêm"), ("city.import", "Hỏng đĩa")]
