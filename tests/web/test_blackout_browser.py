"""Blacking out a part of a photo in a real browser: what the mouse or a finger draws is what everybody does not see."""

import io
from collections.abc import Callable

import pytest
from incident_world import OPERATOR, opened, with_kinds
from PIL import Image
from playwright.sync_api import Page, expect

from dothi.access.uploads import Box
from dothi.platform.incidents.photos import Photo
from dothi.testing.city import RunningCity

pytestmark = pytest.mark.browser
Opener = Callable[..., Page]


def photo_of(city: RunningCity) -> Photo:
    """A tall photo of a new incident."""
    written = io.BytesIO()
    Image.new("RGB", (600, 900), "orange").save(written, "PNG")
    incident = opened(with_kinds(city)).code
    return city.run(city.platform.incidents.photos.add(OPERATOR, incident, written.getvalue(), "before"))


def boxes_of(city: RunningCity, photo: Photo) -> tuple[Box, ...]:
    return city.platform.incidents.photos.of(OPERATOR, photo.incident)[0].boxes


def test_what_is_drawn_becomes_numbers_and_is_black(open_page: Opener, city: RunningCity) -> None:
    photo = photo_of(city)
    page = open_page(f"/incidents/{photo.incident}/photos/{photo.number}/blackout")
    picture = page.locator("[data-part=picture]")
    picture.scroll_into_view_if_needed()
    seen = picture.bounding_box()
    assert seen is not None
    assert seen["width"] / seen["height"] == pytest.approx(600 / 900, abs=0.01)

    def drag(left: float, top: float, right: float, bottom: float) -> None:
        page.mouse.move(seen["x"] + left * seen["width"], seen["y"] + top * seen["height"])
        page.mouse.down()
        page.mouse.move(seen["x"] + right * seen["width"], seen["y"] + bottom * seen["height"], steps=3)
        page.mouse.up()

    for number in range(4):  # one more than there are empty rows
        drag(0.2 * number + 0.15, 0.4, 0.2 * number + 0.05, 0.3)  # from the lower right to the upper left
    expect(page.locator("[data-part=boxes] rect")).to_have_count(4)
    expect(page.locator("[data-part=said]")).to_have_text("Đã thêm vùng che 4.")
    drag(0.5, 0.5, 0.501, 0.501)  # a slip
    expect(page.locator("[data-part=boxes] rect")).to_have_count(4)
    page.get_by_role("button", name="Bỏ vùng này").nth(3).click()
    expect(page.locator("[data-part=boxes] rect")).to_have_count(3)
    page.locator("input[name=height]").first.fill("40")
    page.get_by_role("button", name="Vẽ lại ảnh cho công chúng").click()
    expect(page.get_by_role("heading", name="Công chúng sẽ thấy")).to_be_visible()
    kept = boxes_of(city, photo)
    assert len(kept) == 3
    for number, box in enumerate(kept):
        wanted = (200 * number + 50, 300, 100, 400 if number == 0 else 100)
        assert (box.left, box.top, box.width, box.height) == pytest.approx(wanted, abs=5)
