"""Past moments without a script: the form, the links and the addresses, and what is said to a wrong one."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from dothi.testing.city import RunningCity, running_city, wait_until
from dothi.testing.recording import FIRST, HOUR, PEAK, SMOGGY, recording

WORST = FIRST.replace(minute=0) + HOUR * (PEAK + 1)  # the end of the worst hour


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A replay city whose past evening was over the limit at one station."""
    folder = tmp_path_factory.mktemp("past")
    with running_city(folder, data=recording(folder), replay_speed=1) as running:
        with httpx.Client(base_url=running.base_url, trust_env=False, timeout=30, headers=running.operator) as client:
            query = {"at": "2026-05-18T04:00:00Z"}

            def labels() -> list[str]:
                return [point["label"] for point in client.get("/map/layers/air.json", params=query).json()["points"]]

            def exceeded() -> bool:
                return "missed" not in client.get("/", params={"way": "back"}).headers["location"]

            wait_until(lambda: len(labels()) == 4 and "–" not in labels(), "the recorded past has its indexes")
            wait_until(exceeded, "the recorded past has its exceedance")
        yield running


def _at(answer: httpx.Response) -> datetime:
    assert answer.status_code == 303, answer.text[:300]
    return datetime.fromisoformat(httpx.URL(answer.headers["location"]).params["at"]).astimezone(UTC)


def test_a_link_leads_to_the_past_exceedance_and_its_drawer_shows_it(client: httpx.Client) -> None:
    link = re.search(r'data-way="back" href="([^"]+)"', client.get("/").text)
    assert link
    answer = client.get(link[1].replace("&amp;", "&"))
    at = _at(answer)
    assert WORST <= at <= WORST + HOUR * 2, "12-hour averages peak with or just after the worst hour"
    page = client.get(answer.headers["location"]).text
    assert "Đang xem" in page
    first = re.search(r'class="item [^"]*" data-id="([^"]+)"', page)
    assert first
    drawer = client.get(httpx.URL(answer.headers["location"]).copy_merge_params({"chosen": first[1]})).text
    assert SMOGGY in drawer
    assert "vượt giới hạn" in drawer
    table = re.search(r'href="(/panel/[^"]+csv[^"]+)"', drawer)
    assert table
    assert f"at={at:%Y-%m-%dT%H}%3A00%3A00Z" in table[1]
    none = client.get("/", params={"way": "back", "at": "2026-05-18T02:00:00Z"})
    assert "missed=back" in none.headers["location"]
    assert "Không có lần vượt ngưỡng nào trước đó" in client.get(none.headers["location"]).text


def test_the_form_takes_the_citys_own_time(client: httpx.Client) -> None:
    answer = client.get("/", params={"day": "2026-05-19", "time": "05:30", "known": "then", "q": "ho tay"})
    assert _at(answer) == datetime(2026, 5, 18, 22, 30, tzinfo=UTC)
    assert httpx.URL(answer.headers["location"]).params["known"] == "then"
    assert httpx.URL(answer.headers["location"]).params["q"] == "ho tay"
    assert "day" not in httpx.URL(answer.headers["location"]).params


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"at": "2126-01-01T00:00:00Z"}, "future-moment"),
        ({"at": "2026-05-18T04:00:00"}, "bad-moment"),
        ({"at": "noon"}, "bad-moment"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "bad-moment"),
        ({"at": "1066-10-14T00:00:00Z"}, "bad-moment"),
        ({"at": "2026-05-18T04:00:00Z", "known": "maybe"}, "bad-moment"),
    ],
)
def test_a_wrong_moment_is_a_clear_problem(client: httpx.Client, query: dict[str, str], code: str) -> None:
    for path in ("/map/layers/air.json", "/map/tiles.json", "/map/hours/air.json", "/map/exceedance/air.json"):
        answer = client.get(path, params={"way": "back", **query}, headers={"accept": "application/json"})
        assert answer.status_code == 400
        assert answer.json()["type"] == f"urn:dothi:problem:{code}"
        assert answer.json()["detail"]
    assert client.get("/", params=query).status_code == 400
    assert client.get("/", params={"day": "2026-13-40", "time": "x"}).status_code == 400
    assert client.get("/map/exceedance/air.json", params={"way": "up"}).status_code == 400


