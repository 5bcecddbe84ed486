"""The stream to browsers: what changed, at once but not too often, shared by who looks at the same."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from dothi.access.policy import LOCAL_OPERATOR, STRANGER, SYSTEM, Clearance, Person
from dothi.data.batch import Batch, EntityChange
from dothi.data.news import Changes
from dothi.model.clock import SystemClock
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.text import Text
from dothi.platform.metrics import Metrics
from dothi.platform.sector import MapLayer, MapPoint
from dothi.platform.tasks import Supervisor
from dothi.testing.city import RunningCity, wait_until
from dothi.testing.people import insider
from dothi.web import live
from dothi.web.view import chosen_layers


@contextmanager
def _listening(city: RunningCity, query: str = "layers=air&lang=vi") -> Iterator[list[tuple[str, Any]]]:
    heard: list[tuple[str, Any]] = []
    stop = threading.Event()

    def read() -> None:
        with (
            suppress(httpx.TransportError),  # the city may stop before the reader notices
            httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=city.operator) as client,
            client.stream("GET", f"/live?{query}") as stream,
        ):
            kind = ""
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    heard.append((kind, json.loads(line[6:])))
                if stop.is_set():
                    return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    wait_until(lambda: heard, "the stream says hello")
    assert heard[0][0] == "hello"
    yield heard
    stop.set()


def _points(heard: list[tuple[str, Any]], urn: str) -> list[dict[str, Any]]:
    return [one for kind, data in heard if kind == "points" for one in data["points"] if one["id"] == urn]


def test_a_reading_reaches_the_browser_as_a_marker(city: RunningCity, client: httpx.Client) -> None:
    device = {"id": "live-one", "type": "AirQualityObserved", "name": "Trạm sống", "longitude": 105.85, "latitude": 21.03}
    assert client.post("/api/v1/devices", json=device).status_code == 201
    urn = client.get("/api/v1/devices/live-one").json()["entity"]
    with _listening(city) as heard:
        client.post("/api/v1/devices/live-one/readings", json={"values": {"pm25": 61.5}})
        wait_until(lambda: _points(heard, urn), "the marker arrives")
        point = _points(heard, urn)[0]
        assert (point["title"], point["longitude"]) == ("Trạm sống", 105.85)
        wait_until(lambda: any(kind == "summary" for kind, _ in heard), "tiles and areas follow")
        summary = next(data for kind, data in heard if kind == "summary")
        assert len(summary["tiles"]) == 5
        assert set(summary) == {"tiles", "areas", "hours"}


def test_a_deleted_entity_leaves_the_map(city: RunningCity, client: httpx.Client) -> None:
    device = {"id": "live-two", "type": "AirQualityObserved", "longitude": 105.86, "latitude": 21.04}
    assert client.post("/api/v1/devices", json=device).status_code == 201
    urn = client.get("/api/v1/devices/live-two").json()["entity"]
    entity = city.platform.context.get(SYSTEM, urn)
    assert entity is not None
    with _listening(city) as heard:
        city.run(city.platform.writer.save(SYSTEM, "delete", entity, at=city.platform.clock.now()))
        wait_until(lambda: any(kind == "removed" and urn in data["ids"] for kind, data in heard), "it is said to be gone")


def test_streams_that_were_closed_are_joined_anew(city: RunningCity, client: httpx.Client) -> None:
    assert client.post("/api/v1/devices", json={"id": "live-three", "type": "AirQualityObserved"}).status_code == 201
    urn = client.get("/api/v1/devices/live-three").json()["entity"]
    with _listening(city):
        city.run(city.platform.tasks.cancel(live.TASK))
        with _listening(city) as heard:
            told = {"values": {"pm25": 12.5}, "location": [105.84, 21.02]}
            client.post("/api/v1/devices/live-three/readings", json=told)
            wait_until(lambda: _points(heard, urn), "the marker arrives at the browser that came back")


def test_a_stream_is_open_to_nobody_from_outside(city: RunningCity) -> None:
    with httpx.Client(
        base_url=city.base_url, trust_env=False, headers={"x-forwarded-for": "203.0.113.9"}, timeout=60
    ) as stranger:
        assert stranger.get("/live").status_code == 401


@pytest.mark.parametrize(
    ("asker", "shown"), [(STRANGER, ["public"]), (LOCAL_OPERATOR, ["internal", "public", "restricted"])]
)
def test_a_view_tells_what_its_watcher_may_know(city: RunningCity, asker: Person, shown: list[str]) -> None:
    """One station of each clearance changes; a view of the real layers sends those within reach, by marker and summary."""
    names = {clearance: f"seen-{asker.id}-{clearance.name.lower()}" for clearance in Clearance}
    keeper = insider("keeper", Clearance.PERSONAL)
    layer = chosen_layers(city.platform, "air")[0]

    async def body() -> dict[str, Any]:
        place = [Attribute("GeoProperty", {"type": "Point", "coordinates": [105.85, 21.03]})]
        changes = [
            EntityChange("create", Entity(f"urn:x:{name}", layer.entity_type, {LOCATION: place}), clearance)
            for clearance, name in names.items()
        ]
        now = city.platform.clock.now()
        await city.platform.writer.write(Batch(keeper, "test", "seen", now, entities=changes))
        watched = live.View(city.platform, asker, "vi", [layer])
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(live.QUEUE)
        watched.watchers.add(queue)
        running = asyncio.create_task(watched.run())
        watched.touch(Changes(1, now, {layer.entity_type: [f"urn:x:{name}" for name in names.values()]}))
        heard: dict[str, Any] = {}
        while heard.keys() < {"points", "summary"}:
            async with asyncio.timeout(60):
                message = await queue.get()
            assert message is not None
            head, _, data = message.partition(b"\ndata: ")
            heard[head.decode()[7:]] = json.loads(data)
        running.cancel()
        return heard

    heard = city.run(body())
    assert sorted(one["id"].rsplit("-", 1)[1] for one in heard["points"]["points"]) == shown
    told = json.dumps(heard)
    assert [name for clearance, name in names.items() if name in told] == [
        name for clearance, name in names.items() if clearance.name.lower() in shown
    ]


class _World:
    """A layer whose points change when told, how often it was asked, and pauses that last until told."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.asked = 0
        self.go_on = asyncio.Event()
        layer = MapLayer("layer", Text("Lớp", "Layer"), "type", points=self._points)
        sector = SimpleNamespace(layers=(layer,), bottleneck=None, tile=None)
        context = SimpleNamespace(known=lambda _person, urns: {one for one in urns if not one.startswith("hidden")})
        platform = cast("Any", SimpleNamespace(sectors=(sector,), context=context))
        self.view = live.View(platform, LOCAL_OPERATOR, "vi", [layer], self._pause)

    async def _pause(self, _seconds: float) -> None:
        await self.go_on.wait()

    def _points(self, _platform: Any, _person: Any, _language: str, ids: Any, _moment: Any) -> list[MapPoint]:
        self.asked += 1
        return [MapPoint(one, 0, 0, one, str(self.values[one]), "#fff", "#000") for one in ids if one in self.values]

    def change(self, *ids: str) -> None:
        for one in ids:
            self.values[one] = self.values.get(one, 0) + 1
        self.touch({"type": list(ids)})

    def touch(self, by_type: dict[str, list[str]], deleted: tuple[str, ...] = ()) -> None:
        self.view.touch(Changes(1, SystemClock().now(), by_type, deleted=list(deleted)))

    def watch(self) -> "asyncio.Queue[bytes | None]":
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(live.QUEUE)
        self.view.watchers.add(queue)
        return queue


