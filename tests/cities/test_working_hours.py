"""Working hours as a pack or a city's own file says them, and what is wrong with those that are none."""

from datetime import date, time
from pathlib import Path

import pytest

from dothi.cities.load import load_city
from dothi.cities.pack import read_pack
from dothi.cities.units import read_country
from dothi.cities.working_hours import Hours, check_promises, read_working_hours, working_time_of
from dothi.model.problem import Problem

PACK = read_pack(read_country().province("01"))
OWN = """
[working_time]
monday = ["07:30-11:30"]
saturday = ["22:00-24:00"]

[[working_time.holidays]]
first = 2027-02-05
last = 2027-02-09
title = { vi = "Tết", en = "Tet" }

[[working_time.instead]]
day = 2027-02-06
hours = ["08:00-12:00"]
"""


def test_every_province_knows_its_working_hours_and_days_off() -> None:
    office = working_time_of(PACK.working_time, PACK.time_zone)
    assert office.spans(date(2026, 11, 20)) == ((time(8), time(12)), (time(13), time(17)))
    assert office.spans(date(2026, 11, 22)) == ()
    assert set(PACK.working_time.yearly) == {"01-01", "04-30", "05-01", "09-02"}
    for province in read_country().provinces.values():
        pack = read_pack(province)
        check_promises(working_time_of(pack.working_time, pack.time_zone), pack.promises)


def test_a_file_that_tells_the_years_days_off_leaves_the_week_and_the_fixed_ones(tmp_path: Path) -> None:
    file = tmp_path / "tet.toml"
    file.write_text(OWN[OWN.index("[[working_time.holidays]]") :])
    office = load_city("01", None, None, tmp_path / "cache", file).working_time
    assert office.spans(date(2027, 2, 4)) == ((time(8), time(12)), (time(13), time(17)))
    assert office.spans(date(2027, 2, 5)) == office.spans(date(2027, 9, 2)) == ()
    assert office.spans(date(2027, 2, 6)) == ((time(8), time(12)),)
    file.write_text("[working_time]\nmonday = ['07:30-11:30']\n[working_time.yearly]\n")
    office = load_city("01", None, None, tmp_path / "cache", file).working_time
    assert office.spans(date(2026, 11, 24)) == () and office.spans(date(2029, 1, 1)) == ((time(7, 30), time(11, 30)),)


def test_a_citys_own_file_stands_in_for_the_packs_hours_and_leaves_its_promises(tmp_path: Path) -> None:
    file = tmp_path / "hours.toml"
    file.write_text(OWN)
    city = load_city("25", None, None, tmp_path / "cache", file)
    assert city.working_time.spans(date(2027, 2, 1)) == ((time(7, 30), time(11, 30)),)
    assert city.working_time.spans(date(2027, 2, 8)) == ()
    assert city.working_time.spans(date(2027, 2, 6)) == ((time(8), time(12)),)
    assert city.working_time.spans(date(2027, 2, 13)) == ((time(22), time()),)
    holiday = city.working_time.holiday(date(2027, 2, 5))
    assert holiday is not None
    assert holiday.en == "Tet"
    assert city.promises == PACK.promises


@pytest.mark.parametrize(
    "said",
    [
        '[working_time]\nmonday = ["8 to 12"]',
        '[working_time]\nmonday = ["08:00-08:01"]\n'  # forty hours would take decades
        '[[promises]]\nstep = "handle"\nhours = 40\nworking = true\nsource = { vi = "x", en = "x" }',
        '[[promises]]\nstep = "accept"\nhours = 1\nworking = true\nsource = { vi = "x", en = "x" }\n'
        '[[promises]]\nstep = "accept"\nhours = 2\nworking = true\nsource = { vi = "x", en = "x" }\norigins = ["report"]',
        '[working_time]\nmonday = ["12:00-08:00"]',
        '[working_time]\nmonday = ["08:00-12:00", "11:00-13:00"]',
        '[working_time]\nmonday = ["08:00-24:00", "13:00-17:00"]',
        "[working_time]",
        '[working_time]\nmonday = ["08:00-12:00"]\nyearly = { "13-01" = { vi = "x", en = "x" } }',
        '[working_time]\nmonday = ["08:00-12:00"]\n[[working_time.holidays]]\nfirst = 2027-02-09\nlast = 2027-02-05\n'
        'title = { vi = "x", en = "x" }',
        '[[promises]]\nstep = "accept"\nhours = 0\nworking = true\nsource = { vi = "x", en = "x" }',
        "close_after_days = -1",
        "[hours]",
        "not TOML",
    ],
)
def test_what_are_no_hours_is_said_with_the_file(tmp_path: Path, said: str) -> None:
    file = tmp_path / "hours.toml"
    file.write_text(said)
    with pytest.raises(Problem, match=r"hours\.toml") as raised:
        read_working_hours(file, Hours(), (), 7)
    assert raised.value.code == "bad-working-time"


def test_the_guides_example_is_a_file_that_can_be_used(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "working-hours.md").read_text(encoding="utf-8")
    file = tmp_path / "hours.toml"
    file.write_text(guide.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    hours, promises, days = read_working_hours(file, Hours(), (), 7)
    office = working_time_of(hours, "Asia/Ho_Chi_Minh")
    assert [bool(office.spans(date(2030, 2, day))) for day in (1, 4, 7, 9)] == [True, False, True, True]
    assert [(one.step, one.hours) for one in promises] == [("accept", 8), ("handle", 24)]
    assert days == 10
    file.write_text("[[promises]]\n" + file.read_text(encoding="utf-8").partition("[[promises]]")[2], encoding="utf-8")
    assert read_working_hours(file, hours, (), 7)[::2] == (hours, 7)


def test_a_file_that_is_not_there_is_said_too(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="says no working hours"):
        read_working_hours(tmp_path / "none.toml", Hours(), (), 7)
