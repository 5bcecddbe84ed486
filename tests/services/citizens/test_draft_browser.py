"""A report without a line in real Chromium: it waits on the phone, goes by itself, and its code stays to be noted."""

from collections.abc import Iterator

import pytest
from citizens_world import CODE, Citizen, picture
from playwright.sync_api import Browser, Page, expect

from dothi.access.policy import LOCAL_OPERATOR
from dothi.testing.city import RunningCity

pytestmark = pytest.mark.browser
PHOTO = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": picture("red")}


@pytest.fixture
def phone(browser: Browser, city: RunningCity) -> Iterator[Page]:
    context = browser.new_context(base_url=city.base_url, viewport={"width": 390, "height": 844}, locale="vi")
    faults, page = list[str](), context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []


def test_a_line_that_drops_while_somebody_writes_costs_nothing(phone: Page, citizen: Citizen) -> None:
    phone.goto("/report?kind=report-environment&address=ngõ 7, phường Vĩnh Tuy")
    phone.get_by_label("Chuyện gì đang xảy ra?").fill("Đốt rác giữa ngõ, khói vào nhà")
    phone.get_by_label("Ảnh chụp tại chỗ").set_input_files([PHOTO])  # type: ignore[list-item]  # Playwright's FilePayload
    phone.context.set_offline(True)
    phone.get_by_role("button", name="Gửi phản ánh").click()
    kept = phone.locator("dt-drafts li")
    expect(kept).to_contain_text("chờ có mạng")
    expect(phone.get_by_label("Chuyện gì đang xảy ra?")).to_be_hidden()
    phone.context.set_offline(False)
    expect(kept).to_contain_text("đã gửi; mã theo dõi:")
    code = CODE.search(kept.inner_text())
    assert code is not None
    incident = citizen.incident(code.group())
    assert (incident.text, incident.photos) == ("Đốt rác giữa ngõ, khói vào nhà", 1)
    phone.goto("/report")  # the code is still there
    expect(kept).to_contain_text(code.group())
    phone.get_by_role("button", name="Tôi đã ghi mã").click()
    expect(phone.locator("dt-drafts")).to_be_hidden()


def test_the_form_opens_without_a_line_and_a_refusal_is_mended(phone: Page, citizen: Citizen) -> None:
    phone.goto("/report")
    phone.evaluate("navigator.serviceWorker.ready.then(() => true)")
    phone.wait_for_function(
        "async () => Boolean(await (await caches.open('dothi-report')).match('/report', {ignoreVary: true}))"
    )
    phone.reload()
    phone.wait_for_function("() => navigator.serviceWorker.controller !== null")
    phone.context.set_offline(True)
    phone.goto("/report")
    phone.get_by_role("radio", name="Giao thông").check(force=True)
    phone.get_by_label("Địa chỉ").fill("trước số 3 ngõ 121")
    phone.get_by_role("button", name="Tiếp tục").click()
    expect(phone.get_by_text("Không có mạng.")).to_be_visible()
    phone.get_by_label("Phường, xã").select_option(label="Phường Vĩnh Tuy")
    phone.get_by_label("Chuyện gì đang xảy ra?").fill("Tôi khiếu nại vì ổ gà ở đây")
    phone.get_by_label("Ảnh chụp tại chỗ").set_input_files([PHOTO])  # type: ignore[list-item]  # Playwright's FilePayload
    phone.get_by_role("button", name="Giữ lại, gửi khi có mạng").click()
    kept = phone.locator("dt-drafts li")
    expect(kept).to_contain_text("chờ có mạng")
    phone.context.set_offline(False)
    expect(kept).to_contain_text("chưa nhận được: Đây có phải khiếu nại, tố cáo?")
    phone.get_by_role("button", name="Sửa và gửi lại").click()
    expect(phone.get_by_role("heading", name="Phường Vĩnh Tuy")).to_be_visible()
    expect(phone.get_by_label("Chuyện gì đang xảy ra?")).to_have_value("Tôi khiếu nại vì ổ gà ở đây")
    phone.get_by_label("Chuyện gì đang xảy ra?").fill("Ổ gà sâu ở đây")
    phone.get_by_role("button", name="Gửi phản ánh").click()
    expect(phone.get_by_text("Đã nhận phản ánh của bạn")).to_be_visible()
    code = CODE.search(phone.url)
    assert code is not None
    incident = citizen.incident(code.group())
    assert (incident.kind, incident.text) == ("report-traffic", "Ổ gà sâu ở đây")
    assert len(citizen.city.platform.incidents.photos.of(LOCAL_OPERATOR, incident.code)) == 1
    phone.goto("/report")
    expect(phone.locator("dt-drafts")).to_be_hidden()
