"""How much disk is left: below the floor a city stops accepting, while there is still room to finish what it accepted."""

import shutil
from collections.abc import Callable
from pathlib import Path


def free_share(folder: Path, usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage) -> float:
    """The free share (0 to 1) of the disk that holds ``folder``; ``usage`` answers (total, used, free) bytes."""
    total, _, free = usage(folder)
    return free / total if total else 0.0
