"""The cache: made once, checked on every reading, never in the way."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dothi.cities.keep import kept, key_of, write_whole


class Maker:
    def __init__(self, content: bytes = b"shapes") -> None:
        self.content, self.calls = content, 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.content


def test_it_is_made_once(tmp_path: Path) -> None:
    make = Maker()
    assert kept(tmp_path / "a" / "x", make) == kept(tmp_path / "a" / "x", make) == b"shapes"
    assert make.calls == 1


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-1], lambda raw: raw + b"x", lambda raw: b"", lambda raw: b"?" + raw[1:]]
)
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path, make = tmp_path / "x", Maker()
    kept(path, make)
    path.write_bytes(damage(path.read_bytes()))
    assert kept(path, make) == b"shapes"
    assert make.calls == 2
    kept(path, make)
    assert make.calls == 2


def test_nothing_is_something_that_can_be_kept(tmp_path: Path) -> None:
    make = Maker(b"")
    assert kept(tmp_path / "x", make) == kept(tmp_path / "x", make) == b""
    assert make.calls == 1


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    make = Maker()
    assert kept(tmp_path / "file" / "x", make) == b"shapes"
    assert kept(tmp_path / "file" / "x", make) == b"shapes"
    assert make.calls == 2


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "inside").write_text("a folder cannot be replaced by a file")
    with pytest.raises(OSError, match="x"):
        write_whole(tmp_path / "x", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_error_in_making_is_not_kept(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise ValueError("no shapes")

    with pytest.raises(ValueError, match="no shapes"):
        kept(tmp_path / "x", fail)
    assert list(tmp_path.iterdir()) == []


def test_keys_tell_parts_apart() -> None:
    assert key_of("ab", "c") != key_of("a", "bc") != key_of("abc")
    assert key_of("a", b"b") == key_of(b"a", "b")
