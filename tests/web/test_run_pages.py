"""The runs pages: as forms without a script, and in a real browser that keeps them up to date."""

import csv
import io
import re
from collections.abc import Callable
from html import unescape

import httpx
import pytest
from playwright.sync_api import Page, expect

from dothi.testing.city import RunningCity, wait_until
from dothi.testing.processes import ECHO, FAIL, NAP, SHORT_NAP, WALK

Opener = Callable[..., Page]
pytestmark = pytest.mark.usefixtures("processes")


@pytest.fixture(scope="module")
def processes(city: RunningCity) -> None:
    """The sample processes, in the city all these tests share."""
    for process in (ECHO, FAIL, NAP, SHORT_NAP, WALK):
        city.platform.runs.register(process)


def _token(client: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found is not None, path
    return unescape(found[1])


def _start(client: httpx.Client, process: str, **options: object) -> str:
    return str(client.post("/api/v1/runs", json={"process": process, "options": options, "seed": 7}).json()["id"])


def _over(client: httpx.Client, run: str) -> str:
    def ended() -> bool:
        return client.get(f"/api/v1/runs/{run}").json()["state"] not in ("queued", "running")

    wait_until(ended, "the run is over")
    return client.get(f"/runs/{run}").text


def test_a_run_by_form_from_start_to_comparison(client: httpx.Client) -> None:
    told = {"csrf_token": _token(client, "/runs"), "process": "test.echo"}
    address = client.post("/runs", data=told).headers["location"]
    run = address.removeprefix("/runs/")
    page = _over(client, run)
    for said in ("Nhắc lại", "xong", "Người vận hành tại máy", run, "Tải JSON", "tối đa 2 phút"):
        assert said in page
    again = client.post(f"{address}/repeat", data={"csrf_token": told["csrf_token"]}).headers["location"]
    page = _over(client, again.removeprefix("/runs/"))
    assert "Kết quả giống hệt lượt chạy trước" in page
    assert address in page
    assert client.post("/runs", data=told | {"process": "nothing"}).status_code == 404
    assert client.post("/runs", data={"process": "test.echo"}).status_code == 403, "no token, no run"


def test_inputs_and_outputs_are_readable_and_leave_as_files(client: httpx.Client) -> None:
    run = _start(client, "test.walk", steps=1500, note="<b>đậm</b>")
    page = _over(client, run)
    for said in ("danh sách 1.500 mục", "&lt;b&gt;đậm&lt;/b&gt;", "ba · hai · một"):
        assert said in page
    answer = client.get(f"/runs/{run}/outputs.json")
    assert len(answer.json()["walk"]) == 1500
    assert answer.headers["content-disposition"] == f'attachment; filename="run-{run}-outputs.json"'
    assert client.get(f"/runs/{run}/inputs.json").json() == {"steps": 1500, "note": "<b>đậm</b>"}
    assert client.get(f"/runs/{run}/state.json").status_code == 404
    assert "1,500" in client.get(f"/runs/{run}?lang=en").text


def test_failures_say_what_happened_and_what_to_do(client: httpx.Client) -> None:
    died = _over(client, _start(client, "test.fail", how="die"))
    assert "Tiến trình chạy bị chết giữa chừng" in died
    assert "hết bộ nhớ" in died
    assert "SIGKILL" in died
    late = _over(client, _start(client, "test.short-nap", seconds=30))
    assert "Quá thời gian cho phép" in late
    assert "Không có kết quả." in late
    assert client.get("/runs/nothing").status_code == 404


def test_the_list_is_filtered_searched_and_exported(client: httpx.Client) -> None:
    run = _start(client, "test.fail", how="thử")
    _over(client, run)
    for path in ("/runs?state=failed", "/runs?process=test.fail", "/runs?q=HONG", f"/runs?q={run}"):
        assert f'href="/runs/{run}"' in client.get(path).text, path
    assert "Không có lượt chạy nào khớp bộ lọc" in client.get("/runs?q=khong+dau+ca").text
    rows = list(csv.DictReader(io.StringIO(client.get(f"/runs.csv?q={run}").text.removeprefix("\ufeff"))))
    assert [(row["id"], row["state"], row["error"]) for row in rows] == [
        (run, "failed", "process-error: ValueError: không tính được: thử")
    ]


def test_cancelling_asks_first(client: httpx.Client) -> None:
    run = _start(client, "test.nap", seconds=60)
    wait_until(lambda: "50 %" in client.get(f"/runs/{run}").text, "it runs")
    told = {"csrf_token": _token(client, f"/runs/{run}")}
    asked = client.post(f"/runs/{run}/cancel", data=told)
    assert asked.status_code == 200
    assert "Hủy lượt chạy “Ngủ trưa”?" in asked.text
    assert client.get(f"/api/v1/runs/{run}").json()["state"] == "running"
    assert client.post(f"/runs/{run}/cancel", data=told | {"sure": "yes"}).headers["location"] == f"/runs/{run}"
    assert "hủy bởi Người vận hành tại máy" in client.get(f"/runs/{run}").text
    assert client.post(f"/runs/{run}/cancel", data=told | {"sure": "yes"}).status_code == 409


@pytest.mark.browser
@pytest.mark.parametrize(("width", "locale"), [(1440, "vi"), (390, "en")])
def test_in_a_browser_a_run_is_started_watched_and_cancelled(
    open_page: Opener, client: httpx.Client, width: int, locale: str
) -> None:
    words = {"vi": ("Chạy ngay: Nhắc lại", "đang chạy", "Hủy lượt chạy…", "Hủy lượt chạy", "đã hủy", "xong")}
    words["en"] = ("Run now: Echo", "running", "Cancel the run…", "Cancel the run", "cancelled", "done")
    start, running, cancel, sure, cancelled, done = words[locale]
    page = open_page("/runs", width=width, locale=locale)
    run = _start(client, "test.nap", seconds=60)
    row = page.locator(f'tr:has(a[href="/runs/{run}"])')
    expect(row.locator(".chip")).to_have_text(running)
    expect(row.locator("progress")).to_have_attribute("value", "0.5")
    link = row.locator("a").first
    link.focus()
    waiting = _start(client, "test.echo")
    expect(page.locator(f'a[href="/runs/{waiting}"]').first).to_be_visible()
    expect(link).to_be_focused()
    link.press("Enter")
    page.get_by_role("button", name=cancel).click()
    page.get_by_role("button", name=sure, exact=True).click()
    expect(page.locator("h1 + .chip")).to_have_text(cancelled)
    page.goto("/runs")
    page.get_by_role("button", name=start).click()
    expect(page.locator("h1 + .chip")).to_have_text(done)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
def test_in_a_browser_a_silent_city_is_admitted(open_page: Opener) -> None:
    page = open_page("/runs")
    late = page.locator(".late")
    expect(late).to_be_hidden()
    page.evaluate("document.querySelector('dt-refresh').dataset.every = '50'")
    page.route("**/runs", lambda route: route.abort())
    page.evaluate("const part = document.querySelector('dt-refresh'); part.replaceWith(part)")
    expect(late).to_be_visible()
    page.unroute("**/runs")
    expect(late).to_be_hidden()
    open_page.faults.clear()  # type: ignore[attr-defined]  # the line that was cut
