"""Further tenants: records of their own beside the city's, for those who were given the whole city."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from receiver import receiving

from dothi.access.grants import Granted
from dothi.access.policy import Grant, Scope
from dothi.model.problem import Problem
from dothi.testing.city import RunningCity, running_city, wait_until
from dothi.testing.people import insider

URN = "urn:ngsi-ld:Pump:hanoi:1"
PUMP = {"id": URN, "type": "Pump", "level": {"type": "Property", "value": 1}}
BASE = "/ngsi-ld/v1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tenants")


@pytest.fixture(scope="module")
def city(folder: Path) -> Iterator[RunningCity]:
    with running_city(folder) as one:
        yield one


def client_of(city: RunningCity, tenant: str | None, headers: dict[str, str] | None = None) -> httpx.Client:
    named = {} if tenant is None else {"NGSILD-Tenant": tenant}
    return httpx.Client(
        base_url=city.base_url, headers={**(city.operator if headers is None else headers), **named}, timeout=60
    )


def test_what_is_told_to_a_tenant_stays_there(city: RunningCity) -> None:
    with client_of(city, "water") as water, client_of(city, "roads") as roads, client_of(city, None) as plain:
        unknown = water.get(f"{BASE}/entities/{URN}")
        assert unknown.status_code == 404
        assert unknown.json()["type"].endswith("NonexistentTenant")
        assert unknown.headers["NGSILD-Tenant"] == "water"
        made = water.post(f"{BASE}/entities", json=PUMP)
        assert (made.status_code, made.headers["NGSILD-Tenant"]) == (201, "water"), made.text
        assert water.get(f"{BASE}/entities/{URN}").json()["level"]["value"] == 1
        assert plain.get(f"{BASE}/entities/{URN}").status_code == 404
        assert roads.post(f"{BASE}/entities", json=PUMP | {"level": {"type": "Property", "value": 2}}).status_code == 201
        assert water.get(f"{BASE}/entities/{URN}").json()["level"]["value"] == 1
        assert roads.delete(f"{BASE}/entities/{URN}").status_code == 204
        assert water.get(f"{BASE}/types").json()["typeList"] == ["Pump"]
        named = plain.get(f"{BASE}/types", headers={"NGSILD-Tenant": city.platform.tenant})
        assert named.status_code == 200, "the city's own name may be said"


def test_a_name_that_is_none_and_what_makes_no_tenant(city: RunningCity) -> None:
    for name in ("../water", "Nước", "x" * 61, "-a", ""):
        with httpx.Client(base_url=city.base_url, headers=city.operator, timeout=60) as client:
            answer = client.post(f"{BASE}/entities", json=PUMP, headers={"NGSILD-Tenant": name.encode()})
        assert answer.status_code == 400, name
    with client_of(city, "refused") as client:
        for path, wrong in (
            ("entities", {"id": "no URI", "type": "Pump"}),
            ("entities", {"id": URN}),
            ("entityOperations/upsert", {"id": URN, "type": "Pump"}),
            ("temporal/entities", {"id": URN, "type": "Pump", "level": {"type": "Property"}}),
        ):
            answer = client.post(f"{BASE}/{path}", json=wrong)
            assert (answer.status_code, answer.headers["NGSILD-Tenant"]) == (400, "refused"), path
        assert client.post(f"{BASE}/entities", content="{").status_code == 415
        each = client.post(f"{BASE}/entityOperations/create", json=[{"id": "no URI", "type": "Pump"}])
        assert (each.status_code, each.json()["success"]) == (207, [])
        assert client.get(f"{BASE}/entities?type=Pump").status_code == 404, "makes no tenant"
    with client_of(city, "nobodys") as client:
        assert client.post(f"{BASE}/entityOperations/update", json=[PUMP]).status_code == 404
        assert client.get(f"{BASE}/entities?type=Pump").status_code == 404


def test_rights_over_a_part_of_the_city_end_at_its_border(city: RunningCity) -> None:
    platform = city.platform
    ward = platform.city.wards[0].code
    granted = [Granted("steward", 2, wards=(ward,))]
    account = city.run(platform.accounts.create(insider(), "steward-of-a-ward", "Người thử", granted))
    session = city.run(platform.accounts.open_session(account, strong=True, address="127.0.0.1", agent="t", correlation="c"))
    known = {"Cookie": f"dothi_session={session}"}
    with client_of(city, "border") as owner:
        assert owner.post(f"{BASE}/entities", json=PUMP).status_code == 201
    for headers in (known, {}):
        with client_of(city, "border", headers) as client:
            assert client.get(f"{BASE}/entities/{URN}").status_code == 404
            assert client.post(f"{BASE}/entities", json=PUMP | {"id": f"{URN}2"}).status_code in (401, 403)
        with client_of(city, "not-yet", headers) as client:
            assert client.post(f"{BASE}/entities", json=PUMP).status_code == 404, "makes no tenant"


def test_a_tenant_is_there_after_a_new_start(tmp_path: Path) -> None:
    with running_city(tmp_path) as first, client_of(first, "water") as client:
        assert client.post(f"{BASE}/entities", json=PUMP).status_code == 201
    with running_city(tmp_path) as again, client_of(again, "water") as client:
        assert client.get(f"{BASE}/entities/{URN}").json()["level"]["value"] == 1


def test_who_runs_the_city_sees_a_tenant_s_subscriptions_and_can_act_on_them(tmp_path: Path) -> None:
    told = {
        "type": "Subscription",
        "entities": [{"type": "Pump"}],
        "notification": {"endpoint": {"uri": "http://x.invalid/"}},
    }
    with running_city(tmp_path, sectors="weather") as city, client_of(city, "water") as client:
        made = client.post(f"{BASE}/subscriptions", json=told)
        assert made.status_code == 201, made.text
        id_ = made.headers["location"].rsplit("/", 1)[-1]
        desk, keeper = city.platform.subscriptions, insider()
        (state,) = desk.states(keeper)
        assert (state.id, state.tenant, state.status) == (id_, "water", "active")
        city.run(desk.of("water").pause(keeper, id_))
        assert client.get(f"{BASE}/subscriptions/{id_}").json()["status"] == "paused"
        with httpx.Client(base_url=city.base_url, headers=city.operator, timeout=60) as operator:
            (row,) = operator.get("/api/v1/subscriptions").json()["items"]
            assert (row["id"], row["tenant"], row["status"]) == (id_, "water", "paused")
            assert operator.post("/api/v1/subscriptions/resume", json={"id": id_}).status_code == 404, "not the city's own"
            assert operator.post("/api/v1/subscriptions/resume", json={"id": id_, "tenant": "air"}).status_code == 404
            answer = operator.post("/api/v1/subscriptions/resume", json={"id": id_, "tenant": "water"})
            assert answer.status_code == 200, answer.text
        ward = Grant("operator", Scope(wards=frozenset({city.platform.city.wards[0].code})))
        of_a_ward = replace(keeper, grants=(ward,))
        assert desk.states(of_a_ward) == []
        with pytest.raises(Problem) as refused:
            city.run(desk.of("water").pause(of_a_ward, id_))
        assert refused.value.status == 404
        assert desk.states(keeper)[0].status == "active"


def test_what_waits_for_a_tenant_s_receivers_is_sent_after_a_new_start_though_nobody_asks(tmp_path: Path) -> None:
    settings = {"open_doors": "ngsild", "sectors": "weather"}
    with receiving() as receiver:
        told = {
            "type": "Subscription",
            "entities": [{"type": "Pump"}],
            "notification": {"endpoint": {"uri": receiver.url}},
        }
        receiver.stop()
        with running_city(tmp_path, **settings) as first, client_of(first, "water") as client:
            assert client.post(f"{BASE}/subscriptions", json=told).status_code == 201
            assert client.post(f"{BASE}/entities", json=PUMP).status_code == 201
            wait_until(
                lambda: client.get(f"{BASE}/subscriptions").json()[0]["notification"].get("timesFailed"), "it is tried"
            )
        receiver.start()
        with running_city(tmp_path, **settings):
            assert [one["id"] for one in receiver.wait(1)] == [URN]
        assert receiver.headers[0]["ngsild-tenant"] == "water"
