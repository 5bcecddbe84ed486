"""Subscriptions: what may be asked for, what is told of which change, in which shape, and when."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from subscription_world import SUBSCRIPTIONS, World, iri, said, world_in

from dothi.access.policy import SYSTEM
from dothi.api.ngsild.subscriptions import queues
from dothi.model.entity import LOCATION, NULL, Attribute, Entity
from dothi.store.connection import Unavailable
from dothi.testing.city import wait_until


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("subscriptions"), sectors="weather") as world:
        yield world


@pytest.fixture
def world(shared: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(queues, "FIRST_WAIT", 0.02)
    shared.receiver.bodies.clear()
    yield shared
    shared.clean()


@pytest.mark.parametrize(
    "told",
    [
        {"entities": None},
        {"entities": []},
        {"entities": [{"id": "urn:ngsi-ld:Building:1"}]},
        {"entities": [{"type": "Building", "id": "no uri"}]},
        {"type": "Notification"},
        {"throttling": -1},
        {"throttling": 5, "timeInterval": 5},
        {"timeInterval": 5, "watchedAttributes": ["name"]},
        {"watchedAttributes": []},
        {"notificationTrigger": ["entityChanged"]},
        {"expiresAt": "2000-01-01T00:00:00Z"},
        {"expiresAt": "tomorrow"},
        {"isActive": "yes"},
        {"q": "(("},
        {"csf": "(("},
        {"geoQ": {"geometry": "Point"}},
        {"jsonldContext": "unknown"},
        {"datasetId": ["no uri"]},
        {"ngsildConformance": "newest"},
        {"entities": None, "localOnly": False},
        {"localOnly": "yes"},
        {"notification": {"endpoint": None}},
        {"notification": {"endpoint": {"uri": "ftp://example.org/x"}}},
        {"notification": {"endpoint": {"uri": "http://a:b@example.org/x"}}},
        {"notification": {"endpoint": {"uri": "mqtt://example.org"}}},
        {"notification": {"endpoint": {"uri": "mqtt://example.org/all/%23"}}},
        {"notification": {"endpoint": {"uri": "mqtt://example.org/%2B/t"}}},
        {"notification": {"endpoint": {"uri": "mqtt://example.org/t%00"}}},
        {"notification": {"endpoint": {"uri": "mqtt://example.org/t", "notifierInfo": [{"key": "MQTT-QoS", "value": "3"}]}}},
        {"notification": {"endpoint": {"uri": "https://example.org", "accept": "text/html"}}},
        {"notification": {"endpoint": {"uri": "https://example.org", "receiverInfo": [{"key": "K"}]}}},
        {"notification": {"endpoint": {"uri": "https://example.org", "receiverInfo": [{"key": "A", "value": "x\r\nB: y"}]}}},
        {"notification": {"endpoint": {"uri": "https://example.org", "receiverInfo": [{"key": "Host", "value": "other"}]}}},
        {"notification": {"endpoint": {"uri": "https://example.org", "cooldown": 3_600_001}}},
        {"notification": {"endpoint": {"uri": "https://example.org", "timeout": 0}}},
        {"notification": {"showChanges": True, "format": "simplified"}},
        {"notification": {"attributes": []}},
        {"notification": {"attributes": ["a"], "pick": ["b"]}},
        {"notification": {"pick": ["a"], "omit": ["a"]}},
        {"notification": {"join": "both"}},
        {"notification": {"join": "inline", "joinLevel": 9}},
        {"notification": {"join": "inline", "joinLevel": True}},
        {"notification": {"format": ["concise"]}},
        {"notification": {"endpoint": {"uri": "http://[::1/notify"}}},
        {"expiresAt": "0001-01-01T00:00:00+05:00"},
        {"expiresAt": "9999-12-31T23:59:59-05:00"},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(world: World, told: dict[str, Any]) -> None:
    world.subscribe(status=400, **told)
    assert world.client.get(SUBSCRIPTIONS).json() == []


def test_a_subscription_comes_back_as_it_was_told(world: World) -> None:
    told = {
        "subscriptionName": "Nhà",
        "watchedAttributes": ["name", "https://example.org/level"],
        "q": "level>3",
        "geoQ": {"geometry": "Point", "coordinates": [105.8, 21.0], "georel": "near;maxDistance==2000"},
        "scopeQ": "/Hanoi/#",
        "datasetId": ["@none", "urn:ngsi-ld:Dataset:1"],
        "throttling": 5,
        "expiresAt": "2999-01-01T00:00:00Z",
        "lang": "vi",
        "notification": {"attributes": ["name"], "format": "concise", "sysAttrs": True},
    }
    id_ = world.subscribe(**told)
    found = world.retrieve(id_)
    assert {name: found[name] for name in told if name != "notification"} == {
        name: value for name, value in told.items() if name != "notification"
    }
    assert found["notification"] == {"endpoint": {"uri": world.receiver.url}, **told["notification"]}  # type: ignore[dict-item]  # JSON
    assert found["status"] == "active"
    assert found["entities"] == [{"type": "Building"}]
    assert world.client.get(f"{SUBSCRIPTIONS}/{id_}", params={"options": "sysAttrs"}).json()["createdAt"].endswith("Z")


@pytest.mark.parametrize("id_", ["urn:ngsi-ld:Subscription:Cầu-Giấy", "urn:ngsi-ld:Subscription:a?b#c/d"])
def test_the_address_of_a_subscription_leads_to_it_whatever_its_id(world: World, id_: str) -> None:
    where = f"{SUBSCRIPTIONS}/{world.subscribe(id=id_)}"
    assert world.client.get(where).json()["id"] == id_
    assert world.client.delete(where).status_code == 204


def test_a_fragment_takes_the_place_of_what_it_names_and_null_removes(world: World) -> None:
    id_ = world.subscribe(throttling=5, description="old")
    answer = world.client.patch(f"{SUBSCRIPTIONS}/{id_}", json={"throttling": None, "entities": [{"type": "Vehicle"}]})
    assert answer.status_code == 204, answer.text
    found = world.retrieve(id_)
    assert "throttling" not in found
    assert (found["entities"], found["description"]) == ([{"type": "Vehicle"}], "old")
    for fragment in ({"notification": None}, {"notification": {"format": "concise"}}, {"entities": NULL}, {"type": "Other"}):
        assert world.client.patch(f"{SUBSCRIPTIONS}/{id_}", json=fragment).status_code == 400, fragment
    assert world.retrieve(id_) == found


def test_pages_say_where_the_others_are(world: World) -> None:
    made = [world.subscribe() for _ in range(3)]
    answer = world.client.get(
        SUBSCRIPTIONS, params={"limit": 1, "offset": 1, "count": "true"}, headers={"accept": "application/ld+json"}
    )
    assert [one["id"] for one in answer.json()] == made[1:2]
    assert answer.headers["ngsild-results-count"] == "3"
    assert answer.headers["link"] == (
        f'<{SUBSCRIPTIONS}?limit=1&offset=0>;rel="prev";type="application/ld+json", '
        f'<{SUBSCRIPTIONS}?limit=1&offset=2>;rel="next";type="application/ld+json"'
    )


def test_every_change_is_told_with_what_it_was_and_in_order(world: World) -> None:
    world.subscribe(notification={"showChanges": True})
    urn = world.urn()
    world.change("create", urn, label="Tháp", level=0)
    for level in range(1, 31):
        world.change("merge", urn, level=level)
    told = world.receiver.wait(31)
    assert [one["level"]["value"] for one in told] == list(range(31))
    assert [one["level"].get("previousValue") for one in told] == [None, *range(30)]
    assert all(one["label"]["value"] == "Tháp" for one in told)


def test_who_subscribes_is_told_of_what_comes_then(world: World) -> None:
    before, after = world.urn(), world.urn()
    for number in range(20):
        world.change("upsert", before, level=number)
    world.subscribe()
    world.change("create", after, level=1)
    assert [one["id"] for one in world.receiver.wait(1)] == [after]


def test_an_entity_that_is_gone_again_was_told_of_before(world: World) -> None:
    world.subscribe(notificationTrigger=["entityCreated", "attributeUpdated", "entityDeleted"])
    urn = world.urn()

    async def at_once() -> None:
        from dothi.access.policy import SYSTEM
        from dothi.model.entity import Entity

        now = datetime.now(UTC)
        writer = world.city.platform.writer
        for kind, value in (("create", 1), ("merge", 2), ("delete", None)):
            attributes = {} if value is None else {iri("level"): [Attribute("Property", value)]}
            await writer.save(SYSTEM, kind, Entity(urn, iri("Building"), attributes), at=now)  # type: ignore[arg-type]  # one of its kinds

    world.city.run(at_once())
    created, updated, deleted = world.receiver.wait(3)
    assert (created["level"]["value"], updated["level"]["value"]) == (1, 2)
    assert deleted.keys() == {"id", "type", "deletedAt"}


@pytest.mark.parametrize(
    ("triggers", "expected"),
    [
        (None, ["create", "update", "append"]),
        (["entityCreated"], ["create"]),
        (["attributeCreated"], ["create", "append"]),
        (["attributeUpdated"], ["update"]),
        (["attributeDeleted"], ["remove", "delete"]),
        (["entityUpdated"], ["create", "update", "append", "remove", "delete"]),
        (["entityDeleted"], ["delete"]),
    ],
)
def test_triggers(world: World, triggers: list[str] | None, expected: list[str]) -> None:
    world.subscribe(**({} if triggers is None else {"notificationTrigger": triggers}))
    urn, told = world.urn(), []
    steps: dict[str, tuple[Any, dict[str, Any]]] = {
        "create": ("create", {"level": 1}),
        "update": ("merge", {"level": 2}),
        "append": ("merge", {"label": "a"}),
        "remove": ("merge", {"label": []}),
        "delete": ("delete", {}),
    }
    for step, (kind, attributes) in steps.items():
        world.change(kind, urn, **attributes)
        if step in expected:
            world.receiver.wait(1)
            told.append(step)
    world.city.run(world.city.platform.dispatcher.settled())
    assert (told, world.receiver.bodies) == (expected, [])


def test_what_is_told_once_more_as_it_was_is_no_change(world: World) -> None:
    world.subscribe()
    urn = world.urn()
    world.change("create", urn, level=1, name="sông", other=[said("a", dataset_id="urn:d:1"), said({"m": 1, "c": [2]})])
    assert world.receiver.wait(1)[0]["level"]["value"] == 1
    world.change("merge", urn, level=1)
    world.change("put", urn, level=1, name="sông", other=[said("a", dataset_id="urn:d:1"), said({"m": 1, "c": [2]})])
    changes: list[tuple[Any, Any]] = [
        (True, True),
        ([said(1, unit="MTR")], 1),
        ([said(1, unit="MTR", sub={iri("by"): [said("An")]})], 1),
        ([said(1, unit="MTR", sub={iri("by"): [said("An")]})], None),
        ([said(1, unit="MTR", sub={iri("by"): [said("Ba")]})], 1),
        ([said(1, observed_at=datetime(2026, 3, 1, tzinfo=UTC))], 1),
        (2, 2),
    ]
    for level, _ in changes:
        world.change("put", urn, level=level)
    told = [value for _, value in changes if value is not None]
    assert [one["level"]["value"] for one in world.receiver.wait(len(told))] == told


def test_only_what_is_watched_and_meets_the_query_is_told(world: World) -> None:
    world.subscribe(watchedAttributes=["level"], q='label=="Tháp";level>2')
    urn, other = world.urn(), world.urn()
    world.change("create", urn, label="Tháp", level=1)
    world.change("create", other, "Vehicle", label="Tháp", level=9)
    world.change("merge", urn, level=5)
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [5]
    world.change("merge", urn, label="Nhà")
    world.change("merge", urn, label="Tháp")
    world.change("merge", urn, level=6)
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [6]


def test_what_is_gone_is_shown_as_null_of_its_kind(world: World) -> None:
    world.subscribe(notificationTrigger=["attributeDeleted"], notification={"sysAttrs": True, "showChanges": True})
    world.subscribe(notificationTrigger=["attributeDeleted"], notification={"format": "keyValues"})
    urn = world.urn()
    kinds = {
        "owner": ("Relationship", "urn:ngsi-ld:Person:1", "object", NULL),
        "street": ("LanguageProperty", {"vi": "Phố"}, "languageMap", {"@none": NULL}),
        "plan": ("JsonProperty", {"a": [1]}, "json", NULL),
        "list": ("ListProperty", [1, 2], "valueList", NULL),
    }
    world.change("create", urn, **{name: [Attribute(kind, value)] for name, (kind, value, *_) in kinds.items()})
    for name, (kind, value, key, gone) in kinds.items():
        world.change("merge", urn, **{name: []})
        full, simple = sorted(world.receiver.wait(2), key=lambda one: "createdAt" not in one)
        shown = full[name]
        assert (shown["type"], shown[key]) == (kind, gone)
        assert shown[f"previous{key[0].upper()}{key[1:]}"] == value
        assert shown["deletedAt"].endswith("Z")
        # JSON, lists and languages keep their key in simplified values (clause 4.5.4).
        assert simple[name] in (gone, {key: gone})


def test_shapes(world: World) -> None:
    urn, city = world.urn(), world.urn()
    world.change("create", city, "City", label="Hà Nội")
    world.change("create", urn, label="Tháp", level=1, locatedIn=[Attribute("Relationship", city)])
    shapes: dict[str, tuple[dict[str, Any], Any]] = {
        "attributes": (
            {"attributes": ["level"]},
            {"id": urn, "type": "Building", "level": {"type": "Property", "value": 2}},
        ),
        "pick": ({"pick": ["id", "level"]}, {"id": urn, "level": {}}),
        "omit": (
            {"omit": ["type", "label", "locatedIn"], "format": "concise"},
            {"id": urn, "level": {}},
        ),
        "changed": (
            {"onlyChangedAttributes": True, "format": "keyValues"},
            {"id": urn, "type": "Building", "level": {}},
        ),
        "inline": (
            {"join": "inline", "attributes": ["locatedIn"], "format": "simplified"},
            {"id": urn, "type": "Building", "locatedIn": {"id": city, "type": "City", "label": "Hà Nội"}},
        ),
    }
    for level, (told, expected) in enumerate(shapes.values(), 2):
        world.subscribe(watchedAttributes=["level"], notification=told)
        world.change("merge", urn, level=level)
        (found,) = world.receiver.wait(1)
        if "level" in expected:
            expected = {**expected, "level": found["level"]}
        assert found == expected
        world.clean()


def test_a_receiver_of_an_earlier_version_is_told_in_what_it_knows(world: World) -> None:
    id_ = world.subscribe(ngsildConformance="1.5")
    assert world.retrieve(id_)["ngsildConformance"] == "1.5"
    world.change("create", world.urn(), wall=[Attribute("VocabProperty", iri("brick"))])
    assert world.receiver.wait(1)[0]["wall"] == {"type": "Property", "value": "brick"}


def test_all_this_city_keeps_is_told_to_who_asks_for_no_more(world: World) -> None:
    id_ = world.subscribe(entities=None, localOnly=True, splitEntities=False, q="level>3")
    assert world.retrieve(id_)["localOnly"] is True
    for level, kind in ((1, "Building"), (4, "Building"), (5, "Bridge")):
        world.change("create", f"urn:ngsi-ld:Local:{level}", kind, level=level)
    assert sorted(one["level"]["value"] for one in world.receiver.wait(2)) == [4, 5]


def test_values_in_q_are_names_where_it_says_so(world: World) -> None:
    world.subscribe(q='wall=="brick"', expandValues="wall", jsonKeys="plan")
    for number, name in enumerate(("wood", "brick")):
        world.change("create", f"urn:ngsi-ld:Named:{number}", wall=[Attribute("VocabProperty", iri(name))])
    assert world.receiver.wait(1)[0]["wall"]["vocab"] == "brick"


def test_headers_context_and_json_ld(world: World) -> None:
    endpoint = {"uri": world.receiver.url, "receiverInfo": [{"key": "X-Key", "value": "secret"}]}
    world.subscribe(notification={"endpoint": endpoint})
    world.receiver.headers.clear()
    world.change("create", world.urn(), level=1)
    world.receiver.wait(1)
    headers = world.receiver.headers[-1]
    assert (headers["x-key"], headers["content-type"]) == ("secret", "application/json")
    assert headers["link"].startswith(f"<{world.city.base_url}/ngsi-ld/context.jsonld>; rel=")
    world.clean()
    core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
    endpoint = {"uri": world.receiver.url, "accept": "application/ld+json"}
    world.subscribe(notification={"endpoint": endpoint}, jsonldContext=core)
    world.change("create", world.urn(), level=1)
    (found,) = world.receiver.wait(1)
    assert found["@context"].startswith("https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context")
    assert "link" not in world.receiver.headers[-1]


def test_one_instance_of_several_places_is_enough(world: World) -> None:
    here = {"georel": "near;maxDistance==1000", "geometry": "Point", "coordinates": [105, 21]}
    world.subscribe(geoQ=here, notification={"attributes": ["level"]})
    for number, longitudes in enumerate(((100, 101), (100, 105))):
        places = [
            Attribute("GeoProperty", {"type": "Point", "coordinates": [longitude, 21]}, dataset_id=dataset)
            for longitude, dataset in zip(longitudes, (None, "urn:d:1"), strict=True)
        ]
        told = Entity(world.urn(), iri("Building"), {LOCATION: places, iri("level"): [said(number)]})
        world.city.run(world.city.platform.writer.save(SYSTEM, "create", told, at=datetime.now(UTC)))
    assert world.receiver.wait(1)[0]["level"]["value"] == 1


def test_geojson_is_a_collection_of_features(world: World) -> None:
    world.subscribe(notification={"endpoint": {"uri": world.receiver.url, "accept": "application/geo+json"}})
    world.change("create", world.urn(), level=1)
    wait_until(lambda: world.receiver.bodies, "it came")
    data = world.receiver.bodies.pop()["data"]
    assert (data["type"], data["features"][0]["type"]) == ("FeatureCollection", "Feature")


class Time:
    """The present moment of subscriptions, which stands still until the test goes on."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = world.service.subscribers.now()
        monkeypatch.setattr(world.service.subscribers, "now", lambda: self._now)

    def pass_by(self, seconds: float) -> None:
        self._now += round(seconds * 1e6)


