"""Every @context of a city: from files, tables of its own, what it hosts, and hosts that a setting names."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from dothi.access.policy import STRANGER, SYSTEM
from dothi.api.ngsild.contexts import store
from dothi.api.ngsild.contexts.bundled import CORE_URL
from dothi.api.ngsild.contexts.store import HOSTED, ContextStore
from dothi.api.ngsild.contexts.term_map import CITY_PATH, RELATION, Contexts, link_header, linked
from dothi.data.terms import CORE, DEFAULT_CONTEXT
from dothi.data.writer import Writer
from dothi.model.problem import Problem
from dothi.store.database import Database, migrate
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city

ENVIRONMENT = "https://raw.githubusercontent.com/smart-data-models/dataModel.Environment/master/context.jsonld"
LAMP = {"Lamp": "https://e.example/Lamp"}


class Kept:
    """The contexts of a city in a folder; opened again they are those of the city that starts again."""

    def __init__(self, folder: Path) -> None:
        self.database: Database = open_city(folder)
        migrate(self.database)
        self.clock = FixedClock(datetime(2026, 5, 14, tzinfo=UTC))

    def open(self, files: Path | None = None, hosts: str = "") -> Contexts:
        if hasattr(self, "writer"):
            self.writer.close()
        self.writer = Writer(self.database, locate=lambda _x, _y: None)
        return Contexts(
            ContextStore(self.database, self.writer, self.clock, files, hosts), {"pm25": "https://e.example/pm25"}
        )

    def close(self) -> None:
        self.writer.close()
        self.database.close()


@pytest.fixture
def kept(tmp_path: Path, homes: object) -> Iterator[Kept]:
    one = Kept(tmp_path)
    one.open()
    yield one
    one.close()


@contextmanager
def server(documents: dict[str, bytes]) -> Iterator[str]:
    """A web server on loopback with ``documents`` by path; what it lacks it does not find."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = documents.get(self.path)
            self.send_response(404 if body is None else 302 if body == b"" else 200)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()


def test_what_stands_beside_needs_no_network(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "lamp.jsonld").write_bytes(msgspec.json.encode({"@context": [LAMP, CORE_URL]}))
    (tmp_path / "map.json").write_bytes(
        msgspec.json.encode({"https://e.example/lamp.jsonld": "lamp.jsonld", "https://e.example/gone.jsonld": "gone.jsonld"})
    )
    contexts = kept.open(tmp_path / "map.json")
    lamp = contexts.of("https://e.example/lamp.jsonld")
    assert lamp.expand("Lamp") == LAMP["Lamp"]
    assert lamp.document == "https://e.example/lamp.jsonld"
    assert contexts.of(ENVIRONMENT).expand("pm25") == "https://smartdatamodels.org/dataModel.Environment/pm25"
    assert contexts.of([ENVIRONMENT]).document == [ENVIRONMENT, CORE_URL]
    assert contexts.of([ENVIRONMENT, CORE_URL]).link == ENVIRONMENT
    assert contexts.of(CORE_URL).link == CORE_URL
    assert contexts.of("https://e.example/lamp.jsonld") is lamp
    for gone in ("https://e.example/gone.jsonld", "https://nobody.example/x.jsonld"):
        with pytest.raises(Problem) as missing:
            contexts.of([LAMP, gone])
        assert (missing.value.status, missing.value.code) == (504, "context-not-available")
        assert gone in missing.value.title


def test_strangers_get_the_citys_own_names(kept: Kept) -> None:
    contexts = kept.open()
    assert asyncio.run(contexts.resolve_link(None)) is contexts.city
    assert asyncio.run(contexts.resolve_link('<https://x.example>; rel="next"')) is contexts.city
    assert (contexts.city.link, contexts.city.expand("pm25")) == (CITY_PATH, "https://e.example/pm25")
    assert contexts.core.expand("pm25") == DEFAULT_CONTEXT + "pm25"
    assert contexts.core.compact(CORE + "location") == "location"


@pytest.mark.parametrize(
    ("header", "target"),
    [
        (None, None),
        ("", None),
        (link_header("https://e.example/a", ""), "https://e.example/a"),
        (link_header("/a", "http://here:1/"), "http://here:1/a"),
        ("<urn:a>; rel=http://www.w3.org/ns/json-ld#context", "urn:a"),
        ('<urn:b>; rel="next", <urn:a>; rel="http://www.w3.org/ns/json-ld#context"', "urn:a"),
        ('<urn:b>; rel="next"; title="json-ld"', None),
    ],
)
def test_which_context_a_link_header_names(header: str | None, target: str | None) -> None:
    assert linked(header) == target


def test_two_contexts_in_links_are_refused() -> None:
    with pytest.raises(Problem, match="two"):
        linked(link_header("urn:a", "") + ", " + link_header("urn:b", ""))


@pytest.mark.parametrize("target", ["urn:a", "<urn:a", "urn:a>", ""])
def test_a_link_to_a_context_that_cannot_be_read_is_refused(target: str) -> None:
    with pytest.raises(Problem, match="cannot be read"):
        linked(f'{target}; rel="{RELATION}"')


