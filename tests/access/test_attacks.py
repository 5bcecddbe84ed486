"""What somebody would try who wants more than they were given: sideways, upwards and around, at every door there is."""

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from dothi.access.policy import LOCAL_OPERATOR, WHOLE_CITY, Clearance, Grant, Person, Scope, Thing, may
from dothi.access.roles import ACTIONS
from dothi.access.routes import declared_actions
from dothi.data.batch import Batch, EntityChange, Quarantined, ReadingRow, readings_of
from dothi.devices.registry import DeviceSpec
from dothi.model.reading import Origin
from dothi.testing.city import RunningCity
from dothi.testing.people import Crowd, insider

TYPE = "https://smartdatamodels.org/dataModel.Environment/AirQualityObserved"
PM = "https://smartdatamodels.org/dataModel.Environment/pm25"
INDEX = "https://smartdatamodels.org/dataModel.Environment/airQualityIndex"
HERE, THERE = (105.8542, 21.0285), (105.5050, 21.1350)  # two places in different wards
# Device, place, owner, clearance and a number that stands in nobody else's answers.
PLANTED = {
    "atk-mine": (HERE, "agency-a", Clearance.INTERNAL, 411.25),
    "atk-neighbour": (THERE, "agency-a", Clearance.INTERNAL, 422.25),
    "atk-rival": (HERE, "agency-b", Clearance.INTERNAL, 433.25),
    "atk-secret": (HERE, "agency-a", Clearance.RESTRICTED, 444.25),
}
SHOWS = {name: re.compile(rf"{name}|{number}|Trạm {name}") for name, (_, _, _, number) in PLANTED.items()}


@pytest.fixture(scope="module")
def planted(doors: RunningCity) -> dict[str, Thing]:
    """Four stations, each with a device, a reading, an index and a message in quarantine, as the policy has them."""
    platform, now = doors.platform, doors.platform.clock.now()

    async def plant() -> dict[str, Thing]:
        things = {}
        for name, ((longitude, latitude), owner, clearance, number) in PLANTED.items():
            spec = DeviceSpec(name, "AirQualityObserved", f"Trạm {name}", None, owner, 600.0, longitude, latitude)
            device = await platform.devices.register(LOCAL_OPERATOR, spec)
            state = await platform.writer.write(
                Batch(
                    insider(),
                    "test",
                    "c",
                    now,
                    readings=readings_of(
                        ReadingRow(device.entity_id, iri, now - timedelta(minutes=1), number, Origin.MEASURED)
                        for iri in (PM, INDEX)
                    ),
                    quarantine=platform.quarantine.admit(
                        [Quarantined("http", name, "not-json", "x", f"{name} {number}".encode(), correlation=name)]
                    ),
                )
            )
            assert state.stored == 2
            entity = platform.context.get(insider(), device.entity_id)
            assert entity is not None
            change = EntityChange("merge", type(entity)(entity.id, ""), clearance)
            await platform.writer.write(Batch(insider(), "test", "c", now, entities=[change]))
            things[name] = Thing(clearance, entity.ward, owner, TYPE)
        return things

    found = doors.run(plant())
    assert found["atk-mine"].ward is not None
    assert found["atk-mine"].ward != found["atk-neighbour"].ward
    return found


def _personas(things: dict[str, Thing]) -> dict[str, Person]:
    ward = frozenset({str(things["atk-mine"].ward)})
    agency = frozenset({"agency-a"})
    none = frozenset({"https://example.org/none"})
    return {
        "ward officer": Person("po", (Grant("ward_officer", Scope(wards=ward)),)),
        "engineer": Person("pe", (Grant("engineer", Scope(wards=ward, agencies=agency)),)),
        "steward of an agency": Person("ps", (Grant("steward", Scope(agencies=agency), Clearance.RESTRICTED),)),
        "operator of another sector": Person("px", (Grant("operator", Scope(types=none), Clearance.RESTRICTED),)),
        "developer": Person("pd", (Grant("developer", WHOLE_CITY, Clearance.RESTRICTED),)),
    }


@pytest.fixture
def client(doors: RunningCity) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=doors.base_url, trust_env=False, timeout=60) as client:
        yield client


QUERIES = (
    {},
    {"type": "AirQualityObserved", "limit": "1000", "count": "true"},
    {"attribute": ["pm25", "name"], "format": "columns", "limit": "1000"},
    {"attribute": "pm25", "format": "csv"},
    {"q": ["pm25>400", "atk"]},
)


