"""CI does not pass over a suite that it could have run; everybody else is told what was skipped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dothi.testing.postgres import MISSING

ON_DEBIAN = Path("/etc/debian_version").exists() and os.geteuid() == 0
CHROMIUM = "there is no `chromium` here; on Debian: apt-get install chromium"
POSTGRES = "there is no PostgreSQL 15 with PostGIS here; on Debian: apt-get install postgresql-postgis"
PROVIDER = "there is no oidc-provider here: scripts/prepare_tests.py installs it with npm"
AXE = "there is no axe-core here: scripts/prepare_tests.py installs it with npm"
MOUNT = "a file system of its own needs root and mount"
CONTAINER = "mount is not permitted here: permission denied"
DATA = "no real data of Hanoi at hand"


def _run(folder: Path, reasons: list[str], ci: str) -> subprocess.CompletedProcess[str]:
    """A run of this suite's conftest, in two processes as `make test` does, over tests whose fixture skips."""
    for name in ("conftest.py", "folder_world.py"):
        shutil.copy(Path(__file__).with_name(name), folder)
    code = ["import pytest", f"@pytest.fixture(params={reasons!r})", "def it(request):", "    pytest.skip(request.param)"]
    (folder / "test_one.py").write_text("\n".join([*code, "def test_it(it):", "    pass", ""]))
    # Nothing but pytest and xdist: other plugins take seconds to load and have no say in this.
    options = ["-p", "xdist", "-n", "1", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", folder]
    environment = {**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", *options, folder]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_a_skip_that_ci_could_avoid_fails_there(tmp_path: Path) -> None:
    told = _run(tmp_path, [CHROMIUM, POSTGRES, PROVIDER, AXE, MOUNT, CONTAINER, DATA], "true")
    assert (told.returncode != 0) == ON_DEBIAN, told.stdout
    for reason in (CHROMIUM, POSTGRES, PROVIDER, AXE, MOUNT):
        assert (f"Skipped in CI, where it must run: {reason}" if ON_DEBIAN else f"SKIPPED 1: {reason}") in told.stdout
    for reason in (CONTAINER, DATA):
        assert f"SKIPPED 1: {reason}" in told.stdout


def test_elsewhere_it_is_told_and_passes(tmp_path: Path) -> None:
    told = _run(tmp_path, [CHROMIUM, MOUNT], "")
    assert told.returncode == 0, told.stdout
    for reason in (CHROMIUM, MOUNT):
        assert f"SKIPPED 1: {reason}" in told.stdout


def test_the_suite_of_the_second_home_skips_in_those_words() -> None:
    assert MISSING == POSTGRES


@pytest.mark.parametrize(
    ("page", "reason"), [("conftest.py", CHROMIUM), ("web/test_axe.py", AXE), ("faults/test_full_disk.py", MOUNT)]
)
def test_the_suites_skip_in_the_words_ci_looks_for(page: str, reason: str) -> None:
    assert f'pytest.skip("{reason}")' in (Path(__file__).parent / page).read_text(encoding="utf-8")
