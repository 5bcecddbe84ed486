"""The country's units: counts that must not drift, and a data file that is what the script makes."""

import gzip
import importlib.util
import sys
from collections import Counter
from importlib.metadata import distribution
from pathlib import Path

import pytest

from dothi.cities.units import SOURCE, Country, read_country
from dothi.model.problem import Problem

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "src" / "dothi" / "cities" / "data"


@pytest.fixture(scope="module")
def country() -> Country:
    return read_country()


def test_the_country_has_its_provinces_and_units(country: Country) -> None:
    assert len(country.provinces) == 34
    everything = [unit for units in country.units.values() for unit in units]
    assert len(everything) == len({unit.code for unit in everything}) == 3321
    assert Counter(unit.kind for unit in everything) == {"xã": 2621, "phường": 687, "đặc khu": 13}
    assert all(country.units[code] for code in country.provinces)


def test_hanoi_has_126_units(country: Country) -> None:
    assert Counter(unit.kind for unit in country.units["01"]) == {"phường": 51, "xã": 75}
    ba_dinh = country.units["01"][0]
    assert (ba_dinh.code, ba_dinh.full_name, ba_dinh.name_en) == ("00004", "Phường Ba Đình", "Ba Dinh")
    assert (ba_dinh.longitude, ba_dinh.latitude, ba_dinh.area_km2) == (105.838, 21.0386, 2.97)


def test_phu_tho_has_148_units(country: Country) -> None:
    assert len(country.units["25"]) == 148
    assert country.provinces["25"].name == "Phú Thọ"


def test_kinds_follow_the_name_where_the_source_disagrees_with_itself(country: Country) -> None:
    kinds = {unit.code: unit.kind for units in country.units.values() for unit in units}
    assert {code: kinds[code] for code in ("10543", "11848", "31213", "31299")} == {
        "10543": "phường",
        "11848": "xã",
        "31213": "phường",
        "31299": "xã",
    }


def test_every_centre_lies_in_vietnam_and_unknown_areas_are_none(country: Country) -> None:
    everything = [unit for units in country.units.values() for unit in units]
    assert all(102 < unit.longitude < 115 and 8 < unit.latitude < 24 for unit in everything)
    assert all(unit.area_km2 is None or unit.area_km2 > 0.5 for unit in everything)
    assert {unit.code for unit in everything if unit.area_km2 is None} == {"06187", "19147", "19159", "28435"}


@pytest.mark.parametrize("code", ["99", "1", "", "ha noi", "001"])
def test_a_wrong_code_names_the_valid_ones(country: Country, code: str) -> None:
    with pytest.raises(Problem, match=r"01 Hà Nội, .*25 Phú Thọ") as raised:
        country.province(code)
    assert raised.value.code == "unknown-city"
    assert repr(code) in raised.value.title


def test_the_files_are_what_the_script_makes() -> None:
    path = ROOT / "scripts" / "extract_units.py"
    spec = importlib.util.spec_from_file_location("extract_units", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    dataset = Path(str(distribution(script.PACKAGE).locate_file(script.DATASET)))
    provinces, units = script.extract(dataset)
    assert (DATA / "provinces.csv").read_text(encoding="utf-8") == provinces
    assert gzip.decompress((DATA / "units.csv.gz").read_bytes()).decode() == units
    former = script.extract_former(dataset, Path(str(distribution(script.PACKAGE).locate_file(script.CHANGES))))
    assert gzip.decompress((DATA / "former.csv.gz").read_bytes()).decode() == former
    assert "vietnamadminunits" not in sys.modules


def test_the_data_say_where_they_come_from_and_stay_small() -> None:
    version = distribution("vietnamadminunits").version
    assert f"vietnamadminunits {version} (MIT)" == SOURCE
    assert f"vietnamadminunits {version}" in (DATA / "README.md").read_text(encoding="utf-8")
    assert "Permission is hereby granted" in (DATA / "LICENSE-vietnamadminunits.txt").read_text(encoding="utf-8")
    assert (DATA / "units.csv.gz").stat().st_size < 200_000