def _paths(doors: RunningCity, things: dict[str, Thing]) -> list[str]:
    """Every GET door, its blanks led to each of the planted things in turn."""
    held = doors.platform.quarantine.list(insider(), limit=100)[0]
    found = []
    for path, methods, _ in declared_actions(doors.app.routes):
        if "GET" not in methods or path == "/live":
            continue
        for name in things if "{" in path else list(things)[:1]:
            row = next(str(one.id) for one in held if one.device == name)
            urn = f"urn:ngsi-ld:AirQualityObserved:{doors.platform.city.slug}:{name}"
            blanks = {"device": name, "layer": "air", "name": "wards", "code": str(things[name].ward), "row": row}
            found.append(re.sub(r"\{(\w+)(?::\w+)?\}", lambda blank, b=blanks, u=urn: b.get(blank[1], u), path))
    return list(dict.fromkeys(found))


def _covers(person: Person, thing: Thing) -> bool:
    return any(may(person, action, thing) for action in ACTIONS if action.endswith(".read"))


def test_nobody_sees_their_neighbours_things_through_any_door(
    doors: RunningCity, crowd: Crowd, client: httpx.Client, planted: dict[str, Thing]
) -> None:
    """Sideways (another ward, agency or sector), upwards (a higher clearance), by list, by name and by number."""
    for who, person in _personas(planted).items():
        headers = crowd.headers(person)
        beyond = {name for name, thing in planted.items() if not _covers(person, thing)}
        shown = set()
        for path in _paths(doors, planted):
            for query in QUERIES:
                answer = client.get(path, params=query, headers=headers)
                assert answer.status_code < 500 or answer.status_code == 503, (who, path, query, answer.text[:300])
                seen = {name for name in PLANTED if SHOWS[name].search(answer.text)}
                if answer.is_error:  # a refusal may repeat the name it was asked for, and nothing more
                    seen = {name for name in seen if str(PLANTED[name][3]) in answer.text}
                seen -= {name for name in seen if name in str(answer.url) and str(PLANTED[name][3]) not in answer.text}
                assert not seen & beyond, (who, path, query)
                shown |= seen
        assert shown >= planted.keys() - beyond - {"atk-secret"}, who  # otherwise nothing was proved


def test_what_is_hidden_and_what_is_not_there_answer_alike(
    doors: RunningCity, crowd: Crowd, client: httpx.Client, planted: dict[str, Thing]
) -> None:
    headers = crowd.headers(_personas(planted)["engineer"])
    held = next(one for one in doors.platform.quarantine.list(insider(), limit=100)[0] if one.device == "atk-rival")
    base = f"urn:ngsi-ld:AirQualityObserved:{doors.platform.city.slug}:"
    for path, hidden, absent in (
        ("/api/v1/entities/{}", f"{base}atk-rival", f"{base}never-was"),
        ("/api/v1/entities/{}/history?attribute=pm25", f"{base}atk-rival", f"{base}never-was"),
        ("/ngsi-ld/v1/entities/{}", f"{base}atk-rival", f"{base}never-was"),
        ("/api/v1/devices/{}", "atk-rival", "never-was"),
        ("/devices/{}", "atk-rival", "never-was"),
        ("/api/v1/quarantine/{}", str(held.id), "987654"),
    ):
        first, second = (client.get(path.format(one), headers=headers) for one in (hidden, absent))
        assert first.status_code == second.status_code == 404, path
        told = [
            re.sub(r'"(correlation|instance)":"[^"]*",?', "", answer.text).replace(name, "X")
            for answer, name in ((first, hidden), (second, absent))
        ]
        assert told[0] == told[1], path


