"""Boundaries from files and addresses: the right file or a clear problem, never half of one."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import shapely

from dothi.cities import boundaries
from dothi.cities.boundaries import parse, read_source
from dothi.model.city import Ward
from dothi.model.problem import Problem

WARDS = [Ward("00004", "Ba Đình", "phường", 105.8, 21.0), Ward("09931", "Hưng Đạo", "xã", 105.6, 20.9)]
BODY = b'{"type":"FeatureCollection","features":[]}'
SQUARE = [[[105.0, 21.0], [105.1, 21.0], [105.1, 21.1], [105.0, 21.1], [105.0, 21.0]]]


class Site(ThreadingHTTPServer):
    """A web server on loopback that counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Page(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/gone":
            self.send_error(404)
        elif self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(BODY)

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps the test output quiet."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def checksum(content: bytes) -> str:
    return f"#sha256={hashlib.sha256(content).hexdigest()}"


def refused(code: str, source: str, cache: Path) -> Problem:
    with pytest.raises(Problem) as raised:
        read_source(source, cache)
    assert raised.value.code == code
    assert raised.value.detail
    return raised.value


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "wards #1.geojson"
    file.write_bytes(BODY)
    assert read_source(str(file), tmp_path) == BODY


def test_a_missing_file_is_a_clear_problem(tmp_path: Path) -> None:
    assert "nowhere.geojson" in refused("boundaries-missing", str(tmp_path / "nowhere.geojson"), tmp_path).title


def test_an_address_is_fetched_once_and_then_found_without_a_network(tmp_path: Path, site: Site) -> None:
    source = f"{site.address}/wards.geojson{checksum(BODY)}"
    assert read_source(source, tmp_path) == read_source(source, tmp_path) == BODY
    assert site.asked == ["/wards.geojson"]


def test_a_damaged_cache_is_fetched_again(tmp_path: Path, site: Site) -> None:
    source = f"{site.address}/wards.geojson{checksum(BODY)}"
    read_source(source, tmp_path)
    (cached,) = (path for path in tmp_path.rglob("*") if path.is_file())
    cached.write_bytes(BODY[:-1])
    assert read_source(source, tmp_path) == BODY
    assert len(site.asked) == 2


def test_another_file_than_wanted_is_refused_and_not_kept(tmp_path: Path, site: Site) -> None:
    problem = refused("boundaries-checksum", f"{site.address}/wards.geojson{checksum(b'other')}", tmp_path)
    assert hashlib.sha256(BODY).hexdigest() in problem.detail
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("fragment", ["", "#", "#sha256=", "#sha256=abc", "#md5=" + "0" * 64, "#sha256=" + "g" * 64])
def test_an_address_without_a_checksum_is_refused_unasked(tmp_path: Path, site: Site, fragment: str) -> None:
    refused("boundaries-address", f"{site.address}/wards.geojson{fragment}", tmp_path)
    assert site.asked == []


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/x", "file:///etc/passwd", "data://x", "FILE:///etc/passwd"])
def test_only_http_is_fetched(tmp_path: Path, address: str) -> None:
    refused("boundaries-address", address + checksum(BODY), tmp_path)


def test_a_redirect_is_followed(tmp_path: Path, site: Site) -> None:
    assert read_source(f"{site.address}/to?/wards.geojson{checksum(BODY)}", tmp_path) == BODY


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_out_of_http_is_refused(tmp_path: Path, site: Site, target: str) -> None:
    refused("boundaries-unreachable", f"{site.address}/to?{target}{checksum(BODY)}", tmp_path)


def test_what_is_gone_is_a_problem_that_may_pass(tmp_path: Path, site: Site) -> None:
    assert refused("boundaries-unreachable", f"{site.address}/gone{checksum(BODY)}", tmp_path).status == 503


def test_nobody_there_is_a_problem_that_may_pass(tmp_path: Path, site: Site) -> None:
    with Site() as closed:
        address = closed.address
    refused("boundaries-unreachable", f"{address}/x{checksum(BODY)}", tmp_path)


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "LARGEST", len(BODY) - 1)
    refused("boundaries-too-large", f"{site.address}/wards.geojson{checksum(BODY)}", tmp_path)
    (tmp_path / "file").write_bytes(BODY)
    refused("boundaries-too-large", str(tmp_path / "file"), tmp_path)


