"""Passkeys in a real Chromium with a virtual authenticator (WebDriver extension of Web Authentication), and the menu."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect
from visitor_world import newcomer

from dothi.access.grants import Granted
from dothi.access.sessions import COOKIE
from dothi.testing.city import PATIENCE, RunningCity

pytestmark = pytest.mark.browser


class Desk:
    """A browser with an authenticator, signed in under the machine's name: a bare address has no passkeys."""

    def __init__(self, browser: Browser, city: RunningCity, *granted: Granted) -> None:
        accounts = city.platform.accounts
        self.login, self.account = newcomer(city, *granted, name="Phạm Thu Hà")
        cookie = city.run(accounts.open_session(self.account, strong=False, address="127.0.0.1", agent="", correlation=""))
        self.url = city.base_url.replace("127.0.0.1", "localhost")
        self.context: BrowserContext = browser.new_context(base_url=self.url, locale="vi", reduced_motion="reduce")
        self.context.set_default_timeout(PATIENCE * 1000)
        self.context.add_cookies([{"name": COOKIE, "value": cookie, "url": self.url}])
        self.page: Page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.devtools: CDPSession = self.context.new_cdp_session(self.page)
        self.devtools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        self.authenticator: str = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})[
            "authenticatorId"
        ]

    def verified(self, yes: bool) -> None:
        """Whether the finger on the sensor is its owner's."""
        self.devtools.send("WebAuthn.setUserVerified", {"authenticatorId": self.authenticator, "isUserVerified": yes})

    def sign_out(self) -> None:
        self.page.locator(".me-open").click()
        self.page.locator(".me").get_by_role("button", name="Đăng xuất").click()
        expect(self.page.get_by_role("status")).to_have_text("Đã đăng xuất.")


@pytest.fixture
def desk(browser: Browser, city: RunningCity) -> Iterator[Desk]:
    made = Desk(browser, city, Granted("operator"), Granted("administrator"))
    yield made
    made.context.close()
    assert made.faults == []


def test_a_passkey_made_here_signs_in_without_a_password_and_wakes_the_strong_roles(desk: Desk, city: RunningCity) -> None:
    page = desk.page
    page.goto("/account")
    expect(page.get_by_text("Quyền quản trị đang chờ xác thực hai bước.")).to_be_visible()
    page.get_by_label("Tên gợi nhớ").fill("Máy ở bàn trực")
    page.get_by_role("button", name="Thêm khóa truy cập…").click()
    expect(page.get_by_role("status")).to_contain_text("Đã thêm khóa truy cập")
    expect(page.get_by_text("Máy ở bàn trực")).to_be_visible()
    expect(page.get_by_text("Quyền quản trị đang chờ xác thực hai bước.")).to_be_hidden()

    desk.sign_out()
    page.goto("/sign-in?to=/people")
    page.get_by_role("button", name="Dùng khóa truy cập").click()
    page.wait_for_url("**/people")
    expect(page.locator("h1")).to_have_text("Người dùng")
    (session,) = city.platform.accounts.sessions_of(desk.account)
    assert session.strong

    page.goto("/account")
    page.get_by_role("button", name="Gỡ Máy ở bàn trực").click()
    expect(page.get_by_role("status")).to_contain_text("Đã gỡ khóa truy cập")
    desk.sign_out()
    page.get_by_role("button", name="Dùng khóa truy cập").click()
    expect(page.get_by_role("alert")).to_have_text("Khóa truy cập này không mở được tài khoản nào ở đây.")
    assert page.url.startswith(f"{desk.url}/sign-in")


def test_a_finger_that_is_not_its_owners_opens_nothing(desk: Desk) -> None:
    page = desk.page
    page.goto("/account")
    desk.verified(False)
    page.get_by_role("button", name="Thêm khóa truy cập…").click()
    expect(page.get_by_role("alert")).to_contain_text("Trình duyệt chưa tạo được khóa truy cập")
    desk.verified(True)
    page.get_by_role("button", name="Thêm khóa truy cập…").click()
    expect(page.get_by_role("status")).to_contain_text("Đã thêm khóa truy cập")
    desk.sign_out()
    desk.verified(False)
    page.get_by_role("button", name="Dùng khóa truy cập").click()
    expect(page.get_by_role("alert")).to_contain_text("Trình duyệt chưa đưa ra được khóa truy cập")


def test_a_passkey_is_the_second_step_too_and_a_bare_address_says_where_they_work(desk: Desk, city: RunningCity) -> None:
    page = desk.page
    page.goto("/account")
    page.get_by_role("button", name="Thêm khóa truy cập…").click()
    expect(page.get_by_role("status")).to_contain_text("Đã thêm khóa truy cập")
    desk.sign_out()
    page.get_by_label("Tên đăng nhập").fill(desk.login)
    page.get_by_label("Mật khẩu").fill("con mèo trèo cây cau 7")
    page.get_by_role("button", name="Đăng nhập", exact=True).click()
    expect(page.locator("h1")).to_have_text("Xác thực hai bước")
    expect(page.get_by_label("Mã 6 số trong ứng dụng")).to_be_hidden()
    page.get_by_role("button", name="Dùng khóa truy cập").click()
    page.wait_for_url(f"{desk.url}/")
    page.goto(f"{city.base_url}/sign-in")
    expect(page.get_by_role("button", name="Dùng khóa truy cập")).to_be_hidden()
    page.get_by_role("link", name=f"{desk.url}/sign-in").click()
    expect(page.get_by_role("button", name="Dùng khóa truy cập")).to_be_visible()


@pytest.mark.parametrize(("width", "script"), [(1440, True), (390, True), (390, False)])
def test_the_menu_says_who_is_signed_in_and_leads_out(browser: Browser, city: RunningCity, width: int, script: bool) -> None:
    context = browser.new_context(
        base_url=city.base_url,
        viewport={"width": width, "height": 844},
        locale="vi",
        java_script_enabled=script,
    )
    context.add_cookies([{"name": COOKIE, "value": city.session("leader"), "url": city.base_url}])
    page = context.new_page()
    for path in ("/wards", "/account", "/air"):
        page.goto(path)
        opener = page.locator(".me-open")
        box = opener.bounding_box()
        assert box is not None and box["x"] + box["width"] <= width
        assert width > 760 or box["height"] >= 44
        opener.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".me")).to_contain_text("Lãnh đạo")
        page.keyboard.press("Escape")
        expect(page.locator(".me")).to_be_hidden()
    page.goto("/wards")
    page.locator(".me-open").click()
    page.locator(".me").get_by_role("button", name="Đăng xuất").click()
    expect(page.locator("h1")).to_have_text("Đăng nhập")
    page.goto("/account")
    expect(page.locator("h1")).to_have_text("Đăng nhập")
    context.close()


@pytest.mark.parametrize("path", ["/sign-in", "/account", "/account/totp", "/people", "/people/new"])
def test_the_pages_fit_a_phone(browser: Browser, city: RunningCity, path: str) -> None:
    desk = Desk(browser, city, Granted("operator", agencies=tuple(one.id for one in city.platform.city.agencies[:4])))
    context = browser.new_context(base_url=city.base_url, viewport={"width": 390, "height": 844}, locale="vi")
    cookie = city.session("administrator") if path.startswith("/people") else desk.context.cookies()[0]["value"]
    desk.context.close()
    context.add_cookies([{"name": COOKIE, "value": cookie, "url": city.base_url}])
    page = context.new_page()
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.locator("main button:visible, main a.button:visible").evaluate_all(
        "all => all.filter(one => one.getBoundingClientRect().height < 44).map(one => one.textContent)"
    )
    assert small == []
    context.close()
