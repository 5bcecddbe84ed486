"""The wards: one list for the city, one page for each, found by any name, never silent about what is silent."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest
from playwright.sync_api import Page, expect

from dothi.model.city import Found, Ward
from dothi.testing.city import RunningCity, wait_until
from dothi.web.ward_list import former_words

Opener = Callable[..., Page]
WARD = "00070"  # Hoàn Kiếm


@pytest.fixture(scope="module")
def quiet(city: RunningCity) -> Iterator[str]:
    """A ward with a station that has an index and a device that went silent hours ago."""
    told = {"type": "AirQualityObserved", "longitude": 105.852, "latitude": 21.029}
    now = city.platform.clock.now()
    past = [{"at": (now - timedelta(minutes=30 * back)).isoformat(), "values": {"pm25": 40.0}} for back in range(8)]
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=city.operator) as client:
        for name in ("ward-live", "ward-never"):
            assert client.post("/api/v1/devices", json=told | {"id": name, "name": f"Trạm {name}"}).status_code == 201
        assert client.post("/api/v1/devices/ward-live/readings", json=past).status_code < 300
        known = ("<dt-chart", "trạm trong địa bàn")
        wait_until(lambda: all(one in client.get(f"/wards/{WARD}?lang=vi").text for one in known), "the ward has an index")
    yield WARD


def _codes(text: str) -> list[str]:
    return re.findall(r'<tr><th scope="row"><a href="/wards/(\d{5})">', text)


def test_every_ward_is_listed_with_its_picture(client: httpx.Client, quiet: str) -> None:
    text = client.get("/wards").text
    assert len(_codes(text)) == len(set(_codes(text))) == 126
    assert text.count('<path class="" d="M') == 126
    assert re.search(r'<path class="" d="[^"]+" fill="#[0-9a-f]{6}"><title>Phường Hoàn Kiếm: \d+</title>', text)


@pytest.mark.parametrize(("asked", "found"), [("hoan kiem", "Phường Hoàn Kiếm"), ("p. hoàn kiếm", "Phường Hoàn Kiếm")])
def test_a_ward_is_found_by_any_of_its_names(client: httpx.Client, asked: str, found: str) -> None:
    text = client.get("/wards", params={"q": asked}).text
    assert _codes(text)[0] == WARD
    assert found in text


def test_a_former_name_says_what_became_of_it() -> None:
    ward = Ward("00103", "Tây Hồ", "phường", 105.82, 21.06)
    assert former_words(Found(ward), "vi") == ""
    assert former_words(Found(ward, "Phường Bưởi"), "vi") == "Phường Bưởi cũ"
    assert former_words(Found(ward, "Phường Nghĩa Đô", whole=False), "en") == "part of the former Phường Nghĩa Đô"


def test_nothing_found_says_how_to_find(client: httpx.Client) -> None:
    text = client.get("/wards", params={"q": "không đâu"}).text
    assert _codes(text) == []
    assert "Không có phường, xã nào tên như vậy" in text


def test_the_order_is_the_readers_choice(client: httpx.Client, quiet: str) -> None:
    by_name = csv.DictReader(io.StringIO(client.get("/wards.csv?sort=name").text.removeprefix("\ufeff")))
    names = [row["name"] for row in by_name]
    assert names[:2] == ["An Khánh", "Ba Đình"]
    rows = list(csv.DictReader(io.StringIO(client.get("/wards.csv?sort=devices").text.removeprefix("\ufeff"))))
    counts = [sum(int(row[state]) for state in ("live", "late", "silent", "never")) for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] >= 2
    worst = list(csv.DictReader(io.StringIO(client.get("/wards.csv?sort=anything").text.removeprefix("\ufeff"))))
    values = [int(row["air"]) for row in worst if row["air"]]
    assert values == sorted(values, reverse=True), "an order nobody knows is the usual one"
    assert all(row["basis"] for row in worst if row["air"]), "each value says how it is known"


def test_the_list_leaves_as_geojson(client: httpx.Client) -> None:
    answer = client.get("/wards.geojson?q=hoan+kiem")
    assert answer.headers["content-type"] == "application/geo+json"
    (one, *_rest) = answer.json()["features"]
    assert one["properties"]["code"] == WARD
    assert one["geometry"]["type"] in ("Polygon", "MultiPolygon")


def test_a_ward_says_how_its_air_is_known_and_what_is_silent_first(client: httpx.Client, quiet: str) -> None:
    text = client.get(f"/wards/{quiet}").text
    assert "<h1>Phường Hoàn Kiếm</h1>" in text
    assert "trạm trong địa bàn; nội suy, gần đúng; trạm gần nhất" in text
    assert f'href="/air?ward={quiet}"' in text
    assert f'href="/?ward={quiet}"' in text
    _, *states = re.findall(r'<span class="chip chip-(never|live|late|silent)">', text.split('id="devices-title"')[1])
    assert states.index("never") < states.index("live")
    assert f"{sum(one != 'live' for one in states)} cần xem" in text  # the first chip, beside the title


@pytest.mark.parametrize("span", ["24h", "7d", "30d", "nonsense"])
def test_its_past_is_a_chart_a_table_and_a_file(client: httpx.Client, quiet: str, span: str) -> None:
    text = client.get(f"/wards/{quiet}", params={"span": span}).text
    assert "<dt-chart" in text
    address = re.search(r'href="(/wards/\d+/history\.csv[^"]+)"', text)
    assert address is not None
    lines = client.get(address[1].replace("&amp;", "&")).text.removeprefix("\ufeff").splitlines()
    assert lines[0] == "start,VN_AQI"
    assert 1 <= len(lines) - 1 <= 24 * 30


def test_its_ground_and_devices_leave_as_geojson(client: httpx.Client, quiet: str) -> None:
    ground, *devices = client.get(f"/wards/{quiet}.geojson").json()["features"]
    assert ground["properties"] == {"code": quiet, "name": "Phường Hoàn Kiếm"}
    assert {"ward-live", "ward-never"} <= {one["properties"]["id"] for one in devices}
    assert all(one["geometry"]["type"] == "Point" for one in devices)


def test_a_name_leads_to_its_ward_and_nonsense_to_a_search(client: httpx.Client) -> None:
    assert client.get("/wards/hoan-kiem").headers["location"] == f"/wards/{WARD}"
    missing = client.get("/wards/hoan")
    assert missing.status_code == 404
    assert "Phường Hoàng Mai" in missing.text
    assert 'action="/wards"' in missing.text
    hostile = client.get("/wards/%3Cscript%3E")
    assert hostile.status_code == 404
    assert "<script>" not in hostile.text.replace('<script type="module"', "")
    for path in ("/wards/99999.geojson", "/wards/99999/history.csv?sector=air", f"/wards/{WARD}/history.csv?sector=none"):
        assert client.get(path).status_code == 404, path


def test_a_day_over_the_limit_is_told_with_its_figure(client: httpx.Client, city: RunningCity) -> None:
    told = {"id": "ward-over", "type": "AirQualityObserved", "name": "Trạm vượt", "longitude": 105.35, "latitude": 21.2}
    assert client.post("/api/v1/devices", json=told).status_code == 201
    now = city.platform.clock.now()
    past = [{"at": (now - timedelta(hours=back)).isoformat(), "values": {"pm25": 90.0}} for back in range(60)]
    assert client.post("/api/v1/devices/ward-over/readings", json=past).status_code < 300
    ward = city.platform.city.locate(105.35, 21.2)
    assert ward is not None

    def over_it() -> str:
        return client.get(f"/wards/{ward.code}").text.split('id="over-air"')[1]

    wait_until(lambda: "PM2.5, QCVN 24 giờ" in over_it(), "the day is judged")
    over = over_it()
    assert "90,0 µg/m³, giới hạn 45,0 · Trạm vượt" in over


def test_a_ward_without_devices_says_how_to_get_some(client: httpx.Client) -> None:
    rows = csv.DictReader(io.StringIO(client.get("/wards.csv?sort=devices").text.removeprefix("\ufeff")))
    empty = next(row["code"] for row in rows if all(row[state] == "0" for state in ("live", "late", "silent", "never")))
    assert "Chưa có thiết bị nào đặt ở đây" in client.get(f"/wards/{empty}").text


def test_a_stranger_sees_no_devices_of_a_ward(city: RunningCity) -> None:
    with httpx.Client(
        base_url=city.base_url, trust_env=False, headers={"x-forwarded-for": "203.0.113.9"}, timeout=60
    ) as stranger:
        for path in ("/wards", "/wards.csv", "/wards.geojson", f"/wards/{WARD}", f"/wards/{WARD}.geojson"):
            assert stranger.get(path).status_code == 401, path


@pytest.mark.browser
def test_an_officer_with_a_phone_reads_and_taps_it(open_page: Opener, quiet: str) -> None:
    page = open_page(f"/wards/{quiet}", width=390, height=844, has_touch=True)
    page.wait_for_selector("dt-chart canvas")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "no sideways scrolling"
    small = page.eval_on_selector_all(
        ".ward-page a.button, .ward-rows a, .ward-near a, .ward-page .tab, .ward-page summary, .rail a, .rail-open",
        "all => all.map(one => [one.textContent.trim(), one.getBoundingClientRect().height])"
        ".filter(([, high]) => high > 0 && high < 43.5)",
    )
    assert small == []
    page.locator(".ward-map").scroll_into_view_if_needed()
    page.wait_for_selector(".ward-map .marker")
    order = page.eval_on_selector_all(
        ".ward-page h2, .ward-page figure", "all => all.map(one => one.getBoundingClientRect().top)"
    )
    assert len(order) >= 5


@pytest.mark.browser
def test_the_list_is_walked_by_keys(open_page: Opener) -> None:
    page = open_page("/wards?sort=name")
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(":focus")).to_have_text("Phường Ba Đình")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Phường Ba Đình")
