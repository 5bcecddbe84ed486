"""The stream to browsers: what changed, at once but not too often, shared by who looks at the same."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from dothi.access.policy import LOCAL_OPERATOR
from dothi.model.text import Text
from dothi.platform.sector import MapLayer, MapPoint
from dothi.testing.city import RunningCity, wait_until
from dothi.web import live


@contextmanager
def _listening(city: RunningCity, query: str = "layers=air&lang=vi") -> Iterator[list[tuple[float, str, Any]]]:
    heard: list[tuple[float, str, Any]] = []
    stop = threading.Event()

    def read() -> None:
        with (
            suppress(httpx.TransportError),  # the city may stop before the reader notices
            httpx.Client(base_url=city.base_url, trust_env=False, timeout=30) as client,
            client.stream("GET", f"/live?{query}") as stream,
        ):
            kind = ""
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    heard.append((time.monotonic(), kind, json.loads(line[6:])))
                if stop.is_set():
                    return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    wait_until(lambda: heard, "the stream says hello")
    assert heard[0][1] == "hello"
    yield heard
    stop.set()


def _points(heard: list[tuple[float, str, Any]], urn: str) -> list[tuple[float, dict[str, Any]]]:
    return [(at, one) for at, kind, data in heard if kind == "points" for one in data["points"] if one["id"] == urn]


def test_a_reading_reaches_the_browser_as_a_marker(city: RunningCity, client: httpx.Client) -> None:
    device = {"id": "live-one", "type": "AirQualityObserved", "name": "Trạm sống", "longitude": 105.85, "latitude": 21.03}
    assert client.post("/api/v1/devices", json=device).status_code == 201
    urn = client.get("/api/v1/devices/live-one").json()["entity"]
    with _listening(city) as heard:
        began = time.monotonic()
        client.post("/api/v1/devices/live-one/readings", json={"values": {"pm25": 61.5}})
        wait_until(lambda: _points(heard, urn), "the marker arrives")
        at, point = _points(heard, urn)[0]
        assert at - began < 5
        assert (point["title"], point["longitude"]) == ("Trạm sống", 105.85)
        wait_until(lambda: any(kind == "summary" for _, kind, _ in heard), "tiles and areas follow")
        summary = next(data for _, kind, data in heard if kind == "summary")
        assert len(summary["tiles"]) == 5
        assert set(summary) == {"tiles", "areas", "hours"}


def test_a_stream_is_open_to_nobody_from_outside(city: RunningCity) -> None:
    with httpx.Client(base_url=city.base_url, trust_env=False, headers={"x-forwarded-for": "203.0.113.9"}) as stranger:
        assert stranger.get("/live").status_code == 403


class _World:
    """A layer whose points change when told, and how often it was asked."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.asked = 0
        layer = MapLayer("layer", Text("Lớp", "Layer"), "type", points=self._points)
        sector = SimpleNamespace(layers=(layer,), bottleneck=None, tile=None)
        self.view = live.View(SimpleNamespace(sectors=(sector,)), LOCAL_OPERATOR, "vi", [layer])  # type: ignore[arg-type]

    def _points(self, _platform: Any, _person: Any, _language: str, ids: Any) -> list[MapPoint]:
        self.asked += 1
        return [MapPoint(one, 0, 0, one, str(self.values[one]), "#fff", "#000") for one in ids]

    def change(self, *ids: str) -> None:
        for one in ids:
            self.values[one] = self.values.get(one, 0) + 1
        self.view.touch({"type": list(ids)})

    def watch(self) -> "asyncio.Queue[bytes | None]":
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(live.QUEUE)
        self.view.watchers.add(queue)
        return queue


async def _next_points(queue: "asyncio.Queue[bytes | None]") -> dict[str, str]:
    while True:
        message = await asyncio.wait_for(queue.get(), 5)
        assert message is not None
        head, _, data = message.partition(b"\ndata: ")
        if head == b"event: points":
            return {point["id"]: point["label"] for point in json.loads(data)["points"]}


def test_the_first_change_goes_at_once_and_a_burst_goes_together() -> None:
    async def body() -> None:
        world = _World()
        queue = world.watch()
        task = asyncio.create_task(world.view.run())
        began = time.monotonic()
        world.change("a")
        assert await _next_points(queue) == {"a": "1"}
        assert time.monotonic() - began < live.PAUSE, "the leading edge does not wait"
        for _ in range(20):
            world.change("b", "c")
        assert await _next_points(queue) == {"b": "20", "c": "20"}
        assert time.monotonic() - began >= live.PAUSE
        assert world.asked == 2, "twenty changes, one question"
        task.cancel()

    asyncio.run(body())


def test_what_did_not_change_is_not_sent() -> None:
    async def body() -> None:
        world = _World()
        queue = world.watch()
        task = asyncio.create_task(world.view.run())
        world.change("a")
        await _next_points(queue)
        world.view.touch({"type": ["a"], "other": ["z"]})  # touched, but it says the same as before
        world.change("b")
        assert await _next_points(queue) == {"b": "1"}
        task.cancel()

    asyncio.run(body())


def test_a_browser_that_cannot_keep_up_is_told_to_load_anew() -> None:
    async def body() -> None:
        world = _World()
        queue = world.watch()
        for number in range(live.QUEUE + 1):
            world.view.tell("points", {"layer": "layer", "points": [], "number": number})
        assert queue.qsize() == 2
        first, second = queue.get_nowait(), queue.get_nowait()
        assert first is not None and first.startswith(b"event: reload")
        assert second is not None and f'"number":{live.QUEUE}'.encode() in second

    asyncio.run(body())


def test_the_same_view_is_worked_out_once(city: RunningCity) -> None:
    async def views() -> int:
        tasks = asyncio.all_tasks()
        return sum(task.get_name().startswith("view en ") for task in tasks)

    with _listening(city, "layers=air&lang=en"), _listening(city, "layers=air&lang=en"):
        assert city.run(views()) == 1


@pytest.mark.parametrize("asked", ["", "nothing", "air,nothing,air"])
def test_layers_that_do_not_exist_are_ignored(city: RunningCity, asked: str) -> None:
    with _listening(city, f"layers={asked}") as heard:
        assert "now" in heard[0][2]
