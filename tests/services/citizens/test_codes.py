"""Codes: one form is one report, nobody guesses one, and people may type them as they like."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.services.citizens import codes

SECRET = b"s" * 32


def test_a_form_makes_one_report_and_another_form_another() -> None:
    form, other = codes.new_form(), codes.new_form()
    assert codes.report_of(SECRET, form) == codes.report_of(SECRET, form)
    assert codes.report_of(SECRET, form) != codes.report_of(SECRET, other)
    assert codes.report_of(b"x" * 32, form) != codes.report_of(SECRET, form)


@given(st.text(max_size=60))
@settings(max_examples=60)
def test_what_was_not_made_here_makes_no_report(form: str) -> None:
    made = codes.report_of(SECRET, form)
    assert made is None or (len(form) == 32 and set(form) <= set("0123456789abcdef"))


@given(st.binary(min_size=16, max_size=16))
@settings(max_examples=60)
def test_a_code_is_read_however_it_is_typed(raw: bytes) -> None:
    made = codes.report_of(SECRET, raw.hex())
    assert made is not None
    code = made[1]
    bare = code.removeprefix("PA-").replace("-", "")
    assert code == codes.read(code) == codes.read(bare.lower()) == codes.read(f" pa {bare[:4]} {bare[4:]} ")
    assert codes.read(bare.replace("0", "o").replace("1", "l")) == code
    assert made[0] not in code  # the id, which officials see, does not tell the code


@given(st.text(max_size=200))
@settings(max_examples=60)
def test_whatever_is_typed_is_a_code_or_nothing(typed: str) -> None:
    found = codes.read(typed)
    assert found is None or codes.read(found) == found
