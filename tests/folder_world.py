"""What the tests of a folder share on a worker: opened by the first that asks, ended before one that lies elsewhere."""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_open: dict[Path, tuple[Any, ExitStack]] = {}


def shared(conftest: str, opening: AbstractContextManager[T]) -> T:
    """What ``opening`` gives, once for all tests beside and below the file ``conftest``.

    A fixture of a session would keep every folder's city alive, busy and open to what later tests patch, to the very end.
    """
    folder = Path(conftest).parent
    if folder not in _open:
        stack = ExitStack()
        _open[folder] = (stack.enter_context(opening), stack)
    found: T = _open[folder][0]
    return found


def leave(following: Path | None) -> None:
    """Close what the test in the file ``following`` does not share; everything if there is none."""
    for folder in [one for one in _open if following is None or not following.is_relative_to(one)]:
        _open.pop(folder)[1].close()
