"""Hanoi as it is: runs where the real data lie beside the checkout or DOTHI_DATA names them."""

import os
from collections import Counter
from pathlib import Path
from time import process_time

import numpy as np
import pytest
import shapely

from dothi.cities import load_city
from dothi.cities.basemap import prepare_basemap
from dothi.model.city import City

DATA = Path(os.environ.get("DOTHI_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data" / "hanoi")
pytestmark = pytest.mark.skipif(
    not (DATA / "boundaries" / "wards.geojson").is_file(), reason="no real data of Hanoi at hand"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def hanoi(cache: Path) -> City:
    return load_city("01", DATA, None, cache)


def test_all_126_units_have_their_boundaries_and_people(hanoi: City) -> None:
    assert Counter(ward.kind for ward in hanoi.wards) == {"phường": 51, "xã": 75}
    assert not hanoi.approximate
    assert sum(ward.population or 0 for ward in hanoi.wards) == 8_439_367
    assert hanoi.by_code["09931"].population == 49_357  # the population table knows it by another code


def test_old_communes_lead_to_todays_wards(hanoi: City) -> None:
    assert {(found.ward.name, found.former) for found in hanoi.find("kim ma")} == {
        ("Ba Đình", "Phường Kim Mã"),
        ("Ngọc Hà", "Phường Kim Mã"),
        ("Giảng Võ", "Phường Kim Mã"),
    }
    assert hanoi.find("hoa lac")[0].ward.name == "Hòa Lạc"  # the boundaries spell it Hoà Lạc


def test_points_fall_where_every_shape_says_and_fast(hanoi: City) -> None:
    west, south, east, north = hanoi.bounds
    points = np.random.default_rng(1).uniform((west, south), (east, north), (4000, 2))
    tree = shapely.STRtree(hanoi.shapes)
    expected = np.full(len(points), len(hanoi.wards))
    asked, covering = tree.query(shapely.points(points), predicate="intersects")
    np.minimum.at(expected, asked, covering)
    expected[expected == len(hanoi.wards)] = -1
    assert hanoi.locate_many(points[:, 0], points[:, 1]).tolist() == expected.tolist()
    pairs = points.tolist()
    began = process_time()
    found = [hanoi.locate(x, y) for x, y in pairs]
    each = (process_time() - began) / len(pairs)
    assert [hanoi.wards.index(ward) if ward else -1 for ward in found] == expected.tolist()
    assert each < 20e-6  # measured 1.3 µs


def test_the_ground_is_small_and_complete(hanoi: City, cache: Path) -> None:
    ground = prepare_basemap(hanoi, DATA, cache)
    assert {name: len(layer) // 1000 for name, layer in ground.layers.items()} == {
        "wards": pytest.approx(200, abs=50),
        "roads-main": pytest.approx(86, abs=50),
        "roads-minor": pytest.approx(316, abs=100),
        "water": pytest.approx(3, abs=3),
    }
    assert "OpenStreetMap contributors (ODbL)" in ground.attribution
