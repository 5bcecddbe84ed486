"""What a reading carries besides its value: where it comes from, how good it is, and why."""

from enum import IntEnum, IntFlag


class Origin(IntEnum):
    """How a value came to be. It is shown wherever the value is."""

    MEASURED = 0
    MODELLED = 1
    SIMULATED = 2
    REPLAYED = 3


class Grade(IntEnum):
    """How far a value may be trusted. A bad one is kept, marked, and kept away from alerts and indicators."""

    GOOD = 0
    SUSPECT = 1
    BAD = 2


class Reason(IntFlag):
    """Why a value is not graded good. Several can hold at once."""

    NONE = 0
    TYPE = 1  # not of the attribute's kind
    RANGE = 2  # outside what the attribute can physically be
    UNIT = 4  # the stated unit does not measure this attribute; the declared unit was assumed
    FUTURE = 8  # observed later than the city's clock allows
    ABSURD_TIME = 16  # observed decades away
    STUCK = 32  # the same value for too long
    JUMP = 64  # a change faster than the attribute can change
    SHARED_PLACE = 128  # two devices claim one coordinate


BAD_REASONS = Reason.TYPE | Reason.RANGE | Reason.FUTURE | Reason.ABSURD_TIME


def grade_of(reasons: Reason) -> Grade:
    """The grade that follows from ``reasons``."""
    if reasons & BAD_REASONS:
        return Grade.BAD
    return Grade.SUSPECT if reasons else Grade.GOOD
