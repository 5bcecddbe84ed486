"""The page for questions: plain forms without a script; keys, chart, map and a stopped question in a real browser."""

import re
from collections.abc import Callable
from html import unescape

import httpx
import pytest
from playwright.sync_api import Page, expect

from dothi.data.sql.examples import EXAMPLES
from dothi.testing.city import RunningCity, wait_until

Opener = Callable[..., Page]
ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE hash(a.range, b.range) = 2"


def _token(client: httpx.Client) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/data/sql").text)
    assert found is not None
    return unescape(found[1])


def test_a_short_question_is_asked_by_address_and_a_long_one_by_form(client: httpx.Client) -> None:
    text = "SELECT full_name, TIMESTAMPTZ '2026-05-14 04:00:00+00' AS moment, 1234.5 AS number FROM wards ORDER BY 1 LIMIT 1"
    for page in (
        client.get("/data/sql", params={"q": text}).text,
        client.post("/data/sql", data={"csrf_token": _token(client), "q": text}).text,
    ):
        assert '<th scope="col">full_name</th>' in page
        assert "11:00 14/05/2026" in page
        assert '<td class="number">1.234,5</td>' in page
        assert "liên kết tới câu hỏi này" in page
    assert client.post("/data/sql", data={"q": text}).status_code == 403, "a form without its token"


def test_what_is_wrong_is_said_in_vietnamese_and_shown_in_its_line(client: httpx.Client) -> None:
    answer = client.get("/data/sql", params={"q": "SELECT name,\n  valu\nFROM readings"})
    assert answer.status_code == 400
    assert "Có tên cột hoặc bảng không đúng" in answer.text
    assert "  valu\n  ^</pre>" in answer.text
    assert "A column or table is named wrongly" in client.get("/data/sql", params={"q": "SELECT x", "lang": "en"}).text
    client.cookies.clear()
    assert "không thay đổi được gì" in client.get("/data/sql", params={"q": "DROP TABLE readings"}).text


def test_nothing_of_an_answer_becomes_markup(client: httpx.Client) -> None:
    first = "SELECT '<b>x</b>' AS \"<i>\", now() AS t, '</script>' AS name, 1 AS v"
    text = f"{first} UNION ALL SELECT 'y', now() - INTERVAL 1 DAY, '</script>', 2"
    page = client.get("/data/sql", params={"q": text}).text
    assert "<b>x</b>" not in page and "<i>" not in page
    assert "</script>'" not in page and page.count("</script>") == page.count("<script")


def test_answers_leave_as_files(client: httpx.Client) -> None:
    answer = client.get("/data/sql/file", params={"q": "SELECT '=1' AS a", "format": "csv"})
    assert answer.text == "\ufeffa\r\n'=1\r\n"
    answer = client.get("/data/sql/file", params={"q": "SELECT 1 AS a", "format": "parquet"})
    assert answer.content[:4] == b"PAR1"
    assert "attachment" in answer.headers["content-disposition"]


def test_questions_are_kept_found_renamed_deleted_and_brought_back(client: httpx.Client) -> None:
    form = {
        "csrf_token": _token(client),
        "title": "Số phường ở Hà Nội",
        "q": "SELECT count(*) AS wards FROM wards",
        "view": "table",
    }
    answer = client.post("/data/sql/saved", data=form | {"act": "save"})
    assert answer.status_code == 303
    number = re.search(r"saved=(\d+)", answer.headers["location"])
    assert number is not None
    page = client.get(answer.headers["location"]).text
    assert "Đã lưu câu hỏi" in page and '<td class="number">126</td>' in page
    assert "Số phường ở Hà Nội" in client.get("/data/sql", params={"search": "so phuong ha noi"}).text
    assert "Không có câu nào khớp" in client.get("/data/sql", params={"search": "khong co"}).text
    client.post("/data/sql/saved", data=form | {"act": "save", "saved": number[1], "title": "Đếm phường"})
    assert "Đếm phường" in client.get("/data/sql").text
    gone = client.post(f"/data/sql/saved/{number[1]}/delete", data=form)
    page = client.get(gone.headers["location"]).text
    assert "Hoàn tác" in page and "Đếm phường" not in page
    assert client.get(f"/data/sql?saved={number[1]}").status_code == 404
    back = client.post(f"/data/sql/saved/{number[1]}/restore", data=form)
    assert "Đã khôi phục" in client.get(back.headers["location"]).text
    client.post(f"/data/sql/saved/{number[1]}/delete", data=form)


@pytest.mark.browser
def test_keys_names_and_views(open_page: Opener) -> None:
    page = open_page("/data/sql")
    question = page.locator("#question")
    question.fill("SELECT ")
    page.get_by_text("readings_hourly", exact=True).click()
    page.locator("details[open] [data-insert=mean]").click()
    question.press_sequentially(", hour FROM readings_hourly WHERE attribute = 'pm25' ORDER BY hour LIMIT 50")
    expect(question).to_have_value("SELECT mean, hour FROM readings_hourly WHERE attribute = 'pm25' ORDER BY hour LIMIT 50")
    question.press("Control+Enter")
    expect(page.locator(".sql-table tbody tr")).to_have_count(50)
    assert "q=SELECT+mean" in page.url
    page.get_by_text("Biểu đồ", exact=True).click()
    expect(page.locator("dt-lines canvas")).to_be_visible()
    expect(page.locator(".sql-table")).to_be_hidden()


@pytest.mark.browser
def test_a_wrong_question_is_mended_where_the_mark_is(open_page: Opener) -> None:
    page = open_page("/data/sql")
    page.locator("#question").fill("SELECT nam FROM wards")
    page.locator("#question").press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("Có tên cột hoặc bảng không đúng")
    page.locator("#question").fill("SELECT name FROM wards LIMIT 3")
    page.locator("#question").press("Control+Enter")
    expect(page.locator(".sql-table tbody tr")).to_have_count(3)
    open_page.faults.clear()  # type: ignore[attr-defined]  # the browser logs every answer of 400 itself


@pytest.mark.browser
def test_a_question_is_stopped_by_its_button(open_page: Opener, city: RunningCity) -> None:
    page = open_page("/data/sql")
    page.locator("#question").fill(ENDLESS)
    page.get_by_role("button", name=re.compile("^Hỏi")).click()
    stop = page.get_by_role("button", name="Dừng")
    expect(stop).to_be_visible()
    stop.click()
    expect(page.get_by_text("Đã dừng câu hỏi.")).to_be_visible()

    def told() -> bool:
        with city.platform.database.reader() as db:
            row = db.execute("SELECT result FROM audit WHERE action = 'sql.ask' AND detail = ?", (ENDLESS,)).fetchone()
        return row is not None and row[0] == "cancelled"

    wait_until(told, "the question is stopped in the city too")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900)])
def test_wards_are_on_the_map(open_page: Opener, width: int, height: int) -> None:
    page = open_page("/data/sql", width=width, height=height)
    page.locator("#question").fill(EXAMPLES[1].sql)
    page.locator("[data-run]").click()
    page.locator(".sql-views").get_by_text("Bản đồ", exact=True).click()
    expect(page.locator("dt-places .marker").first).to_be_visible(timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
