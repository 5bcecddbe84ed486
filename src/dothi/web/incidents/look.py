"""Incidents as pages show them: what is left of a promise, the four steps, one row of the queue, who is who."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dothi.model.text import Text
from dothi.platform.incidents import clocks
from dothi.platform.incidents.clocks import ClockState
from dothi.platform.incidents.model import STATES, STEPS, WORKED, Entry, Incident
from dothi.platform.platform import Platform
from dothi.ui import formats
from dothi.ui.language import translator
from dothi.web.devices import agency_words

_DAY = 86_400
_LAST = 1 - clocks.WARN_AT  # of its time: the last fifth


@dataclass(frozen=True, slots=True)
class ClockLook:
    """A clock for people. ``left`` and ``total`` are seconds (of work, if it counts such); ``left`` is negative once over.

    ``state`` is on, last (the last fifth), over, paused or done; ``running`` says whether it ticks at this moment, and
    ``resting`` that it stands still because nobody works now. ``percent`` is how far its bar goes.
    """

    step: str
    left: float
    total: float
    state: str
    running: bool
    resting: bool
    words: str
    title: str

    @property
    def percent(self) -> float:
        """How far the bar goes, 0 to 100."""
        return round(100 * max(0.0, min(1.0, 1 - self.left / self.total)), 2)


@dataclass(frozen=True, slots=True)
class StepLook:
    """One of the four steps: done (``at`` says when), now (with its clock) or still to come ("next")."""

    title: str
    state: str
    at: datetime | None
    clock: ClockLook | None


@dataclass(frozen=True, slots=True)
class Row:
    """One incident as a list shows it."""

    incident: Incident
    title: str
    place: str
    kind: str
    owner: str
    assignee: str
    state_words: str
    clock: ClockLook | None
    invented: bool = False

    @property
    def code(self) -> str:
        """Its code."""
        return self.incident.code


def left_words(seconds: float, language: str) -> str:
    """``12:40``, ``5:20:00``, or days and hours from a day on: the same as ``left.ts`` writes."""
    _ = translator(language)
    whole = int(abs(seconds) // 1)
    if whole >= _DAY:
        days, hours = whole // _DAY, whole % _DAY // 3600
        return f"{days} {_('ngày')}" + (f" {hours} {_('giờ')}" if hours else "")
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes:02}:{whole % 60:02}"


def clock_look(platform: Platform, clock: ClockState, language: str) -> ClockLook:
    """``clock`` as it stands now."""
    now, working_time = platform.clock.now(), platform.city.working_time
    left = clocks.left(clock, now, working_time).total_seconds()
    total = timedelta(hours=clock.hours).total_seconds()
    if clock.stopped is not None:
        state = "done"
    elif clock.paused:
        state = "paused"
    elif left <= 0:
        state = "over"
    else:
        state = "last" if left / total <= _LAST else "on"
    resting = clock.running and clock.working and not working_time.works_at(now)
    running = clock.running and not resting
    return ClockLook(clock.step, left, total, state, running, resting, left_words(left, language), _title(clock, language))


def _title(clock: ClockState, language: str) -> str:
    """What was promised, and when the time is up."""
    _ = translator(language)
    what = {
        "detect": _("Phát hiện trong {span}"),
        "accept": _("Tiếp nhận trong {span}"),
        "handle": _("Xử lý trong {span} từ khi tiếp nhận"),
        "resolve": _("Trả lời trong {span} từ khi mở"),
    }[clock.step]
    length = formats.span(timedelta(hours=clock.hours), language, 2)
    said = what.format(span=length + _(" làm việc") if clock.working else length)
    return said if clock.due is None else f"{said} · {_('hạn {time}').format(time=formats.daytime(clock.due, language))}"


def next_clock(platform: Platform, incident: Incident, language: str) -> ClockLook | None:
    """The clock that runs out first, or one that is paused; None if nothing is promised any more."""
    open_ = [one for one in incident.clocks if one.stopped is None and one.step != "detect"]
    looks = [clock_look(platform, one, language) for one in open_]
    return min(looks, key=lambda one: one.left, default=None)


def steps_of(platform: Platform, incident: Incident, at: dict[str, datetime], language: str) -> list[StepLook]:
    """The four steps; ``at`` says when the incident came into which state. Handling ends when it is answered."""
    order = ("accepted", "assigned", "handling", "answered")
    ended = incident.state in ("answered", "closed")
    reached = len(order) if ended else order.index(incident.state) + 1 if incident.state in order else 0
    current = min(reached, order.index("handling")) if incident.worked else -1
    running = {one.step: one for one in incident.clocks if one.stopped is None}
    found = []
    for number, (state, title) in enumerate(STEPS):
        clock, told = None, "next"
        if number == current:
            told, clock = "now", running.get("accept" if number == 0 else "handle") or running.get("resolve")
        elif number < reached:
            told = "done"
        look = clock_look(platform, clock, language) if clock else None
        found.append(StepLook(title.in_language(language), told, at.get(state) if told != "next" else None, look))
    return found


def row_of(platform: Platform, incident: Incident, language: str) -> Row:
    """``incident`` as a list shows it."""
    kind = platform.incidents.kind(incident.kind)
    return Row(
        incident,
        incident.title.in_language(language),
        place_words(platform, incident, language),
        kind.title.in_language(language),
        owner_words(platform, incident, language),
        name_of(platform, incident.assignee, language),
        STATES[incident.state].in_language(language),
        next_clock(platform, incident, language) if incident.state in WORKED else None,
        platform.invented.holds("incident", incident.code),
    )


def rows_of(platform: Platform, incidents: Iterable[Incident], language: str) -> list[Row]:
    """Every one of ``incidents`` as a list shows it."""
    return [row_of(platform, one, language) for one in incidents]


def ward_words(platform: Platform, code: str) -> str:
    """The full name of a ward; nothing for none."""
    ward = platform.city.by_code.get(code)
    return ward.full_name if ward else ""


def owner_words(platform: Platform, incident: Incident, language: str) -> str:
    """Whose work it is: its agency, else its ward, else nobody's yet."""
    return agency_words(platform, incident.agency, language) or ward_words(platform, incident.ward)


