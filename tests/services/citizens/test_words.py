"""What strangers write: kept as they meant it, without what would steer a page or a reader."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.services.citizens.words import LONGEST_TEXT, complains, left, line_of, text_of

NOW = datetime(2026, 5, 20, 8, 0, tzinfo=UTC)


@given(st.text(max_size=500))
@settings(max_examples=60)
def test_words_are_bounded_steer_nothing_and_cleaning_again_changes_nothing(said: str) -> None:
    kept = text_of(said)
    assert len(kept) <= LONGEST_TEXT
    assert text_of(kept) == kept
    assert unicodedata.is_normalized("NFC", kept)
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") and letter != "\n" for letter in kept)
    assert "\n" not in line_of(said)


def test_overrides_and_null_letters_go_and_vietnamese_stays() -> None:
    assert text_of("Ổ gà \u202egnp.exe\u202c\0 trước số 12\x07") == "Ổ gà gnp.exe trước số 12"
    assert text_of("Đường ngập  sâu\r\n\r\n\r\n\r\n xe không đi được ") == "Đường ngập sâu\n\nxe không đi được"
    assert text_of(None) == text_of(b"bytes") == ""
    assert len(text_of("á" * 1_000_000)) == LONGEST_TEXT


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Tôi muốn tố cáo ông A nhận tiền", True),
        ("KHIẾU NẠI quyết định xử phạt", True),
        ("toi khieu nai quyet dinh", True),
        ("Tòa nhà to cao che hết đèn đường", False),
        ("Rác chưa thu gom ở ngõ 121", False),
    ],
)
def test_complaints_are_known_by_their_words(said: str, expected: bool) -> None:
    assert complains(said) is expected


def test_a_clock_says_what_is_left_or_by_how_much_it_is_over() -> None:
    assert left(NOW + timedelta(hours=5, minutes=20), NOW, "vi") == ("còn 5 giờ 20 phút", False)
    assert left(NOW - timedelta(hours=1), NOW, "en") == ("1 hour overdue", True)
