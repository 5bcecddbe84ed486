"""Which language a reader gets, and that every word of ours exists in both."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given, settings
from hypothesis import strategies as st

import dothi
from dothi.ui.language import HOME_PACKAGES, LANGUAGES, negotiate, translator

SOURCE = Path(dothi.__file__).parent
WHERE = [("islands/**", "ignore"), ("dist/**", "ignore"), ("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
VIETNAMESE = re.compile(r"[ăâđêôơưàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ]", re.IGNORECASE)
NAMES = {"Đô Thị"}


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "expected"),
    [
        (None, None, None, "vi"),
        ("en", "vi", "vi", "en"),
        (None, "en", "vi", "en"),
        (None, None, "en-GB,en;q=0.9,vi;q=0.8", "en"),
        (None, None, "fr, vi;q=0.5, en;q=0.7", "en"),
        (None, None, "fr", "vi"),
        (None, None, "en;q=0", "vi"),
        ("xx", "yy", "en;q=bad", "vi"),
    ],
)
def test_the_address_wins_then_the_cookie_then_the_browser(
    asked: str | None, remembered: str | None, accepted: str | None, expected: str
) -> None:
    assert negotiate(asked, remembered, accepted) == expected


@given(st.text(), st.text(), st.text())
@settings(max_examples=100)
def test_whatever_is_sent_there_is_a_language(asked: str, remembered: str, accepted: str) -> None:
    assert negotiate(asked, remembered, accepted) in LANGUAGES


def _said() -> Iterator[str]:
    for package in HOME_PACKAGES:
        folder = SOURCE.joinpath(*package.split(".")[1:])
        for _file, _line, words, _comments, _context in extract_from_dir(folder, WHERE, keywords={"_": None}):
            assert isinstance(words, str)
            yield words


def _catalogues() -> dict[str, str]:
    found = {}
    for package in HOME_PACKAGES:
        with SOURCE.joinpath(*package.split(".")[1:], "locale", "en.po").open("rb") as file:
            found.update({str(one.id): str(one.string) for one in read_po(file, locale="en") if one.id})
    return found


def test_every_word_on_a_page_has_its_english() -> None:
    said, known = set(_said()), _catalogues()
    assert len(said) > 100
    assert said - set(known) == set(), "not translated"
    assert set(known) - said == set(), "translated, but no longer said"


def test_translations_are_english_and_keep_their_places() -> None:
    for source, english in _catalogues().items():
        assert english, source
        assert source in NAMES or not VIETNAMESE.search(english), english
        assert sorted(re.findall(r"{\w+}", source)) == sorted(re.findall(r"{\w+}", english)), source


def test_words_made_in_python_speak_both() -> None:
    assert translator("en")("Mất tín hiệu") == "Silent"
    assert translator("vi")("Mất tín hiệu") == "Mất tín hiệu"