def test_nobody_decides_about_their_neighbours_things(
    doors: RunningCity, crowd: Crowd, client: httpx.Client, planted: dict[str, Thing]
) -> None:
    headers = crowd.headers(_personas(planted)["engineer"])
    platform = doors.platform
    held = {one.device: one.id for one in platform.quarantine.list(insider(), limit=100)[0]}
    there = {"type": "AirQualityObserved", "longitude": THERE[0], "latitude": THERE[1], "owner": "agency-a"}
    here = {"type": "AirQualityObserved", "longitude": HERE[0], "latitude": HERE[1]}
    entity = f"urn:ngsi-ld:AirQualityObserved:{platform.city.slug}:atk-rival"
    for path, body in (
        ("/api/v1/devices", {"id": "atk-new", **there}),
        ("/api/v1/devices", {"id": "atk-new", **here, "owner": "agency-b"}),
        ("/api/v1/devices", {"id": "atk-new", **here, "owner": "agency-a", "entity": entity}),
        ("/api/v1/devices/bulk", [{"id": "atk-new", **here, "owner": "agency-a"}, {"id": "atk-newer", **there}]),
        ("/api/v1/devices/atk-rival/admit", {**here, "owner": "agency-a"}),
        ("/api/v1/devices/atk-mine/admit", {**here, "owner": "agency-b"}),
        ("/api/v1/devices/atk-rival/refuse", None),
        ("/api/v1/devices/atk-secret/refuse", None),
        ("/api/v1/runs", {"process": next(iter(platform.runs.processes))}),
    ):
        answer = client.post(path, json=body, headers=headers)
        assert answer.status_code == 403, (path, answer.text)
    answer = client.post("/api/v1/quarantine/discard", json={"ids": [held["atk-rival"]]}, headers=headers)
    assert answer.json() == {"discarded": []}
    answer = client.post("/api/v1/quarantine/replay", json={"ids": [held["atk-secret"]]}, headers=headers)
    assert answer.json() == {"replayed": [], "missing": [held["atk-secret"]]}
    assert platform.devices.lookup("atk-new") is None
    for name in ("atk-rival", "atk-secret"):
        device = platform.devices.lookup(name)
        assert device is not None
        assert (device.state, device.owner) == ("admitted", PLANTED[name][1])
        assert platform.quarantine.get(insider(), held[name])


def test_more_fields_than_asked_for_are_no_way_up(crowd: Crowd, client: httpx.Client, planted: dict[str, Thing]) -> None:
    headers = crowd.headers(_personas(planted)["engineer"])
    body = {"id": "atk-more", "type": "AirQualityObserved", "longitude": HERE[0], "latitude": HERE[1], "owner": "agency-a"}
    for more in ({"clearance": 0}, {"ward": "00001"}, {"state": "admitted"}, {"grants": [{"role": "system"}]}):
        assert client.post("/api/v1/devices", json=body | more, headers=headers).status_code == 422, more


@pytest.mark.parametrize(
    "path",
    [
        "//devices",
        "/./devices",
        "/wards/../devices",
        "/%64evices",
        "/devices/",
        "/devices%2f",
        "/devices;a=b",
        "/DEVICES",
        "/api/v1/../../devices",
        "/static/../devices",
        "/devices%00",
        "/devices?person=system",
    ],
)
def test_another_spelling_of_a_path_is_another_path_or_the_same_decision(client: httpx.Client, path: str) -> None:
    away = {"x-forwarded-for": "203.0.113.9"}
    request = client.build_request("GET", path, headers=away)
    request.url = httpx.URL(f"{client.base_url.scheme}://{client.base_url.netloc.decode()}{path}")
    assert client.send(request).status_code in (401, 404, 307, 405), path


@pytest.mark.parametrize(
    "headers",
    [
        {"x-http-method-override": "GET"},
        {"x-original-url": "/health", "x-rewrite-url": "/health"},
        {"x-forwarded-for": "127.0.0.1"},
        {"x-forwarded-for": "203.0.113.9, 127.0.0.1", "x-real-ip": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1;host=127.0.0.1"},
        {"via": "1.1 proxy", "x-user": "local-operator", "x-person": "system", "remote-user": "admin"},
        {"x-forwarded-for": "203.0.113.9", "ngsild-tenant": "other", "x-tenant": "hanoi"},
    ],
)
def test_headers_make_nobody_somebody(client: httpx.Client, headers: dict[str, str]) -> None:
    headers = {"via": "1.1 proxy"} | headers
    for method in ("GET", "HEAD"):
        assert client.request(method, "/devices.csv", headers=headers).status_code == 401
    assert client.post("/api/v1/devices", json={}, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "credential", ["Bearer", "Bearer x", "bearer null", "Basic YTpi", "Basic Og==", "Digest x", "Bearer a b"]
)
def test_a_wrong_credential_is_refused_and_never_a_stranger(client: httpx.Client, credential: str) -> None:
    for path in ("/health", "/api/v1/city", "/api/v1/devices"):
        assert client.get(path, headers={"authorization": credential}).status_code == 401


def test_a_form_without_its_token_and_a_write_from_another_site_are_refused(
    doors: RunningCity, crowd: Crowd, client: httpx.Client
) -> None:
    headers = crowd.headers(insider("everybody"))
    posts = [
        (path, action)
        for path, methods, action in declared_actions(doors.app.routes)
        if "POST" in methods and not path.startswith(("/api/", "/oauth/", "/ngsi-ld/", "/open311/"))  # doors of programs
    ]
    assert len(posts) > 10
    for path, _ in posts:
        filled = re.sub(r"\{\w+\}", "nothing", re.sub(r"\{\w+:int\}", "7", path))
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
            body = b"--x--\r\n" if kind.startswith("multipart") else b"csrf_token=AAAA"
            answer = client.post(filled, content=body, headers=headers | {"content-type": kind})
            assert answer.status_code == 403, (path, kind, answer.status_code)
        for origin in ("https://evil.example", "null", f"{doors.base_url}.evil.example"):
            answer = client.post(filled, json={}, headers=headers | {"origin": origin})
            assert answer.status_code == 403, (path, origin)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/static/assets/....//....//etc/passwd",
        "/map/base/..%2f..%2fsecret.json",
        "/runs/../../local-key/inputs.json",
        "/api/v1/entities/..%2f..%2flocal-key",
        "/map/layers/..%2f..%2fetc%2fpasswd.csv",
    ],
)
def test_no_path_leads_out_of_the_city(doors: RunningCity, crowd: Crowd, client: httpx.Client, path: str) -> None:
    request = client.build_request("GET", "/", headers=crowd.headers(insider("everybody")))
    request.url = httpx.URL(f"{doors.base_url}{path}")
    answer = client.send(request)
    assert answer.status_code in (400, 404), path
    assert "root:" not in answer.text
    assert (doors.home / "local-key").read_text().strip() not in answer.text


