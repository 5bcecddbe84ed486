"""What people do to an incident: one small record for each act, as doors and forms send it."""

from datetime import datetime

import msgspec

from dothi.model.promise import Urgency
from dothi.platform.incidents.model import LinkKind


class Act(msgspec.Struct, frozen=True, tag_field="type"):
    """Something that is done to an incident; ``tag_of`` names it."""


class Accept(Act, frozen=True, tag="accept"):
    """Take it on: the city will deal with it."""


class Reject(Act, frozen=True, tag="reject"):
    """Do not take it on. Who reported it reads the reason."""

    reason: str


class Assign(Act, frozen=True, tag="assign"):
    """Give it to an agency (id), a ward (code), a person (account), whatever is named; the rest stays."""

    agency: str = ""
    ward: str = ""
    assignee: str = ""


class Delegate(Act, frozen=True, tag="delegate"):
    """Pass it on within the unit that has it, to a person."""

    assignee: str


class Return(Act, frozen=True, tag="return"):
    """Give it back to the centre: it is not ours, or we cannot."""

    reason: str


class Start(Act, frozen=True, tag="start"):
    """Begin to work on it."""


class Arrive(Act, frozen=True, tag="arrive"):
    """Be there."""


class AskHelp(Act, frozen=True, tag="ask_help"):
    """Ask another unit: an agency's id or a ward's code."""

    unit: str
    note: str = ""


class Escalate(Act, frozen=True, tag="escalate"):
    """Take it one level up."""

    reason: str


class Pause(Act, frozen=True, tag="pause"):
    """Stop the clocks: it waits for something that is not ours. It goes on by itself at ``until``."""

    reason: str
    until: datetime | None = None


class Resume(Act, frozen=True, tag="resume"):
    """Let the clocks run again."""


class Answer(Act, frozen=True, tag="answer"):
    """Say what was done; ``proof`` are numbers of its photos that show it."""

    text: str
    proof: tuple[int, ...] = ()


class Close(Act, frozen=True, tag="close"):
    """Put it away: it was answered and nobody objected."""


class Reopen(Act, frozen=True, tag="reopen"):
    """Begin again: the answer does not hold."""

    reason: str


class Rank(Act, frozen=True, tag="rank"):
    """Say how grave (1 to 4) and how urgent it is."""

    severity: int
    urgency: Urgency


class Move(Act, frozen=True, tag="move"):
    """Put it where it is (EPSG:4326); the ward follows from the point."""

    longitude: float
    latitude: float
    address: str = ""


class Reclassify(Act, frozen=True, tag="reclassify"):
    """Say that it is of another kind (id). What nobody decided otherwise follows: title, how grave, how urgent, and,
    until it is assigned, its unit; playbook and clocks are those of the new kind.
    """

    kind: str


class Retitle(Act, frozen=True, tag="retitle"):
    """Name it better; ``text`` None leaves the description as it is."""

    title: str
    text: str | None = None


class Merge(Act, frozen=True, tag="merge"):
    """Join it to another incident (code), which takes its reports, alerts and photos."""

    into: str


class Split(Act, frozen=True, tag="split"):
    """Open another incident for some of its reports (their ids)."""

    title: str
    reports: tuple[str, ...] = ()
    text: str = ""


class Comment(Act, frozen=True, tag="comment"):
    """Note something for those who work on it."""

    text: str


class AddTask(Act, frozen=True, tag="add_task"):
    """Add something to do."""

    text: str
    assignee: str = ""
    due_at: datetime | None = None


class DoTask(Act, frozen=True, tag="do_task"):
    """A task (its number) is done."""

    task: int


class DoStep(Act, frozen=True, tag="do_step"):
    """A step of the playbook (its position, from 0) is done."""

    step: int
    note: str = ""


class Tie(Act, frozen=True, tag="tie"):
    """Link it to something: one more report ("me too"), an alert, a device, a page."""

    kind: LinkKind
    ref: str


AnyAct = (
    Accept | Reject | Assign | Delegate | Return | Start | Arrive | AskHelp | Escalate | Pause | Resume | Answer | Close
    | Reopen | Reclassify | Rank | Move | Retitle | Merge | Split | Comment | AddTask | DoTask | DoStep | Tie
)  # fmt: skip
"""All of them: what a door decodes, by the field "type"."""


def tag_of(act: Act | type[Act]) -> str:
    """The name of an act, as the table of ``flow.py``, the timeline and the audit log have it."""
    return str(act.__struct_config__.tag)
