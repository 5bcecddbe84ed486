"""Places are found by what people type: accents or none, kinds or none, today's names and those of before 2025-07."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.model.gazetteer import Gazetteer, words
from dothi.model.text import fold
from dothi.model.ward import Former, Ward


def ward(code: str, kind: str, name: str) -> Ward:
    return Ward(code, name, kind, 105.8, 21.0, name_en=None)


WARDS = [
    ward("00004", "phường", "Ba Đình"),
    ward("00008", "phường", "Ngọc Hà"),
    ward("00235", "phường", "Văn Miếu - Quốc Tử Giám"),
    ward("00256", "phường", "Đống Đa"),
    ward("00376", "xã", "Sóc Sơn"),
    ward("09556", "phường", "Hà Đông"),
    ward("10279", "xã", "Phượng Dực"),
    ward("00541", "xã", "Ba Vì"),
    ward("99001", "đặc khu", "Lý Sơn"),
]
FORMER = [
    Former("Phường Kim Mã", "00004", whole=False),
    Former("Phường Kim Mã", "00008", whole=True),
    Former("Phường Ngọc Hà", "00004", whole=False),
    Former("Thị trấn Sóc Sơn", "00376", whole=True),
    Former("Xã Ở Nơi Khác", "77777", whole=True),
]
GAZETTEER = Gazetteer(WARDS, FORMER)


def codes(text: str) -> list[str]:
    return [found.ward.code for found in GAZETTEER.find(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Ba Đình",
        "ba dinh",
        "BA ĐÌNH",
        "  ba   dinh ",
        "phuong ba dinh",
        "p. ba dinh",
        "P.Ba Đình",
        "Ba Dinh ward",
        "ward ba dinh",
    ],
)
def test_a_ward_is_found_however_it_is_typed(text: str) -> None:
    assert codes(text)[0] == "00004"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("xa soc son", "00376"),
        ("x. sóc sơn", "00376"),
        ("soc son commune", "00376"),
        ("dong da", "00256"),
        ("quoc tu giam", "00235"),
        ("Văn Miếu–Quốc Tử Giám", "00235"),
        ("ly son", "99001"),
        ("dac khu ly son", "99001"),
        ("Lý Sơn special zone", "99001"),
        ("inh", "00004"),
    ],
)
def test_names(text: str, code: str) -> None:
    assert codes(text)[0] == code


def test_another_kind_is_not_found() -> None:
    assert codes("xa ba dinh") == []


def test_the_whole_name_comes_before_beginnings_and_those_before_parts() -> None:
    assert codes("ba") == ["00541", "00004"]
    assert codes("ha")[:2] == ["09556", "00008"]  # Hà Đông starts with it, Ngọc Hà has it as a word


def test_typing_a_kind_lists_that_kind_after_names_that_start_so() -> None:
    found = codes("phuong")
    assert found[0] == "10279"  # Phượng Dực
    assert set(found[1:]) == {one.code for one in WARDS if one.kind == "phường"}


def test_an_old_name_finds_where_it_went_and_says_so() -> None:
    found = GAZETTEER.find("kim ma")
    assert [(one.ward.code, one.former, one.whole) for one in found] == [
        ("00008", "Phường Kim Mã", True),
        ("00004", "Phường Kim Mã", False),
    ]


def test_todays_name_comes_before_a_former_one() -> None:
    assert [(one.ward.code, one.former) for one in GAZETTEER.find("Ngọc Hà")] == [
        ("00008", None),
        ("00004", "Phường Ngọc Hà"),
    ]


def test_a_kind_that_is_gone_leads_to_the_former_name() -> None:
    found = GAZETTEER.find("tt soc son")
    assert [(one.ward.code, one.former) for one in found] == [("00376", "Thị trấn Sóc Sơn")]


def test_a_former_name_of_another_city_is_left_out() -> None:
    assert codes("o noi khac") == []


@pytest.mark.parametrize("text", ["", "   ", ".", "–", "\x00", "không có nơi nào như thế"])
def test_nothing_finds_nothing(text: str) -> None:
    assert codes(text) == []


def test_the_limit_holds() -> None:
    assert len(GAZETTEER.find("a", limit=2)) == 2


@settings(max_examples=100)
@given(st.text())
def test_any_text_is_searched_alike_with_and_without_accents_and_each_ward_is_found_once(text: str) -> None:
    found = codes(text)
    assert len(found) == len(set(found))
    assert set(found) == set(codes(fold(text)))


@settings(max_examples=100)
@given(st.sampled_from(WARDS))
def test_every_ward_is_the_first_found_by_its_full_name(one: Ward) -> None:
    assert codes(one.full_name)[0] == codes(fold(one.full_name))[0] == one.code


def test_words() -> None:
    assert words("P. Văn Miếu–Quốc Tử Giám (cũ)") == "p van mieu quoc tu giam cu"
