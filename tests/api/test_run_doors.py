"""Runs over HTTP: start, watch, read, repeat, cancel; and who may not."""

import re
from typing import Any

import httpx
import pytest

from dothi.testing.city import RunningCity, wait_until
from dothi.testing.processes import ECHO, FAIL, NAP


@pytest.fixture(autouse=True, scope="module")
def processes(city: RunningCity) -> None:
    """The sample processes, in the city all these tests share."""
    for process in (ECHO, FAIL, NAP):
        city.platform.runs.register(process)


def over(client: httpx.Client, run: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def ended() -> bool:
        found[:] = [client.get(f"/api/v1/runs/{run}").json()]
        return found[0]["state"] not in ("queued", "running")

    wait_until(ended, "the run is over")
    return found[0]


def start(client: httpx.Client, **asked: Any) -> str:
    answer = client.post("/api/v1/runs", json=asked)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/v1/runs/{answer.json()['id']}"
    return str(answer.json()["id"])


def test_a_run_is_started_read_and_repeated(client: httpx.Client) -> None:
    listed = {one["id"]: one for one in client.get("/api/v1/processes").json()["items"]}
    assert listed["test.echo"]["title"] == {"vi": "Nhắc lại", "en": "Echo"}
    assert (listed["test.echo"]["every"], listed["test.echo"]["timeLimit"]) == (None, 120)
    run = start(client, process="test.echo", options={"a": [1, "đ"]}, seed=5)
    found = over(client, run)
    assert (found["state"], found["seed"], found["version"], found["requestedBy"]) == ("done", 5, "1", "local-operator")
    assert found["options"] == found["inputs"] == found["outputs"] == {"a": [1, "đ"]}
    again = over(client, start(client, repeat=run))
    assert (again["repeats"], again["outputsDigest"]) == (run, found["outputsDigest"])
    page = client.get("/api/v1/runs", params={"process": "test.echo", "state": "done", "q": "nhac lai"}).json()
    assert [one["id"] for one in page["items"]] == [again["id"], run]
    assert page["counts"]["done"] >= page["total"] == 2
    assert "inputs" not in page["items"][0]


def test_a_failure_is_told_in_both_languages(client: httpx.Client) -> None:
    found = over(client, start(client, process="test.fail", options={"how": "die"}))
    assert (found["state"], found["outputs"]) == ("failed", None)
    assert found["error"] == {
        "code": "worker-died",
        "detail": "SIGKILL",
        "words": {"vi": "Tiến trình chạy bị chết giữa chừng", "en": "The process that ran it died halfway"},
    }
    assert client.get("/health").status_code == 200
    assert 'dothi_run_seconds_count{process="test.fail",state="failed"} 1.0' in client.get("/metrics").text


def test_a_run_is_cancelled(client: httpx.Client) -> None:
    run = start(client, process="test.nap", options={"seconds": 60})
    wait_until(lambda: client.get(f"/api/v1/runs/{run}").json()["progress"] == 0.5, "it runs")
    running = re.search(r"^dothi_runs_running (\d+)\.0$", client.get("/metrics").text, re.MULTILINE)
    assert running is not None and int(running[1]) >= 1, "the city may be at a forecast of its own"
    assert client.post(f"/api/v1/runs/{run}/cancel").status_code == 200
    found = client.get(f"/api/v1/runs/{run}").json()
    assert (found["state"], found["endedBy"]) == ("cancelled", "local-operator")
    assert client.post(f"/api/v1/runs/{run}/cancel").status_code == 409


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("/api/v1/runs", {}, 400),
        ("/api/v1/runs", {"process": "test.echo", "repeat": "x"}, 400),
        ("/api/v1/runs", {"process": "nothing"}, 404),
        ("/api/v1/runs", {"repeat": "nothing"}, 404),
        ("/api/v1/runs", {"process": "test.echo", "seed": -1}, 422),
        ("/api/v1/runs", {"process": "test.echo", "options": [1]}, 422),
        ("/api/v1/runs", {"process": "test.echo", "more": 1}, 422),
        ("/api/v1/runs/nothing/cancel", {}, 404),
    ],
)
def test_wrong_questions_get_problems(client: httpx.Client, path: str, asked: Any, status: int) -> None:
    answer = client.post(path, json=asked)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert client.get("/api/v1/runs/nothing").status_code == 404
    assert client.get("/api/v1/runs?state=odd").status_code == 400


def test_strangers_see_and_start_nothing(stranger: httpx.Client) -> None:
    for method, path in (
        ("GET", "/api/v1/runs"),
        ("GET", "/api/v1/processes"),
        ("GET", "/api/v1/runs/x"),
        ("POST", "/api/v1/runs"),
        ("POST", "/api/v1/runs/x/cancel"),
        ("GET", "/runs"),
    ):
        answer = stranger.request(method, path, json={} if method == "POST" else None)
        assert answer.status_code == 401, path
