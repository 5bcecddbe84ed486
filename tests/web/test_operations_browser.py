"""The operations page in a real Chromium, on the desk and on the phone."""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import httpx
import pytest
from playwright.sync_api import Page, expect

from dothi.model.text import fold
from dothi.testing.city import RunningCity, wait_until

Opener = Callable[..., Page]

pytestmark = pytest.mark.browser
SIZES = [(1440, 900), (390, 844)]


def _ready(page: Page) -> None:
    page.wait_for_selector("dt-operations[data-ready]")
    page.wait_for_selector(".marker")


def _boxes(page: Page, selector: str) -> list[dict[str, float]]:
    return page.eval_on_selector_all(selector, "all => all.map(one => one.getBoundingClientRect().toJSON())")


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_covers_a_marker(open_page: Opener, width: int, height: int, scheme: str) -> None:
    page = open_page("/?list=stations", width=width, height=height, color_scheme=scheme)
    _ready(page)
    page.wait_for_selector(".map-thanks")
    page.wait_for_function("document.querySelectorAll('.marker').length >= 5")
    markers = _boxes(page, ".marker")
    for number, one in enumerate(markers):
        for other in markers[number + 1 :]:
            apart = (
                one["right"] <= other["left"] + 0.5
                or other["right"] <= one["left"] + 0.5
                or one["bottom"] <= other["top"] + 0.5
                or other["bottom"] <= one["top"] + 0.5
            )
            assert apart, (one, other)
    (box,) = _boxes(page, "[data-part=map]")
    for part in (".tiles", ".map-bar", ".time"):
        (cover,) = _boxes(page, part)
        assert cover["bottom"] <= box["top"] + 0.5 or cover["top"] >= box["bottom"] - 0.5, part
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "no sideways scrolling"


def test_the_page_is_at_hand_before_the_map_is(open_page: Opener) -> None:
    page = open_page("/?list=stations")
    _ready(page)
    (interactive,) = page.evaluate("performance.getEntriesByName('dothi-interactive').map(one => one.startTime)")
    assert 0 < interactive < page.evaluate("performance.now()"), "rows, search and keys do not wait for the map"


def test_search_list_keyboard_drawer_and_address(open_page: Opener, city: RunningCity) -> None:
    page = open_page("/?list=stations")
    _ready(page)
    before = page.locator(".items .item").count()
    page.keyboard.press("/")
    wanted = page.locator(".items .item [data-slot=title]").last.inner_text()
    page.keyboard.type(fold(wanted))
    expect(page.locator(".items .item").first).to_contain_text(wanted)
    assert 0 < page.locator(".items .item").count() < before
    assert "q=" in page.url
    page.fill("#search", "")
    expect(page.locator(".items .item")).to_have_count(before)
    page.locator("#search").blur()
    page.keyboard.press("j")
    page.keyboard.press("j")
    title = page.locator(".items .item:focus-within [data-slot=title]").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".panel h2")).to_have_text(title)
    expect(page.locator(".marker-chosen")).to_have_count(1)
    assert "chosen=urn" in page.url
    page.reload()
    _ready(page)
    expect(page.locator(".panel h2")).to_have_text(title)
    page.wait_for_selector("dt-chart canvas")
    page.keyboard.press("Escape")
    expect(page.locator(".drawer")).to_be_hidden()
    page.go_back()
    expect(page.locator(".panel h2")).to_have_text(title)


def test_a_marker_opens_its_drawer_on_the_phone(open_page: Opener) -> None:
    page = open_page("/?list=stations", width=390, height=844, has_touch=True)
    _ready(page)
    urn = page.locator(".marker:not(.marker-group)").first.get_attribute("data-id")
    alone = page.locator(f".marker[data-id='{urn}']")  # the first may be another one in a moment
    name = alone.get_attribute("aria-label")
    alone.tap()
    expect(page.locator(".drawer")).to_be_visible()
    expect(page.locator(".panel h2")).to_have_text(str(name).split(" · ")[0])
    assert _boxes(page, ".drawer")[0]["bottom"] == 844
    page.locator(".drawer-close").tap()
    expect(page.locator(".drawer")).to_be_hidden()


def test_a_reading_appears_without_reloading(open_page: Opener, client: httpx.Client) -> None:
    told = {
        "id": "browser-live",
        "type": "AirQualityObserved",
        "name": "Trạm trình duyệt",
        "longitude": 105.62,
        "latitude": 20.93,
    }
    assert client.post("/api/v1/devices", json=told).status_code == 201
    page = open_page("/?list=stations&q=trinh+duyet")
    page.wait_for_selector("dt-operations[data-ready]")
    expect(page.locator("[data-part=line]")).to_have_attribute("data-state", "live")
    client.post("/api/v1/devices/browser-live/readings", json={"values": {"pm25": 63.5, "temperature": 30}})
    row = page.locator(".items .item")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Trạm trình duyệt")
    row.locator("a").click()
    expect(page.locator(".drawer")).to_contain_text("63,5")
    client.post("/api/v1/devices/browser-live/readings", json={"values": {"pm25": 71.5}})
    expect(page.locator(".drawer")).to_contain_text("71,5")


