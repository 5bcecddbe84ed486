"""The data page: what is late or wrong comes first, figures are the true ones, and nothing is destroyed unasked."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Page, expect

from dothi.access.policy import SYSTEM, WHOLE_CITY, Clearance, Grant, Person
from dothi.platform.watch import Leap, Watch
from dothi.testing.city import RunningCity, wait_until
from dothi.testing.people import insider
from dothi.web.data_attention import attention

Opener = Callable[..., Page]
AIR = "https://smartdatamodels.org/dataModel.Environment/AirQualityObserved"


@pytest.fixture(scope="module")
def counted(city: RunningCity) -> Iterator[RunningCity]:
    """A city that has counted what it keeps, some of it days old."""
    told = {"type": "AirQualityObserved", "longitude": 105.62, "latitude": 21.2, "id": "data-old", "name": "Trạm cũ"}
    now = city.platform.clock.now()
    past = [{"at": (now - timedelta(days=back)).isoformat(), "values": {"pm25": 20.0}} for back in range(12)]
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=city.operator) as client:
        for name in ("data-old", "data-never"):
            assert client.post("/api/v1/devices", json=told | {"id": name}).status_code == 201
        assert client.post("/api/v1/devices/data-old/readings", json=past).status_code < 300
        wait_until(lambda: city.platform.ingest.figures.lag_seconds < 5 and _old(city) >= 12, "the old readings are stored")
    city.run(city.platform.stored.look())
    yield city


def _old(city: RunningCity) -> int:
    station = next(one.entity_id for one in city.platform.devices.list(SYSTEM, text="data-old")[0])
    end = city.platform.clock.now()
    return len(city.platform.history.series(SYSTEM, station, AIR.rsplit("/", 1)[0] + "/pm25", end - timedelta(days=20), end))


def _token(client: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def test_what_is_late_comes_before_what_there_is(client: httpx.Client, counted: RunningCity) -> None:
    text = client.get("/data").text
    assert text.index('id="attention-title"') < text.index('id="datasets-title"') < text.index('id="room-title"')
    assert "Trạm quan trắc không khí" in text
    assert text.count("<rect class=") >= 30
    assert "mặc định" in text
    assert "byte" in text
    assert "Chưa biết tốc độ tăng" in text, "a city of one day does not guess"


def test_its_figures_are_those_that_a_count_gives(client: httpx.Client, counted: RunningCity) -> None:
    stored = counted.run(counted.platform.stored.look())
    with counted.platform.database.reader() as db:
        (rows,) = db.execute("SELECT count(*) FROM reading").fetchone()
    told = next(one for one in stored.types if one.type == AIR)
    assert rows - 200 <= told.fresh + told.lake_rows <= rows, "readings go on coming meanwhile"
    assert len(told.days) >= 12
    lines = csv.DictReader(io.StringIO(client.get("/data.csv").text.removeprefix("\ufeff")))
    row = next(one for one in lines if one["dataset"] == AIR)
    assert int(row["readings"]) >= told.rows
    assert row["keptDays"] == "3650"


def test_what_needs_a_look_is_named_with_the_way_to_it(client: httpx.Client, counted: RunningCity) -> None:
    client.post("/api/v1/devices/data-unknown/readings", json={"values": {"pm25": 1}})
    wait_until(lambda: counted.platform.devices.counts(SYSTEM)["lobby"], "a device waits")
    attention = client.get("/data").text.split('id="attention-title"')[1].split('id="datasets-title"')[0]
    assert re.search(r"<b>\d+ thiết bị chưa gửi lần nào</b>", attention)
    assert 'href="/devices?state=never"' in attention
    assert re.search(r"<b>\d+ thiết bị chờ duyệt</b>", attention)
    assert 'href="/devices/lobby"' in attention


def test_a_clock_that_leapt_is_the_first_thing_to_look_at(
    client: httpx.Client, counted: RunningCity, monkeypatch: pytest.MonkeyPatch
) -> None:
    leap = Leap(datetime(2026, 5, 11, 2, tzinfo=UTC), timedelta(hours=-25))
    monkeypatch.setattr(Watch, "leap", leap)
    attention = client.get("/data").text.split('id="attention-title"')[1].split('id="datasets-title"')[0]
    first = re.search(r"<b>([^<]+)</b>", attention)
    assert first is not None and first.group(1) == "Đồng hồ của máy lùi lại 1 ngày 1 giờ"
    assert client.get("/health", headers=counted.operator).json()["clockLeap"] == {
        "to": "2026-05-11T02:00:00Z",
        "seconds": -90_000,
    }


def test_before_the_first_count_the_page_says_so(client: httpx.Client, city: RunningCity, counted: RunningCity) -> None:
    kept, city.platform.stored.latest = city.platform.stored.latest, None
    try:
        assert "Đang đếm lần đầu" in client.get("/data").text
        assert client.get("/data.csv").status_code == 200
    finally:
        city.platform.stored.latest = kept


def test_keeping_less_is_asked_in_numbers_and_then_done(client: httpx.Client, counted: RunningCity) -> None:
    address = f"/data/retention?dataset={AIR}"
    form = {"csrf_token": _token(client, address), "dataset": AIR, "days": "7"}
    asked = client.post("/data/retention", data=form)
    assert asked.status_code == 200
    told = re.search(r"Xóa (\d+) số đo của (\d+) ngày, từ \d\d/\d\d/\d{4} đến \d\d/\d\d/\d{4}", asked.text)
    assert told is not None
    assert int(told[2]) in (3, 4), "of the days the test wrote"
    rules = {one.dataset: one for one in counted.platform.retention.list(SYSTEM)}
    assert rules[AIR].days == 3650, "nothing happened yet"
    done = client.post("/data/retention", data=form | {"sure": "yes"})
    assert (done.status_code, done.headers["location"]) == (303, "/data?done=kept#datasets")
    text = client.get("/data?done=kept").text
    assert "Giữ <b>7 ngày</b>" in text
    assert "local-operator đổi" in text
    assert "mặc định 3.650 ngày" in text
    longer = client.post("/data/retention", data=form | {"days": "3.650"})
    assert longer.status_code == 303, "keeping more destroys nothing and asks nothing"
    assert client.post("/data/retention", data=form | {"ever": "yes"}).status_code == 303
    assert "Giữ <b>mãi mãi</b>" in client.get("/data").text
    client.post("/data/retention", data=form | {"days": "3650"})


def test_doubtful_readings_are_one_press_away_for_who_may_ask(client: httpx.Client, counted: RunningCity) -> None:
    auditor = Person("p-audit", (Grant("auditor", WHOLE_CITY, Clearance.RESTRICTED),))
    for person, offered in ((insider(), True), (auditor, False)):
        quality = [("Không khí", [("good", 0.9), ("suspect", 0.1)]), ("Nước", [("good", 0.96), ("bad", 0.04)])]
        doubtful = [one for one in attention(counted.platform, person, "vi", None, [], quality) if "nghi ngờ" in one.what]
        assert [one.what for one in doubtful] == ["Không khí: 10,0 % số đo nghi ngờ hoặc hỏng"]
        assert doubtful[0].link.startswith("/data/sql?q=SELECT") is offered
        if offered:
            assert "dòng trong" in client.get(doubtful[0].link).text, "it is answered"


@pytest.mark.parametrize("days", ["", "0", "-3", "1e3", "mười", "99999", "9" * 30])
def test_nonsense_is_refused(client: httpx.Client, counted: RunningCity, days: str) -> None:
    form = {"csrf_token": _token(client, f"/data/retention?dataset={AIR}"), "dataset": AIR, "days": days, "sure": "yes"}
    assert client.post("/data/retention", data=form).status_code == 400


def test_only_datasets_with_a_choice_have_a_form(client: httpx.Client, counted: RunningCity) -> None:
    for dataset in ("audit", "https://example.org/Nothing", ""):
        assert client.get("/data/retention", params={"dataset": dataset}).status_code == 404, dataset
    assert client.post("/data/retention", data={"dataset": AIR, "days": "1", "sure": "yes"}).status_code == 403, "no token"


def test_a_stranger_learns_nothing(city: RunningCity) -> None:
    with httpx.Client(
        base_url=city.base_url, trust_env=False, headers={"x-forwarded-for": "203.0.113.9"}, timeout=60
    ) as stranger:
        for path in ("/data", "/data.csv", f"/data/retention?dataset={AIR}"):
            assert stranger.get(path).status_code == 401, path


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_it_reads_well_on_desk_and_phone(open_page: Opener, counted: RunningCity, width: int, height: int) -> None:
    page = open_page("/data", width=width, height=height)
    expect(page.locator("h1")).to_have_text("Dữ liệu")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "no sideways scrolling"
    page.get_by_role("link", name="Đổi…").first.click()
    expect(page.locator("input[name=days]")).to_be_visible()
    page.locator("input[name=days]").fill("5")
    page.get_by_role("button", name="Đổi thời hạn…").click()
    expect(page.locator(".notice-grave")).to_contain_text("Không lấy lại được")
    page.get_by_role("link", name="Giữ như cũ").click()
    expect(page.locator("h1")).to_have_text("Dữ liệu")


def test_work_that_is_over_has_rules_of_its_own(client: httpx.Client, counted: RunningCity) -> None:
    page = client.get("/data").text
    assert "Việc đã khép lại giữ bao lâu" in page
    address = "/data/retention?dataset=work:words"
    assert address.replace(":", "%3A") in page
    assert "Từ 32 đến 36.500" in client.get(address).text
    form = {"csrf_token": _token(client, address), "dataset": "work:words", "days": "31"}
    assert client.post("/data/retention", data=form).status_code == 400
    assert client.post("/data/retention", data=form | {"days": "90"}).status_code == 303, "it destroys nothing yet"
    rules = {one.dataset: one.days for one in counted.platform.retention.list(SYSTEM)}
    assert (rules["work:words"], rules["work:incidents"]) == (90, None)
    assert client.post("/data/retention", data=form | {"ever": "yes"}).status_code == 303
