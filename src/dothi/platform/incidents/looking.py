"""What comes about by itself: a clock that warns or runs out, a step of a playbook that is late, a pause that goes on
or ends, the closing of what was answered.
"""

from dataclasses import replace
from datetime import datetime

from dothi.access.policy import SYSTEM
from dothi.model.clock import to_micros
from dothi.model.text import Text
from dothi.platform.incidents import acts, changing, store, timing
from dothi.platform.incidents.changing import Scene
from dothi.platform.incidents.model import CLOCKS, Incident
from dothi.store.audit import Act
from dothi.store.connection import Connection

AT_ONCE = 200
_UNLESS = Text(
    "Chưa ai đòi mở lại; không mở lại thì tự đóng.", "Nobody asked to reopen it; unless somebody does, it is closed."
)
_BY_ITSELF: dict[str, tuple[acts.Act, Text]] = {
    "resume": (acts.Resume(), Text("", "")),
    "close": (acts.Close(), Text("Không ai đòi mở lại.", "Nobody asked to reopen it.")),
}
_DUE = "SELECT code FROM incident WHERE look_at <= ? ORDER BY look_at, code LIMIT ?"


def due(db: Connection, now: datetime) -> list[str]:
    """The codes of the incidents to look at by ``now``, at most ``AT_ONCE``."""
    return [code for (code,) in db.execute(_DUE, (to_micros(now), AT_ONCE))]


def ask_again(db: Connection) -> None:
    """Look once more at what is answered or paused: when it is closed or brought to mind may be promised anew at a start."""
    db.execute("UPDATE incident SET look_at = answered_at WHERE state = 'answered'")
    db.execute("UPDATE incident SET look_at = paused_since WHERE paused_since IS NOT NULL")


def look_at(db: Connection, code: str, scene: Scene, recorded: list[Act]) -> None:
    """Write down what came about for one incident by the scene's moment; a clock that ran out takes it one level up."""
    incident = store.fetch(db, code)
    if incident is None:
        return
    playbook = scene.playbook(incident.kind)
    happened = timing.happened(incident, scene.at, scene.city, playbook)
    for what in happened:
        name, _, end = what.partition(":")
        if what in _BY_ITSELF:
            incident = _done(db, incident, what, scene, recorded)
            continue
        if what == "paused":
            if "resume" not in happened:
                incident = timing.reminded(incident, scene.at)
                store.write_entry(db, incident, scene.at, SYSTEM.id, "paused", _still(incident, scene.at))
            continue
        incident = replace(incident, told=(*incident.told, what))
        if what == "closing":
            if "close" not in happened:
                store.write_entry(db, incident, scene.at, SYSTEM.id, "closing", _UNLESS)
        elif name == "step" and playbook is not None:
            store.write_entry(db, incident, scene.at, SYSTEM.id, "late", playbook.steps[int(end)].text, (), (end,))
        elif end == "due":
            before, incident = incident, replace(incident, escalated=incident.escalated + 1)
            changes = changing.changes(before, incident)
            store.write_entry(db, incident, scene.at, SYSTEM.id, "overdue", _words(name, "due"), changes, (name,))
            recorded.append(Act(SYSTEM.id, "incident.escalate", code, "done", "", name))
        elif f"{name}:due" not in happened:  # seen too late to warn
            store.write_entry(db, incident, scene.at, SYSTEM.id, "warn", _words(name, "warn"), (), (name,))
    store.update(db, timing.looked_after(incident, scene.city, playbook))


def _done(db: Connection, incident: Incident, what: str, scene: Scene, recorded: list[Act]) -> Incident:
    act, words = _BY_ITSELF[what]
    done = changing.apply(incident, act, scene)
    after = replace(done.incident, version=incident.version + 1)
    store.write_entry(db, after, scene.at, SYSTEM.id, what, words, changing.changes(incident, after))
    recorded.append(Act(SYSTEM.id, f"incident.{what}", incident.code))
    return after


def _still(incident: Incident, at: datetime) -> Text:
    days, reason = (at - (incident.paused_since or at)).days, incident.pause_reason
    return Text(f"Đã {days} ngày: {reason}", f"For {days} days: {reason}")


def _words(clock: str, what: str) -> Text:
    title = CLOCKS[clock]
    if what == "due":
        return Text(f"Quá hạn: {title.vi.lower()}", f"Overdue: {title.en.lower()}")
    return Text(f"Sắp hết giờ: {title.vi.lower()}", f"Time is running out: {title.en.lower()}")
