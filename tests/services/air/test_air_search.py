"""Which place a search on the public page goes to, and what it says of names that are no more."""

from urllib.parse import quote

import pytest
from shapely import Point
from starlette.requests import Request

from dothi.model.city import City, Former, Ward
from dothi.model.text import Text
from dothi.services.air import pages, words

NAMES = (("phường", "Láng"), ("xã", "Láng Hòa"), ("phường", "Vĩnh Láng"), ("phường", "Ba Đình"), ("phường", "Giảng Võ"))
WARDS = [Ward(f"{number:05}", name, kind, 105.8, 21.0) for number, (kind, name) in enumerate(NAMES)]
FORMER = (
    Former("Phường Trúc Bạch", "00003", True),
    Former("Phường Kim Mã", "00003", False),
    Former("Phường Kim Mã", "00004", False),
    Former("Phường Láng", "00004", False),
)
CITY = City("01", "hanoi", Text("Hà Nội", "Hanoi"), WARDS, [Point(105.8, 21.0).buffer(0.1)] * len(WARDS), former=FORMER)


def wanted(query: str) -> tuple[str | None, list[str], str]:
    request = Request({"type": "http", "query_string": query.encode(), "headers": []})
    place, matches, asked = pages._wanted(request, CITY)
    return place.full_name if place else None, [words.former_part(one, "vi") for one in matches], asked


@pytest.mark.parametrize("typed", ["phường láng", "Láng", "p. lang", "lang"])
def test_the_one_whole_name_wins_over_longer_and_former_ones(typed: str) -> None:
    assert wanted(f"q={quote(typed)}")[0] == "Phường Láng"


def test_a_part_of_several_names_asks_which() -> None:
    place, matches, _ = wanted("q=lan")
    assert place is None
    assert len(matches) >= 3


def test_a_former_name_leads_to_its_heir_and_says_so() -> None:
    assert wanted("q=truc+bach")[0] == "Phường Ba Đình"
    (found,) = CITY.find("trúc bạch")
    assert words.former_words(found, "vi") == "Phường Trúc Bạch nay thuộc Phường Ba Đình."
    assert words.former_words(found, "en") == "Phường Trúc Bạch is now in Phường Ba Đình."


def test_a_former_commune_that_was_divided_asks_which_part() -> None:
    place, matches, _ = wanted("q=kim+ma")
    assert place is None
    assert matches == ["một phần Phường Kim Mã cũ"] * 2


def test_a_code_that_is_none_is_said_back() -> None:
    assert wanted("ward=00003") == ("Phường Ba Đình", [], "")
    assert wanted("ward=99999") == (None, [], "99999")