def test_what_is_throttled_is_told_once_when_its_time_is_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(world, monkeypatch)
    world.subscribe(throttling=1)
    urn = world.urn()
    for level in range(5):
        world.change("upsert" if level else "create", urn, level=level)
    world.city.run(world.city.platform.dispatcher.settled())
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [0]
    time.pass_by(1)
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [4]


def test_what_is_throttled_is_told_though_the_disk_was_full_when_its_time_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.subscribe(throttling=1)
    world.change("create", urn := world.urn(), level=0)
    world.receiver.wait(1)
    put, refused = world.service.queues.put, []

    async def full_once(letters: Any) -> None:
        if letters and not refused:
            refused.append(letters)
            raise Unavailable("the disk is full")
        await put(letters)

    monkeypatch.setattr(world.service.queues, "put", full_once)
    world.change("merge", urn, level=1)
    (last,) = world.receiver.wait(1)
    assert (last["level"]["value"], len(refused)) == (1, 1)


def test_by_the_clock_everything_that_matches_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(world, monkeypatch)
    world.change("create", urn := world.urn(), "Clock", level=1)
    id_ = world.subscribe("Clock", timeInterval=0.5)
    world.change("merge", urn, "Clock", level=2)
    world.city.run(world.city.platform.dispatcher.settled())
    assert "timesSent" not in world.retrieve(id_)["notification"]
    time.pass_by(0.5)
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [2]
    wait_until(lambda: world.retrieve(id_)["notification"].get("timesSent") == 1, "it is known to have arrived")


