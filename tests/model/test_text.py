"""Text: the laws of the normal form and of the accent-blind twin."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.model.text import Text, fold, nfc, plain

VIETNAMESE = "aàáảãạăằắẳẵặâầấẩẫậbcdđeèéẻẽẹêềếểễệghiìíỉĩịklmnoòóỏõọôồốổỗộơờớởỡợpqrstuùúủũụưừứửữựvxyỳýỷỹỵ"
texts = st.text() | st.text(VIETNAMESE + VIETNAMESE.upper() + " -")


@settings(max_examples=100)
@given(texts)
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@settings(max_examples=100)
@given(texts)
def test_fold_is_blind_to_normal_form(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(nfc(text)) == fold(text)


@settings(max_examples=100)
@given(st.text(VIETNAMESE + VIETNAMESE.upper() + " "))
def test_vietnamese_folds_to_plain_lower_case_ascii(text: str) -> None:
    folded = fold(text)
    assert folded.isascii()
    assert folded == folded.lower() == plain(text).lower()
    assert len(folded) == len(text)


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Đống Đa", "dong da"),
        ("ĐÔNG ANH", "dong anh"),
        ("đ", "d"),
        ("Hoà Lạc", "hoa lac"),
        ("Hòa Lạc", "hoa lac"),
        ("Ô Chợ Dừa", "o cho dua"),
        ("Ỷ", "y"),
        ("", ""),
    ],
)
def test_fold(written: str, folded: str) -> None:
    assert fold(written) == folded


def test_plain_keeps_case() -> None:
    assert plain("Đống Đa – Ở phố Huế") == "Dong Da – O pho Hue"


def test_nfc_joins_what_a_mac_keyboard_parts() -> None:
    assert nfc("Hà Nội") == "Hà Nội"


@pytest.mark.parametrize(("language", "words"), [("en", "air"), ("vi", "không khí"), ("fr", "không khí"), ("", "không khí")])
def test_anything_but_english_reads_vietnamese(language: str, words: str) -> None:
    assert Text("không khí", "air").in_language(language) == words
