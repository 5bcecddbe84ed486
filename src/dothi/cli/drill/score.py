"""What a drill came to: every step, whether it happened in time, and the three times a centre is judged by. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from dothi.cli.drill.script import Script, Step

Verdict = Literal["done", "late", "missed"]


@dataclass(frozen=True, slots=True)
class Judged:
    """One step: when it happened (aware UTC of the drill's clock, None if it did not) and how long after what it follows."""

    step: Step
    at: datetime | None
    took: timedelta | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Score:
    """All of it. The times are None where the drill did not come that far; ``audit`` says whether the log verifies."""

    steps: tuple[Judged, ...]
    detection: timedelta | None
    acceptance: timedelta | None
    resolution: timedelta | None
    audit: bool

    @property
    def passed(self) -> bool:
        """True if every step happened in its time and the audit log is whole."""
        return self.audit and all(one.verdict == "done" for one in self.steps)


def judge(script: Script, seen: Mapping[str, datetime], audit: bool) -> Score:
    """The score of a drill whose steps were ``seen`` at these moments."""
    steps = tuple(_judged(script, step, seen) for step in script.steps)
    trouble = script.begins + timedelta(minutes=script.trouble)
    detected = seen.get(script.detected)

    def since(step: str) -> timedelta | None:
        at = seen.get(step)
        return None if at is None or detected is None else at - detected

    detection = None if detected is None else detected - trouble
    return Score(steps, detection, since(script.accepted), since(script.solved), audit)


def _judged(script: Script, step: Step, seen: Mapping[str, datetime]) -> Judged:
    at = seen.get(step.id)
    begun = seen.get(step.after) if step.after else script.begins
    if at is None or begun is None:
        return Judged(step, at, None, "missed")
    took = max(at - begun, timedelta())
    return Judged(step, at, took, "done" if took <= timedelta(minutes=step.within) else "late")
