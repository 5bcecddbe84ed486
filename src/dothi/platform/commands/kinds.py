"""Kinds of commands, as sectors declare them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dothi.model.problem import bad_request
from dothi.model.text import Text

Parameters = Mapping[str, float | str]
"""What a command says, by the name of its parameter."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing a command says: one of ``choices`` (value, words) if there are any, else a number within bounds.

    ``unit`` is what stands behind the number on screen.
    """

    name: str
    title: Text
    minimum: float = 0.0
    maximum: float = 0.0
    unit: str = ""
    choices: tuple[tuple[str, Text], ...] = ()

    def read(self, said: str) -> float | str:
        """The value that somebody typed. Raises Problem 400 for what is none."""
        if self.choices:
            if said not in (value for value, _ in self.choices):
                raise bad_request(f"{self.name}: {said[:40]!r} is none of its choices.", "Choose one of the list.")
            return said
        try:
            number = float(said.replace(",", "."))
        except ValueError:
            number = float("nan")
        if not self.minimum <= number <= self.maximum:
            bounds = f"from {self.minimum:g} to {self.maximum:g} {self.unit}".strip()
            raise bad_request(f"{self.name}: {said[:40]!r} is outside its bounds.", f"Give a number {bounds}.")
        return number


@dataclass(frozen=True, slots=True)
class Verification:
    """Which reading shows that a command was carried out: one of ``attribute`` (IRI) of the entity it was for.

    It must be observed after the command was sent, not be graded bad, and ``holds`` for the parameters and its value; all
    of that ``within`` so much time of the city after the device acknowledged.
    """

    attribute: str
    holds: Callable[[Parameters, Any], bool]
    within: timedelta


@dataclass(frozen=True, slots=True)
class CommandKind:
    """One thing that can be told to the devices of an entity type (IRI).

    ``consequence`` says in words what it does to the city, for whoever approves it. ``two_people`` asks that somebody else
    approves than proposed. ``answer_within`` is how long the device may take to acknowledge, ``decide_within`` how long a
    proposal stands; both in time of the city.
    """

    id: str
    title: Text
    entity_type: str
    consequence: Text
    verification: Verification
    parameters: tuple[Parameter, ...] = ()
    two_people: bool = False
    answer_within: timedelta = timedelta(seconds=30)
    decide_within: timedelta = timedelta(hours=1)
