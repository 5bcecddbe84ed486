"""Incidents in a real browser: what others do appears by itself, and everything is done from the keyboard."""

from collections.abc import Callable

import pytest
from incident_world import does, opened, put_away, with_kinds
from playwright.sync_api import Page, expect

from dothi.platform.incidents import acts
from dothi.testing.city import RunningCity, wait_until
from dothi.testing.people import insider

pytestmark = pytest.mark.browser
Opener = Callable[..., Page]


def test_the_queue_lives_and_the_drawer_acts(open_page: Opener, city: RunningCity) -> None:
    put_away(with_kinds(city))
    one = opened(city, "Cây đổ thứ nhất")
    page = open_page("/")
    page.wait_for_selector(f".marker-work[data-id='{one.code}']")
    expect(page.locator(".work-item")).to_have_count(1)
    two = opened(city, "Cháy bãi giữ xe", kind="test-smog")
    expect(page.locator(f".work-item[data-code='{two.code}']")).to_be_visible()
    expect(page.locator("[data-part=work-total]")).to_have_text("2")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.locator(".work-item a").first
    expect(first).to_be_focused()
    page.locator(f".work-item[data-code='{two.code}'] a").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".work-panel h2")).to_have_text("Cháy bãi giữ xe")
    page.locator(".work-panel .work-main").click()
    expect(page.locator(".work-panel [aria-current=step]")).to_contain_text("Phân công")
    assert city.platform.incidents.get(insider(), two.code).state == "accepted"
    assert "chosen=" in page.url, "the page was not left"
    does(city, city.platform.incidents.get(insider(), two.code), acts.Start())
    expect(page.locator(".work-panel [aria-current=step]")).to_contain_text("Xử lý")
    page.locator(".work-panel button.check-box").first.click()
    expect(page.locator(".work-panel .progress")).to_contain_text("1/2")
    page.keyboard.press("Escape")
    expect(page.locator(".drawer")).to_be_hidden()
    does(city, one, acts.Reject("Đã dọn"))
    expect(page.locator(f".work-item[data-code='{one.code}']")).to_have_count(0)
    expect(page.locator(f".marker-work[data-id='{one.code}']")).to_have_count(0)


def test_an_incident_is_taken_from_the_list_by_keys_alone(open_page: Opener, city: RunningCity) -> None:
    put_away(with_kinds(city))
    one = opened(city, "Cây đổ bằng phím")
    page = open_page("/incidents")
    page.keyboard.press("j")
    expect(page.locator("[data-walk] tbody th a")).to_be_focused()
    page.keyboard.press("e")
    expect(page.locator(".notice:visible")).to_contain_text("Xong 1 sự việc.")
    page.wait_for_load_state()  # its keys work from then on
    assert city.platform.incidents.get(insider(), one.code).state == "accepted"
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("input[name=pick]")).to_be_checked()
    does(city, city.platform.incidents.get(insider(), one.code), acts.Retitle("Cây đổ đã đổi tên"))
    expect(page.locator("[data-walk] tbody th a")).to_have_text("Cây đổ đã đổi tên")
    expect(page.locator("input[name=pick]")).to_be_checked()
    page.locator("[data-walk] tbody th a").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Cây đổ đã đổi tên")


def test_what_is_being_written_stays_while_others_work(open_page: Opener, city: RunningCity) -> None:
    put_away(with_kinds(city))
    one = does(city, opened(city), acts.Accept(), acts.Start())
    page = open_page(f"/incidents/{one.code}")
    page.locator("[data-act=answer] textarea").fill("Đã cưa và dọn cây")
    now = does(city, one, acts.Rank(4, "urgent"))
    expect(page.locator("[data-live=head] .severity-word-4")).to_be_visible()
    expect(page.locator("[data-act=answer] textarea")).to_have_value("Đã cưa và dọn cây")
    expect(page.locator("[data-act=escalate] input[name=version]")).to_have_value(str(now.version))
    page.locator("[data-act=answer] .button-main").click()
    expect(page.locator("h1")).to_have_text("Có người vừa đổi sự việc này")
    expect(page.locator("main")).to_contain_text("Đã cưa và dọn cây")
    page.locator("main .button-main").click()
    expect(page.locator(".work-answer")).to_have_text("Đã cưa và dọn cây")
    open_page.faults.clear()  # type: ignore[attr-defined]  # a browser logs the 409 that was wanted


@pytest.mark.parametrize("path", ["/incidents", "/incidents/{code}"])
def test_a_page_without_a_line_says_so_until_it_is_back(open_page: Opener, city: RunningCity, path: str) -> None:
    put_away(with_kinds(city))
    address = path.format(code=opened(city).code)
    page = open_page("/account")
    page.route("**/live?*", lambda route: route.abort())
    page.goto(address)
    late = page.locator(".late")
    expect(late).to_have_text("Không tải được tình hình mới, đang thử lại. Dưới đây là lần tải trước.")
    expect(late).to_be_visible()
    page.unroute_all()
    expect(late).to_be_hidden()
    open_page.faults.clear()  # type: ignore[attr-defined]  # a browser logs the line that was cut


def test_a_clock_runs_down_by_itself(open_page: Opener, city: RunningCity) -> None:
    put_away(with_kinds(city))
    opened(city)
    page = open_page("/incidents")
    clock = page.locator("td dt-left [data-part=left]").first
    before = clock.inner_text()
    expect(clock).not_to_have_text(before)


def test_no_marker_covers_another(open_page: Opener, city: RunningCity) -> None:
    put_away(with_kinds(city))
    for number in range(6):
        opened(city, longitude=105.852 + number / 400, latitude=21.029)
    page = open_page("/")
    page.wait_for_selector(".marker-work")
    expect(page.locator(".work-item")).to_have_count(6)
    boxes = page.eval_on_selector_all(".marker", "all => all.map(one => one.getBoundingClientRect().toJSON())")
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            beside = one["right"] <= other["left"] + 0.5 or other["right"] <= one["left"] + 0.5
            assert beside or one["bottom"] <= other["top"] + 0.5 or other["bottom"] <= one["top"] + 0.5, (one, other)


def test_the_place_is_corrected_on_the_map(open_page: Opener, city: RunningCity) -> None:
    one = opened(with_kinds(city), "Cây đổ nhầm chỗ")
    wait_until(lambda: city.platform.basemap is not None, "the map's ground is ready")
    page = open_page(f"/incidents/{one.code}")
    form = page.locator("#move")
    form.locator("summary").click()
    form.get_by_role("button", name="Chọn trên bản đồ").click()
    canvas = form.locator("[data-ground] canvas")
    expect(form.locator(".maplibregl-marker")).to_be_visible()  # where it stands now
    point = form.locator("input[name=point]")
    expect(point).to_have_value("21.02900, 105.85200")
    canvas.focus()
    page.keyboard.press("ArrowUp")  # the map moves north; Enter takes its middle

    def taken() -> bool:
        canvas.press("Enter")
        return float(point.input_value().split(",")[0]) > 21.0291

    wait_until(taken, "the middle of the map is taken")
    expect(form.get_by_role("status")).to_contain_text("Đã chọn điểm")
    chosen = float(point.input_value().split(",")[0])
    form.get_by_role("button", name="Sửa vị trí").click()
    expect(page.locator(".work-lines li").first).to_contain_text("Sửa vị trí")
    assert city.platform.incidents.get(insider(), one.code).latitude == chosen
