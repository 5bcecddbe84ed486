"""Incidents in a running city: kinds of its own, one opened, somebody to give it to."""

import base64
import secrets

from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM, WHOLE_CITY, Clearance, Grant, Person
from dothi.model.text import Text
from dothi.platform.incidents import acts
from dothi.platform.incidents.acts import Act
from dothi.platform.incidents.kinds import IncidentKind, Playbook, PlaybookStep
from dothi.platform.incidents.model import Draft, Incident, Question
from dothi.testing.city import RunningCity

OPERATOR = Person("test-operator", (Grant("operator", WHOLE_CITY, Clearance.RESTRICTED),))
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")
HOAN_KIEM = (105.852, 21.029)


def with_kinds(city: RunningCity) -> RunningCity:
    """The city, knowing the kinds "test-smog" (a playbook, proof needed) and "test-tree" (no proof)."""
    known = city.platform.incidents
    steps = (PlaybookStep(Text("Xác nhận tại chỗ", "Confirm on the spot"), 15), PlaybookStep(Text("Báo dân", "Tell people")))
    known.playbooks["test-smog"] = Playbook("test-smog", Text("Khói bụi", "Smoke"), steps)
    known.kinds["test-smog"] = IncidentKind("test-smog", Text("Khói bụi", "Smoke"), severity=3, playbook="test-smog")
    known.kinds["test-tree"] = IncidentKind("test-tree", Text("Cây đổ", "Fallen tree"), severity=2, proof=False)
    return city


def opened(city: RunningCity, title: str = "", kind: str = "test-tree", **more: object) -> Incident:
    """A new incident in Hoàn Kiếm, of a title nobody else has unless one is given."""
    title = title or f"Cây đổ {secrets.token_hex(4)}"
    told = {"longitude": HOAN_KIEM[0], "latitude": HOAN_KIEM[1], **more}
    draft = Draft(kind, title=Text(title, title), **told)  # type: ignore[arg-type]  # any field of a draft
    return city.run(city.platform.incidents.open(OPERATOR, draft))


def does(city: RunningCity, incident: Incident, *todo: Act) -> Incident:
    """The incident after the operator did all of ``todo``."""
    for act in todo:
        done = city.platform.incidents.act(OPERATOR, incident.code, act, version=incident.version)
        incident = city.run(done)
    return incident


def officer(city: RunningCity, name: str) -> str:
    """The account of a new ward officer."""
    login = f"officer-{secrets.token_hex(4)}"
    return city.run(city.platform.accounts.create(SYSTEM, login, name, [Granted("ward_officer", 2)]))


def put_away(city: RunningCity) -> None:
    """Reject whatever is worked on, for tests of a city where all is quiet."""
    for one in city.platform.incidents.find(OPERATOR, Question(limit=200)).incidents:
        back = [acts.Return("dọn")] if one.state in ("assigned", "handling") else []
        does(city, one, *back, acts.Reject("dọn"))
