"""The time bar in a real Chromium: a past exceedance is found by mouse and by keys, on the desk and on the phone."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from dothi.testing.city import RunningCity, running_city, wait_until
from dothi.testing.recording import NOW, SMOGGY, recording

Opener = Callable[..., Page]

pytestmark = pytest.mark.browser
LIVE = re.compile(r"^[^?]*/(\?(?!.*\bat=).*)?$")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A replay city whose past evening was over the limit at one station."""
    folder = tmp_path_factory.mktemp("past")
    with running_city(folder, data=recording(folder), replay_speed=1) as running:
        with httpx.Client(base_url=running.base_url, trust_env=False, timeout=30, headers=running.operator) as client:

            def hours() -> int:
                cells = client.get("/map/hours/air.json?span=7d").json()["blocks"]
                return round(sum(cell["width"] for cell in cells if cell["label"]) / 100 * 168)

            wait_until(lambda: hours() >= 46, "every recorded hour has its index")
        yield running


def _ready(page: Page) -> None:
    page.wait_for_selector("dt-operations[data-ready]")
    page.wait_for_selector(".knob")


def _at(page: Page) -> datetime:
    """The moment in the address."""
    found = re.search(r"[?&]at=([^&]+)", page.url)
    assert found, page.url
    return datetime.fromisoformat(found[1].replace("%3A", ":")).astimezone(UTC)


def _expect_the_exceedance(page: Page) -> None:
    """The page shows the smoggy evening: said at its head, worst first in the list, in the drawer with its limit."""
    expect(page.locator(".past")).to_be_visible()
    expect(page.locator("[data-part=past-time]")).to_have_text(re.compile(r"\d\d:\d\d (18|19)/05/2026"))
    worst = page.locator(".items .item").first
    expect(worst).to_contain_text(SMOGGY)
    expect(worst).to_contain_text(re.compile("Xấu|Rất xấu|Nguy hại"))
    worst.locator("a").click()
    expect(page.locator(".panel h2")).to_have_text(SMOGGY)
    expect(page.locator(".panel-head")).to_contain_text(re.compile("Xấu|Rất xấu|Nguy hại"))
    expect(page.locator(".tile-3, .tile-2, .tile-1").first).to_contain_text("1/4 trạm")


@pytest.mark.parametrize(("width", "height", "scheme"), [(1440, 900, "light"), (390, 844, "dark")])
def test_a_past_exceedance_is_found_by_mouse(open_page: Opener, width: int, height: int, scheme: str) -> None:
    page = open_page("/?list=stations", width=width, height=height, color_scheme=scheme)
    _ready(page)
    page.locator("[data-span='7d']").click()
    page.locator(".block:has(.over-3) > rect, .block:has(.over-4) > rect").first.click()
    _expect_the_exceedance(page)
    assert _at(page) < NOW
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "no sideways scrolling"
    page.locator("[data-time=now]").first.click()
    expect(page.locator(".past")).to_be_hidden()
    expect(page).to_have_url(LIVE)
    expect(page.locator("[data-part=line]")).to_have_attribute("data-state", "live")


def test_a_past_exceedance_is_found_by_keys_and_its_drawer_shows_it(open_page: Opener) -> None:
    page = open_page("/?list=stations")
    _ready(page)
    rail = page.locator("[data-part=rail]")
    rail.focus()
    page.keyboard.press("[")
    _expect_the_exceedance(page)
    peak = _at(page)
    page.locator("dt-chart canvas").first.wait_for()
    facts = page.locator(".panel .facts")
    expect(facts).to_contain_text("QCVN 05:2023")
    expect(facts).to_contain_text("vượt giới hạn")
    rail.focus()
    page.keyboard.press("ArrowLeft")
    earlier = (peak - timedelta(minutes=15)).strftime("%H%%3A%M%%3A00Z")
    expect(page).to_have_url(re.compile(earlier))
    page.keyboard.press("Control+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Home")
    expect(page.locator("[data-part=past-time]")).to_have_text("07:05 18/05/2026")
    page.keyboard.press("PageUp")
    expect(page.locator("[data-part=past-time]")).to_have_text("07:00 19/05/2026")
    page.keyboard.press("]")
    expect(page.locator("[data-part=past-note]")).to_have_text("Không có lần vượt ngưỡng nào sau đó.")
    page.keyboard.press("End")
    expect(page.locator(".past")).to_be_hidden()
    expect(page.locator(".panel h2")).to_have_text(SMOGGY)
    expect(page.locator(".panel .facts")).not_to_contain_text("VN_AQI của giờ 05:00")


