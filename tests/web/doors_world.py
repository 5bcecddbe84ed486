"""Every page that a role is offered: which doors it may open, where links lead; a city that has one of everything."""

import re
from collections import deque
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import httpx
from incident_world import HOAN_KIEM, OPERATOR, does, opened, with_kinds
from starlette.routing import BaseRoute, Match
from visitor_world import Visitor

from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM
from dothi.access.roles import ACTIONS, ROLES
from dothi.access.routes import declared_actions
from dothi.cli.drill.citizen import Citizen, picture
from dothi.cli.drill.script import Report
from dothi.platform.incidents.acts import Accept, Arrive, Assign
from dothi.testing.city import RunningCity, wait_until
from dothi.testing.people import insider

DEVICE = "door-post"
_LIVED_IN: dict[str, str] = {}
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
        parts = urlsplit(address)
        if not (parts.scheme or parts.netloc) and "lang=" not in address:
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


def live_in(city: RunningCity) -> str:
    """One of all that pages list: a device, one that waits, a code, a bad message, a system, personal data, an incident
    with a photo that somebody works on, one that is nobody's yet, a report that was released and one that waits.

    Returns where the sender follows the last one. In a city that several files of tests share it is made once.
    """
    if city.base_url not in _LIVED_IN:
        _LIVED_IN[city.base_url] = _live_in(city)
    return _LIVED_IN[city.base_url]


def _live_in(city: RunningCity) -> str:
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
    grant = Granted("developer", 1)
    city.run(city.platform.accounts.create(SYSTEM, "door-system", "Hệ thống thử", [grant], kind="system"))
    _work_in(city)
    return _report_to(city)


def _work_in(city: RunningCity) -> None:
    city.session("ward_officer")
    officer = city.platform.accounts.account_of_login("test-ward_")
    assert officer is not None
    told = does(city, opened(with_kinds(city), kind="test-smog"), Accept(), Assign(assignee=officer.id), Arrive())
    city.run(city.platform.incidents.photos.add(OPERATOR, told.code, picture("door"), "after"))
    does(city, opened(city), Accept())


def _report_to(city: RunningCity) -> str:
    citizen = Citizen(city.base_url)
    with Visitor(city, city.session("operator")) as keeper:
        for words in ("Rác chất đống ở cửa.", "Nước thải tràn ra ngõ."):
            citizen.report(Report("report-environment", words, *HOAN_KIEM))
            waiting = re.findall(r'action="(/reports/review/[^"]+)"', keeper.get("/reports/review").text)
            told = {"decision": "release", "title": "Rác ở cửa", "shown": words}
            if len(waiting) == 1:
                assert keeper.send_form("/reports/review", waiting[0], told).status_code == 303
    citizen.close()
    return citizen.follow


def allowed(role: str) -> frozenset[str]:
    """The actions of ``role``; of a stranger, for any other word."""
    return ROLES[role].actions if role in ROLES else STRANGER


class Step(NamedTuple):
    """A page that was opened: its address, the page that led there ("" for a door that is simply known), and the answer."""

    address: str
    page: str
    answer: httpx.Response

    @property
    def shown(self) -> bool:
        """Whether it is HTML."""
        return self.answer.status_code == 200 and self.answer.headers["content-type"].startswith("text/html")


def walk(city: RunningCity, role: str, *known: str) -> Iterator[Step]:
    """Open as ``role`` each page that it may open or is led to, or that is ``known``: one of each template, and one with a
    question.
    """
    may, plates = allowed(role), Doorplates(city.app.routes)
    ways = deque((page, "") for page in (*known, *plates.pages(may)))
    if "operations.read" in may:
        device = city.platform.devices.get(insider(), DEVICE)
        assert device is not None
        ways.extend([("/wards/00070", "a link"), (f"/panel/{quote(device.entity_id)}", "the map")])
    seen: set[tuple[str, bool]] = set()
    with Visitor(city, city.session(role) if role in ROLES else None) as visitor:
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
            step = Step(address, page, visitor.get(address))
            yield step
            if step.shown:
                doors = Doors(address, step.answer.text).found
                ways.extend((door.address, address) for door in doors if door.method == "GET" and plates.of(door))
