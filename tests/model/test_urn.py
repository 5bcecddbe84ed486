"""URNs: always well formed, and their local part can be read back."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.model.urn import local_part, urn

WELL_FORMED = re.compile(r"urn:ngsi-ld:[A-Za-z]+:[a-z]+:[A-Za-z0-9._~-]*")


@settings(max_examples=100)
@given(st.text())
def test_any_local_part_makes_a_well_formed_urn(local: str) -> None:
    assert WELL_FORMED.fullmatch(urn("Device", "hanoi", local))


@settings(max_examples=100)
@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~-]*[A-Za-z0-9]", fullmatch=True))
def test_a_safe_local_part_is_kept(local: str) -> None:
    assert local_part(urn("Device", "hanoi", local)) == local


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("Hoàn Kiếm 1", "urn:ngsi-ld:Device:hanoi:Ho-n-Ki-m-1"),
        ("a:b", "urn:ngsi-ld:Device:hanoi:a-b"),
        (" x ", "urn:ngsi-ld:Device:hanoi:x"),
    ],
)
def test_what_a_urn_cannot_carry_becomes_hyphens(local: str, expected: str) -> None:
    assert urn("Device", "hanoi", local) == expected


def test_an_identifier_without_colons_is_its_own_local_part() -> None:
    assert local_part("station-7") == "station-7"
