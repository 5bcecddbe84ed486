"""The state machine of an incident, as one table: which act is possible in which state, where it leads, what it needs.

Everything else goes by it: what is refused, which buttons a page shows, and the drawing in docs/reference/incidents.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.incidents import acts
from dothi.platform.incidents.acts import Act, tag_of
from dothi.platform.incidents.model import STATES, WORKED, State

_PLACED: tuple[State, ...] = ("assigned", "handling")
_KEPT: tuple[State, ...] = ("new", "accepted", "assigned", "handling", "answered", "closed", "rejected")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: ``act`` is possible in ``states`` and leads ``to`` another (None: it stays as it is).

    ``past`` is its title in English once it was done; Vietnamese has one for both.
    ``collides`` says whether it needs the version that was looked at: two such acts of two people must not pass unseen.
    ``paused`` bounds it to incidents that are paused (True) or are not (False). ``needs`` is what it asks for, in words;
    ``offered`` says whether a menu of acts names it (what has a place of its own on a page is not).
    """

    act: type[Act]
    title: Text
    past: str
    states: tuple[State, ...]
    to: State | None = None
    collides: bool = True
    paused: bool | None = None
    needs: Text | None = None
    offered: bool = True


_REASON = Text("lý do", "a reason")

TABLE: dict[str, Rule] = {
    tag_of(rule.act): rule
    for rule in (
        Rule(acts.Accept, Text("Tiếp nhận", "Accept"), "Accepted", ("new",), "accepted"),
        Rule(
            acts.Reject,
            Text("Không tiếp nhận", "Do not accept"),
            "Not accepted",
            ("new", "accepted"),
            "rejected",
            needs=_REASON,
        ),
        Rule(
            acts.Assign,
            Text("Phân công", "Assign"),
            "Assigned",
            WORKED,
            "assigned",
            needs=Text("cơ quan, phường hoặc người", "an agency, a ward or a person"),
        ),
        Rule(
            acts.Delegate,
            Text("Giao cho người khác", "Pass on"),
            "Passed on",
            _PLACED,
            "assigned",
            needs=Text("một người", "a person"),
        ),
        Rule(
            acts.Return,
            Text("Trả lại trung tâm", "Give back to the centre"),
            "Given back to the centre",
            _PLACED,
            "accepted",
            needs=_REASON,
        ),
        Rule(acts.Start, Text("Bắt đầu xử lý", "Begin to work"), "Work begun", ("accepted", "assigned"), "handling"),
        Rule(acts.Arrive, Text("Báo đã có mặt", "Say you are there"), "On the spot", _PLACED, "handling"),
        Rule(
            acts.Answer,
            Text("Trả lời", "Answer"),
            "Answered",
            ("handling",),
            "answered",
            needs=Text(
                "lời trả lời; ảnh chứng minh nếu loại sự việc đòi", "the answer; a photo as proof if its kind asks for it"
            ),
        ),
        Rule(acts.Close, Text("Đóng", "Close"), "Closed", ("answered",), "closed"),
        Rule(
            acts.Reopen, Text("Mở lại", "Reopen"), "Reopened", ("answered", "closed", "rejected"), "accepted", needs=_REASON
        ),
        Rule(
            acts.Merge,
            Text("Gộp vào sự việc khác", "Merge into another"),
            "Merged into another",
            WORKED,
            "merged",
            needs=Text("sự việc kia, chưa trả lời", "the other one, not yet answered"),
        ),
        Rule(
            acts.Split,
            Text("Tách", "Split"),
            "Split",
            WORKED,
            needs=Text("tên của sự việc mới", "a title of the new one"),
            offered=False,
        ),
        Rule(
            acts.Pause,
            Text("Tạm dừng", "Pause"),
            "Paused",
            ("accepted", "assigned", "handling"),
            paused=False,
            needs=_REASON,
        ),
        Rule(acts.Resume, Text("Tiếp tục", "Go on"), "Went on", ("accepted", "assigned", "handling"), paused=True),
        Rule(
            acts.AskHelp,
            Text("Xin hỗ trợ", "Ask for help"),
            "Asked for help",
            _PLACED,
            collides=False,
            needs=Text("cơ quan hoặc phường", "an agency or a ward"),
        ),
        Rule(acts.Escalate, Text("Chuyển cấp trên", "Escalate"), "Escalated", WORKED, needs=_REASON),
        Rule(
            acts.Reclassify,
            Text("Sửa loại", "Correct the kind"),
            "Kind corrected",
            WORKED,
            needs=Text("loại khác", "another kind"),
            offered=False,
        ),
        Rule(
            acts.Rank,
            Text("Xếp mức độ", "Rank"),
            "Ranked",
            WORKED,
            needs=Text("mức nghiêm trọng và mức khẩn", "how grave and how urgent"),
            offered=False,
        ),
        Rule(
            acts.Move,
            Text("Sửa vị trí", "Correct the place"),
            "Place corrected",
            WORKED,
            needs=Text("một điểm", "a point"),
            offered=False,
        ),
        Rule(acts.Retitle, Text("Sửa tên", "Rename"), "Renamed", WORKED, needs=Text("tên", "a title"), offered=False),
        Rule(
            acts.Comment,
            Text("Ghi chú", "Comment"),
            "Comment",
            _KEPT,
            collides=False,
            needs=Text("lời", "words"),
            offered=False,
        ),
        Rule(
            acts.AddTask,
            Text("Thêm việc", "Add a task"),
            "Task added",
            WORKED,
            collides=False,
            needs=Text("lời", "words"),
            offered=False,
        ),
        Rule(acts.DoTask, Text("Xong việc", "A task is done"), "A task is done", WORKED, collides=False, offered=False),
        Rule(
            acts.DoStep,
            Text("Xong bước quy trình", "A step is done"),
            "A step is done",
            WORKED,
            collides=False,
            offered=False,
        ),
        Rule(
            acts.Tie,
            Text("Gắn với", "Link"),
            "Linked",
            _KEPT,
            collides=False,
            needs=Text("điều gì", "what to"),
            offered=False,
        ),
    )
}
"""Every act there is, by its tag, in the order in which pages offer them."""


def done(tag: str) -> Text | None:
    """What a timeline says of an act; None for what is no act of the table."""
    rule = TABLE.get(tag)
    return Text(rule.title.vi, rule.past) if rule else None


def possible(state: State, paused: bool) -> tuple[str, ...]:
    """The tags of the acts that an incident allows as it stands, in the order of the table."""
    return tuple(tag for tag, rule in TABLE.items() if _allows(rule, state, paused))


def next_state(act: Act, state: State, paused: bool) -> State:
    """The state ``act`` leads to. Raises Problem 409 if an incident in ``state`` does not allow it."""
    rule = TABLE[tag_of(act)]
    if not _allows(rule, state, paused):
        raise Problem(
            409,
            "not-in-this-state",
            f"“{rule.title.en}” is not possible: the incident is in the state “{STATES[state].en}”"
            f"{', paused' if paused else ''}.",
            f"Possible now: {_words(possible(state, paused))}.",
        )
    return rule.to or state


def _allows(rule: Rule, state: State, paused: bool) -> bool:
    return state in rule.states and rule.paused in (None, paused)


def _words(tags: Iterable[str]) -> str:
    return ", ".join(TABLE[tag].title.en for tag in tags) or "nothing"