def place_words(platform: Platform, incident: Incident, language: str) -> str:
    """Where it is and whose it is, in one line."""
    parts = (incident.address, ward_words(platform, incident.ward), agency_words(platform, incident.agency, language))
    return " · ".join(dict.fromkeys(part for part in parts if part))


def name_of(platform: Platform, account_id: str, language: str) -> str:
    """What a person is called; the city itself by its own name, nobody by nothing."""
    if not account_id:
        return ""
    _ = translator(language)
    own = {"system": _("Đô Thị"), "local-operator": _("Người vận hành tại máy")}
    if account_id in own:
        return own[account_id]
    account = platform.accounts.account(account_id)
    return account.name if account else account_id


def unit_words(platform: Platform, unit: str, language: str) -> str:
    """What an agency (id) or a ward (code) is called."""
    return ward_words(platform, unit) or agency_words(platform, unit, language)


def said(words: Text, language: str) -> str:
    """``words`` in the reader's language, in the other where there are none."""
    return words.in_language(language) or words.vi or words.en


def states_at(entries: Iterable[Entry]) -> dict[str, datetime]:
    """When the incident came into each state last, by its timeline."""
    found: dict[str, datetime] = {}
    for entry in entries:
        found |= {str(change.after): entry.at for change in entry.changes if change.field == "state"}
    return found


def main_act(incident: Incident, possible: Sequence[str], me: str) -> str:
    """The one act that comes next for ``me`` (an account); "" where nothing is to be done by whoever may do ``possible``."""
    by_state = {
        "new": "accept",
        "accepted": "assign",
        "assigned": "arrive" if incident.assignee == me else "start",
        "handling": "answer",
        "answered": "close",
    }
    wanted = "resume" if incident.paused_since else by_state.get(incident.state, "")
    return wanted if wanted in possible else ""