def test_paused_and_resumed(world: World) -> None:
    id_ = world.subscribe(isActive=False)
    urn = world.urn()
    world.change("create", urn, level=1)
    world.city.run(world.city.platform.dispatcher.settled())
    assert world.retrieve(id_)["status"] == "paused"
    assert world.client.patch(f"{SUBSCRIPTIONS}/{id_}", json={"isActive": True}).status_code == 204
    world.change("merge", urn, level=2)
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [2]
    assert world.retrieve(id_)["status"] == "active"


def test_after_its_end_nothing_is_told_until_it_has_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    time, end = Time(world, monkeypatch), datetime.now(UTC) + timedelta(hours=1)
    id_ = world.subscribe(expiresAt=end.isoformat())
    assert world.retrieve(id_)["status"] == "active"
    time.pass_by(3601)
    assert world.retrieve(id_)["status"] == "expired"
    urn = world.urn()
    world.change("create", urn, level=1)
    world.city.run(world.city.platform.dispatcher.settled())
    later = {"expiresAt": "2999-01-01T00:00:00Z"}
    assert world.client.patch(f"{SUBSCRIPTIONS}/{id_}", json=later).status_code == 204
    world.change("merge", urn, level=2)
    assert [one["level"]["value"] for one in world.receiver.wait(1)] == [2]


