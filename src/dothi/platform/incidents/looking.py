"""What comes about by itself: a clock that warns or runs out, a step of a playbook that is late, a pause that ends."""

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
_DUE = "SELECT code FROM incident WHERE look_at <= ? ORDER BY look_at, code LIMIT ?"


def due(db: Connection, now: datetime) -> list[str]:
    """The codes of the incidents to look at by ``now``, at most ``AT_ONCE``."""
    return [code for (code,) in db.execute(_DUE, (to_micros(now), AT_ONCE))]


def look_at(db: Connection, code: str, scene: Scene, recorded: list[Act]) -> None:
    """Write down what came about for one incident by the scene's moment; a clock that ran out takes it one level up."""
    incident = store.fetch(db, code)
    if incident is None:
        return
    playbook = scene.playbook(incident.kind)
    happened = timing.happened(incident, scene.at, scene.city, playbook)
    for what in happened:
        name, _, end = what.partition(":")
        if what == "resume":
            incident = _resumed(db, incident, scene, recorded)
            continue
        incident = replace(incident, told=(*incident.told, what))
        if name == "step" and playbook is not None:
            store.write_entry(db, incident, scene.at, SYSTEM.id, "late", playbook.steps[int(end)].text, (), (end,))
        elif end == "due":
            before, incident = incident, replace(incident, escalated=incident.escalated + 1)
            changes = changing.changes(before, incident)
            store.write_entry(db, incident, scene.at, SYSTEM.id, "overdue", _words(name, "due"), changes, (name,))
            recorded.append(Act(SYSTEM.id, "incident.escalate", code, "done", "", name))
        elif f"{name}:due" not in happened:  # seen too late to warn
            store.write_entry(db, incident, scene.at, SYSTEM.id, "warn", _words(name, "warn"), (), (name,))
    store.update(db, timing.looked_after(incident, scene.city, playbook))


def _resumed(db: Connection, incident: Incident, scene: Scene, recorded: list[Act]) -> Incident:
    done = changing.apply(incident, acts.Resume(), scene)
    on = replace(done.incident, version=incident.version + 1)
    changes = changing.changes(incident, on)
    store.write_entry(db, on, scene.at, SYSTEM.id, "resume", Text("", ""), changes)
    recorded.append(Act(SYSTEM.id, "incident.resume", incident.code))
    return on


def _words(clock: str, what: str) -> Text:
    title = CLOCKS[clock]
    if what == "due":
        return Text(f"Quá hạn: {title.vi.lower()}", f"Overdue: {title.en.lower()}")
    return Text(f"Sắp hết giờ: {title.vi.lower()}", f"Time is running out: {title.en.lower()}")
