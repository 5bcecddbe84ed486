"""The door for questions in SQL: JSON, CSV and Parquet, refusals with their place, and a city that goes on serving."""

import csv
import io
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import polars as pl
import pytest

from dothi.data.sql.examples import EXAMPLES, Example
from dothi.testing.city import RunningCity, wait_until

ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE hash(a.range, b.range) = 1"
URL = "/api/v1/sql"


def test_an_answer_as_json_has_times_in_utc(client: httpx.Client, device: str) -> None:
    client.post(f"/api/v1/devices/{device}/readings", json={"values": {"pm25": 31.5}}).raise_for_status()
    question = f"SELECT name, attribute, value, observed_at FROM readings WHERE entity LIKE '%{device}'"  # noqa: S608 - a test's own
    wait_until(lambda: client.post(URL, json={"sql": question}).json().get("rows"), "the reading is on record")
    answer = client.post(URL, json={"sql": question}).json()
    assert [column["name"] for column in answer["columns"]] == ["name", "attribute", "value", "observed_at"]
    assert [column["type"] for column in answer["columns"]] == ["text", "text", "number", "time"]
    [[name, attribute, value, observed_at]] = answer["rows"]
    assert (name, attribute, value) == ("Trạm thử", "pm25", 31.5)
    assert observed_at.endswith("Z")
    assert (answer["count"], answer["more"]) == (1, False)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.title.en)
def test_every_example_is_answered_by_a_real_city(client: httpx.Client, example: Example) -> None:
    assert client.post(URL, json={"sql": example.sql}).status_code == 200


GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "sql.md"


@pytest.mark.parametrize("text", re.findall(r"^```sql\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL))
def test_what_the_guide_asks_is_answered(client: httpx.Client, text: str) -> None:
    answer = client.post(URL, json={"sql": text})
    assert answer.status_code == 200, answer.text


def test_csv_and_parquet_hold_the_same_and_run_nothing(client: httpx.Client) -> None:
    text = "SELECT '=1+1' AS \"=head\", -1.5 AS number, TIMESTAMPTZ '2026-05-14 11:00:00' AS moment"
    answer = client.post(URL, json={"sql": text, "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))) == [
        ["'=head", "number", "moment"],
        ["'=1+1", "-1.5", "2026-05-14T11:00:00+07:00"],
    ]
    answer = client.post(URL, json={"sql": text, "format": "parquet"})
    frame = pl.read_parquet(io.BytesIO(answer.content))
    assert frame.rows() == [("=1+1", -1.5, frame["moment"][0])]


def test_refusals_say_what_and_where(client: httpx.Client) -> None:
    answer = client.post(URL, json={"sql": "SELECT 'ế', valu FROM readings"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    told = answer.json()
    assert (told["type"], told["position"]) == ("urn:dothi:problem:sql-names", 12)
    assert "valu" in told["title"]
    assert client.post(URL, json={"sql": "DROP TABLE readings"}).json()["type"].endswith(":sql-only-select")
    assert client.post(URL, json={"sql": "SELECT * FROM read_text('/etc/passwd')"}).status_code == 403


def test_strangers_may_not_ask(stranger: httpx.Client) -> None:
    assert stranger.post(URL, json={"sql": "SELECT 1"}).status_code == 401
    assert stranger.get(f"{URL}/tables").status_code == 401
    assert stranger.get("/data/sql?q=SELECT+1").status_code == 401


def test_the_catalogue_tells_every_table_in_both_languages(client: httpx.Client) -> None:
    items = {one["name"]: one for one in client.get(f"{URL}/tables").json()["items"]}
    assert {"readings", "latest", "entities", "devices", "wards", "air_quality_observed"} <= items.keys()
    for one in items.values():
        assert one["means"]["vi"] and one["means"]["en"]
        assert all(column["means"]["vi"] and column["means"]["en"] for column in one["columns"])


def test_whoever_leaves_stops_their_question_and_the_city_serves_on(city: RunningCity, client: httpx.Client) -> None:
    def told() -> list[str]:
        with city.platform.database.reader() as db:
            rows = db.execute("SELECT result FROM audit WHERE action = 'sql.ask' AND detail = ?", (ENDLESS,)).fetchall()
        return [result for (result,) in rows]

    client.post(URL, json={"sql": "SELECT 1"}).raise_for_status()
    place = urlsplit(city.base_url)
    body = httpx.Request("POST", city.base_url + URL, json={"sql": ENDLESS}).content
    with socket.create_connection((place.hostname, place.port)) as line:
        head = f"POST {URL} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json"
        head += "".join(f"\r\n{name}: {value}" for name, value in city.operator.items())
        line.sendall(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_until(lambda: not city.platform.questions._idle, "a process works on it")
        assert client.get("/health").status_code == 200
        assert client.post(URL, json={"sql": "SELECT 2"}).json()["rows"] == [[2]]
        assert told() == []
    wait_until(lambda: told() == ["cancelled"], "the question is stopped")