def test_back_goes_back_in_time_and_a_reload_stays_there(open_page: Opener) -> None:
    page = open_page("/?list=stations&at=2026-05-19T06:00:00Z")
    _ready(page)
    shown = page.locator("[data-part=past-time]")
    expect(shown).to_have_text("13:00 19/05/2026")
    page.locator("[data-part=rail]").focus()
    page.keyboard.press("Control+ArrowRight")
    expect(shown).to_have_text("14:00 19/05/2026")
    page.locator("[data-known=then]").click()
    expect(page.locator("[data-known=then]")).to_have_attribute("aria-current", "true")
    expect(page.locator("[data-part=past-note]")).to_contain_text("chưa nhận được số đo mới nào")
    expect(page.locator("[data-empty=then]")).to_be_visible()
    page.go_back()
    expect(page.locator("[data-known=now]")).to_have_attribute("aria-current", "true")
    expect(page.locator(".items .item")).to_have_count(4)
    page.go_back()
    expect(shown).to_have_text("13:00 19/05/2026")
    page.go_forward()
    expect(shown).to_have_text("14:00 19/05/2026")
    page.reload()
    _ready(page)
    expect(shown).to_have_text("14:00 19/05/2026")
    page.locator("[data-time=now]").first.click()
    expect(page).to_have_url(LIVE)


def test_it_plays_pauses_and_ends_at_now(open_page: Opener) -> None:
    page = open_page("/?list=stations&at=2026-05-19T06:00:00Z&lang=en")
    _ready(page)
    expect(page.locator(".past")).to_contain_text("as known now")
    page.locator("[data-part=rail]").focus()
    page.keyboard.press("Space")
    play = page.locator("[data-part=play]")
    expect(play).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-part=past-time]")).not_to_have_text("13:00 19/05/2026")
    page.keyboard.press("Space")
    expect(play).to_have_attribute("aria-pressed", "false")
    assert datetime(2026, 5, 19, 6, tzinfo=UTC) < _at(page) < NOW
    page.select_option("[data-part=pace]", "21600")
    play.click()
    expect(page.locator(".past")).to_be_hidden(timeout=20_000)
    expect(play).to_have_attribute("aria-pressed", "false")
    expect(page).to_have_url(LIVE)


def test_a_moment_that_cannot_be_loaded_leaves_the_last_one_on_the_page(open_page: Opener) -> None:
    page = open_page("/?list=stations&at=2026-05-19T06:00:00Z")
    _ready(page)
    expect(page.locator(".items .item")).to_have_count(4)
    held: list[Route] = []
    page.route("**/map/layers/*.json?at=*", lambda route: held.append(route))
    page.locator("[data-part=rail]").focus()
    page.keyboard.press("Control+ArrowRight")
    expect(page.locator(".past")).to_have_attribute("data-state", "loading")
    expect(page.locator("[data-part=past-note]")).to_contain_text("Đang tải 14:00 19/05/2026")
    wait_until(lambda: page.evaluate("1") and held, "the request is held")
    held[0].abort()
    expect(page.locator(".past")).to_have_attribute("data-state", "failed")
    expect(page.locator("[data-part=past-note]")).to_contain_text("trang vẫn giữ 13:00 19/05/2026")
    expect(page.locator(".items .item")).to_have_count(4)
    page.unroute("**/map/layers/*.json?at=*")
    page.locator("[data-part=past-retry]").click()
    expect(page.locator(".past")).not_to_have_attribute("data-state", "failed")
    expect(page.locator("[data-part=past-note]")).to_be_hidden()
    open_page.faults.clear()  # the browser logs the request that was cut


def test_a_day_and_time_are_typed(open_page: Opener) -> None:
    page = open_page("/?list=stations")
    _ready(page)
    page.locator(".jump summary").click()
    page.fill("[name=day]", "2026-05-20")
    page.fill("[name=time]", "23:30")
    drawn = page.locator("[data-part=rail-drawing]")
    before = drawn.inner_html()
    page.locator("[data-span='7d']").click()
    wait_until(lambda: drawn.inner_html() != before, "the bar is drawn anew, and what is typed stays")
    page.locator(".jump-form button").click()
    expect(page.locator("[data-part=jump-fault]")).to_have_text("Thời điểm này chưa tới")
    page.fill("[name=day]", "2026-05-19")
    page.locator(".jump-form button").click()
    expect(page.locator("[data-part=past-time]")).to_have_text("23:30 19/05/2026")
    assert _at(page) == datetime(2026, 5, 19, 16, 30, tzinfo=UTC)
    page.goto("/?at=2026-05-01T00:00:00Z")
    _ready(page)
    expect(page.locator("[data-part=past-note]")).to_have_text(
        "Chưa có dữ liệu: số đo đầu tiên của thành phố là lúc 07:05 18/05/2026."
    )


def test_dragging_moves_through_the_day(open_page: Opener) -> None:
    page = open_page("/?list=stations")
    _ready(page)
    box = page.locator("[data-part=rail]").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.9, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, middle, steps=8)
    expect(page.locator(".past")).to_be_visible()
    page.mouse.up()
    expect(page.locator("[data-part=past-time]")).to_have_text(re.compile(r"1[89]:\d\d 19/05/2026"))
    expect(page).to_have_url(re.compile(r"at=2026-05-19T1[12]"))
    page.go_back()
    expect(page).to_have_url(LIVE)
    expect(page.locator(".past")).to_be_hidden()
