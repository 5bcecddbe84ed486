"""The map's ground: small, sound GeoJSON that says what it is and whom to thank."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import shapely

from dothi.cities import basemap, load_city
from dothi.cities.basemap import OPENSTREETMAP, Basemap, mended, prepare_basemap
from dothi.model.city import City

ROADS = [
    ("primary", "Đường Láng", [[105.80, 21.00], [105.81, 21.01]]),
    ("primary", "Đường Láng", [[105.81, 21.01], [105.82, 21.0]]),
    ("motorway_link", None, [[105.80, 21.02], [105.81, 21.02]]),
    ("tertiary", "Nơi xa", [[108.0, 15.0], [108.1, 15.0]]),
    ("residential", "Ngõ 1", [[105.80, 21.03], [105.8000001, 21.03], [105.81, 21.03]]),
    ("footway", None, [[105.80, 21.03], [105.81, 21.03]]),
]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return load_city("01", None, None, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "roads").mkdir(parents=True)
    (folder / "places").mkdir()
    roads = [
        {
            "type": "Feature",
            "properties": {"osm_id": 1, "highway": kind, "name": name},
            "geometry": {"type": "LineString", "coordinates": line},
        }
        for kind, name, line in ROADS
    ]
    packed = gzip.compress(json.dumps({"type": "FeatureCollection", "features": roads}).encode())
    (folder / "roads" / "roads.geojson.gz").write_bytes(packed)
    ring = [[105.85, 21.03], [105.86, 21.03], [105.86, 21.04], [105.85, 21.03]]
    lake = {
        "type": "Feature",
        "properties": {"type": "water", "name": "Hồ Tây".encode().decode("latin-1")},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (folder / "places" / "water_and_green_hoan_kiem.geojson").write_text(json.dumps({"features": [lake]}), encoding="utf-8")
    return folder


def opened(ground: Basemap, name: str) -> dict[str, Any]:
    packed = ground.layer(name)
    assert packed is not None
    content: dict[str, Any] = json.loads(gzip.decompress(packed))
    assert content["type"] == "FeatureCollection"
    return content


def test_without_data_there_are_wards_that_say_they_are_approximate(city: City, tmp_path: Path) -> None:
    ground = prepare_basemap(city, None, tmp_path)
    wards = opened(ground, "wards")
    assert wards["properties"] == {"city": "01", "approximate": True, "attribution": city.source}
    assert [ground.layer(name) for name in ("roads-main", "roads-minor", "water", "districts")] == [None] * 4
    assert ground.attribution == city.source


def test_every_ward_is_drawn_with_the_place_for_its_name(city: City, tmp_path: Path) -> None:
    features = opened(prepare_basemap(city, None, tmp_path), "wards")["features"]
    assert [feature["properties"]["code"] for feature in features] == [ward.code for ward in city.wards]
    for feature, shape in zip(features, city.shapes, strict=True):
        drawn = shapely.geometry.shape(feature["geometry"])
        assert drawn.is_valid
        assert shapely.intersects_xy(shape, *feature["properties"]["label"])
        assert drawn.symmetric_difference(shape).area < 0.02 * shape.area
        assert all(round(part, 5) == part for pair in shapely.get_coordinates(drawn).tolist() for part in pair)
    assert features[0]["properties"] | {"label": None} == {
        "code": "00004",
        "name": "Ba Đình",
        "kind": "phường",
        "label": None,
    }


def test_neighbours_keep_one_common_line(city: City, tmp_path: Path) -> None:
    features = opened(prepare_basemap(city, None, tmp_path), "wards")["features"]
    drawn = [shapely.geometry.shape(feature["geometry"]) for feature in features]
    whole = shapely.union_all(drawn)
    assert sum(shape.area for shape in drawn) == pytest.approx(whole.area, rel=1e-5)
    largest = max(shapely.get_parts(whole), key=shapely.area)
    holes = sum(shapely.Polygon(ring).area for ring in largest.interiors)
    assert holes < 1e-5 * whole.area


def test_roads_are_joined_by_name_and_class(city: City, data: Path, tmp_path: Path) -> None:
    ground = prepare_basemap(city, data, tmp_path / "cache")
    main, minor = opened(ground, "roads-main"), opened(ground, "roads-minor")
    assert [feature["properties"] for feature in main["features"]] == [
        {"class": "motorway", "link": True},
        {"class": "primary", "name": "Đường Láng"},
    ]
    assert main["features"][1]["geometry"]["coordinates"] == [[105.8, 21.0], [105.81, 21.01], [105.82, 21.0]]
    assert [feature["properties"] for feature in minor["features"]] == [{"class": "residential", "name": "Ngõ 1"}]
    assert minor["features"][0]["geometry"]["coordinates"] == [[105.8, 21.03], [105.81, 21.03]]
    assert main["properties"]["attribution"] == OPENSTREETMAP
    assert ground.attribution == f"{city.source}; {OPENSTREETMAP}"


def test_water_has_its_kind_and_its_mended_name(city: City, data: Path, tmp_path: Path) -> None:
    (lake,) = opened(prepare_basemap(city, data, tmp_path / "cache"), "water")["features"]
    assert lake["properties"] == {"kind": "water", "name": "Hồ Tây"}


def test_another_citys_roads_are_no_layer(data: Path, tmp_path: Path) -> None:
    far = load_city("96", None, None, tmp_path / "cache")
    ground = prepare_basemap(far, data, tmp_path / "cache")
    assert set(ground.layers) == {"wards"}
    assert ground.attribution == far.source


@pytest.mark.parametrize(
    "content",
    [b"", b"not gzip", gzip.compress(b"{")[:-3], gzip.compress(b"{"), gzip.compress(b'{"features": 1}')],
    ids=["empty", "not gzip", "cut short", "not JSON", "no features"],
)
def test_a_file_that_cannot_be_read_costs_only_its_layers(city: City, data: Path, tmp_path: Path, content: bytes) -> None:
    (data / "roads" / "roads.geojson.gz").write_bytes(content)
    ground = prepare_basemap(city, data, tmp_path / "cache")
    assert set(ground.layers) == {"wards", "water"}


def test_layers_are_drawn_once_and_again_when_damaged(
    city: City, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare_basemap(city, data, tmp_path / "cache")
    files = sorted((tmp_path / "cache" / "basemap").iterdir())
    assert len(files) == 4
    files[0].write_bytes(files[0].read_bytes()[:-1])
    assert prepare_basemap(city, data, tmp_path / "cache") == first
    for name in ("_wards", "_roads", "_water"):
        monkeypatch.setattr(basemap, name, lambda *_: pytest.fail("drawn again"))
    assert prepare_basemap(city, data, tmp_path / "cache") == first


def test_changed_data_are_drawn_anew(city: City, data: Path, tmp_path: Path) -> None:
    prepare_basemap(city, data, tmp_path / "cache")
    (data / "places" / "water_and_green_hoan_kiem.geojson").write_text('{"features": []}')
    assert prepare_basemap(city, data, tmp_path / "cache").layer("water") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Há»\x93 TÃ¢y", "Hồ Tây"),
        ("Hồ Tây", "Hồ Tây"),
        ("Ho Giam", "Ho Giam"),
        ("Étang", "Étang"),
        ("Ho\u0302\u0300 Ta\u0302y", "Hồ Tây"),
        ("", ""),
    ],
)
def test_names_read_in_the_wrong_alphabet_are_mended(name: str, expected: str) -> None:
    assert mended(name) == expected