def test_nothing_that_is_said_becomes_another_line_of_a_log(
    doors: RunningCity, crowd: Crowd, client: httpx.Client, planted: dict[str, Thing]
) -> None:
    """Correlation ids, device names and searches with line ends, escapes and separators are refused or kept as they are."""
    headers = crowd.headers(insider("everybody"))
    for strange in (b"a\tb", b"x" * 300, b"id\x1b[31m", "\u202eabc".encode()):
        answer = client.get("/health", headers=[(b"x-request-id", strange)])
        assert answer.status_code == 400 or answer.headers["x-request-id"].isalnum()  # or refused by the server itself
    for name in ("a\nb", "a\r\nseq", "a\x1b[2J", "a b", "../a"):
        body = {"id": name, "type": "AirQualityObserved"}
        assert client.post("/api/v1/devices", json=body, headers=headers).status_code == 422
    with doors.platform.database.reader() as db:
        rows = db.execute("SELECT person_id, action, thing, correlation, detail FROM audit").fetchall()
    assert rows
    assert not [row for row in rows if any(set(cell) & set("\n\r\x1b\x00") for cell in row)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('{home}/local-key')",
        "SELECT * FROM glob('/**')",
        "SELECT * FROM _series",
        "SELECT * FROM account",
        "SELECT * FROM duckdb_settings()",
        "SELECT getenv('PATH')",
        "COPY (SELECT 1) TO '{home}/x.csv'",
        "ATTACH '{home}/hanoi/city.db' AS other",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SELECT 1; SELECT 2",
        "PRAGMA database_list",
        "WITH x AS (DELETE FROM entities RETURNING *) SELECT * FROM x",
    ],
)
def test_a_question_reaches_only_its_tables(doors: RunningCity, crowd: Crowd, client: httpx.Client, sql: str) -> None:
    headers = crowd.headers(insider("everybody"))
    answer = client.post("/api/v1/sql", json={"sql": sql.replace("{home}", str(doors.home))}, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert not (doors.home / "x.csv").exists()


def test_no_question_tells_of_what_is_beyond_its_asker(
    crowd: Crowd, client: httpx.Client, planted: dict[str, Thing]
) -> None:
    """By value, by name, by count and by an error that only a hidden row could make."""
    probes = (
        "SELECT * FROM entities",
        "SELECT * FROM latest",
        "SELECT * FROM devices",
        "SELECT * FROM series",
        "SELECT * FROM readings WHERE observed_at > now() - INTERVAL 1 HOUR",
        "SELECT count(*) FROM readings WHERE value IN (422.25, 433.25, 444.25)",
        "SELECT count(*) FROM readings WHERE CASE WHEN value = 433.25 THEN CAST('rival' AS INTEGER) > 0 ELSE false END",
    )
    headers = crowd.headers(_personas(planted)["engineer"])
    for sql in probes:
        answer = client.post("/api/v1/sql", json={"sql": sql, "rows": 100_000}, headers=headers)
        assert answer.status_code == 200, (sql, answer.text)
        for name in ("atk-neighbour", "atk-rival", "atk-secret"):
            assert SHOWS[name].search(answer.text) is None, (sql, name)
        if "count(*)" in sql:
            assert answer.json()["rows"] == [[0]]
        elif "readings" in sql or "latest" in sql:
            assert SHOWS["atk-mine"].search(answer.text)
