"""What there is to try: everybody finds it from the first page, one press leads into a role and to the right page."""

import re
from collections.abc import Iterator

import httpx
import pytest

from dothi.access.policy import SYSTEM
from dothi.testing.city import RunningCity, running_city, wait_until
from dothi.ui.formats import daytime

_BROWSER = {"accept": "text/html"}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A city with its demo neighbourhood."""
    with running_city(tmp_path_factory.mktemp("demo"), demo_work=True) as running:
        yield running


@pytest.fixture
def stranger(city: RunningCity) -> Iterator[httpx.Client]:
    """Somebody who just came."""
    with httpx.Client(base_url=city.base_url, headers=_BROWSER, follow_redirects=True, timeout=60) as client:
        yield client


def _press(client: httpx.Client, page: str, words: str) -> httpx.Response:
    """Press the button with ``words`` on ``page``."""
    form = next(one for one in re.findall(r"<form.*?</form>", page, re.S) if words in one)
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    name, value = re.search(rf'<button[^>]*name="(\w+)" value="([^"]*)"[^>]*>{words}', form).groups()  # type: ignore[union-attr]  # it is there
    return client.post("/sign-in/demo", data=fields | {name: value})


def test_the_way_in_leads_to_what_there_is_to_try(city: RunningCity, stranger: httpx.Client) -> None:
    """The first page leads to the tour, every link of which a stranger may open."""
    assert 'href="/demo"' in stranger.get("/").text
    tour = stranger.get("/demo")
    begun = city.platform.invented.begun_at
    assert tour.status_code == 200 and begun is not None
    assert f"Chuyện được kể lúc {daytime(begun)}." in tour.text, "who finds most of it overdue reads why"
    citizen = re.search(r'<div class="demo-stops">(.*?)</div>', tour.text, re.S)
    assert citizen is not None
    links = re.findall(r'href="([^"]+)"', citizen[1])
    assert len(links) == 6
    for to in links:
        assert stranger.get(to).status_code == 200, to
    assert "/report/PA-" in citizen[1]


def test_a_proven_command_says_which_reading_proved_it(city: RunningCity) -> None:
    words = "Lệnh đã được số đo chứng tỏ"
    with httpx.Client(base_url=city.base_url, headers=_BROWSER, follow_redirects=True, timeout=60) as client:
        wait_until(lambda: words in client.get("/demo").text, "the device obeyed")
        wait_until(lambda: city.platform.commands.find(SYSTEM, state="verified")[1] == 1, "a reading shows it")
        page = _press(client, client.get("/demo").text, words).text
        assert re.search(r"<dd>[^<]*PM2\.5[^<]*: \d+,\d µg/m³</dd>", page)


def test_one_press_is_a_role_and_its_page(stranger: httpx.Client) -> None:
    """A stranger presses and stands as the operator before the incident that is late."""
    late = _press(stranger, stranger.get("/demo").text, "Quá hạn tiếp nhận")
    assert late.status_code == 200 and "/incidents/SV-" in str(late.url)
    assert "dữ liệu mô phỏng" in late.text.split("<main", 1)[1]
    assert "quá hạn" in late.text
    first = stranger.get("/")
    assert 'href="/demo"' in first.text, "from the first page of who works here, too"
    as_operator = stranger.get("/demo").text
    assert 'value="operator"' not in as_operator and 'href="/incidents/shift"' in as_operator


def test_every_page_of_every_role_answers(city: RunningCity) -> None:
    """Nothing on the tour leads nowhere."""
    for role in ("operator", "ward_officer", "leader"):
        with httpx.Client(base_url=city.base_url, headers=_BROWSER, follow_redirects=True, timeout=60) as client:
            page = client.get("/demo").text
            form = next(one for one in re.findall(r"<form.*?</form>", page, re.S) if f'value="{role}"' in one)
            stops = re.findall(r'name="to" value="([^"]+)"', form)
            assert stops
            token = re.search(r'name="csrf_token" value="([^"]*)"', form)
            assert token is not None
            for to in stops:
                assert client.post("/sign-in/demo", data={"csrf_token": token[1], "role": role, "to": to}).status_code == 200


def test_each_piece_says_that_it_is_made_up(city: RunningCity, stranger: httpx.Client) -> None:
    """In the queue, on the phone, on the citizens' pages: the mark stands at the piece, not only above the page."""
    told = city.platform.invented
    wait_until(lambda: any(one.startswith("waiting ") for one in told.refs("page")), "the alert is seen to")
    queue = _press(stranger, stranger.get("/demo").text, "Hàng đợi sự việc").text
    rows = re.findall(r"<tr data-code=.*?</tr>", queue, re.S)
    assert len(rows) >= 9
    assert all("dữ liệu mô phỏng" in row for row in rows)
    for page in ("/reports", "/reports/review", "/incidents/shift", "/alerts", "/commands"):
        assert "dữ liệu mô phỏng" in stranger.get(page).text.split("<main", 1)[1], page


def test_there_is_no_tour_where_nothing_is_made_up(city: RunningCity) -> None:
    """An administrator removes it: the tour is gone, its incidents too."""
    with httpx.Client(base_url=city.base_url, headers=_BROWSER, follow_redirects=True, timeout=60) as client:
        token = re.search(r'name="csrf_token" value="([^"]*)"', client.get("/sign-in").text)
        assert token is not None
        client.post("/sign-in/demo", data={"csrf_token": token[1], "role": "operator", "to": "/"})
        assert client.post("/demo/remove", data={"csrf_token": _token(client)}).status_code == 403
        client.post("/sign-in/demo", data={"csrf_token": _token(client), "role": "administrator", "to": "/demo"})
        assert client.post("/demo/remove", data={"csrf_token": _token(client)}).status_code == 200
        assert client.get("/demo").status_code == 404
        assert "SV-" not in client.get("/incidents").text


def _token(client: httpx.Client) -> str:
    found = re.search(r'name="csrf_token" value="([^"]*)"', client.get("/incidents/shift").text)
    assert found is not None
    return found[1]
