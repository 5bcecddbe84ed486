"""What an act makes of an incident: pure, so that every path through the state machine can be tried without a database."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from dothi.model.city import City
from dothi.model.problem import Problem, bad_request
from dothi.model.severity import SEVERITIES
from dothi.model.text import Text, nfc
from dothi.platform.incidents import acts, timing
from dothi.platform.incidents.acts import Act
from dothi.platform.incidents.flow import next_state
from dothi.platform.incidents.kinds import IncidentKind, Playbook
from dothi.platform.incidents.model import URGENCIES, Change, DoneStep, Incident, State, Task

LONGEST_TITLE, LONGEST_TEXT, LONGEST_REASON = 200, 5_000, 1_000  # letters
MOST_TASKS, MOST_HELP = 100, 20
_FARTHEST = timedelta(days=3660)
_NOTHING_SAID = Text("", "")
# What follows from something else that changed, or says nothing to people.
_UNTOLD = frozenset(
    {"state_at", "accepted_at", "answered_at", "version", "playbook_at", "clocks", "told", "due_at", "look_at"}
    | {"alerts", "reports", "photos"}
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What an act is judged by beside the incident: the city, kinds and playbooks by id, who acts and when."""

    city: City
    kinds: Mapping[str, IncidentKind]
    playbooks: Mapping[str, Playbook]
    person: str
    at: datetime

    def playbook(self, kind: str) -> Playbook | None:
        """What is done about incidents of ``kind``."""
        found = self.kinds.get(kind)
        return None if found is None else self.playbooks.get(found.playbook)


@dataclass(frozen=True, slots=True)
class Done:
    """The incident afterwards, and what the timeline says of it: words of who acted, and what it is about."""

    incident: Incident
    words: Text = _NOTHING_SAID
    refs: tuple[str, ...] = ()


def apply(incident: Incident, act: Act, scene: Scene) -> Done:
    """``incident`` after ``act``; what it does to other incidents is the service's.

    Raises Problem 409 where the state does not allow it, 400 for what makes no sense.
    """
    state = next_state(act, incident.state, incident.paused_since is not None)
    done = _changed(incident, act, scene)
    if state != incident.state:
        done = replace(done, incident=_enter(done.incident, state, scene.at))
    timed = timing.followed(incident, done.incident, scene.at, scene.city, scene.playbook(done.incident.kind))
    return replace(done, incident=timed)


def taken_in(incident: Incident, other: Incident) -> Incident:
    """``incident`` once ``other`` is merged into it: as grave as the graver, with its open tasks and who helps."""
    left = [one for one in other.tasks if one.done_at is None][: MOST_TASKS - len(incident.tasks)]
    moved = (replace(one, number=len(incident.tasks) + place) for place, one in enumerate(left, 1))
    severity, version = incident.severity, incident.version
    if other.severity > severity:
        severity, version = other.severity, version + 1
    helping = tuple(dict.fromkeys((*incident.help, *other.help)))[:MOST_HELP]
    return replace(incident, severity=severity, version=version, tasks=(*incident.tasks, *moved), help=helping)


def changes(before: Incident, after: Incident) -> tuple[Change, ...]:
    """The fields that differ, as plain values."""
    return tuple(
        Change(name, _bare(getattr(before, name)), _bare(getattr(after, name)))
        for name in (one.name for one in fields(Incident))
        if name not in _UNTOLD and getattr(before, name) != getattr(after, name)
    )


def said(text: str, what: str, most: int = LONGEST_TEXT, *, needed: bool = True) -> str:
    """``text`` as it is kept. Raises Problem 400 if it says nothing though it must, or is too long."""
    told = nfc(text.replace("\0", "").replace("\r\n", "\n").strip())
    if needed and not told:
        raise bad_request(f"There is no {what}.", "Write it, then send again.")
    if len(told) > most:
        raise bad_request(f"The {what} has {len(told)} letters.", f"At most {most}.")
    return told


def checked_kind(kinds: Mapping[str, IncidentKind], kind: str, *, retired: bool = False) -> IncidentKind:
    """The kind of this id, if need be a ``retired`` one. Raises Problem 400."""
    found = kinds.get(kind)
    if found is None or (found.retired and not retired):
        known = sorted(id for id, one in kinds.items() if not one.retired)
        raise bad_request(f"No kind of incident {kind!r} here.", f"Choose one of: {', '.join(known)}.")
    return found


def agency_of(city: City, kind: IncidentKind) -> str:
    """Who owns incidents of ``kind`` until somebody decides otherwise; "" if this city has no such agency."""
    return kind.agency if city.agency(kind.agency) else ""


def checked_agency(city: City, agency: str) -> str:
    """``agency`` if there is one of this id. Raises Problem 400."""
    if agency and city.agency(agency) is None:
        raise bad_request(f"No agency {agency!r} here.", "Choose one of the city's agencies.")
    return agency


