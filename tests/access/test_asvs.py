"""The checklist of ASVS: every requirement of levels 1 and 2 once, each with a state, and every file it names is there."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security" / "asvs.md"
# How many requirements of levels 1 and 2 each chapter of ASVS 5.0.0 has.
CHAPTERS = {
    1: 27,
    2: 11,
    3: 19,
    4: 10,
    5: 9,
    6: 35,
    7: 18,
    8: 7,
    9: 7,
    10: 29,
    11: 14,
    12: 9,
    13: 13,
    14: 9,
    15: 13,
    16: 16,
    17: 7,
}


def _rows() -> list[list[str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| \d", line)]


def test_every_requirement_stands_once_with_a_state() -> None:
    rows = _rows()
    assert len({row[0] for row in rows}) == len(rows)
    assert Counter(int(row[0].split(".")[0]) for row in rows) == CHAPTERS
    assert {row[1] for row in rows} == {"met", "partly", "not yet", "n/a"}
    assert all(len(row) == 4 and row[2] and row[3] for row in rows)
    told = Counter(row[1] for row in rows)
    counts = ", ".join(f"{told[state]} {state}" for state in ("met", "partly", "not yet"))
    assert f"Of {len(rows)}: {counts}, {told['n/a']} not applicable." in PAGE.read_text(encoding="utf-8")


def test_every_file_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:src|tests|docs)/[\w/.-]+|[A-Z]+\.md)`", PAGE.read_text(encoding="utf-8")))
    assert len(named) > 50
    assert {name for name in named if not (ROOT / name).exists()} == set()
