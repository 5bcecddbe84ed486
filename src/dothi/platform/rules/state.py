"""How far a rule is with one subject: at rest, waiting until it has held long enough, firing, or about to end.

The law: truth is a step function of time that keeps its value until something contradicts it. A rule fires at the first
moment at which its condition has held without a break for ``lasting`` and nobody works on its subject, and ends when it then
has not held for ``clearing``; while it fires, the condition is judged by the values at which it clears. What was due before
an event happens before it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Phase(IntEnum):
    """Where a cell stands; one that is at rest is not kept."""

    PENDING = 1
    FIRING = 2
    CLEARING = 3


class Step(NamedTuple):
    """What happened to a cell: it fired or it ended. ``since`` is when the condition began to hold, or not to (µs)."""

    fired: bool
    since: int
    at: int


@dataclass(slots=True)
class Cell:
    """``since`` (µs): since when the condition holds, or, where it is clearing, does not."""

    phase: Phase
    since: int


Free = Callable[[int], int]
"""Asked with a moment (µs), tells the first one from then on at which nobody works on the subject, so that it may fire."""


def advance(cell: Cell | None, now: int, lasting: int, clearing: int, free: Free) -> tuple[Cell | None, Step | None]:
    """The cell at ``now`` (µs) if nothing else happens, and what happens on the way."""
    if cell is None:
        return None, None
    if cell.phase is Phase.PENDING and now >= cell.since + lasting and now >= (at := free(cell.since + lasting)):
        return Cell(Phase.FIRING, cell.since), Step(True, cell.since, at)
    if cell.phase is Phase.CLEARING and now >= cell.since + clearing:
        return None, Step(False, cell.since, cell.since + clearing)
    return cell, None


def judge(cell: Cell | None, at: int, holds: bool, goes_on: bool) -> Cell | None:
    """The cell, advanced to ``at``, after the condition was judged: by its thresholds, and by those at which it clears."""
    if cell is None:
        return Cell(Phase.PENDING, at) if holds else None
    if cell.phase is Phase.PENDING:
        return cell if holds else None
    if cell.phase is Phase.FIRING:
        return cell if goes_on else Cell(Phase.CLEARING, at)
    return Cell(Phase.FIRING, cell.since) if goes_on else cell