def checked_ward(city: City, ward: str) -> str:
    """``ward`` if there is one of this code. Raises Problem 400."""
    if ward and ward not in city.by_code:
        raise bad_request(f"No ward {ward!r} here.", "Choose one of the city's wards.")
    return ward


def checked_severity(severity: int) -> int:
    """``severity`` if it is one. Raises Problem 400."""
    if severity not in SEVERITIES:
        raise bad_request(f"There is no severity {severity}.", "Give a number from 1 (information) to 4 (very serious).")
    return severity


def checked_point(longitude: float, latitude: float) -> tuple[float, float]:
    """The point, if it is one on earth (EPSG:4326). Raises Problem 400."""
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        raise bad_request("This is no point on earth.", "Give longitude and latitude in degrees (EPSG:4326).")
    return longitude, latitude


def _enter(incident: Incident, state: State, at: datetime) -> Incident:
    """``incident`` as it comes into another state: nothing is paused in a new state, and moments are kept."""
    entered = replace(incident, state=state, state_at=at, paused_since=None, paused_until=None, pause_reason="")
    if state in ("accepted", "assigned", "handling") and entered.accepted_at is None:
        entered = replace(entered, accepted_at=at, playbook_at=at)
    if state == "answered":
        return replace(entered, answered_at=at)
    if incident.state in ("answered", "closed", "rejected") and state == "accepted":
        return replace(entered, answered_at=None, answer="", proof=())
    return entered


def _changed(incident: Incident, act: Act, scene: Scene) -> Done:
    """What ``act`` changes beside the state."""
    match act:
        case acts.Reject(reason=reason) | acts.Reopen(reason=reason):
            return Done(incident, _words(reason))
        case acts.Return(reason=reason):
            return Done(replace(incident, agency="", assignee="", arrived_at=None), _words(reason))
        case acts.Escalate(reason=reason):
            return Done(replace(incident, escalated=incident.escalated + 1), _words(reason))
        case acts.Assign():
            return _assigned(incident, act, scene)
        case acts.Delegate(assignee=assignee):
            return Done(replace(incident, assignee=said(assignee, "person", LONGEST_TITLE)))
        case acts.Arrive():
            return Done(replace(incident, arrived_at=incident.arrived_at or scene.at))
        case acts.AskHelp():
            return _helped(incident, act, scene)
        case acts.Pause(reason=reason, until=until):
            return Done(
                replace(incident, paused_since=scene.at, paused_until=_later(until, scene), pause_reason=_reason(reason)),
                _words(reason),
            )
        case acts.Resume():
            return Done(replace(incident, paused_since=None, paused_until=None, pause_reason=""))
        case acts.Answer(text=text, proof=proof):
            told = said(text, "answer")
            return Done(replace(incident, answer=told, proof=proof), Text(told, told), tuple(map(str, proof)))
        case acts.Reclassify(kind=kind):
            return _reclassified(incident, kind, scene)
        case acts.Rank(severity=severity, urgency=urgency):
            if urgency not in URGENCIES:
                raise bad_request(f"There is no urgency {urgency!r}.", f"Give one of {', '.join(URGENCIES)}.")
            return Done(replace(incident, severity=checked_severity(severity), urgency=urgency))
        case acts.Move():
            return _moved(incident, act, scene)
        case acts.Retitle(title=title, text=text):
            named = said(title, "title", LONGEST_TITLE)
            described = incident.text if text is None else said(text, "description", needed=False)
            return Done(replace(incident, title=Text(named, named), text=described))
        case acts.Merge(into=into):
            return Done(replace(incident, parent=into), refs=(into,))
        case acts.Comment(text=text):
            told = said(text, "comment")
            return Done(incident, Text(told, told))
        case acts.Tie(kind=kind, ref=ref):
            return Done(incident, refs=(kind, said(ref, "link", LONGEST_TITLE)))
        case acts.AddTask() | acts.DoTask() | acts.DoStep():
            return _worked(incident, act, scene)
        case _:
            return Done(incident)


def _reclassified(incident: Incident, kind: str, scene: Scene) -> Done:
    """What the old kind gave becomes what the new one gives; what somebody decided stays, and so does who has the work."""
    old, new = scene.kinds.get(incident.kind), checked_kind(scene.kinds, kind)
    if new.id == incident.kind:
        raise bad_request("It is of this kind already.", "Choose another kind.")
    changed = replace(incident, kind=new.id)
    if old is not None:
        changed = replace(
            changed,
            title=new.title if incident.title == old.title else incident.title,
            severity=new.severity if incident.severity == old.severity else incident.severity,
            urgency=new.urgency if incident.urgency == old.urgency else incident.urgency,
        )
    if incident.state in ("new", "accepted") and incident.agency == ("" if old is None else agency_of(scene.city, old)):
        changed = replace(changed, agency=agency_of(scene.city, new))
    if scene.playbook(incident.kind) != scene.playbook(new.id):
        # Its steps are counted from now: nobody is late with what was not to be done before.
        told = tuple(one for one in incident.told if not one.startswith("step:"))
        begun = None if incident.playbook_at is None else scene.at
        changed = replace(changed, steps_done=(), told=told, playbook_at=begun)
    return Done(changed, refs=(incident.kind, new.id))


