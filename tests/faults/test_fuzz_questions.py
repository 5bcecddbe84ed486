"""Whatever is asked: machines and people get an answer or are told what is wrong, and the city goes on."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fault_world import operator, register
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dothi.testing.city import running_city

EXAMPLES = [100, pytest.param(5_000, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])]
URN = "urn:ngsi-ld:AirQualityObserved:hanoi:asked"

DOORS = {
    "/ngsi-ld/v1/entities": "type id idPattern attrs q geometry georel coordinates limit offset count options lang",
    f"/ngsi-ld/v1/entities/{URN}": "attrs options lang",
    "/api/v1/entities": "type id q bbox near ward attribute limit offset count",
    f"/api/v1/entities/{URN}": "x",
    f"/api/v1/entities/{URN}/history": "attribute from to dataset limit format",
    "/api/v1/devices": "state ward q limit offset",
    "/api/v1/lobby": "limit offset",
    "/api/v1/quarantine": "reason limit offset",
    "/api/v1/wards": "q limit",
    "/api/v1/wards/locate": "longitude latitude lon lat",
    "/api/v1/sectors/air/wards": "format",
    f"/api/v1/sectors/air/stations/{URN}/daily": "days",
    "/": "lang q ward state chosen sort layer zoom latitude longitude page",
    "/air": "lang q ward lon lat",
    "/air/table": "lang",
    "/devices": "lang q ward state page sort",
    "/devices/asked": "lang",
    "/devices/lobby": "lang page",
    "/devices/quarantine": "lang reason page",
    f"/panel/{URN}": "lang",
    f"/panel/{URN}/history.csv": "attribute from to lang",
    "/map/layers/air.json": "lang ids",
}
WORDS = (
    "AirQualityObserved",
    "pm25",
    "pm25>35",
    'pm25=="35"',
    "pm25>nan",
    "pm25<1e999",
    "105.8,21.0,105.9,21.1",
    "105.9,21.1,105.8,21.0",
    "nan,nan,nan,nan",
    "105.85,21.03,2000",
    "1e308,1e308,1e308",
    "2026-05-14T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-05-14T00:00:00",
    "-1",
    "0",
    "1",
    "99999999999999999999999",
    "0x10",
    "³",
    "true",
    "csv",
    "count",
    "keyValues",
    "near;maxDistance==2000",
    "[105.8,21.0]",
    "Point",
    "(((((",
    ".*" * 40,
    "(a+)+$",
    "' OR 1=1 --",
    '"',
    "%",
    "_",
    "\x00",
    "\ud7ff\U0010ffff",
    "<script>",
    "{{7*7}}",
    "../../etc/passwd",
    "",
    URN,
)
values = (
    st.sampled_from(WORDS)
    | st.text(st.characters(codec="utf-8"), max_size=30)
    | st.floats().map(str)
    | st.integers().map(str)
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
    door = draw(st.sampled_from(sorted(DOORS)))
    names = st.sampled_from(DOORS[door].split())
    return door, draw(st.lists(st.tuples(names, values), max_size=4))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    (tmp_path / "no-data").mkdir()
    with running_city(tmp_path, data=tmp_path / "no-data") as city, operator(city) as client:
        register(client, ["asked"])
        yield client


@pytest.mark.parametrize("examples", EXAMPLES)
def test_no_question_makes_a_door_fail(client: httpx.Client, examples: int) -> None:
    asked = set()

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(questions(), st.sampled_from(["application/json", "text/html", "*/*", "application/ld+json", "", "nonsense"]))
    def ask(question: tuple[str, list[tuple[str, str]]], accept: str) -> None:
        door, params = question
        answer = client.get(door, params=params, headers={"Accept": accept})
        assert answer.status_code < 500, (door, params, answer.text[:500])
        if answer.status_code >= 400 and door.startswith("/api/"):
            assert answer.headers["content-type"].startswith("application/problem+json")
            assert answer.json()["title"]
        assert "<script>" not in answer.text or "<script>" not in str(params), "what was asked is shown as text only"
        asked.add(door)

    ask()
    assert len(asked) > len(DOORS) / 2
    assert client.get("/health").status_code == 200
