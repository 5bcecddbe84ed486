"""Drills: what a script must say, how a score comes about, and the smog of the product played whole in both homes."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dothi.cli.drill.score import judge
from dothi.cli.drill.script import read_script
from dothi.model.problem import Problem
from dothi.testing.city import PATIENCE

SMOG = read_script("smog")


def test_the_drill_that_comes_along_is_whole() -> None:
    assert {one.device for one in SMOG.stations} == {"dien-tap-1", "dien-tap-2", "dien-tap-3"}
    assert SMOG.stations[0].at(-300) == {"pm25": 38.0}
    assert SMOG.stations[0].at(13) == {"pm25": 117.5}
    assert SMOG.stations[0].at(1_000) == {"pm25": 35.0}
    assert SMOG.stations[0].first == -240


def test_a_score_tells_done_from_late_from_missed() -> None:
    seen = {step.id: SMOG.begins + timedelta(minutes=60) for step in SMOG.steps}
    whole = judge(SMOG, seen, audit=True)
    assert whole.passed
    assert (whole.detection, whole.acceptance, whole.resolution) == (timedelta(minutes=50), timedelta(), timedelta())
    assert not judge(SMOG, seen, audit=False).passed
    late = judge(SMOG, seen | {"accepted": SMOG.begins + timedelta(minutes=121)}, audit=True)
    assert [one.verdict for one in late.steps if one.step.id == "accepted"] == ["late"]
    assert late.acceptance == timedelta(minutes=61)
    missed = judge(SMOG, {name: at for name, at in seen.items() if name != "alert"}, audit=True)
    assert {one.step.id for one in missed.steps if one.verdict == "missed"} >= {"alert", "accepted", "reported"}
    assert (missed.passed, missed.detection) == (False, None)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('after = "alert"', 'after = "nothing"', "no earlier step"),
        ('by = "truc-ban"', 'by = "ai-do"', "nobody"),
        ("begins = 2026-11-20T07:00:00+07:00", "begins = 2026-11-20T07:00:00", "no offset"),
        ("trouble = 10", "trouble = 1000", "before its end"),
        ('detected = "alert"', 'detected = "smoke"', "none of the steps"),
        ("[[-240, 38], [10, 45]", "[[10, 38], [-240, 45]", "in the order"),
        ("delay = 2", "delay = 200", "after its time"),
        ('id = "smog"', 'id = "smog"\ncolour = "grey"', "colour"),
        ('id = "lanh-dao"', 'id = "truc-ban"', "one id"),
        ("[[stations]]", "[[stations", "is no drill"),
        # A drill of no name would be the live city, which begins anew.
        ('id = "smog"', 'id = ""', "is none"),
        ('id = "smog"', 'id = "../.."', "is none"),
        ('sees = "told"', 'sees = "foto"', "never be noticed"),
        ('sees = "photo:after"', 'sees = "photo:later"', "never be noticed"),
        ('sees = "act:accept"', 'sees = "act:"', "never be noticed"),
    ],
)
def test_a_wrong_script_says_what_is_wrong(tmp_path: Path, old: str, new: str, match: str) -> None:
    bundled = Path(sys.modules[read_script.__module__].__file__ or "").parent / "scripts" / "smog.toml"
    file = tmp_path / "own.toml"
    text = bundled.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(Problem, match=match):
        read_script(str(file))


def test_a_drill_that_is_none_is_said_with_those_there_are() -> None:
    with pytest.raises(Problem, match="Known: smog"):
        read_script("flood-of-the-century")


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment of a home: nothing of its own for SQLite."""
    if request.param == "sqlite":
        yield {}
    else:
        yield {"DOTHI_DATABASE": request.getfixturevalue("postgres").empty().get_secret_value()}


@pytest.mark.timeout(300)
def test_the_smog_is_played_whole(tmp_path: Path, home: dict[str, str]) -> None:
    environment = {"DOTHI_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"} | home
    command = [sys.executable, "-c", "from dothi.cli import main; main()", "drill", "smog", "--speed", "200"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=4 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 of 18 steps in time" in done.stdout
    assert "The audit log is whole." in done.stdout
