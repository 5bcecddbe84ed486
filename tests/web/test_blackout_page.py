"""Blacking out a part of a photo without a script: numbers in a form, the result before it is public."""

import io
import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest
from incident_world import OPERATOR, opened, with_kinds
from PIL import Image
from visitor_world import Visitor

from dothi.access.uploads import Box
from dothi.platform.incidents.photos import Photo
from dothi.testing.city import RunningCity


@pytest.fixture
def desk(city: RunningCity) -> Iterator[Visitor]:
    """An operator at the desk."""
    with_kinds(city)
    with Visitor(city, city.session("operator")) as visitor:
        yield visitor


@pytest.fixture
def photo(city: RunningCity, desk: Visitor) -> Photo:
    """A photo of an incident, with blue where a face may be."""
    drawn, written = Image.new("RGB", (400, 300), "red"), io.BytesIO()
    drawn.paste("blue", (0, 0, 40, 60))
    drawn.save(written, "PNG")
    return city.run(city.platform.incidents.photos.add(OPERATOR, opened(city).code, written.getvalue(), "before"))


def colour(body: bytes, x: int, y: int) -> object:
    with Image.open(io.BytesIO(body)) as picture:
        return picture.convert("RGB").getpixel((x, y))


def test_numbers_black_out_a_part_and_the_result_is_shown_before_it_is_public(
    city: RunningCity, desk: Visitor, photo: Photo
) -> None:
    base = f"/incidents/{photo.incident}/photos/{photo.number}"
    assert f'href="{base}/blackout"' in desk.get(f"/incidents/{photo.incident}").text
    page = desk.get(f"{base}/blackout")
    assert page.status_code == 200 and page.headers["cache-control"] == "no-store"
    assert "Công chúng sẽ thấy" not in page.text
    rows = {"left": ["", "0"], "top": ["", "0"], "width": ["", "10,05"], "height": ["", "20"], "known": "[]"}
    saved = desk.send_form(f"{base}/blackout", f"{base}/blackout", {"because": "mặt người", **rows})
    assert saved.headers["location"] == f"{base}/blackout?done=1"
    page = desk.get(saved.headers["location"])
    assert "Công chúng sẽ thấy" in page.text and 'value="10.1"' in page.text
    shown = desk.get(f"{base}?public=1")
    assert (colour(shown.content, 10, 10), colour(shown.content, 200, 200)) == ((0, 0, 0), (255, 0, 0))
    assert colour(desk.get(base).content, 10, 10) == (0, 0, 255)
    assert desk.send_form(f"{base}/blackout", base, {"do": "release"}).status_code == 303
    with Visitor(city) as stranger:
        assert colour(stranger.get(f"/api/v1/photos/{photo.number}").content, 10, 10) == (0, 0, 0)
    assert "đã che 1 vùng" in desk.get(f"/incidents/{photo.incident}").text
    with city.platform.database.reader() as db:
        query = "SELECT why FROM audit WHERE action = 'incident.black_out' AND thing = ?"
        assert [tuple(row) for row in db.execute(query, (photo.incident,))] == [("mặt người",)]


@pytest.mark.parametrize(
    "row",
    [
        ("a", "0", "1", "1"),
        ("nan", "0", "1", "1"),
        ("inf", "0", "1", "1"),
        ("0", "0", "0", "1"),
        ("-1", "0", "1", "1"),
        ("100", "0", "1", "1"),
        ("0", "0", "1", ""),
        ('"><script>', "0", "1", "1"),
    ],
)
def test_numbers_that_are_none_come_back_to_be_mended(desk: Visitor, photo: Photo, row: tuple[str, ...]) -> None:
    fields = dict(zip(("left", "top", "width", "height"), row, strict=True))
    path = f"/incidents/{photo.incident}/photos/{photo.number}/blackout"
    answer = desk.send_form(path, path, {"known": "[]", **fields})
    assert answer.status_code == 400
    assert "Mỗi vùng cần đủ bốn số" in answer.text
    assert row[0] in unescape(answer.text) and "<script>" not in answer.text.replace("<script ", "")


def test_the_second_of_two_sees_what_the_first_blacked_out(city: RunningCity, desk: Visitor, photo: Photo) -> None:
    boxes = [Box(500, 500, 100, 100)]
    city.run(city.platform.incidents.photos.black_out(OPERATOR, photo.number, boxes, ()))
    path = f"/incidents/{photo.incident}/photos/{photo.number}/blackout"
    answer = desk.send_form(path, path, {"known": "[]", "left": "1", "top": "1", "width": "1", "height": "1"})
    assert answer.status_code == 409
    assert "Người khác vừa che ảnh này" in answer.text and 'value="50"' in answer.text
    known = unescape(re.findall(r'name="known" value="([^"]*)"', answer.text)[0])
    again = {"left": ["50", "1"], "top": ["50", "1"], "width": ["10", "1"], "height": ["10", "1"]}
    assert desk.send_form(path, path, {"known": known, **again}).status_code == 303
    kept = city.platform.incidents.photos.of(OPERATOR, photo.incident)[0]
    assert kept.boxes == (*boxes, Box(10, 10, 10, 10))


def test_programs_black_out_too_and_may_ask_for_what_everybody_sees(city: RunningCity, photo: Photo) -> None:
    part, door = {"left": 0, "top": 0, "width": 100, "height": 200}, f"/api/v1/photos/{photo.number}"
    with httpx.Client(base_url=city.base_url, trust_env=False, headers=city.operator, timeout=60) as program:
        done = program.put(f"{door}/blackout", json={"boxes": [part], "known": []})
        assert done.status_code == 200 and done.json()["blackedOut"] == [part]
        assert colour(program.get(f"{door}?public=true").content, 10, 10) == (0, 0, 0)
        assert colour(program.get(door).content, 10, 10) == (0, 0, 255)
        wrong = {"boxes": [part | {"left": 950}], "known": [part]}
        assert program.put(f"{door}/blackout", json=wrong).status_code == 400


def test_who_may_not_change_the_incident_finds_no_such_page(city: RunningCity, desk: Visitor, photo: Photo) -> None:
    path = f"/incidents/{photo.incident}/photos/{photo.number}/blackout"
    assert desk.get(f"/incidents/{photo.incident}/photos/999999/blackout").status_code == 404
    assert desk.get(f"/incidents/{opened(city).code}/photos/{photo.number}/blackout").status_code == 404
    with Visitor(city, city.session("auditor")) as auditor:
        assert auditor.get(path).status_code == 403
