"""No page offers a door that refuses: each role is shown only links and forms that it may follow, and each leads somewhere.

Every page is asked for as every role, from the doors that the role may open on through each link that a page offers.
"""

import re

import pytest
from doors_world import STRANGER, Doorplates, Doors, allowed, live_in, walk
from visitor_world import Visitor

from dothi.access.demo import DEMO_ROLES
from dothi.testing.city import RunningCity


@pytest.fixture(scope="module")
def lived_in(city: RunningCity) -> RunningCity:
    """The running city with one of everything."""
    live_in(city)
    return city


@pytest.mark.parametrize("role", [*DEMO_ROLES, "stranger"])
def test_no_page_offers_a_door_that_refuses(lived_in: RunningCity, role: str) -> None:
    may, plates = allowed(role), Doorplates(lived_in.app.routes)
    opened = 0
    faults = set()
    for step in walk(lived_in, role):
        opened += 1
        assert step.answer.status_code < (400 if step.page else 500), step
        for door in Doors(step.address, step.answer.text).found if step.shown else ():
            leads = plates.of(door)
            if leads is None or leads[1] not in may:
                faults.add(f"{step.address} offers {door.method} {door.address}: {leads}")
    assert not faults, "\n".join(sorted(faults))
    assert opened > (5 if may == STRANGER else 15)


def test_who_may_not_see_devices_is_not_told_that_there_are_none(lived_in: RunningCity) -> None:
    with Visitor(lived_in, lived_in.session("leader")) as leader:
        assert re.search(r"\d+ trạm có số đo mới", leader.get("/wall").text)
        assert "wall-count" not in leader.get("/wall").text
        assert "chưa có" not in leader.get("/wards").text
        data = leader.get("/data").text
        assert "mọi thiết bị đang gửi đúng chu kỳ" not in data
        assert ("Chưa có bộ dữ liệu nào" in data, "Trạm quan trắc không khí</h3>" in data) == (False, True)
        assert "Chưa có thiết bị nào" not in leader.get("/wards/00070").text
        counted = [leader.get("/wards.csv").text.splitlines()[1].split(",")[-4:]]
        ground = leader.get("/wards.geojson").json()["features"][0]["properties"]
    assert (counted, ground["live"]) == ([["", "", "", ""]], None)
