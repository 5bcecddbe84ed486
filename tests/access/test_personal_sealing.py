"""What is sealed opens with its own key, for its own subject and purpose, and with nothing else."""

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.access.personal.keys import FILE, WRAPPING, Claim, Keys
from dothi.access.personal.sealing import KEY_BYTES, new_record, record_of, seal, unseal
from dothi.model.problem import Problem

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.text(min_size=1, max_size=12)
KEYS = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)


@settings(max_examples=60)
@given(VALUES, KEYS, NAMES, NAMES)
def test_sealed_and_opened_is_the_same(value: object, key: bytes, subject: str, purpose: str) -> None:
    record = new_record()
    token = seal(key, record, subject, purpose, value)
    assert record_of(token) == record
    assert unseal(key, token, subject, purpose) == value


@settings(max_examples=60)
@given(VALUES, KEYS, KEYS, NAMES, NAMES, NAMES)
def test_another_key_subject_or_purpose_never_opens(
    value: object, key: bytes, other: bytes, subject: str, purpose: str, stranger: str
) -> None:
    token = seal(key, new_record(), subject, purpose, value)
    foreign = [(other, subject, purpose)] if other != key else []
    foreign += [(key, stranger, purpose)] if stranger != subject else []
    foreign += [(key, subject, stranger)] if stranger != purpose else []
    for attempt in foreign:
        with pytest.raises(Problem) as refused:
            unseal(attempt[0], token, attempt[1], attempt[2])
        assert refused.value.status == 410


@settings(max_examples=40)
@given(st.text("abc", min_size=1, max_size=8), st.integers(0, 10_000), KEYS)
def test_a_changed_token_never_opens(value: str, place: int, key: bytes) -> None:
    token = seal(key, new_record(), "s-1", "p-1", value)
    at = place % len(token)
    changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    if at == len(token) - 1:  # the last letter of base64 may carry bits that nobody reads
        return
    with pytest.raises(Problem):
        unseal(key, changed, "s-1", "p-1")


def test_a_token_tells_neither_the_value_nor_its_length() -> None:
    key = b"k" * KEY_BYTES
    short, long = (seal(key, "0" * 24, "s-1", "p-1", value) for value in ("An", "Nguyễn Thị Minh Khai"))
    assert len(short) == len(long)
    assert "An" not in short.split(".")[2] or "An" not in seal(key, "0" * 24, "s-1", "p-1", "An").split(".")[2]
    assert record_of("0912345678") is None
    assert record_of(12) is None


def _claim(number: int, subject: str = "s-1", until: int = 100) -> Claim:
    return Claim(f"{number:024x}", subject, "p-1", until)


def test_keys_live_in_files_of_their_owner_and_come_back_after_a_restart(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    made = keys.make(_claim(1))
    keys.close()
    for name in (FILE, WRAPPING):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert made not in (tmp_path / FILE).read_bytes(), "a key is kept wrapped"
    assert Keys(tmp_path).find([_claim(1).record, "none"]) == {_claim(1).record: (_claim(1), made)}


def test_a_destroyed_key_leaves_no_trace_in_its_file(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    for number in range(50):
        keys.make(_claim(number, f"s-{number % 5}", until=number))
    traces = _wrapped(tmp_path)
    assert all(one in _bytes(tmp_path) for one in traces.values())
    keys.destroy([_claim(1).record])
    keys.erase("s-2", 7)
    assert keys.destroy_ended(20) == 16  # those until 20, but the one destroyed and the four erased
    left = _wrapped(tmp_path)
    assert set(left) == {_claim(n).record for n in range(21, 50) if n % 5 != 2}
    for record, wrapped in traces.items():
        assert (wrapped in _bytes(tmp_path)) == (record in left)


def test_an_erased_subject_never_gets_another_key(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make(_claim(1))
    keys.erase("s-1", 7)
    keys.note("s-2", "news", 8)
    with pytest.raises(Problem) as refused:
        keys.make(_claim(2))
    assert refused.value.status == 410
    assert keys.notes() == {("s-1", ""): 7, ("s-2", "news"): 8}
    assert keys.find([_claim(1).record, _claim(2).record]) == {}


def test_a_copy_has_every_key_and_opens_only_with_the_installations_own(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    keys = Keys(home)
    made = keys.make(_claim(1))
    target = elsewhere / FILE
    target.write_bytes(b"an older copy")
    assert keys.copy(target) == 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in elsewhere.iterdir()] == [FILE]
    for wrong in (None, b"x" * KEY_BYTES, b"short"):
        if wrong is not None:
            (elsewhere / WRAPPING).write_bytes(wrong)
        with pytest.raises(Problem) as refused:
            Keys(elsewhere).find([_claim(1).record])
        assert (refused.value.status, refused.value.code) == (503, "personal-keys")
    (elsewhere / WRAPPING).write_bytes((home / WRAPPING).read_bytes())
    assert Keys(elsewhere).find([_claim(1).record]) == {_claim(1).record: (_claim(1), made)}


def _bytes(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.glob(f"{FILE}*"))


def _wrapped(home: Path) -> dict[str, bytes]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(home / FILE)) as db:
        return dict(db.execute("SELECT record, wrapped FROM key").fetchall())
