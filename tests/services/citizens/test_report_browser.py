"""A report from a telephone in real Chromium: by keyboard alone, by tapping the map, by position, with a large photo."""

import io
from collections.abc import Iterator

import pytest
from citizens_world import CODE, Citizen
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from dothi.access.policy import LOCAL_OPERATOR
from dothi.testing.city import RunningCity, wait_until

PHONE = {"width": 390, "height": 844}
UNNAMED = """() => [...document.querySelectorAll('main :is(input:not([type=hidden]), select, textarea, button, a)')]
  .filter(one => !one.closest('[aria-hidden=true]'))
  .filter(one => !(one.labels?.[0]?.textContent.trim() || one.textContent.trim() || one.getAttribute('aria-label')))
  .map(one => one.outerHTML)"""


@pytest.fixture
def context(browser: Browser, city: RunningCity) -> Iterator[BrowserContext]:
    ward = city.platform.city.wards[0]
    made = browser.new_context(
        base_url=city.base_url,
        viewport=PHONE,
        locale="vi",
        reduced_motion="reduce",
        geolocation={"longitude": ward.longitude, "latitude": ward.latitude},
        permissions=["geolocation"],
    )
    yield made
    made.close()


@pytest.fixture
def phone(context: BrowserContext) -> Iterator[Page]:
    """A page that fails the test if it logged an error."""
    page, faults = context.new_page(), list[str]()
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    assert faults == []


def test_by_keyboard_alone_from_the_first_page_to_the_code(phone: Page, citizen: Citizen) -> None:
    phone.goto("/report")
    assert phone.evaluate(UNNAMED) == []
    phone.keyboard.press("Tab")  # to the content, past the frame
    phone.keyboard.press("Enter")
    for _ in range(5):  # past the four numbers to call in danger
        phone.keyboard.press("Tab")
    phone.keyboard.press("Space")
    phone.keyboard.press("ArrowDown")
    phone.keyboard.press("Tab")
    phone.keyboard.type("ngõ 7, phường Vĩnh Tuy")
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("heading", name="Phường Vĩnh Tuy")).to_be_visible()
    assert phone.evaluate(UNNAMED) == []
    phone.get_by_label("Chuyện gì đang xảy ra?").focus()
    phone.keyboard.type("Gõ bằng bàn phím, không chạm chuột")
    for _ in range(3):
        phone.keyboard.press("Tab")
    assert phone.evaluate("document.activeElement.textContent") == "Gửi phản ánh"
    phone.keyboard.press("Enter")
    expect(phone.get_by_text("Đã nhận phản ánh của bạn")).to_be_visible()
    code = CODE.search(phone.url)
    assert code is not None
    assert citizen.incident(code.group()).kind == "report-environment"
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_tap_on_the_map_is_the_place_and_a_large_photo_is_made_small(phone: Page, citizen: Citizen) -> None:
    platform = citizen.city.platform
    wait_until(lambda: platform.basemap is not None, "the map's ground is ready")
    phone.goto("/report")
    phone.get_by_role("radio", name="Giao thông").check(force=True)
    phone.get_by_role("button", name="Chọn trên bản đồ").click()
    canvas = phone.locator("[data-ground] canvas")
    expect(canvas).to_be_visible()
    field = phone.locator("input[name=longitude]")

    def tapped() -> bool:
        canvas.click(position={"x": 170, "y": 150})
        return field.is_enabled()

    wait_until(tapped, "the map takes a tap")
    expect(phone.get_by_text("Đã chọn điểm")).to_be_visible()
    phone.get_by_role("button", name="Tiếp tục").click()
    expect(phone.get_by_text("Đã có điểm trên bản đồ.")).to_be_visible()
    photo = io.BytesIO()
    Image.effect_noise((4000, 3000), 60).convert("RGB").save(photo, "JPEG", quality=80)
    phone.get_by_label("Ảnh chụp tại chỗ").set_input_files(
        {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo.getvalue()}
    )
    phone.get_by_label("Chuyện gì đang xảy ra?").fill("Ổ gà sâu giữa đường")
    phone.get_by_role("button", name="Gửi phản ánh").click()
    expect(phone.get_by_text("Đã nhận phản ánh của bạn")).to_be_visible()
    code = CODE.search(phone.url)
    assert code is not None
    incident = citizen.incident(code.group())
    assert incident.longitude is not None
    (kept,) = platform.incidents.photos.of(LOCAL_OPERATOR, incident.code)
    assert (kept.width, kept.height) == (2048, 1536)


def test_my_position_is_the_place(phone: Page, city: RunningCity) -> None:
    wait_until(lambda: city.platform.basemap is not None, "the map's ground is ready")
    phone.goto("/report")
    phone.get_by_role("button", name="Vị trí của tôi").click()
    expect(phone.get_by_text("Đã chọn điểm")).to_be_visible()
    ward = city.platform.city.wards[0]
    assert phone.locator("input[name=longitude]").input_value() == f"{ward.longitude:.6f}"
    phone.get_by_role("radio", name="An toàn").check(force=True)
    phone.get_by_role("button", name="Tiếp tục").click()
    expect(phone.get_by_role("heading", name=ward.full_name)).to_be_visible()


def test_without_scripts_nothing_is_missing(browser: Browser, city: RunningCity, citizen: Citizen) -> None:
    context = browser.new_context(base_url=city.base_url, viewport=PHONE, locale="vi", java_script_enabled=False)
    page = context.new_page()
    page.goto("/report")
    assert not page.get_by_role("button", name="Chọn trên bản đồ").is_visible()
    page.get_by_role("radio", name="Trật tự đô thị").check(force=True)
    page.get_by_label("Địa chỉ").fill("vỉa hè trước số 9, phường Vĩnh Tuy")
    page.get_by_role("button", name="Tiếp tục").click()
    page.get_by_label("Chuyện gì đang xảy ra?").fill("Hàng quán chiếm hết vỉa hè")
    page.get_by_role("button", name="Gửi phản ánh").click()
    expect(page.get_by_text("Đã nhận phản ánh của bạn")).to_be_visible()
    code = CODE.search(page.url)
    assert code is not None
    citizen.answered(code.group(), "Đã nhắc nhở và dọn xong.")
    page.reload()
    page.get_by_role("radio", name="Hài lòng", exact=True).check(force=True)
    page.get_by_role("button", name="Gửi đánh giá").click()
    expect(page.get_by_text("Cảm ơn bạn đã đánh giá.")).to_be_visible()
    context.close()