def test_before_the_record_the_page_says_when_it_begins(client: httpx.Client) -> None:
    page = client.get("/", params={"at": "2026-05-01T00:00:00Z"}).text
    assert "Chưa có dữ liệu: số đo đầu tiên của thành phố là lúc 07:05 18/05/2026." in page
    assert "Lúc đó chưa có số đo của trạm nào." in page
    assert "Chưa có trạm nào vào thời điểm này" in page


def test_tiles_markers_and_fills_are_of_one_moment(client: httpx.Client) -> None:
    query = {"at": WORST.isoformat()}
    layer = client.get("/map/layers/air.json", params=query).json()
    tiles = client.get("/map/tiles.json", params=query).json()
    worst = max(layer["points"], key=lambda point: point["rank"])
    assert worst["title"] == SMOGGY
    assert worst["severity"] >= 3
    assert "1/4 trạm" in next(tile["tile"]["words"] for tile in tiles if tile["id"] == "environment")
    assert {area["colour"] for area in layer["areas"]} - {"#00e400", "#ffff00"}, "the smog colours its wards"
    now = client.get("/map/layers/air.json").json()
    assert max(point["severity"] for point in now["points"]) == 0


def test_frames_of_long_ago_are_kept_by_the_browser(client: httpx.Client) -> None:
    then = client.get("/map/layers/air.json", params={"at": WORST.isoformat(), "known": "then"})
    assert "immutable" in then.headers["cache-control"]
    now = client.get("/map/layers/air.json", params={"at": WORST.isoformat()})
    assert "immutable" not in now.headers["cache-control"], "corrections may still come"
    assert client.get("/map/layers/air.json").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("span", ["24h", "7d", "30d"])
def test_the_bar_holds_its_moment(client: httpx.Client, span: str) -> None:
    for at in (datetime(2026, 5, 1, tzinfo=UTC), WORST, None):
        query = {"span": span} | ({"at": at.isoformat()} if at else {})
        bar = client.get("/map/hours/air.json", params=query).json()
        start, end = (datetime.fromisoformat(bar[name]) for name in ("start", "end"))
        assert bar["span"] == span
        assert at is None or start <= at <= end
        assert (end - start) // HOUR == {"24h": 24, "7d": 168, "30d": 720}[span]
        assert sum(block["width"] for block in bar["blocks"]) == pytest.approx(100, abs=0.5)
    assert max(block["severity"] for block in bar["blocks"]) >= (3 if span != "24h" else 0)


def test_the_public_page_and_a_devices_page_look_back_too(client: httpx.Client) -> None:
    public = client.get("/air", params={"at": WORST.isoformat(), "ward": "00004"}).text
    assert "Đang xem lúc 06:00 19/05/2026, như biết bây giờ" in public
    assert 'href="/air?ward=00004"' in public, "the way back to now"
    then = client.get("/air", params={"at": WORST.isoformat(), "known": "then"}, headers={"accept-language": "en"})
    assert "as known then" in then.text
    assert "Đang xem" not in client.get("/air").text
    device = next(one["id"] for one in client.get("/api/v1/devices").json()["items"] if one["name"] == SMOGGY)
    asked = client.get(f"/devices/{device}", params={"day": "2026-05-19", "time": "05:30"})
    assert _at(asked) == datetime(2026, 5, 18, 22, 30, tzinfo=UTC)
    page = client.get(asked.headers["location"]).text
    assert "Số đo vào lúc đó" in page
    assert "260,0" in page
    assert "260,0" not in client.get(f"/devices/{device}").text
