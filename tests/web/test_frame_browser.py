"""What every work page shares, in a real Chromium: the way to the other pages, and the help in place."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
Opener = Callable[..., Page]


@pytest.mark.parametrize("path", ["/", "/devices"])
def test_the_help_opens_by_its_key_and_by_its_button(open_page: Opener, path: str) -> None:
    page = open_page(path)
    help_text = page.locator("#help")
    expect(help_text).to_be_hidden()
    page.keyboard.press("?")
    expect(help_text).to_contain_text("Phím tắt")
    page.keyboard.press("Escape")
    expect(help_text).to_be_hidden()
    page.locator(".help-open").click()
    expect(help_text).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#search").fill("?")
    expect(help_text).to_be_hidden()


def test_every_door_of_the_desk_is_two_taps_away_on_a_phone(open_page: Opener) -> None:
    desk = open_page("/devices", height=720)
    doors = desk.locator(".rail a:visible")
    lowest = desk.locator(".rail-tools-open").bounding_box()
    assert lowest is not None and lowest["y"] + lowest["height"] <= 720, "the rail of a small desk needs no scrolling"
    assert doors.count() <= 10
    desk.locator(".rail-tools-open").click()
    wanted = doors.evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert {"/", "/wards", "/devices", "/runs", "/wall", "/docs"} <= set(wanted)
    expect(desk.locator(".rail-open")).to_be_hidden()
    phone = open_page("/devices", width=390, height=844, has_touch=True)
    at_once = phone.locator(".rail a:visible").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert 3 <= len(at_once) <= 4
    phone.locator(".rail-open").tap()
    every = phone.locator(".rail a:visible")
    assert every.evaluate_all("all => all.map(one => one.getAttribute('href'))") == wanted
    assert all(
        box["height"] >= 44 for box in every.evaluate_all("all => all.map(one => one.getBoundingClientRect().toJSON())")
    )
    phone.locator(".rail-more a[href='/runs']").tap()
    expect(phone.locator("h1")).to_be_visible()
    assert phone.url.endswith("/runs")
    expect(phone.locator(".rail-more")).to_be_hidden()


def test_the_doors_work_without_a_script(open_page: Opener) -> None:
    page = open_page("/devices", width=390, height=844, java_script_enabled=False)
    page.locator(".rail-open").click()
    expect(page.locator(".rail-more a[href='/docs']")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator(".help-open").click()
    expect(page.locator("#help")).to_be_visible()