def feature(geometry: object, **properties: str) -> dict[str, object]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def collection(*features: object, **extra: str) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features, **extra}).encode()


POLYGON = {"type": "Polygon", "coordinates": SQUARE}


def test_wards_are_found_by_code_and_thanks_are_kept() -> None:
    shapes, attribution = parse(collection(feature(POLYGON, code="00004"), attribution="© Somebody"), WARDS)
    assert list(shapes) == ["00004"]
    assert shapes["00004"].area == pytest.approx(0.01)
    assert attribution == "© Somebody"


def test_an_id_serves_as_code() -> None:
    shapes, _ = parse(collection({"type": "Feature", "id": "00004", "properties": {}, "geometry": POLYGON}), WARDS)
    assert list(shapes) == ["00004"]


def test_a_code_nobody_knows_is_found_by_name_another_provinces_is_not() -> None:
    body = collection(feature(POLYGON, code="00931", fullName="Xã Hưng Đạo"))
    assert list(parse(body, WARDS)[0]) == ["09931"]
    with pytest.raises(Problem, match="no ward of this city"):
        parse(body, WARDS, elsewhere={"00931"})


def test_parts_of_a_ward_are_joined_and_3d_points_are_flattened() -> None:
    island = {"type": "MultiPolygon", "coordinates": [[[[x + 1, y, 5.0] for x, y in SQUARE[0]]]]}
    shapes, _ = parse(collection(feature(POLYGON, code="00004"), feature(island, code="00004")), WARDS)
    assert shapes["00004"].area == pytest.approx(0.02)
    assert not shapely.has_z(shapes["00004"])


def test_a_broken_ring_is_mended() -> None:
    bow = {"type": "Polygon", "coordinates": [[[105.0, 21.0], [105.1, 21.1], [105.1, 21.0], [105.0, 21.1], [105.0, 21.0]]]}
    shapes, _ = parse(collection(feature(bow, code="00004")), WARDS)
    assert shapes["00004"].is_valid
    assert shapes["00004"].area == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "GeoJSON"),
        (b"\xff\xfe", "GeoJSON"),
        (b"<html>", "GeoJSON"),
        (b"[]", "GeoJSON"),
        (b'{"features": 3}', "GeoJSON"),
        (collection(feature(None, code="00004")), "GeoJSON"),
        (collection(feature({"type": "Point", "coordinates": [1, 2]}, code="00004")), "Point"),
        (collection(feature({"type": "Polygon", "coordinates": []}, code="00004")), "GeoJSON"),
        (collection(feature({"type": "Polygon", "coordinates": [[[1, 2], [3]]]}, code="00004")), "GeoJSON"),
        (collection(feature({"type": "Polygon", "coordinates": [[["a", "b"]]]}, code="00004")), "GeoJSON"),
        (collection(feature({"type": "MultiPolygon", "coordinates": [[]]}, code="00004")), "GeoJSON"),
        (
            collection(
                feature(
                    {"type": "Polygon", "coordinates": [[[587e3, 2325e3], [588e3, 2325e3], [588e3, 2326e3]]]}, code="00004"
                )
            ),
            "EPSG:4326",
        ),
    ],
)
def test_what_is_no_collection_of_wards_is_a_clear_problem(body: bytes, why: str) -> None:
    with pytest.raises(Problem, match=why) as raised:
        parse(body, WARDS)
    assert raised.value.code == "boundaries-unreadable"


def test_boundaries_of_another_place_are_a_clear_problem() -> None:
    with pytest.raises(Problem) as raised:
        parse(collection(feature(POLYGON, code="77777", name="Nơi khác")), WARDS)
    assert raised.value.code == "boundaries-elsewhere"
