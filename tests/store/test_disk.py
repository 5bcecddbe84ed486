"""The free share of a disk."""

from pathlib import Path

from dothi.store.disk import free_share


def test_the_share_is_what_is_free_of_the_whole(tmp_path: Path) -> None:
    assert free_share(tmp_path, lambda _: (200, 190, 10)) == 0.05
    assert free_share(tmp_path, lambda _: (0, 0, 0)) == 0.0
    assert 0 < free_share(tmp_path) <= 1
