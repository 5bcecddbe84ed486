"""The wall view: what it answers, that it never answers what it does not know, and that a screen of its own can show it."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from incident_world import OPERATOR, does, opened, put_away, with_kinds
from playwright.sync_api import Browser, Page, Route, expect

from dothi.model.text import Text
from dothi.platform.incidents.acts import Rank
from dothi.platform.sector import MapPoint, Tile
from dothi.testing.browser import come_in
from dothi.testing.city import RunningCity, start_city_process, wait_until
from dothi.testing.people import insider
from dothi.web import live
from dothi.web.incidents.look import row_of
from dothi.web.view import TileView
from dothi.web.wall import verdict, worst

Opener = Callable[..., Page]


def _tiles(*tiles: Tile) -> list[TileView]:
    missing = Tile(None, "", missing="chưa nối")
    names = ("traffic", "flooding", "environment", "order", "food")
    return [
        TileView(name, name, tile)  # type: ignore[arg-type]  # the five names of the contract
        for name, tile in zip(names, [*tiles, *[missing] * (5 - len(tiles))], strict=True)
    ]


def _point(title: str, rank: float, freshness: str = "fresh") -> MapPoint:
    return MapPoint(title, 105.8, 21.0, title, "1", "#000000", "#ffffff", freshness=freshness, rank=rank)  # type: ignore[arg-type]  # a word of the contract


def test_the_gravest_sector_decides_and_is_named() -> None:
    told = verdict(_tiles(Tile("3", "", severity=1), Tile("2", "", severity=3), Tile("84", "", severity=0)), [], "vi")
    assert (told.severity, told.title) == (3, "Nghiêm trọng: flooding")
    assert told.words == "Theo 3 trong 5 lĩnh vực; các lĩnh vực khác chưa nối dữ liệu"
    calm = verdict(_tiles(*[Tile("0", "")] * 5), [], "en")
    assert (calm.severity, calm.title, calm.words) == (0, "All right", "From all 5 sectors")


@pytest.mark.parametrize("points", [[], [_point("một", -1.0, "silent")]])
def test_nothing_known_is_never_all_right(points: list[MapPoint]) -> None:
    told = verdict(_tiles(Tile("–", "chưa trạm nào có VN_AQI mới")), points, "vi")
    assert (told.severity, told.title) == (-1, "Chưa biết")


def test_a_grave_incident_is_never_all_right(city: RunningCity) -> None:
    one = does(with_kinds(city), opened(city, "Cháy kho"), Rank(4, "urgent"))
    row = row_of(city.platform, one, "vi")
    told = verdict(_tiles(Tile("47", "tốt")), [], "vi", [row])
    assert (told.severity, told.title) == (4, "Rất nghiêm trọng: Cháy kho")
    assert verdict(_tiles(Tile("–", "")), [], "vi", [row]).severity == 4, "also where nothing else is known"


def test_the_three_worst_speak_for_the_present() -> None:
    found = worst([_point("a", 10), _point("b", 300, "silent"), _point("c", 90), _point("đ", 40), _point("e", 40)])
    assert [point.title for point in found] == ["c", "đ", "e"]


@pytest.fixture(scope="module")
def smog(city: RunningCity) -> Iterator[str]:
    """A station with three hours of smog behind it: the name of the one place the wall must show first."""
    told = {"id": "wall-smog", "type": "AirQualityObserved", "name": "Trạm khói", "longitude": 105.85, "latitude": 21.03}
    rules = city.platform.rules
    on = [one.rule.id for one in rules.rules(OPERATOR) if one.enabled]
    for rule in on:  # a wall with incidents shows those
        city.run(rules.turn(OPERATOR, rule, enabled=False))
    put_away(city)
    now = city.platform.clock.now()
    readings = [{"at": (now - timedelta(minutes=30 * back)).isoformat(), "values": {"pm25": 180.0}} for back in range(8)]
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=city.operator) as client:
        assert client.post("/api/v1/devices", json=told).status_code == 201
        assert client.post("/api/v1/devices/wall-smog/readings", json=readings).status_code < 300
        known = ("Trạm khói", ": môi trường</h1>")
        wait_until(lambda: all(one in client.get("/wall?lang=vi").text for one in known), "its index is known to all parts")
    yield "Trạm khói"
    for rule in on:
        city.run(rules.turn(OPERATOR, rule, enabled=True))


@pytest.mark.parametrize(("language", "words"), [("vi", "24 giờ qua"), ("en", "Last 24 hours")])
def test_the_wall_is_whole_without_a_script(
    client: httpx.Client, city: RunningCity, smog: str, language: str, words: str
) -> None:
    text = client.get("/wall", params={"lang": language}).text
    assert words in text
    assert text.count('class="wall-tile ') == 5
    assert re.findall(r'class="wall-place">.*?<b>(.*?)</b>', text, re.DOTALL)[0] == smog
    assert {"vi": ": môi trường</h1>", "en": ": environment</h1>"}[language] in text
    assert text.count('<svg class="wall-cell"') == 24
    assert '<meta http-equiv="refresh" content="30">' in text
    assert {"vi": "dữ liệu mô phỏng", "en": "simulated data"}[language] in text
    board = client.get("/wall/board", params={"lang": language})
    assert "<html" not in board.text
    assert re.findall(r'data-live="(\w+)"', board.text) == re.findall(r'data-live="(\w+)"', text)
    assert board.headers["cache-control"] == "no-store"


def test_the_wall_is_dark_unless_the_address_says_light(client: httpx.Client) -> None:
    assert re.search(r'href="/static/assets/dark[^"]+">', client.get("/wall").text), "whatever the machine prefers"
    assert "/static/assets/dark" not in client.get("/wall?theme=light").text
    assert re.search(r'/static/assets/dark[^"]+" media="\(prefers', client.get("/").text)


def test_a_stranger_sees_no_wall(city: RunningCity) -> None:
    with httpx.Client(
        base_url=city.base_url, trust_env=False, headers={"x-forwarded-for": "203.0.113.9"}, timeout=60
    ) as stranger:
        assert [stranger.get(path).status_code for path in ("/wall", "/wall/board")] == [401, 401]


SMALLEST = """() => {
  const found = [];
  const walk = document.createTreeWalker(document.querySelector(".wall"), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const box = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || box.closest(".hidden, [hidden], noscript")) continue;
    const size = parseFloat(getComputedStyle(box).fontSize);
    if (size < 22 * innerWidth / 1920 - 0.01) found.push(`${size} ${walk.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return found;
}"""
PARTS = ".wall-tile, .wall-place, .wall-verdict, .wall-fresh, .wall-map, .wall-hours, .wall-time"
COVERED = """(parts) => {
  const boxes = [...document.querySelectorAll(parts)].map((one) => [one, one.getBoundingClientRect()]);
  const found = [], full = [];
  for (const [one, box] of boxes) {
    const name = one.className;
    const outside = box.right > innerWidth + 0.5 || box.bottom > innerHeight + 0.5 || box.left < -0.5 || box.top < -0.5;
    if (outside) found.push(`${name} is cut`);
    if (getComputedStyle(one).overflow === "hidden" && one.scrollHeight > one.clientHeight + 1) full.push(name);
    for (const [other, over] of boxes) {
      const beside = box.right <= over.left + 1 || over.right <= box.left + 1;
      const above = box.bottom <= over.top + 1 || over.bottom <= box.top + 1;
      if (one !== other && !beside && !above) found.push(`${name} over ${other.className}`);
    }
  }
  return [...found, ...full];
}"""


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160), (1920, 940)])
@pytest.mark.parametrize("locale", ["vi", "en"])
def test_it_can_be_read_from_five_metres(open_page: Opener, smog: str, width: int, height: int, locale: str) -> None:
    page = open_page("/wall", width=width, height=height, locale=locale)
    page.wait_for_selector(".marker")
    assert page.evaluate(SMALLEST) == []
    assert page.evaluate(COVERED, PARTS) == []
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "nothing to scroll for"


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1920, 940)])
def test_the_gravest_message_has_its_room(open_page: Opener, city: RunningCity, smog: str, width: int, height: int) -> None:
    messages, admin = city.platform.messages, insider()
    grave = "Bão số 3 đang vào, mọi đơn vị trực đủ người. ".ljust(300, "ơ")
    city.run(messages.say(admin, Text(grave, "A storm comes in"), "staff", grave=True))
    city.run(messages.say(admin, Text("Tối nay bảo trì", "Works tonight"), "all"))
    try:
        page = open_page("/wall", width=width, height=height)
        page.wait_for_selector(".marker")
        assert page.evaluate(SMALLEST) == []
        assert page.evaluate(COVERED, f".wall-say, {PARTS}") == []
        expect(page.locator(".wall-say")).to_have_text(grave)
    finally:
        for one in messages.now("staff"):
            city.run(messages.end(admin, one.number))
    expect(page.locator(".wall-say")).to_be_hidden()


@pytest.mark.browser
def test_nobody_need_touch_it(open_page: Opener) -> None:
    page = open_page("/wall", width=1920, height=1080, color_scheme="light")
    page.wait_for_selector(".marker")
    assert page.locator("a:visible:not(.skip), button:visible:not(.marker), input:visible").count() == 0
    assert page.locator(".map-box").evaluate("one => one.inert"), "the markers are a picture"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


@pytest.mark.browser
def test_an_answer_that_was_on_its_way_does_not_hide_that_the_line_broke(open_page: Opener, city: RunningCity) -> None:
    page = open_page("/wall", width=1920, height=1080)
    page.wait_for_selector(".marker")
    held: list[Route] = []
    page.route("**/map/layers/*.json?*", lambda route: held.append(route))
    wait_until(lambda: page.evaluate("1") and held, "the wall looks again")
    page.route("**/live?*", lambda route: route.abort())
    city.run(city.platform.tasks.cancel(live.TASK))  # every stream ends
    wall, words = page.locator(".wall"), page.locator(".wall-verdict h1")
    expect(wall).to_have_attribute("data-state", "lost")
    page.unroute("**/map/layers/*.json?*")
    with page.expect_response("**/map/layers/*.json?*"):
        held[0].continue_()
    page.evaluate("() => new Promise((done) => setTimeout(done, 200))")  # the answer is taken over
    expect(wall).to_have_attribute("data-state", "lost")
    expect(words).to_have_text("Không biết lúc này")
    page.unroute("**/live?*")
    expect(wall).to_have_attribute("data-state", "live")
    expect(words).not_to_have_text("Không biết lúc này")
    open_page.faults.clear()  # type: ignore[attr-defined]  # a browser logs the line that was cut


@pytest.mark.browser
def test_a_wall_that_lost_its_city_says_since_when_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    with start_city_process(tmp_path) as city:
        page = browser.new_page(base_url=city.base_url, viewport={"width": 1920, "height": 1080}, locale="vi")
        come_in(page, city.base_url)
        page.goto("/wall")
        wall = page.locator(".wall")
        expect(wall).to_have_attribute("data-state", "live")
        city.kill()
        expect(wall).to_have_attribute("data-state", "lost")
        expect(page.locator(".wall-verdict h1")).to_have_text("Không biết lúc này")
        expect(page.locator("[data-part=line-words]")).to_have_text(re.compile(r"Mất kết nối từ \d\d:\d\d:\d\d"))
        assert page.locator(".wall-tiles").evaluate("one => getComputedStyle(one).filter") == "grayscale(1)"
        city.environment["DOTHI_PORT"] = str(httpx.URL(city.base_url).port)  # where the browser looks for it
        city.restart()
        expect(wall).to_have_attribute("data-state", "live")
        expect(page.locator(".wall-verdict h1")).not_to_have_text("Không biết lúc này")
        page.close()
