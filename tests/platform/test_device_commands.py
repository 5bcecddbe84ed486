"""Commands to devices over real MQTT: decided by people, answered by the device, proven by a reading, or failed loudly."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import pytest

from dothi.access.policy import LOCAL_OPERATOR, WHOLE_CITY, Clearance, Grant, Person, Scope
from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.commands.kinds import CommandKind, Parameter, Verification
from dothi.platform.commands.model import FLOW, OPEN, WORDS, Command
from dothi.platform.incidents.model import Draft
from dothi.testing.city import RunningCity, running_city, wait_until

OPERATOR = Person("ana", (Grant("operator", WHOLE_CITY, Clearance.RESTRICTED),))
LEADER = Person("binh", (Grant("leader", WHOLE_CITY, Clearance.RESTRICTED),))
ELSEWHERE = Person("chi", (Grant("engineer", Scope(agencies=frozenset({"other"})), Clearance.RESTRICTED),))
TYPE = "https://smartdatamodels.org/dataModel.Environment/AirQualityObserved"
PM25 = "https://smartdatamodels.org/dataModel.Environment/pm25"
POINT = {"longitude": 105.35, "latitude": 21.3}
PLACE = {"type": "AirQualityObserved", "name": "Trạm lệnh", **POINT}
QUICK = CommandKind(
    "test.set",
    Text("Đặt mức", "Set the level"),
    TYPE,
    Text("Số đo đổi theo.", "Readings follow."),
    Verification(PM25, lambda said, value: value == said["level"], timedelta(minutes=5)),
    (Parameter("level", Text("Mức", "Level"), 0, 100),),
)
TWO = replace(QUICK, id="test.two", two_people=True)
SILENT = replace(QUICK, id="test.silent", answer_within=timedelta(seconds=0.3))
UNSEEN = replace(QUICK, id="test.unseen", verification=replace(QUICK.verification, within=timedelta(seconds=0.3)))
LAPSING = replace(QUICK, id="test.lapsing", decide_within=timedelta(seconds=0.3))
KINDS = {one.id: one for one in (QUICK, TWO, SILENT, UNSEEN, LAPSING)}


class Station:
    """A device on MQTT that keeps the commands it hears and answers as it is told to."""

    def __init__(self, city: RunningCity, name: str, secret: str, answers: str = "accepted") -> None:
        self.heard: list[dict[str, Any]] = []
        self._topic, self._answers = f"{city.platform.tenant}/devices/{name}", answers
        self._ready = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name)
        self._client.username_pw_set(name, secret)
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.connect("127.0.0.1", city.mqtt_port)
        self._client.loop_start()
        self._client.subscribe(f"{self._topic}/commands", 1)
        assert self._ready.wait(20)

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        told = json.loads(message.payload)
        self.heard.append(told)
        if self._answers:
            self.answer(told["id"], self._answers)

    def answer(self, command: str, state: str) -> None:
        """Say what becomes of a command."""
        body = json.dumps({"id": command, "state": state, "reason": "khoang mở"})
        self._client.publish(f"{self._topic}/answers", body, qos=1)

    def measure(self, value: float) -> None:
        """Send a reading and wait until it is acknowledged."""
        body = json.dumps({"values": {"pm25": value}})
        self._client.publish(f"{self._topic}/readings", body, qos=1).wait_for_publish(20)

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    with running_city(tmp_path_factory.mktemp("commands"), city="25", log_level="WARNING") as running:
        running.platform.commands.kinds = KINDS
        yield running


@contextmanager
def station(city: RunningCity, name: str, answers: str = "accepted") -> Iterator[Station]:
    """An admitted station that listens."""
    with httpx.Client(base_url=city.base_url, headers=city.operator, trust_env=False, timeout=30) as client:
        client.post("/api/v1/devices", json={"id": name, **PLACE}).raise_for_status()
        secret = client.post(f"/api/v1/devices/{name}/secret").json()["secret"]
    device = Station(city, name, secret, answers)
    try:
        yield device
    finally:
        device.close()


def urn(name: str) -> str:
    return f"urn:ngsi-ld:AirQualityObserved:phutho:{name}"


def propose(city: RunningCity, kind: str, name: str, level: str = "42", person: Person = OPERATOR) -> Command:
    work = city.platform.commands.propose(person, kind, urn(name), {"level": level}, because="kiểm tra")
    return city.run(work)


def state_of(city: RunningCity, id_: str) -> str:
    return city.platform.commands.get(OPERATOR, id_).state


def test_a_command_is_approved_by_another_sent_answered_and_proven_by_a_reading(city: RunningCity) -> None:
    commands = city.platform.commands
    with station(city, "cmd-good") as device, station(city, "cmd-other", "") as other:
        trouble = city.run(city.platform.incidents.open(OPERATOR, Draft("report-other", **POINT))).code
        asked = commands.propose(
            OPERATOR, "test.two", urn("cmd-good"), {"level": "42"}, because="kiểm tra", incident=trouble
        )
        made = city.run(asked)
        assert (made.state, made.parameters, made.device) == ("proposed", {"level": 42.0}, "cmd-good")
        with pytest.raises(Problem, match="may not approve"):
            city.run(commands.approve(OPERATOR, made.id))
        with pytest.raises(Problem, match="somebody else"):
            city.run(commands.withdraw(LEADER, made.id))
        assert device.heard == []
        city.run(commands.approve(LEADER, made.id))
        wait_until(lambda: state_of(city, made.id) == "acknowledged", "the device answers")
        assert device.heard[0] == {"id": made.id, "command": "test.two", "parameters": {"level": 42.0}}
        other.answer(made.id, "refused")
        device.answer(made.id, "accepted")
        device.measure(7.0)
        wait_until(lambda: _latest(city, "cmd-good") == 7.0, "the wrong reading is there")
        assert state_of(city, made.id) == "acknowledged", "neither another's answer nor another reading counts"
        device.measure(42.0)
        wait_until(lambda: state_of(city, made.id) == "verified", "the reading proves it")
    done = commands.get(OPERATOR, made.id)
    assert (done.value, done.decided_by, done.incident) == (42.0, "binh", trouble)
    assert commands.find(OPERATOR, incident=trouble, state="verified")[0] == [done]
    with city.platform.database.reader() as db:
        rows = db.execute("SELECT person_id, action FROM audit WHERE thing = ? ORDER BY seq", (made.id,)).fetchall()
    assert [tuple(row) for row in rows] == [
        ("ana", "command.propose"),
        ("binh", "command.approve"),
        ("system", "command.sent"),
        ("system", "command.acknowledged"),
        ("system", "command.verified"),
    ]
    with pytest.raises(Problem, match="verified by a reading"):
        city.run(commands.approve(LEADER, made.id))


@pytest.mark.parametrize(
    ("kind", "answers", "reason"),
    [
        ("test.silent", "", "did not answer"),
        ("test.set", "refused", "khoang mở"),
        ("test.unseen", "accepted", "no reading shows"),
    ],
)
def test_what_is_not_carried_out_fails_and_says_why(city: RunningCity, kind: str, answers: str, reason: str) -> None:
    name = kind.replace("test.", "cmd-fails-")
    with station(city, name, answers) as device:
        made = propose(city, kind, name)
        city.run(city.platform.commands.approve(OPERATOR, made.id))
        wait_until(lambda: state_of(city, made.id) == "failed", "it fails")
        wait_until(lambda: bool(device.heard), "it was told")
    assert reason in city.platform.commands.get(OPERATOR, made.id).reason
    again = propose(city, kind, name)
    assert again.id != made.id, "what failed may be proposed again"
    city.run(city.platform.commands.withdraw(OPERATOR, again.id))


def test_a_reading_that_is_quicker_than_the_devices_answer_proves_it_too(city: RunningCity) -> None:
    with station(city, "cmd-quick", "") as device:
        made = propose(city, "test.set", "cmd-quick")
        city.run(city.platform.commands.approve(OPERATOR, made.id))
        wait_until(lambda: bool(device.heard), "it is told")
        device.measure(42.0)
        wait_until(lambda: _latest(city, "cmd-quick") == 42.0, "the reading is there")
        assert state_of(city, made.id) == "sent"
        device.answer(made.id, "accepted")
        wait_until(lambda: state_of(city, made.id) == "verified", "the reading counts")


def test_a_proposal_that_nobody_decides_about_lapses_and_one_may_be_refused(city: RunningCity) -> None:
    commands = city.platform.commands
    with station(city, "cmd-slow") as device:
        made = propose(city, "test.lapsing", "cmd-slow")
        wait_until(lambda: state_of(city, made.id) == "expired", "it lapses")
        other = propose(city, "test.set", "cmd-slow")
        with pytest.raises(Problem, match="needs a reason"):
            city.run(commands.refuse(LEADER, other.id, " "))
        city.run(commands.refuse(LEADER, other.id, "chưa cần"))
        assert (state_of(city, other.id), device.heard) == ("refused", [])


def test_what_becomes_of_one_while_another_is_looked_at_is_seen(city: RunningCity, monkeypatch: pytest.MonkeyPatch) -> None:
    commands, looked, held, go_on = city.platform.commands, list[str](), threading.Event(), asyncio.Event()
    look = commands._look
    with station(city, "cmd-first"), station(city, "cmd-second"):
        first, second = propose(city, "test.set", "cmd-first"), propose(city, "test.set", "cmd-second")

        async def slowly(command: Command, now: datetime) -> None:
            if command.id == first.id:
                held.set()
                await go_on.wait()
            looked.append(command.id)
            await look(command, now)

        monkeypatch.setattr(commands, "_look", slowly)
        wait_until(held.is_set, "the first is looked at")
        looked.clear()
        city.run(commands.withdraw(OPERATOR, second.id))
        city.loop.call_soon_threadsafe(go_on.set)
        wait_until(lambda: looked.count(first.id) >= 2, "the next round has begun")
        assert second.id not in looked, "it was over when its turn came"
        city.run(commands.withdraw(OPERATOR, first.id))


def test_wrong_proposals_are_refused_with_what_to_do(city: RunningCity) -> None:
    commands = city.platform.commands
    with station(city, "cmd-wrong"):
        with pytest.raises(Problem, match="no command"):
            propose(city, "test.none", "cmd-wrong", "1")
        for level in ("101", "-1", "x", "", "nan"):
            with pytest.raises(Problem, match="bounds"):
                propose(city, "test.set", "cmd-wrong", level)
        for because, said in ((" ", "needs a reason"), ("x" * 501, "501 letters")):
            with pytest.raises(Problem, match=said):
                city.run(commands.propose(OPERATOR, "test.set", urn("cmd-wrong"), {"level": "1"}, because=because))
        with pytest.raises(Problem) as unknown:
            work = commands.propose(
                OPERATOR, "test.set", urn("cmd-wrong"), {"level": "1"}, because="kiểm tra", incident="SV-0001-0001"
            )
            city.run(work)
        assert unknown.value.status == 404
        with pytest.raises(Problem) as absent:
            propose(city, "test.set", "cmd-nobody")
        assert absent.value.status == 404
        for person, status in ((LEADER, 403), (ELSEWHERE, 403)):
            with pytest.raises(Problem) as refused:
                propose(city, "test.set", "cmd-wrong", person=person)
            assert refused.value.status in (status, 404)
        made = propose(city, "test.set", "cmd-wrong")
        with pytest.raises(Problem, match="still open"):
            propose(city, "test.set", "cmd-wrong")
        assert commands.find(ELSEWHERE, id=made.id) == ([], 0), "what is out of reach is not there"
        city.run(commands.withdraw(OPERATOR, made.id))


def test_a_restart_goes_on_with_what_waits(tmp_path: Path) -> None:
    with running_city(tmp_path, city="25", log_level="WARNING") as first:
        first.platform.commands.kinds = KINDS
        with station(first, "cmd-kept"):
            made = propose(first, "test.set", "cmd-kept")
    with running_city(tmp_path, city="25", log_level="WARNING") as second:
        commands = second.platform.commands
        commands.kinds = KINDS
        with httpx.Client(base_url=second.base_url, headers=second.operator, trust_env=False, timeout=30) as client:
            secret = client.post("/api/v1/devices/cmd-kept/secret").json()["secret"]
        device = Station(second, "cmd-kept", secret)
        second.run(commands.approve(LOCAL_OPERATOR, made.id))
        wait_until(lambda: state_of(second, made.id) == "acknowledged", "it is sent after all")
        device.close()


def test_the_table_of_what_may_become_of_a_command_is_whole() -> None:
    states = set(WORDS)
    assert {before for before, _ in FLOW} == set(OPEN), "every open state leads on, and no closed one does"
    assert set(FLOW.values()) | {"proposed"} == states, "every state can be reached"


def _latest(city: RunningCity, name: str) -> object:
    found = city.platform.context.get(LOCAL_OPERATOR, urn(name))
    return found.attributes[PM25][0].value if found is not None and PM25 in found.attributes else None
