"""Every door: declares its action, is documented, and says how the city is doing."""

import httpx

from dothi.access.roles import ACTIONS
from dothi.access.routes import declared_actions
from dothi.testing.city import RunningCity, wait_until


def test_every_route_declares_an_action_that_the_policy_knows(city: RunningCity) -> None:
    found = list(declared_actions(city.app.routes))
    assert len(found) > 30
    assert [one for one in found if one.action not in ACTIONS] == []


def test_every_action_is_declared_by_some_route_or_used_beneath(city: RunningCity) -> None:
    declared = {one.action for one in declared_actions(city.app.routes)}
    # Writing entities and the air page's own rights have no door of their own yet; an import is the command line's, and
    # the rules of retention are part of the data page.
    beneath = {"entity.write", "air.read", "city.import", "retention.read"}
    beneath.add("command.approve")  # who approves and who withdraws come through one door
    assert set(ACTIONS) - declared <= beneath


def test_health_says_what_works_and_what_is_shown(client: httpx.Client) -> None:
    assert client.get("/health/live").json() == {"status": "ok"}
    health = client.get("/health").json()
    assert health["works"] == {"journal": True, "database": True, "ingest": True}
    assert (health["simulated"], health["replay"], health["approximate"]) == (True, False, True)
    assert health["accepting"] is True
    assert {"ingest", "dispatch", "watch", "devices"} <= {task["name"] for task in health["tasks"]}


def test_metrics_count_what_happens(client: httpx.Client) -> None:
    def text() -> str:
        return client.get("/metrics").text

    wait_until(lambda: 'route="/metrics"' in text(), "the scrape itself is counted")
    figures = text()
    for name in (
        "dothi_ingest_readings_total",
        "dothi_ingest_commits_total",
        "dothi_journal_lag",
        "dothi_http_seconds_bucket",
        "dothi_quarantine_rows",
        'dothi_devices{state="lobby"}',
        "dothi_sse_clients",
    ):
        assert name in figures, name
    client.get("/api/v1/devices/a-very-peculiar-id")
    assert "a-very-peculiar-id" not in text()


def test_open_streams_are_counted(client: httpx.Client) -> None:
    def streams() -> float:
        line = next(one for one in client.get("/metrics").text.splitlines() if one.startswith("dothi_sse_clients "))
        return float(line.split()[1])

    before = streams()
    with client.stream("GET", "/live") as stream:
        assert stream.status_code == 200
        wait_until(lambda: streams() == before + 1, "the stream is counted")
    wait_until(lambda: streams() == before, "its end is counted")


def test_the_api_is_documented_whole(client: httpx.Client, city: RunningCity) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    documented = set(document["paths"])
    served = {one.path for one in declared_actions(city.app.routes) if one.path.startswith(("/api/", "/ngsi-ld/v1/"))}
    assert served == {path for path in documented if path.startswith(("/api/", "/ngsi-ld/v1/"))}
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            assert "4XX" in operation["responses"]


def test_the_docs_page_needs_no_other_host_and_no_script(client: httpx.Client) -> None:
    page = client.get("/docs?lang=en")
    assert page.status_code == 200
    assert "/api/v1/readings" in page.text
    assert "http://" not in page.text.replace("http://127.0.0.1", "")
    assert "https://" not in page.text
    assert "<script>" not in page.text


def test_a_browser_is_told_in_a_page_a_program_in_json(client: httpx.Client) -> None:
    page = client.get("/nowhere", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert page.headers["x-request-id"] in page.text
    assert client.get("/nowhere").headers["content-type"] == "application/problem+json"


def test_text_is_compressed_for_who_asks(client: httpx.Client) -> None:
    assert client.get("/openapi.json").headers["content-encoding"] == "gzip"
    assert "content-encoding" not in client.get("/openapi.json", headers={"Accept-Encoding": "identity"}).headers