def test_a_row_keeps_the_keyboard_when_it_moves_up(open_page: Opener, client: httpx.Client, city: RunningCity) -> None:
    for name in ("một", "hai"):
        told = {"id": f"ranked-{fold(name)}", "name": f"Trạm xếp hạng {name}", "longitude": 105.6, "latitude": 20.9}
        assert client.post("/api/v1/devices", json=told | {"type": "AirQualityObserved"}).status_code == 201
    page = open_page("/?list=stations&q=xep+hang")
    page.wait_for_selector("dt-operations[data-ready]")
    expect(page.locator("[data-part=line]")).to_have_attribute("data-state", "live")
    titles = page.locator(".items .item [data-slot=title]")
    expect(titles).to_have_text(["Trạm xếp hạng hai", "Trạm xếp hạng một"])
    lower = page.locator(".items .item a").last
    lower.focus()
    now = city.platform.clock.now()
    past = [{"at": (now - timedelta(minutes=30 * back)).isoformat(), "values": {"pm25": 40.0}} for back in range(8)]
    assert client.post("/api/v1/devices/ranked-mot/readings", json=past).status_code < 300
    expect(titles).to_have_text(["Trạm xếp hạng một", "Trạm xếp hạng hai"])
    expect(page.locator(":focus")).to_contain_text("Trạm xếp hạng một")


def test_a_lost_line_is_said_and_mended(open_page: Opener) -> None:
    page = open_page("/?list=stations")
    _ready(page)
    line = page.locator("[data-part=line]")
    expect(line).to_have_attribute("data-state", "live")
    page.route("**/live?*", lambda route: route.abort())
    page.locator(".pill[data-layer]").first.click()
    page.locator(".pill[data-layer]").first.click()
    expect(line).to_have_attribute("data-state", "lost")
    expect(line).to_contain_text(re.compile(r"Mất kết nối từ \d\d:\d\d:\d\d"))
    page.unroute("**/live?*")
    expect(line).to_have_attribute("data-state", "live")
    open_page.faults.clear()  # the browser logs the requests that were cut


def test_two_tabs_share_one_stream(open_page: Opener) -> None:
    page = open_page("/?list=stations")
    _ready(page)
    expect(page.locator("[data-part=line]")).to_have_attribute("data-state", "live")
    other = page.context.new_page()
    streams: list[str] = []
    other.on("request", lambda one: streams.append(one.url) if "/live?" in one.url else None)
    other.goto("/")
    _ready(other)
    expect(other.locator("[data-part=line]")).to_have_attribute("data-state", "live")
    assert streams == []
    page.close()
    wait_until(lambda: other.evaluate("1") and streams, "the second tab takes over")


def test_the_map_turns_dark_with_the_page(open_page: Opener) -> None:
    page = open_page("/?list=stations", color_scheme="light")
    _ready(page)
    page.wait_for_function("!document.querySelector('[data-part=map-note]:not([hidden])')")
    seen = [page.locator("canvas.maplibregl-canvas").screenshot()]
    page.emulate_media(color_scheme="dark")
    wait_until(lambda: page.locator("canvas.maplibregl-canvas").screenshot() != seen[0], "the map is painted anew")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_without_a_script_list_and_drawer_still_work(open_page: Opener, width: int, height: int) -> None:
    page = open_page("/?list=stations", width=width, height=height, java_script_enabled=False)
    rows = page.locator(".items .item a")
    assert rows.count() >= 20
    title = rows.first.locator("[data-slot=title]").inner_text()
    rows.first.click()
    expect(page.locator(".panel h2")).to_have_text(title)
    page.locator(".chart-table summary").first.click()
    expect(page.locator(".chart-table table").first).to_be_visible()


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("path", ["/", "/devices", "/devices/lobby", "/devices/quarantine", "/air"])
def test_headings_labels_and_targets(open_page: Opener, path: str, width: int, height: int) -> None:
    page = open_page(path, width=width, height=height)
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    levels = [int(one[1]) for one in page.eval_on_selector_all("h1,h2,h3,h4", "all => all.map(one => one.tagName)")]
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels)), levels
    nameless = page.eval_on_selector_all(
        "button, a[href], select, textarea, input:not([type=hidden])",
        "all => all.filter(one => !(one.textContent.trim() || one.getAttribute('aria-label') || one.title"
        " || one.labels?.length || one.getAttribute('aria-labelledby'))).map(one => one.outerHTML)",
    )
    assert nameless == []
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", "focus is seen"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "no sideways scrolling"


def test_one_finger_on_the_map_scrolls_the_page_of_a_phone(open_page: Callable[..., Page]) -> None:
    page = open_page("/?list=stations", width=390, height=844, has_touch=True, is_mobile=True)
    page.wait_for_selector(".maplibregl-cooperative-gestures", state="attached")
    box = page.locator("[data-part=map] canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + 15, box["y"] + box["height"] - 60
    hand = page.context.new_cdp_session(page)
    hand.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 11):
        hand.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - 20 * step}]})
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("scrollY > 50")
    assert "map=" not in page.url, "and the map stays where it is"
    assert page.locator(".maplibregl-mobile-message").inner_text() == "Dùng hai ngón tay để di chuyển bản đồ"