def test_readings_of_devices_are_told_as_they_are(world: World) -> None:
    from dothi.access.policy import SYSTEM
    from dothi.data.batch import Batch, ReadingRow, readings_of
    from dothi.model.reading import Origin

    urn = world.urn()
    world.change("create", urn, level=1)
    world.subscribe(watchedAttributes=["heat"])
    now = datetime.now(UTC)
    rows = readings_of([ReadingRow(urn, iri("heat"), now, 21.5, Origin.MEASURED)])
    world.city.run(world.city.platform.writer.write(Batch(SYSTEM, "test", "c", now, readings=rows)))
    (found,) = world.receiver.wait(1)
    assert found["heat"]["value"] == 21.5
    assert found["heat"]["observedAt"].endswith("Z")


def test_a_further_tenant_tells_its_own_and_says_which_it_is(world: World) -> None:
    world.subscribe()
    abroad = {"NGSILD-Tenant": "other"}
    entity = {"id": world.urn(), "type": "Building", "level": 1}
    told = {
        "type": "Subscription",
        "entities": [{"type": "Building"}],
        "notification": {"endpoint": {"uri": world.receiver.url}},
    }
    assert world.client.post("/ngsi-ld/v1/entities", json={**entity, "id": world.urn()}, headers=abroad).status_code == 201
    made = world.client.post(SUBSCRIPTIONS, json=told, headers=abroad)
    assert made.status_code == 201, made.text
    assert world.client.post("/ngsi-ld/v1/entities", json=entity, headers=abroad).status_code == 201
    assert [one["id"] for one in world.receiver.wait(1)] == [entity["id"]]
    assert world.receiver.headers[-1]["ngsild-tenant"] == "other"
    assert world.client.delete(made.headers["location"], headers=abroad).status_code == 204