def _assigned(incident: Incident, act: acts.Assign, scene: Scene) -> Done:
    if not (act.agency or act.ward or act.assignee):
        raise bad_request("It is assigned to nobody.", "Name an agency, a ward or a person.")
    return Done(
        replace(
            incident,
            agency=checked_agency(scene.city, act.agency) or incident.agency,
            ward=checked_ward(scene.city, act.ward) or incident.ward,
            # Whoever had it does not have it in another unit.
            assignee=said(act.assignee, "person", LONGEST_TITLE, needed=False)
            or ("" if act.agency or act.ward else incident.assignee),
            arrived_at=None,
        )
    )


def _helped(incident: Incident, act: acts.AskHelp, scene: Scene) -> Done:
    if scene.city.agency(act.unit) is None and act.unit not in scene.city.by_code:
        raise bad_request(f"No unit {act.unit!r} here.", "Name an agency or a ward of this city.")
    note = said(act.note, "note", LONGEST_REASON, needed=False)
    asked = incident.help if act.unit in incident.help else (*incident.help, act.unit)
    if len(asked) > MOST_HELP:
        raise bad_request("Too many units were asked already.", "Escalate it instead.")
    return Done(replace(incident, help=asked), Text(note, note), (act.unit,))


def _moved(incident: Incident, act: acts.Move, scene: Scene) -> Done:
    longitude, latitude = checked_point(act.longitude, act.latitude)
    ward = scene.city.locate(longitude, latitude)
    if ward is None:
        raise bad_request(f"This point lies outside {scene.city.title.en}.", "Choose a point within the city.")
    address = said(act.address, "address", LONGEST_TITLE, needed=False) or incident.address
    return Done(replace(incident, longitude=longitude, latitude=latitude, address=address, ward=ward.code))


def _worked(incident: Incident, act: acts.AddTask | acts.DoTask | acts.DoStep, scene: Scene) -> Done:
    """Tasks and steps of the playbook."""
    match act:
        case acts.AddTask():
            if len(incident.tasks) >= MOST_TASKS:
                raise bad_request(f"There are {MOST_TASKS} tasks already.", "Split the incident.")
            text = said(act.text, "task", LONGEST_REASON)
            assignee = said(act.assignee, "person", LONGEST_TITLE, needed=False)
            task = Task(len(incident.tasks) + 1, text, assignee, _moment(act.due_at, scene))
            return Done(replace(incident, tasks=(*incident.tasks, task)), Text(text, text), (str(task.number),))
        case acts.DoTask(task=number):
            found = next((one for one in incident.tasks if one.number == number), None)
            if found is None:
                raise bad_request(f"There is no task {number}.", "Choose one of the incident's tasks.")
            if found.done_at is not None:
                raise _done_already()
            ended = replace(found, done_at=scene.at, done_by=scene.person)
            tasks = tuple(ended if one.number == number else one for one in incident.tasks)
            return Done(replace(incident, tasks=tasks), Text(found.text, found.text), (str(number),))
        case acts.DoStep(step=step, note=note):
            playbook = scene.playbook(incident.kind)
            if playbook is None or not 0 <= step < len(playbook.steps):
                raise bad_request(f"Its playbook has no step {step + 1}.", "Choose one of the steps of the playbook.")
            if any(one.step == step for one in incident.steps_done):
                raise _done_already()
            ended_step = DoneStep(step, scene.at, scene.person, said(note, "note", LONGEST_REASON, needed=False))
            return Done(
                replace(incident, steps_done=(*incident.steps_done, ended_step)), playbook.steps[step].text, (str(step),)
            )


def _done_already() -> Problem:
    return Problem(409, "already-done", "That was done already.", "Look at the incident as it stands.")


def _later(until: datetime | None, scene: Scene) -> datetime | None:
    moment = _moment(until, scene)
    if moment is not None and moment <= scene.at:
        raise bad_request("It cannot go on in the past.", "Give a moment that lies ahead, with its offset, or none.")
    return moment


def _moment(told: datetime | None, scene: Scene) -> datetime | None:
    """A moment that somebody gave, in UTC. Raises Problem 400 without an offset, or out of reach of any calendar here."""
    if told is None:
        return None
    if told.tzinfo is None:
        raise bad_request("This is a time without an offset.", "Write 2026-05-14T11:00:00+07:00 or …Z.")
    if abs(told - scene.at) > _FARTHEST:
        raise bad_request("This moment is more than ten years away.", "Give one that people here will see.")
    return told.astimezone(UTC)


def _reason(text: str) -> str:
    return said(text, "reason", LONGEST_REASON)


def _words(reason: str) -> Text:
    told = _reason(reason)
    return Text(told, told)


def _bare(value: Any) -> Any:
    return msgspec.to_builtins(value)
