"""Loading a city: real shapes where there are some, honest cells where there are none, and a cache that never lies."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import pytest
import shapely

from dothi.cities import cells, load_city
from dothi.cities.units import SOURCE, read_country
from dothi.model.city import Ward
from dothi.model.problem import Problem

COUNTRY = read_country()
HANOI = COUNTRY.units["01"]


def squares(wards: Sequence[Ward], **extra: str) -> bytes:
    """Boundaries in which every ward is a square of a hundredth of a degree around its centre."""
    features = [
        {
            "type": "Feature",
            "properties": {"code": ward.code, "name": ward.name},
            "geometry": shapely.geometry.mapping(shapely.box(*_around(ward))),
        }
        for ward in wards
    ]
    return json.dumps({"type": "FeatureCollection", "features": features, **extra}).encode()


def _around(ward: Ward) -> tuple[float, float, float, float]:
    x, y = ward.longitude, ward.latitude
    return x - 0.005, y - 0.005, x + 0.005, y + 0.005


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of data as an installation has it: boundaries, people with one wrong code."""
    folder = tmp_path / "data"
    (folder / "boundaries").mkdir(parents=True)
    (folder / "places").mkdir()
    (folder / "boundaries" / "wards.geojson").write_bytes(squares(HANOI))
    rows = [
        f"Hà Nội,{ward.full_name.lower()},{ward.code.replace('09931', '00931')},{1000 + row}"
        for row, ward in enumerate(HANOI)
    ]
    (folder / "places" / "wards_population.csv").write_text(
        "\n".join(["province,ward,code,population", *rows]), encoding="utf-8"
    )
    return folder


@pytest.mark.parametrize(
    ("code", "old", "wards"),
    [
        ("01", "kim ma", {"Phường Ba Đình", "Phường Ngọc Hà", "Phường Giảng Võ"}),
        ("25", "phường gia cẩm", {"Phường Việt Trì"}),
        ("79", "phường tân định", {"Phường Tân Định", "Phường Hòa Lợi"}),
    ],
)
def test_old_communes_lead_to_todays_wards_in_every_province(tmp_path: Path, code: str, old: str, wards: set[str]) -> None:
    found = [one for one in load_city(code, None, None, tmp_path).find(old) if one.exact]
    assert {one.ward.full_name for one in found} == wards
    assert all(one.former is None or one.district for one in found)


def test_without_data_a_city_is_made_of_cells_and_says_so(tmp_path: Path) -> None:
    city = load_city("01", None, None, tmp_path)
    assert (city.code, city.slug, city.title.vi, len(city.wards)) == ("01", "hanoi", "Hà Nội", 126)
    assert city.approximate
    assert city.source == SOURCE
    for ward in city.wards:
        assert city.locate(ward.longitude, ward.latitude) == ward
    assert city.locate(106.68, 20.86) is None  # Hải Phòng
    assert city.search("phuong ba dinh")[0].code == "00004"


@pytest.mark.parametrize("code", ["25", "56", "79"])
def test_any_province_works(tmp_path: Path, code: str) -> None:
    city = load_city(code, None, None, tmp_path)
    assert len(city.wards) == len(COUNTRY.units[code])
    assert city.approximate
    assert city.locate(city.wards[0].longitude, city.wards[0].latitude) == city.wards[0]


def test_real_boundaries_and_people_come_from_the_data_folder(tmp_path: Path, data: Path) -> None:
    city = load_city("01", data, None, tmp_path / "cache")
    assert not city.approximate
    assert city.source == "boundaries/wards.geojson"
    assert all(
        shapely.equals(shape, shapely.box(*_around(ward))) for ward, shape in zip(city.wards, city.shapes, strict=True)
    )
    assert [ward.population for ward in city.wards] == [1000 + row for row in range(126)]


def test_a_boundaries_setting_goes_before_the_data_folder(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "mine.geojson"
    file.write_bytes(squares(HANOI, attribution="© Mine"))
    assert load_city("01", data, str(file), tmp_path / "cache").source == "© Mine"


def test_wards_without_boundaries_get_their_cell_and_the_city_is_approximate(tmp_path: Path) -> None:
    file = tmp_path / "some.geojson"
    file.write_bytes(squares(HANOI[1:]))
    city = load_city("01", None, str(file), tmp_path / "cache")
    assert city.approximate
    assert str(file) in city.source
    assert SOURCE in city.source
    assert city.shapes[0].area > 0
    assert shapely.equals(city.shapes[1], shapely.box(*_around(HANOI[1])))


def test_another_citys_data_folder_is_left_alone(tmp_path: Path, data: Path) -> None:
    city = load_city("25", data, None, tmp_path / "cache")
    assert (city.slug, len(city.wards), city.approximate) == ("phutho", 148, True)
    assert all(ward.population is None for ward in city.wards)


def test_boundaries_that_were_asked_for_must_fit(tmp_path: Path, data: Path) -> None:
    with pytest.raises(Problem, match="no ward of this city"):
        load_city("25", None, str(data / "boundaries" / "wards.geojson"), tmp_path / "cache")


def test_broken_boundaries_of_the_data_folder_are_not_passed_over(tmp_path: Path, data: Path) -> None:
    (data / "boundaries" / "wards.geojson").write_text("{")
    with pytest.raises(Problem) as raised:
        load_city("01", data, None, tmp_path / "cache")
    assert raised.value.code == "boundaries-unreadable"


def test_a_wrong_code_lists_the_valid_ones(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="01 Hà Nội"):
        load_city("00", None, None, tmp_path)


@pytest.mark.parametrize("table", ["", "ward\n", "code,ward,population\n00004,phường Ba Đình,many\n", "\x00\x01"])
def test_a_population_that_is_none_leaves_the_wards_without(tmp_path: Path, data: Path, table: str) -> None:
    (data / "places" / "wards_population.csv").write_text(table)
    assert all(ward.population is None for ward in load_city("01", data, None, tmp_path / "cache").wards)


def kept_files(cache: Path) -> list[Path]:
    return sorted((cache / "cities").iterdir())


def test_cells_are_worked_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_city("01", None, None, tmp_path)
    monkeypatch.setattr(cells, "cells_around", lambda *_: pytest.fail("worked out again"))
    again = load_city("01", None, None, tmp_path)
    assert [shape.wkb for shape in first.shapes] == [shape.wkb for shape in again.shapes]


def test_a_damaged_cache_is_made_again(tmp_path: Path, data: Path) -> None:
    first = load_city("01", data, None, tmp_path / "cache")
    (file,) = kept_files(tmp_path / "cache")
    before = hashlib.sha256(file.read_bytes()).digest()
    file.write_bytes(file.read_bytes()[:-100])
    again = load_city("01", data, None, tmp_path / "cache")
    assert [shape.wkb for shape in first.shapes] == [shape.wkb for shape in again.shapes]
    assert hashlib.sha256(file.read_bytes()).digest() == before


def test_changed_boundaries_are_not_served_from_the_cache(tmp_path: Path, data: Path) -> None:
    load_city("01", data, None, tmp_path / "cache")
    (data / "boundaries" / "wards.geojson").write_bytes(squares(HANOI, attribution="© New"))
    assert load_city("01", data, None, tmp_path / "cache").source == "© New"
    assert len(kept_files(tmp_path / "cache")) == 2


def test_a_city_is_there_in_a_moment(tmp_path: Path) -> None:
    """1.5 s is the budget; a first load takes 0.2 s. Processor time, so that a busy machine does not fail it."""
    began = process_time()
    load_city("79", None, None, tmp_path)
    assert process_time() - began < 1.5