async def _next(queue: "asyncio.Queue[bytes | None]", kind: str) -> Any:
    while True:
        async with asyncio.timeout(60):
            message = await queue.get()
        assert message is not None
        head, _, data = message.partition(b"\ndata: ")
        if head == b"event: " + kind.encode():
            return json.loads(data)


async def _next_points(queue: "asyncio.Queue[bytes | None]") -> dict[str, str]:
    return {point["id"]: point["label"] for point in (await _next(queue, "points"))["points"]}


def test_the_first_change_goes_at_once_and_a_burst_goes_together() -> None:
    async def body() -> None:
        world = _World()
        queue = world.watch()
        task = asyncio.create_task(world.view.run())
        world.change("a")
        assert await _next_points(queue) == {"a": "1"}, "the leading edge does not wait for the pause"
        for _ in range(20):
            world.change("b", "c")
            await asyncio.sleep(0)
        assert world.asked == 1, "nothing is asked while the pause lasts"
        world.go_on.set()
        assert await _next_points(queue) == {"b": "20", "c": "20"}
        assert world.asked == 2, "twenty changes, one question"
        task.cancel()

    asyncio.run(body())


def test_what_is_deleted_is_said_and_forgotten() -> None:
    async def body() -> None:
        world = _World()
        world.go_on.set()
        queue = world.watch()
        task = asyncio.create_task(world.view.run())
        world.change("a", "b")
        assert await _next_points(queue) == {"a": "1", "b": "1"}
        del world.values["a"]
        world.touch({}, deleted=("a", "unseen", "hidden"))
        assert await _next(queue, "removed") == {"ids": ["a", "unseen"]}, "of what the watcher may not know, no name is told"
        world.change("a")  # made again, saying the same as before it went
        assert await _next_points(queue) == {"a": "1"}
        world.touch({}, deleted=("b",))
        world.change("b")  # deleted and made again before anybody was told
        assert await _next_points(queue) == {"b": "2"}
        del world.values["b"]
        world.touch({"type": ["b"]})
        assert await _next(queue, "removed") == {"ids": ["b"]}, "what leaves the watcher's reach leaves the map"
        task.cancel()

    asyncio.run(body())


