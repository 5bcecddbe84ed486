"""Every page without a script: complete, honest about its data, in both languages, and safe."""

import re

import httpx
import pytest

from dothi.testing.city import RunningCity

PAGES = ("/", "/devices", "/devices/lobby", "/devices/quarantine", "/runs", "/air", "/data/sql", "/docs")
INLINE = re.compile(r"<script(?![^>]*\b(?:src|type=\"application/json\"))|\sstyle=|\son[a-z]+=\"", re.IGNORECASE)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_page_admits_what_its_data_is(client: httpx.Client, path: str, language: str) -> None:
    answer = client.get(path, headers={"accept-language": language})
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.text
    for words in {"vi": ("dữ liệu mô phỏng", "ranh giới gần đúng"), "en": ("simulated data", "approximate boundaries")}[
        language
    ]:
        assert words in answer.text


@pytest.mark.parametrize("path", [*PAGES, "/nowhere"])
def test_no_page_needs_an_unsafe_content_policy(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert INLINE.search(answer.text) is None


def test_a_language_that_was_asked_for_is_remembered(client: httpx.Client) -> None:
    assert client.get("/devices?lang=en").cookies["lang"] == "en"
    assert "<h1>Devices</h1>" in client.get("/devices").text


def test_the_list_is_there_without_a_script_worst_first(client: httpx.Client) -> None:
    text = client.get("/").text
    assert text.count('class="item ') >= 20
    items = re.findall(r'class="item (\w+)".*?class="pill-level[^>]*aria-label="([^"]+)"', text, re.DOTALL)
    values = [int(label) if label.isdecimal() and state == "fresh" else -1 for state, label in items]
    assert len(values) >= 20
    assert values == sorted(values, reverse=True)
    assert text.count('<li class="tile') == 5
    assert text.count("tile-missing") == 3, "three bottlenecks say what they are missing"


def test_the_list_is_narrowed_by_address_alone(client: httpx.Client) -> None:
    point = client.get("/map/layers/air.json").json()["points"][0]
    narrowed = client.get("/", params={"ward": point["ward"]}).text
    assert point["title"] in narrowed
    assert narrowed.count('class="item ') < 20
    assert "Không có trạm nào khớp bộ lọc" in client.get("/", params={"q": "không đâu cả"}).text


def test_text_is_found_without_accents(client: httpx.Client) -> None:
    point = next(one for one in client.get("/map/layers/air.json").json()["points"] if one["ward"])
    ward = next(one for one in client.get("/api/v1/wards?limit=200").json()["items"] if one["code"] == point["ward"])
    plain = ward["name"].lower().replace("đ", "d")
    assert point["title"] in client.get("/", params={"q": plain}).text


def test_the_drawer_opens_by_address_and_alone(client: httpx.Client) -> None:
    point = client.get("/map/layers/air.json").json()["points"][0]
    whole = client.get("/", params={"chosen": point["id"]}).text
    alone = client.get(f"/panel/{point['id']}").text
    for text in (whole, alone):
        assert f'data-urn="{point["id"]}"' in text
        assert "<dt-chart" in text
    assert "<html" not in alone
    assert client.get("/panel/urn:ngsi-ld:None:hanoi:x").status_code == 404
    assert "Không có trạm này" in client.get("/?chosen=urn:nothing").text


def test_readings_leave_as_csv(client: httpx.Client) -> None:
    point = client.get("/map/layers/air.json").json()["points"][0]
    address = re.search(
        r'href="(/panel/[^"]+history\.csv\?attribute=[^"]+pm25&[^"]+)"', client.get(f"/panel/{point['id']}").text
    )
    assert address is not None
    answer = client.get(address[1].replace("&amp;", "&"))
    lines = answer.text.removeprefix("\ufeff").splitlines()
    assert answer.headers["content-disposition"].startswith("attachment")
    assert lines[0] == "observedAt,value,grade,reasons,origin"
    assert lines[1].split(",")[2:5:2] == ["good", "simulated"]


@pytest.mark.parametrize(("language", "words"), [("vi", "Không có trang này"), ("en", "No such page")])
def test_a_missing_page_says_so_to_people_and_to_programs(client: httpx.Client, language: str, words: str) -> None:
    answer = client.get("/nowhere", headers={"accept-language": language})
    assert answer.status_code == 404
    assert words in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert client.get("/nowhere", headers={"accept": "application/json"}).json()["status"] == 404


def test_a_stranger_gets_the_public_page_and_a_way_back_to_it(city: RunningCity) -> None:
    headers = {"accept": "text/html", "x-forwarded-for": "203.0.113.9"}
    with httpx.Client(base_url=city.base_url, trust_env=False, headers=headers, timeout=60) as stranger:
        assert stranger.get("/air").status_code == 200
        assert stranger.get("/").headers["location"] == "/sign-in?to=/"
        for path in ("/live", "/devices", "/devices.csv", "/devices/lobby", "/devices/quarantine", "/panel/urn:x"):
            refused = stranger.get(path)
            assert refused.status_code == 401, path
            assert 'href="/air"' in refused.text
            assert 'href="/devices' not in refused.text.replace(f'href="{path}?lang=', ""), (
                "a stranger is shown no doors that stay shut"
            )


def test_ground_layers_are_packed_and_kept_by_tag(client: httpx.Client) -> None:
    first = client.get("/map/base/wards.json")
    assert first.headers["content-encoding"] == "gzip"
    assert len(first.json()["features"]) == 126
    again = client.get("/map/base/wards.json", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = client.get("/map/base/wards.json", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == first.json()
    assert client.get("/map/base/nothing.json").status_code == 404
    assert client.get("/map/layers/nothing.json").status_code == 404


def test_built_files_are_kept_a_year_and_arrive_packed(client: httpx.Client) -> None:
    address = re.search(r'href="(/static/assets/base[^"]+)"', client.get("/").text)
    assert address is not None
    answer = client.get(address[1])
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/../page.py").status_code == 404