def test_only_hosts_that_are_named_are_asked_and_once(kept: Kept) -> None:
    documents = {
        "/lamp.jsonld": msgspec.json.encode({"@context": LAMP}),
        "/none.jsonld": b'{"note": 1}',
        "/broken.jsonld": b"{",
        "/moved.jsonld": b"",
        "/large.jsonld": b" " * (store.LARGEST + 1),
    }
    with server(documents) as base:
        url = f"{base}/lamp.jsonld"
        with pytest.raises(Problem, match="DOTHI_CONTEXT_HOSTS"):
            asyncio.run(kept.open().resolve(url))
        contexts = kept.open(hosts="other.example, 127.0.0.1")
        terms = asyncio.run(contexts.resolve([url, {"x": "urn:x"}]))
        assert terms.expand("Lamp") == LAMP["Lamp"]
        for name, status in [("none", 400), ("broken", 400), ("moved", 504), ("large", 504), ("missing", 504)]:
            with pytest.raises(Problem) as failed:
                asyncio.run(contexts.resolve(f"{base}/{name}.jsonld"))
            assert failed.value.status == status, name
    again = kept.open()  # the city starts again, without a network
    assert again.of(url).expand("Lamp") == LAMP["Lamp"]
    entry = again.store.find(url)
    assert entry is not None
    assert (entry.kind, entry.url) == ("Cached", url)
    with pytest.raises(Problem) as failed:
        asyncio.run(again.store.reload(entry))
    assert failed.value.status == 504
    assert again.store.find(url) == entry


def test_reloading_reads_again(kept: Kept) -> None:
    documents = {"/a.jsonld": msgspec.json.encode({"@context": {"a": "urn:old"}})}
    with server(documents) as base:
        contexts = kept.open(hosts=base.removeprefix("http://"))
        url = f"{base}/a.jsonld"
        assert asyncio.run(contexts.resolve(url)).expand("a") == "urn:old"
        documents["/a.jsonld"] = msgspec.json.encode({"@context": {"a": "urn:new"}})
        entry = contexts.store.find(url)
        assert entry is not None
        asyncio.run(contexts.store.reload(entry))
        assert contexts.of(url).expand("a") == "urn:old"
        contexts.forget(entry)
        assert contexts.of(url).expand("a") == "urn:new"


def test_what_is_hosted_stays(kept: Kept) -> None:
    contexts = kept.open()
    entry = asyncio.run(contexts.store.add(SYSTEM, LAMP, "c"))
    assert entry.url == HOSTED + entry.local_id
    for where in (entry.url, "http://localhost:9090" + entry.url, "https://city.example" + entry.url):
        assert contexts.of(where).expand("Lamp") == LAMP["Lamp"]
    again = kept.open()
    assert again.of(entry.url).expand("Lamp") == LAMP["Lamp"]
    asyncio.run(again.store.delete(SYSTEM, entry, "c"))
    again.forget(entry)
    for contexts in (again, kept.open()):
        with pytest.raises(Problem) as gone:
            contexts.of(entry.url)
        assert gone.value.status == 504


def test_only_who_may_write_contexts_does(kept: Kept) -> None:
    contexts = kept.open()
    entry = asyncio.run(contexts.store.add(SYSTEM, LAMP, "c"))
    for refused in (contexts.store.add(STRANGER, LAMP, "c"), contexts.store.delete(STRANGER, entry, "c")):
        with pytest.raises(Problem) as forbidden:
            asyncio.run(refused)
        assert forbidden.value.status == 403
    assert contexts.store.listed("Hosted") == [entry]


def test_what_was_sent_has_an_address_and_stays_if_it_is_kept(kept: Kept) -> None:
    contexts = kept.open()
    terms = contexts.of([LAMP, {"a": "urn:a"}])
    assert terms.document == [LAMP, {"a": "urn:a"}, CORE_URL]
    local_id = terms.link.removeprefix(HOSTED)
    assert contexts.inline(local_id) is terms
    assert contexts.store.listed("ImplicitlyCreated") == []
    assert asyncio.run(contexts.keep(terms)) == terms.link
    assert asyncio.run(contexts.keep(contexts.city)) == CITY_PATH
    again = kept.open()
    assert again.of(f"http://here{terms.link}").expand("a") == "urn:a"
    assert [one.kind for one in again.store.listed("ImplicitlyCreated")] == ["ImplicitlyCreated"]


def test_there_are_bounds(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST", 2)
    contexts = kept.open()

    async def fill() -> None:
        for _ in range(3):
            await contexts.store.add(SYSTEM, LAMP, "c")

    with pytest.raises(Problem) as full:
        asyncio.run(fill())
    assert full.value.status == 507
    documents = {f"/{n}": msgspec.json.encode({"@context": {"n": f"urn:{n}"}}) for n in range(3)}
    with server(documents) as base:
        contexts = kept.open(hosts="127.0.0.1")
        for n in range(3):
            kept.clock.advance(timedelta(seconds=1))
            asyncio.run(contexts.resolve(f"{base}/{n}"))
    assert [one.url for one in kept.open().store.listed("Cached")][1:] == [f"{base}/1", f"{base}/2"]
    assert len(contexts.store.listed("Hosted")) == 2


@pytest.mark.parametrize("content", [None, "[]", '{"a": 1}', "{"])
def test_a_map_of_contexts_that_is_none_stops_the_start(kept: Kept, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "map.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Problem, match="DOTHI_CONTEXTS"):
        kept.open(path)
