"""A sector says what it keeps personal data for; whoever handles an incident opens the one token that it carries."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from personal_world import CLINIC, NOW, REPLY, STEWARD, World

from dothi import app
from dothi.access.grants import Granted
from dothi.access.policy import Clearance
from dothi.access.sessions import COOKIE
from dothi.platform.sector import purposes_of
from dothi.services.air import SECTOR
from dothi.testing.city import RunningCity, running_city, wait_until
from dothi.testing.people import insider

REPORTS = replace(REPLY, id="reports", basis="law", law="Luật Tiếp công dân, điều 7")
WHY = {"reason": "Gọi lại hỏi địa điểm sự cố 17"}


@pytest.fixture
def city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningCity]:
    monkeypatch.setattr(app, "installed_sectors", lambda _: (replace(SECTOR, purposes=(REPORTS,)),))
    with running_city(tmp_path, data=tmp_path) as running:
        yield running


def somebody(city: RunningCity, login: str, granted: Granted) -> httpx.Client:
    accounts = city.platform.accounts
    made = city.run(accounts.create(insider(), login, login, (granted,)))
    session = city.run(accounts.open_session(made, strong=True, address="", agent="", correlation=""))
    return httpx.Client(base_url=city.base_url, cookies={COOKIE: session}, trust_env=False, timeout=60)


def test_an_operator_opens_what_an_incident_carries_and_nothing_else(city: RunningCity) -> None:
    agency, personal = SECTOR.agency, int(Clearance.PERSONAL)
    with (
        somebody(city, "steward", Granted("steward", personal)) as steward,
        somebody(city, "operator", Granted("operator", personal, agencies=(agency,))) as operator,
        somebody(city, "elsewhere", Granted("operator", personal, agencies=("so-xay-dung",))) as elsewhere,
        somebody(city, "uncleared", Granted("operator", int(Clearance.RESTRICTED))) as uncleared,
    ):
        declared = "/api/v1/personal/purposes"
        wait_until(lambda: bool(steward.get(declared).json()["items"]), "the sector's purpose is declared")
        (purpose,) = steward.get(declared).json()["items"]
        assert (purpose["id"], purpose["agency"], purpose["law"]) == ("reports", agency, REPORTS.law)
        subject = steward.post("/api/v1/personal/subjects", json={}).json()["id"]
        record = {"purpose": "reports", "kind": "phone", "value": "0912 345 678"}
        token = steward.post(f"/api/v1/personal/subjects/{subject}/records", json=record).json()["token"]

        opened = operator.post("/api/v1/personal/open", json={"token": token} | WHY)
        assert (opened.status_code, opened.json()) == (200, {"value": "0912 345 678"})
        assert operator.post("/api/v1/personal/open", json={"token": token, "reason": ""}).status_code == 400
        assert operator.get("/api/v1/personal/subjects").status_code == 403, "nobody looks through who is kept"
        assert operator.post(f"/api/v1/personal/subjects/{subject}/look", json=WHY).status_code == 404
        for other in (elsewhere, uncleared):
            assert other.post("/api/v1/personal/open", json={"token": token} | WHY).status_code == 403
        (look,) = city.run(city.platform.personal.looks(insider()))
        assert (look.subject, list(look.kinds), look.reason) == (subject, ["phone"], WHY["reason"])


def test_what_a_steward_changed_stays(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        world.do(world.personal.declare(STEWARD, replace(REPLY, keep_days=7)))
        wanted = [replace(REPLY, agency="health"), replace(CLINIC, basis="consent"), REPORTS]
        sectors = [replace(SECTOR, purposes=tuple(wanted))]
        assert [one.agency for one in purposes_of(sectors)] == ["health", "health", SECTOR.agency]
        world.do(world.personal.begin_with(purposes_of(sectors)))
        world.do(world.personal.begin_with(purposes_of(sectors)))
        with world.database.reader() as db:
            found = dict(db.execute("SELECT id, keep_days FROM personal_purpose").fetchall())
            basis = dict(db.execute("SELECT id, basis FROM personal_purpose").fetchall())
        assert (found, basis["clinic"]) == ({"reply": 7, "clinic": CLINIC.keep_days, "reports": REPORTS.keep_days}, "law")
        assert [thing for _, action, thing in world.acts() if action == "personal.declare"].count("reports") == 1
        assert world.clock.now() == NOW
    finally:
        world.close()
