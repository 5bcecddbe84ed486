"""From signal to solved in real browsers: readings, alert, incident, ward, photo, answer, and the citizen who hears back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from signal_world import ALERT, ANSWER, DESK, PHONE, Citizen, People, photo, signal_city, smog, verified

from dothi.testing.browser import come_in
from dothi.testing.city import RunningCity

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
REPORT = "Đốt rơm rạ"
STEPS = {
    *("incident.open", "incident.accept", "incident.merge", "incident.assign", "incident.arrive", "incident.photo"),
    *("incident.answer", "incident.release_photo", "report.rate"),
}


@pytest.fixture
def city(tmp_path: Path) -> Iterator[RunningCity]:
    """A drill in which nothing happened yet."""
    with signal_city(tmp_path) as running:
        yield running


@pytest.fixture
def people(browser: Browser, city: RunningCity) -> Iterator[People]:
    """Everybody's browsers."""
    everybody = People(browser, city)
    yield everybody
    everybody.close()
    assert everybody.faults == []


def watched(desk: Page) -> tuple[Page, Page]:
    """The operations page and, beside it, the queue, both of whoever is signed in at ``desk``; neither is loaded again."""
    queue = desk.context.new_page()
    for page, address in ((desk, "/"), (queue, "/incidents")):
        page.goto(address)
        expect(page.get_by_text("Không có sự việc nào đang mở").first).to_be_visible()
        page.evaluate("window.loaded = 'once'")
    desk.wait_for_selector("dt-operations[data-ready]")
    return desk, queue


def appears(page: Page, name: str) -> Locator:
    """The link to an incident, which appears without the page being loaded again."""
    row = page.get_by_role("link", name=re.compile(name))
    expect(row).to_be_visible()
    assert page.evaluate("window.loaded") == "once"
    return row


def code_of(row: Locator) -> str:
    """The code of the incident that a row of a list leads to."""
    found = re.search(r"SV-\d{4}-\d{4}", row.get_attribute("href") or "")
    assert found is not None
    return found[0]


def test_with_mouse_and_touch(people: People, city: RunningCity, tmp_path: Path) -> None:
    desk = people.open(DESK)
    come_in(desk, city.base_url, "operator")
    operations, queue = watched(desk)
    smog(city)
    alert = appears(operations, ALERT)
    appears(queue, ALERT)
    citizen = Citizen(people, city)
    citizen.report()
    appears(operations, REPORT)
    report, code = appears(queue, REPORT), code_of(alert)

    alert.click()
    operations.get_by_role("button", name="Tiếp nhận").click()
    operations.get_by_role("link", name=re.compile("^Phân công")).click()
    operations.get_by_label("Đơn vị, phường, xã").select_option(label=city.platform.city.wards[0].full_name)
    operations.get_by_role("button", name="Phân công", exact=True).click()
    expect(operations.get_by_text("Bắt đầu xử lý").first).to_be_visible()
    report.click()
    queue.get_by_text("Gộp vào sự việc khác…").click()
    queue.get_by_label("Mã sự việc kia").fill(code)
    queue.get_by_role("button", name="Gộp vào sự việc khác").click()
    expect(queue.get_by_text("Đã gộp vào")).to_be_visible()

    phone = people.open(PHONE, touch=True)
    come_in(phone, city.base_url, "ward_officer")
    phone.goto("/mine")
    phone.get_by_role("button", name="Tôi nhận việc này").tap()
    phone.get_by_role("button", name="Báo đã có mặt").tap()
    for name in ("Ảnh trước", "Ảnh sau"):
        phone.get_by_label(name).set_input_files(photo(name))
        expect(phone.get_by_text(f"{name} ✓")).to_be_visible()
    phone.get_by_text("Trả lời…").tap()
    phone.get_by_label("Đã làm gì, kết quả thế nào").fill(ANSWER)
    phone.get_by_role("button", name="Gửi trả lời").tap()
    expect(phone.get_by_text("Không có việc nào được giao")).to_be_visible()
    expect(phone.locator(".mine-card")).to_have_count(0)

    operations.goto(f"/incidents/{code}")
    expect(operations.get_by_text(ANSWER).first).to_be_visible()
    after = operations.get_by_role("figure").filter(has_text="Sau")
    after.get_by_role("button", name="Cho công khai").click()
    expect(after.get_by_role("button", name="Rút khỏi công khai")).to_be_visible()
    citizen.hear()
    assert verified(city, tmp_path) >= STEPS


