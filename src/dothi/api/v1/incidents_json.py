"""Incidents as the API shows them: camelCase, times in UTC by the city's clock, words in both languages."""

from typing import Any

from dothi.api.encoding import instant
from dothi.model.text import Text
from dothi.platform.incidents.duplicates import Likely
from dothi.platform.incidents.kinds import IncidentKind, Playbook
from dothi.platform.incidents.model import Entry, Incident, Load
from dothi.platform.incidents.months import Months
from dothi.platform.incidents.photos import Photo


def incident_json(one: Incident) -> dict[str, Any]:
    """An incident; ``dueAt`` is null while no clock runs, ``version`` is to be sent with the next act."""
    return {
        "code": one.code,
        "kind": one.kind,
        "title": text_json(one.title),
        "text": one.text,
        "state": one.state,
        "severity": one.severity,
        "urgency": one.urgency,
        "location": {"type": "Point", "coordinates": [one.longitude, one.latitude]} if one.longitude is not None else None,
        "address": one.address or None,
        "ward": one.ward or None,
        "agency": one.agency or None,
        "assignee": one.assignee or None,
        "origin": one.origin,
        "cause": one.cause or None,
        "openedAt": instant(one.opened_at),
        "stateAt": instant(one.state_at),
        "detectedFrom": instant(one.detected_from),
        "acceptedAt": instant(one.accepted_at),
        "arrivedAt": instant(one.arrived_at),
        "answeredAt": instant(one.answered_at),
        "pausedSince": instant(one.paused_since),
        "pausedUntil": instant(one.paused_until),
        "pauseReason": one.pause_reason or None,
        "escalated": one.escalated,
        "help": one.help,
        "parent": one.parent or None,
        "answer": one.answer or None,
        "proof": one.proof,
        "dueAt": instant(one.due_at),
        "clocks": [
            {
                "step": clock.step,
                "hours": clock.hours,
                "working": clock.working,
                "startedAt": instant(clock.started),
                "dueAt": instant(clock.due),
                "stoppedAt": instant(clock.stopped),
            }
            for clock in one.clocks
        ],
        "tasks": [
            {
                "number": task.number,
                "text": task.text,
                "assignee": task.assignee or None,
                "dueAt": instant(task.due_at),
                "doneAt": instant(task.done_at),
                "doneBy": task.done_by or None,
            }
            for task in one.tasks
        ],
        "stepsDone": [
            {"step": step.step, "at": instant(step.at), "by": step.by, "note": step.note or None} for step in one.steps_done
        ],
        "alerts": one.alerts,
        "reports": one.reports,
        "photos": one.photos,
        "clearance": one.clearance.name.lower(),
        "version": one.version,
    }


def entry_json(one: Entry) -> dict[str, Any]:
    """One line of a timeline."""
    return {
        "number": one.number,
        "at": instant(one.at),
        "person": one.person,
        "act": one.act,
        "words": text_json(one.words),
        "changes": [{"field": change.field, "before": change.before, "after": change.after} for change in one.changes],
        "refs": one.refs,
        "version": one.version,
    }


def kind_json(one: IncidentKind, playbook: Playbook | None) -> dict[str, Any]:
    """A kind of incident with its playbook."""
    return {
        "id": one.id,
        "title": text_json(one.title),
        "agency": one.agency or None,
        "severity": one.severity,
        "urgency": one.urgency,
        "citizens": one.citizens,
        "proof": one.proof,
        "hint": None if one.hint is None else text_json(one.hint),
        "retired": one.retired,
        "playbook": None
        if playbook is None
        else {
            "id": playbook.id,
            "title": text_json(playbook.title),
            "steps": [
                {"text": text_json(step.text), "minutes": step.minutes, "command": step.command or None}
                for step in playbook.steps
            ],
        },
    }


def load_json(one: Load) -> dict[str, Any]:
    """The load of a ward or an agency; medians in minutes."""
    return {
        "ward": one.ward or None,
        "agency": one.agency or None,
        "open": one.open,
        "overdue": one.overdue,
        "paused": one.paused,
        "answered": one.answered,
        "toAccept": one.to_accept,
        "toAnswer": one.to_answer,
    }


def months_json(one: Months) -> dict[str, Any]:
    """Months by their first days in the city's zone; of each kind and ward that had any what was opened, answered, late, and
    the median of the minutes to the answer; and places (EPSG:4326) where incidents come back.
    """
    return {
        "months": [f"{month:%Y-%m}" for month in one.months],
        "items": [
            {
                "month": f"{month:%Y-%m}",
                "kind": kind,
                "ward": ward or None,
                "opened": figures.opened,
                "answered": figures.answered,
                "late": figures.late,
                "minutesToAnswer": figures.to_answer,
            }
            for (month, kind, ward), figures in sorted(one.figures.items())
        ],
        "places": [
            {
                "longitude": round(spot.longitude, 6),
                "latitude": round(spot.latitude, 6),
                "ward": spot.ward or None,
                "count": spot.count,
                "kinds": spot.kinds,
            }
            for spot in one.spots
        ],
    }


def likely_json(one: Likely) -> dict[str, Any]:
    """An incident that may be the same, and why."""
    return {
        "incident": incident_json(one.incident),
        "score": one.score,
        "metres": None if one.metres is None else round(one.metres),
        "seconds": round(one.apart.total_seconds()),
    }


def photo_json(one: Photo) -> dict[str, Any]:
    """A photo without its picture, which ``/api/v1/photos/{number}`` gives."""
    return {
        "number": one.number,
        "incident": one.incident,
        "phase": one.phase,
        "media": one.media,
        "width": one.width,
        "height": one.height,
        "takenAt": instant(one.taken_at),
        "addedAt": instant(one.added_at),
        "person": one.person,
        "releasedAt": instant(one.released_at),
        "blackedOut": [{"left": box.left, "top": box.top, "width": box.width, "height": box.height} for box in one.boxes],
    }


def text_json(words: Text) -> dict[str, str]:
    """Words in both languages."""
    return {"vi": words.vi, "en": words.en}