class _Commits:
    """A dispatcher that tells its listeners what it is given."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[Changes] = asyncio.Queue()

    async def listen(self) -> AsyncIterator[Changes]:
        while True:
            yield await self.told.get()


def test_a_view_that_failed_ends_its_streams_and_the_next_browser_gets_a_new_one() -> None:
    async def body() -> None:
        label: list[Any] = [object()]  # nothing that can be written as JSON
        layer = MapLayer(
            "layer",
            Text("Lớp", "Layer"),
            "type",
            points=lambda *_: [MapPoint("a", 0, 0, "a", label[0], "#fff", "#000")],
        )
        sector = SimpleNamespace(layers=(layer,), bottleneck=None, tile=None)
        commits, tasks = _Commits(), Supervisor()
        platform = SimpleNamespace(
            sectors=(sector,), tasks=tasks, dispatcher=commits, clock=SystemClock(), metrics=Metrics(), city=None
        )
        stream = live.Live(cast("Any", platform))

        def read() -> AsyncIterator[bytes]:
            return stream._messages(LOCAL_OPERATOR, "vi", [layer])

        first = read()
        assert b"event: hello" in await anext(first)
        commits.told.put_nowait(Changes(1, SystemClock().now(), {"type": ["a"]}))
        async with asyncio.timeout(60):
            assert [one async for one in first if b"event: beat" not in one] == [], "the stream ends"
        label[0] = "7"
        second = read()
        assert b"event: hello" in await anext(second)
        commits.told.put_nowait(Changes(2, SystemClock().now(), {"type": ["a"]}))
        async with asyncio.timeout(60):
            assert b'"label":"7"' in await anext(second)
        await tasks.stop()

    asyncio.run(body())


def test_what_did_not_change_is_not_sent() -> None:
    async def body() -> None:
        world = _World()
        world.go_on.set()
        queue = world.watch()
        task = asyncio.create_task(world.view.run())
        world.change("a")
        await _next_points(queue)
        world.touch({"type": ["a"], "other": ["z"]})  # touched, but it says the same as before
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

    wait_until(lambda: city.run(views()) == 0, "nobody else looks in English any more")
    with _listening(city, "layers=air&lang=en"), _listening(city, "layers=air&lang=en"):
        assert city.run(views()) == 1


def test_those_with_the_same_reach_share_a_view_and_others_do_not() -> None:
    async def body() -> None:
        world = _World()
        platform = SimpleNamespace(sectors=world.view.platform.sectors, tasks=Supervisor(), dispatcher=_Commits())
        streams = live.Live(cast("Any", platform))
        layers = world.view.layers
        one, other = insider("one", Clearance.INTERNAL), insider("other", Clearance.INTERNAL)
        shared = streams._view(one, "vi", layers)
        assert streams._view(other, "vi", layers) is shared
        assert streams._view(LOCAL_OPERATOR, "vi", layers) is not shared
        await platform.tasks.stop()

    asyncio.run(body())


@pytest.mark.parametrize("asked", ["", "nothing", "air,nothing,air"])
def test_layers_that_do_not_exist_are_ignored(city: RunningCity, asked: str) -> None:
    with _listening(city, f"layers={asked}") as heard:
        assert "now" in heard[0][1]