def step_to(page: Page, target: Locator) -> Locator:
    """Go to ``target`` with the key that people have for it; on the way it may come, change or be drawn anew."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if target.count() == 1 and target.evaluate("one => one === document.activeElement"):
            return target
    raise AssertionError(f"no Tab leads to {target}")


def press(page: Page, target: Locator, key: str = "Enter") -> None:
    """Go there and press a key."""
    expect(target).to_be_attached()
    step_to(page, target)
    page.keyboard.press(key)


def walk_to(page: Page, row: Locator) -> None:
    """Walk through a list with j until ``row`` has the focus; k leads back."""
    for key in ("j", "j", "j", "k", "k"):
        page.keyboard.press(key)
        if row.evaluate("one => one === document.activeElement"):
            return
    raise AssertionError(f"neither j nor k leads to {row}")


def sign_in_by_keys(page: Page, role: str) -> None:
    """Come in as a demo person."""
    page.goto("/sign-in")
    press(page, page.get_by_role("button", name=role, exact=True))
    page.wait_for_url(lambda url: "/sign-in" not in url)


def test_by_keyboard_alone(people: People, city: RunningCity, tmp_path: Path) -> None:
    desk = people.open(DESK)
    sign_in_by_keys(desk, "Trực ban trung tâm điều hành")
    operations, queue = watched(desk)
    smog(city)
    alert = appears(operations, ALERT)
    citizen = Citizen(people, city)
    citizen.report()
    row, report, code = appears(queue, ALERT), appears(queue, REPORT), code_of(alert)

    walk_to(queue, row)
    queue.keyboard.press("e")
    expect(queue.get_by_role("status")).to_contain_text("Xong 1 sự việc")
    queue.wait_for_load_state()  # its keys work from then on
    walk_to(queue, report)
    queue.keyboard.press("Enter")
    press(queue, queue.get_by_text("Gộp vào sự việc khác…"))
    step_to(queue, queue.get_by_label("Mã sự việc kia"))
    queue.keyboard.type(code)
    queue.keyboard.press("Enter")
    expect(queue.get_by_text("Đã gộp vào")).to_be_visible()
    walk_to(operations, alert)
    operations.keyboard.press("Enter")
    press(operations, operations.get_by_role("link", name=re.compile("^Phân công")))
    step_to(operations, operations.get_by_label("Đơn vị, phường, xã"))
    operations.keyboard.type(city.platform.city.wards[0].full_name)
    press(operations, operations.get_by_role("button", name="Phân công", exact=True))
    expect(operations.get_by_text("Bắt đầu xử lý").first).to_be_visible()

    phone = people.open(PHONE)
    phone.on("filechooser", lambda _chooser: None)  # from the beginning: the browser is told in time to hand them over
    sign_in_by_keys(phone, "Cán bộ phường, xã")
    phone.goto("/mine")
    press(phone, phone.get_by_role("button", name="Tôi nhận việc này"))
    press(phone, phone.get_by_role("button", name="Báo đã có mặt"))
    expect(phone.get_by_text("Trả lời…")).to_be_visible()
    for name in ("Ảnh trước", "Ảnh sau"):
        step_to(phone, phone.get_by_label(name))
        with phone.expect_file_chooser() as chooser:
            phone.keyboard.press("Enter")
        chooser.value.set_files(photo(name))
        expect(phone.get_by_text(f"{name} ✓")).to_be_visible()
    press(phone, phone.get_by_text("Trả lời…"))
    step_to(phone, phone.get_by_label("Đã làm gì, kết quả thế nào"))
    phone.keyboard.type(ANSWER)
    press(phone, phone.get_by_role("button", name="Gửi trả lời"))
    expect(phone.get_by_text("Không có việc nào được giao")).to_be_visible()

    operations.goto(f"/incidents/{code}")
    after = operations.get_by_role("figure").filter(has_text="Sau")
    press(operations, after.get_by_role("button", name="Cho công khai"))
    expect(after.get_by_role("button", name="Rút khỏi công khai")).to_be_visible()
    citizen.hear()
    assert verified(city, tmp_path) >= STEPS
