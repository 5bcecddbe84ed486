"""What a log line of a failure says, and what it never says."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

SCRIPT = """
import structlog
from dothi.platform.logs import configure
configure("WARNING")
def sign_in(password):
    raise OSError("no space left")
try:
    sign_in("mat-khau-rat-bi-mat")
except OSError as error:
    structlog.get_logger("dothi.test").error("cannot sign in", exc_info=error)
"""


def test_a_failure_is_one_short_line_without_the_values_it_had_in_hand() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)
    [line] = done.stderr.splitlines()
    told = msgspec.json.decode(line)
    assert (told["event"], told["level"]) == ("cannot sign in", "error")
    [raised] = told["exception"]
    assert (raised["exc_type"], raised["exc_value"]) == ("OSError", "no space left")
    assert [frame["name"] for frame in raised["frames"]] == ["<module>", "sign_in"]
    assert b"mat-khau" not in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT + 'print("went on")'], stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert done.stdout == b"went on\n"
