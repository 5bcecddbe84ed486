"""Codes of the second step: the standard's own, once each, and what is kept of them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyotp import TOTP

from dothi.access.totp import (
    RECOVERY_CODES,
    STEP,
    Totp,
    accept,
    enrolment_uri,
    new_recovery_codes,
    new_totp,
    open_totp,
    qr_svg,
    recovery_hash,
    seal_totp,
)

KEY = b"k" * 32
# RFC 6238, appendix B: the seed of its SHA-1 vectors, and the last six of the eight digits they print.
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
VECTORS = [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")]


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_the_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert accept(Totp(SEED), code, now) == Totp(SEED, seconds // STEP)


@given(st.integers(1_800_000_000, 2_200_000_000), st.integers(-4, 4))
@settings(max_examples=60)
def test_a_code_works_one_step_around_its_own_and_once(seconds: int, drift: int) -> None:
    now, totp = datetime.fromtimestamp(seconds, UTC), new_totp()
    code = TOTP(totp.secret).at(now + timedelta(seconds=STEP * drift))
    spent = accept(totp, code, now)
    assert (spent is not None) == (abs(drift) <= 1)
    if spent is not None:
        assert accept(spent, code, now) is None
        earlier = TOTP(totp.secret).at(now + timedelta(seconds=STEP * (drift - 1)))
        assert accept(spent, earlier, now) is None, "nor does one that was shown before it"


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "12 34 5x", "0" * 500])
def test_what_is_no_code_is_refused(code: str) -> None:
    assert accept(new_totp(), code, datetime(2026, 11, 22, tzinfo=UTC)) is None


def test_what_is_kept_is_sealed_to_its_account_and_its_installation() -> None:
    totp = Totp(new_totp().secret, 59_000_000)
    sealed = seal_totp(KEY, "p-1", totp)
    assert open_totp(KEY, "p-1", sealed) == totp
    assert totp.secret.encode() not in sealed
    assert seal_totp(KEY, "p-1", totp) != sealed
    assert open_totp(KEY, "p-2", sealed) is None
    assert open_totp(b"x" * 32, "p-1", sealed) is None
    assert open_totp(KEY, "p-1", sealed[:-1] + bytes([sealed[-1] ^ 1])) is None
    assert open_totp(KEY, "p-1", b"short") is None


def test_the_app_is_told_who_and_where_and_the_picture_breaks_no_content_policy() -> None:
    uri = enrolment_uri(Totp(SEED), "lan@so", "Đô Thị Hà Nội")
    assert uri.startswith("otpauth://totp/")
    assert f"secret={SEED}" in uri
    picture = qr_svg(uri)
    assert picture.startswith("<svg")
    assert "style=" not in picture and "<script" not in picture


def test_recovery_codes_differ_and_are_read_however_they_are_typed() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == RECOVERY_CODES
    assert all(len(code) == 27 for code in codes)
    kept = recovery_hash(KEY, "p-1", codes[0])
    assert recovery_hash(KEY, "p-1", f" {codes[0].upper().replace('-', ' ')} ") == kept
    assert recovery_hash(KEY, "p-2", codes[0]) != kept
    assert recovery_hash(KEY, "p-1", codes[1]) != kept
