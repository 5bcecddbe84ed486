"""Kinds of incidents and the playbooks for them, as sectors declare them."""

from dataclasses import dataclass

from dothi.model.promise import Urgency
from dothi.model.text import Text


@dataclass(frozen=True, slots=True)
class PlaybookStep:
    """One thing to do. ``minutes`` is how long it may take from the start of the playbook; None sets no timer.

    ``command`` names a ``CommandKind`` that is prepared for it.
    """

    text: Text
    minutes: int | None = None
    command: str = ""


@dataclass(frozen=True, slots=True)
class Playbook:
    """What is done about one kind of incident, in this order."""

    id: str
    title: Text
    steps: tuple[PlaybookStep, ...]


@dataclass(frozen=True, slots=True)
class IncidentKind:
    """A kind of incident: who owns it and how it begins, until somebody decides otherwise.

    ``agency`` is an agency's id of the city pack; "" leaves it to the ward. ``citizens`` says whether people may report it,
    ``proof`` whether an answer needs a photo or a document. Nothing new is of a ``retired`` kind but what a rule opens.
    """

    id: str
    title: Text
    agency: str = ""
    severity: int = 2
    urgency: Urgency = "normal"
    playbook: str = ""
    citizens: bool = False
    proof: bool = True
    hint: Text | None = None
    retired: bool = False
