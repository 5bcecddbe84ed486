"""No page offers a door that refuses: each role is shown only links and forms that it may follow, and each leads somewhere.

Every page is asked for as every role, from the doors that the role may open on through each link that a page offers.
"""

import re
from collections import deque
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import pytest
from incident_world import OPERATOR, opened, with_kinds
from starlette.routing import BaseRoute, Match
from visitor_world import Visitor

from dothi.access.demo import DEMO_ROLES
from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM
from dothi.access.roles import ACTIONS, ROLES
from dothi.access.routes import declared_actions
from dothi.platform.incidents.acts import Accept
from dothi.testing.city import RunningCity, wait_until
from dothi.testing.people import insider

DEVICE = "door-post"
PURPOSE = {
    "id": "doors",
    "title": "Thử",
    "title_en": "Try",
    "why": "Thử.",
    "why_en": "Try.",
    "basis": "consent",
    "days": "9",
}
MACHINES = ("/api/", "/ngsi-ld/", "/oauth/", "/health", "/metrics", "/openapi.json", "/live", "/static/", "/map/")
# A stranger's way to what is only one's own leads through the page to sign in.
STRANGER = frozenset(action for action, public in ACTIONS.items() if public and not action.endswith(".own"))


class Door(NamedTuple):
    """A link or form of a page: where it leads, and how."""

    method: str
    address: str


class Doors(HTMLParser):
    """Every link, form and button on a page that leads within the city; ``found`` once it has been read."""

    def __init__(self, page: str, text: str) -> None:
        super().__init__()
        self.found: list[Door] = []
        self._page, self._method = page, "GET"
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where the tag leads, if it does."""
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._method = told.get("method", "get").upper()
            self._note(self._method, told.get("action", ""))
        elif tag == "a" and "href" in told:
            self._note("GET", told["href"])
        elif "formaction" in told:
            self._note(self._method, told["formaction"])

    def _note(self, method: str, to: str) -> None:
        address = urljoin(self._page, to).partition("#")[0]
        if not urlsplit(address).netloc and "lang=" not in address:
            self.found.append(Door(method, address))


class Doorplates:
    """Which route a door belongs to: its template and its action."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        self._routes = [(route, one) for route in routes for one in declared_actions([route])]

    def of(self, door: Door) -> tuple[str, str] | None:
        """Template and action; None where nothing answers."""
        scope = {"type": "http", "method": door.method, "path": urlsplit(door.address).path, "root_path": "", "headers": []}
        for route, declared in self._routes:
            if route.matches(scope)[0] is Match.FULL:
                assert declared.action is not None
                return declared.path, declared.action
        return None

    def pages(self, may: frozenset[str]) -> Iterator[str]:
        """The addresses of pages that whoever may do ``may`` can open without being led there."""
        for _route, (path, methods, action) in self._routes:
            if "GET" in methods and action in may and "{" not in path and not path.startswith(MACHINES):
                yield path


def _lived_in(city: RunningCity) -> None:
    """One of all that pages list: a device, one that waits, a code, a bad message, a system, personal data."""
    with Visitor(city, city.session()) as keeper:
        told = {"id": DEVICE, "type": "AirQualityObserved", "longitude": 105.85, "latitude": 21.03}
        assert keeper.post("/api/v1/devices", json=told, headers=city.operator).status_code == 201
        sent = keeper.post(f"/api/v1/devices/{DEVICE}/readings", json={"values": {"odd": 1}}, headers=city.operator)
        assert sent.status_code == 202
        made = keeper.send_form("/devices/codes", "/devices/codes", {"label": "Cửa", "days": "3"}).text
        code = re.search(r">([0-9A-Z]{5}(?:-[0-9A-Z]{5}){3})</pre>", made)
        assert code is not None
        stranger = ("door-stranger", code[1])
        with Visitor(city) as sender:
            body = {"values": {"pm25": 20}}
            assert sender.post("/api/v1/devices/door-stranger/readings", json=body, auth=stranger).status_code == 202
        assert keeper.send_form("/personal/purpose", "/personal/purpose", PURPOSE).status_code == 303
        assert keeper.send_form("/personal", "/personal/subjects").status_code == 303
        lists = {"/devices/quarantine": f"q={DEVICE}", "/devices/lobby": "door-stranger"}
        wait_until(lambda: all(words in keeper.get(page).text for page, words in lists.items()), "messages are judged")
    told = opened(with_kinds(city), kind="test-smog")
    city.run(city.platform.incidents.act(OPERATOR, told.code, Accept(), version=told.version))
    grant = Granted("developer", 1)
    city.run(city.platform.accounts.create(SYSTEM, "door-system", "Hệ thống thử", [grant], kind="system"))


@pytest.fixture(scope="module")
def lived_in(city: RunningCity) -> RunningCity:
    """The running city with one of everything."""
    _lived_in(city)
    return city


@pytest.mark.parametrize("role", [*DEMO_ROLES, "stranger"])
def test_no_page_offers_a_door_that_refuses(lived_in: RunningCity, role: str) -> None:
    may = ROLES[role].actions if role in ROLES else STRANGER
    plates = Doorplates(lived_in.app.routes)
    ways = deque((page, "") for page in plates.pages(may))
    if "operations.read" in may:
        device = lived_in.platform.devices.get(insider(), DEVICE)
        assert device is not None
        ways.extend([("/wards/00070", "a link"), (f"/panel/{quote(device.entity_id)}", "the map")])
    seen: set[tuple[str, bool]] = set()
    faults = set()
    with Visitor(lived_in, lived_in.session(role) if role in ROLES else None) as visitor:
        if role not in ROLES:
            visitor.headers["x-forwarded-for"] = "203.0.113.9"
        while ways:
            address, page = ways.popleft()
            plate = plates.of(Door("GET", address))
            assert plate is not None, address
            kind = (plate[0], "?" in address)
            if kind in seen or address.startswith(MACHINES):
                continue
            seen.add(kind)
            answer = visitor.get(address)
            assert answer.status_code < (400 if page else 500), (page, address, answer.status_code)
            if answer.status_code != 200 or not answer.headers["content-type"].startswith("text/html"):
                continue
            for door in Doors(address, answer.text).found:
                leads = plates.of(door)
                if leads is None or leads[1] not in may:
                    faults.add(f"{address} offers {door.method} {door.address}: {leads}")
                elif door.method == "GET":
                    ways.append((door.address, address))
    assert not faults, "\n".join(sorted(faults))
    assert len(seen) > (5 if may == STRANGER else 15), seen


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
