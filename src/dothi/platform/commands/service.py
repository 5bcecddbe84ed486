"""The commands of a running city: proposed, decided, sent until the device answers, watched until a reading proves them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
import structlog

from dothi.access.policy import SYSTEM, Clearance, Person, Thing, may, reach
from dothi.data.news import Changes
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.reading import Grade
from dothi.model.text import nfc
from dothi.platform.commands import store
from dothi.platform.commands.kinds import CommandKind, Parameters
from dothi.platform.commands.model import OPEN, Command, Move, State
from dothi.platform.tasks import TaskState
from dothi.store.audit import Act
from dothi.store.connection import Connection
from dothi.store.journal import JournalDown

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

LOOK_EVERY = 1.0  # seconds between two looks at what has run out
SEND_AGAIN = timedelta(seconds=5)  # of city time, until the device answers: a lost message is no lost command
MOST_ANSWERS = 1_000  # that wait to be read
LONGEST_REASON = 500  # letters
MOST_OPEN = 500  # commands that may wait at one time
_log = structlog.get_logger("dothi.commands")


class Answer(msgspec.Struct, frozen=True):
    """What a device says to a command: docs/reference/devices.md."""

    id: str
    state: str
    reason: str = ""


_answer = msgspec.json.Decoder(Answer)
_encode = msgspec.json.Encoder().encode


class Commands:
    """Wired by the composition root: ``start`` it once the journal stands. Reads may come from any thread."""

    def __init__(self, platform: "Platform", kinds: Sequence[CommandKind]) -> None:
        self._platform = platform
        self.kinds: Mapping[str, CommandKind] = {one.id: one for one in kinds}
        self._zone = ZoneInfo(platform.city.time_zone)
        self._wake = asyncio.Event()
        self._answers: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MOST_ANSWERS)
        self._open: dict[str, Command] = {}
        self.changed: list[Callable[[Command], None]] = []  # who is told of every step, on the event loop

    def start(self) -> None:
        """Go on with what waits; listen to devices and to readings."""
        self._platform.journal.hear_answers(self._on_answer)
        self._platform.dispatcher.register("commands", self._on_changes)
        self._platform.tasks.start("commands", self._run)
        self._platform.tasks.start("command-answers", self._hear)

    # --- for people ---------------------------------------------------------------------------------------------------

    def for_type(self, entity_type: str) -> list[CommandKind]:
        """What can be told to the devices of an entity type (IRI)."""
        return [one for one in self.kinds.values() if one.entity_type == entity_type]

    def get(self, asker: Person, id: str) -> Command:
        """One command. Raises Problem 404, also for one that ``asker`` does not reach."""
        found, _ = self.find(asker, id=id, limit=1)
        if not found:
            raise not_found("command", id)
        return found[0]

    def find(
        self,
        asker: Person,
        *,
        id: str = "",
        state: State | None = None,
        entity: str = "",
        incident: str = "",
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[Command], int]:
        """Commands that ``asker`` reaches, newest first, and how many there are."""
        reached = reach(asker, "command.read")
        if reached is None:
            return [], 0
        wanted = (("id = ?", id), ("state = ?", state), ("entity = ?", entity), ("incident = ?", incident))
        with self._platform.database.reader() as db:
            return store.find(db, reached, [one for one in wanted if one[1]], limit, offset)

    async def propose(
        self,
        person: Person,
        kind_id: str,
        entity: str,
        said: Mapping[str, str],
        *,
        because: str,
        incident: str = "",
        correlation: str = "",
    ) -> Command:
        """Propose a command; nothing is sent before somebody approves.

        Raises Problem 400 for an unknown kind or parameters out of bounds or without a reason, 403, 404 for an entity that
        is not there or has no device and for an incident that is not there, 409 if the same waits for it already.
        """
        kind, platform = self._kind(kind_id), self._platform
        parameters = {one.name: one.read(said.get(one.name, "")) for one in kind.parameters}
        because = _reason(because, "A command needs a reason.", "Say why it is needed: who approves it wants to know.")
        if incident:
            await asyncio.to_thread(platform.incidents.get, person, incident)
        found = await asyncio.to_thread(platform.context.get, person, entity)
        if found is None or kind.entity_type not in (found.type, *found.more_types):
            raise not_found("entity", entity)
        clearance = platform.writer.clearance_of(entity) or Clearance.INTERNAL
        thing = Thing(clearance, found.ward, found.owner, kind.entity_type)
        _allow(person, "command.propose", thing)
        device = await asyncio.to_thread(self._device_of, entity)
        at = platform.clock.now()
        month = f"{at.astimezone(self._zone):%y%m}"
        blank = Command(
            "",
            kind.id,
            entity,
            kind.entity_type,
            device,
            parameters,
            "proposed",
            person.id,
            at,
            because,
            incident,
            found.ward,
            found.owner,
            clearance,
        )

        acts = list[Act]()

        def work(db: Connection) -> Command:
            waiting = store.load(db, OPEN)
            if len(waiting) >= MOST_OPEN:
                raise Problem(503, "too-many-commands", "Too many commands wait already.", "Decide about those first.")
            for one in waiting:
                if (one.entity, one.kind) == (entity, kind.id):
                    raise Problem(409, "command-waits", f"{one.id} is the same and still open.", "Look at that one first.")
            number = store.next_number(db, month)
            made = replace(blank, id=f"L-{month}-{number:04d}")
            store.add(db, month, number, made)
            acts.append(  # recorded in the same transaction, now that its number is known
                Act(person.id, "command.propose", made.id, correlation=correlation, detail=f"{kind.id} {entity}")
            )
            return made

        made = await platform.writer.run(person, at, work, acts, action="command.propose")
        self._note(made)
        return made

    async def approve(self, person: Person, id: str, *, correlation: str = "") -> Command:
        """Approve a proposal: it is sent at once. Raises Problem 403 (also where two people are asked for), 404, 409."""
        command = self.get(person, id)
        if self._kind(command.kind).two_people and command.proposed_by == person.id:
            raise Problem(
                403,
                "two-people",
                "Whoever proposed this command may not approve it.",
                "Ask somebody else who may approve commands.",
            )
        return await self._decide(person, command, "approve", correlation)

    async def refuse(self, person: Person, id: str, why: str, *, correlation: str = "") -> Command:
        """Refuse a proposal. Raises Problem 400 without a reason, 403, 404, 409."""
        why = _reason(why, "A refusal needs a reason.", "Say what is wrong with it.")
        return await self._decide(person, self.get(person, id), "refuse", correlation, why)

    async def withdraw(self, person: Person, id: str, *, correlation: str = "") -> Command:
        """Take one's own proposal back. Raises Problem 403 for somebody else's, 404, 409."""
        command = self.get(person, id)
        if command.proposed_by != person.id:
            raise Problem(403, "not-yours", f"{id} was proposed by somebody else.", "Refuse it instead, if you may.")
        return await self._decide(person, command, "withdraw", correlation)

    # --- what the city does by itself ---------------------------------------------------------------------------------

    async def _run(self, _: TaskState) -> None:
        with self._platform.database.reader() as db:
            self._open = {one.id: one for one in store.load(db, OPEN)}
        while True:
            for id in list(self._open):
                if (command := self._open.get(id)) is not None:  # while one is looked at, another may be answered
                    await self._look(command, self._platform.clock.now())
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wake.wait()

    async def _look(self, command: Command, now: datetime) -> None:
        """Do what is due: send, send again, give up."""
        kind = self.kinds.get(command.kind)
        if kind is None:
            _log.error("command.kind-gone", command=command.id, kind=command.kind)
            return
        if command.state == "proposed" and now >= command.proposed_at + kind.decide_within:
            await self._step(command, "lapse", ended_at=now, reason="nobody decided in time")
        elif command.state == "approved":
            sent = await self._step(command, "send", sent_at=now)
            if sent is not None:
                await self._send(sent)
        elif command.state == "sent" and command.sent_at is not None:
            if now >= command.sent_at + kind.answer_within:
                words = f"the device did not answer within {kind.answer_within.total_seconds():g} s"
                await self._step(command, "stay_silent", ended_at=now, reason=words)
            elif now >= command.sent_at + SEND_AGAIN * command.sends:
                await self._send(command)
        elif command.acknowledged_at is not None and now >= command.acknowledged_at + kind.verification.within:
            await self._step(command, "show_nothing", ended_at=now, reason="no reading shows that it was carried out")

    async def _send(self, command: Command) -> None:
        body = {"id": command.id, "command": command.kind, "parameters": command.parameters}
        try:
            self._platform.journal.command(command.device, _encode(body))
        except JournalDown as failure:
            _log.warning("command.not-sent", command=command.id, error=failure.title)
            return
        self._open[command.id] = replace(command, sends=command.sends + 1)

    def _on_answer(self, device: str, body: bytes) -> None:
        """What a device publishes; called by the journal on the event loop."""
        if self._answers.full():
            _log.warning("command.answers-lost", device=device)  # it is sent again and answered again
            return
        self._answers.put_nowait((device, body))

    async def _hear(self, _: TaskState) -> None:
        while True:
            device, body = await self._answers.get()
            try:
                answer = _answer.decode(body)
            except msgspec.DecodeError as error:
                _log.warning("command.odd-answer", device=device, error=str(error)[:200])
                continue
            command = self._open.get(answer.id)
            # A device answers for itself only, and once: repetitions of what was sent again change nothing.
            if command is None or command.device != device or command.state not in ("sent", "acknowledged"):
                continue
            now = self._platform.clock.now()
            if answer.state == "accepted" and command.state == "sent":
                taken = await self._step(command, "acknowledge", acknowledged_at=now)
                if taken is not None:
                    await self._verify(taken)  # a quick device's reading may have come before its answer
            elif answer.state == "refused":
                await self._step(command, "decline", ended_at=now, reason=f"the device refused: {answer.reason[:200]}")

    async def _on_changes(self, changes: Changes) -> None:
        """Readings came: does one of them show that a command was carried out?"""
        for command in [one for one in self._open.values() if one.state == "acknowledged"]:
            if command.entity in changes.by_type.get(command.entity_type, ()):
                await self._verify(command)

    async def _verify(self, command: Command) -> None:
        kind = self.kinds.get(command.kind)
        if kind is None:  # its sector is not installed any more
            return
        found = await asyncio.to_thread(self._platform.context.get, SYSTEM, command.entity)
        instances = found.attributes.get(kind.verification.attribute, []) if found is not None else []
        for one in instances:
            fresh = one.observed_at is not None and command.sent_at is not None and one.observed_at >= command.sent_at
            if fresh and one.grade is not Grade.BAD and _holds(kind, command.parameters, one.value):
                await self._step(command, "verify", ended_at=self._platform.clock.now(), value=one.value)
                return

    # --- one step -----------------------------------------------------------------------------------------------------

    async def _decide(self, person: Person, command: Command, move: Move, correlation: str, why: str = "") -> Command:
        action, now = "command.propose" if move == "withdraw" else "command.approve", self._platform.clock.now()
        _allow(person, action, command.thing)
        made = replace(
            command,
            state=command.after(move),
            decided_by=person.id,
            decided_at=now,
            ended_at=None if move == "approve" else now,
            reason=why,
        )
        act = Act(person.id, f"command.{move}", command.id, correlation=correlation, detail=why)
        if not await self._save(person, command, made, act, action):
            raise Problem(409, "command-moved-on", f"Somebody decided about {command.id} just now.", "Look at it again.")
        return made

    async def _step(self, command: Command, move: Move, **changes: Any) -> Command | None:
        """What the city, the device or time does to a command; None if somebody was faster."""
        made = replace(command, state=command.after(move), **changes)
        act = Act(SYSTEM.id, f"command.{made.state}", command.id, correlation=command.id, detail=made.reason)
        return made if await self._save(SYSTEM, command, made, act, "command.approve") else None

    async def _save(self, person: Person, before: Command, made: Command, act: Act, action: str) -> bool:
        """Write down what became of a command; False, and nothing is written, if it is not what it was."""

        def work(db: Connection) -> None:
            if not store.move(db, before.state, made):
                raise _OvertakenError

        try:
            await self._platform.writer.run(person, self._platform.clock.now(), work, [act], action=action)
        except _OvertakenError:
            return False
        self._note(made)
        return True

    def _note(self, command: Command) -> None:
        if command.open:
            self._open[command.id] = command
        else:
            self._open.pop(command.id, None)
        self._wake.set()
        for tell in self.changed:
            tell(command)

    def _kind(self, id: str) -> CommandKind:
        found = self.kinds.get(id)
        if found is None:
            raise bad_request(f"There is no command {id[:60]!r}.", f"Known: {', '.join(sorted(self.kinds)) or 'none'}.")
        return found

    def _device_of(self, entity: str) -> str:
        """The device that reports on an entity. Raises Problem 404."""
        for one in self._platform.devices.of_entity(SYSTEM, entity):
            if one.state != "refused":
                return one.id
        raise Problem(404, "no-device", f"No device reports on {entity}.", "Commands go to devices that are admitted.")


class _OvertakenError(Exception):
    """A command is not in the state any more that a step began with."""


def _allow(person: Person, action: str, thing: Thing) -> None:
    if not may(person, action, thing):
        raise Problem(403, "not-allowed", f"{person.id} may not do {action} here.", "Ask who may, or for a wider scope.")


def _reason(said: str, missing: str, advice: str) -> str:
    """A reason as it is kept. Raises Problem 400 for none, and for one that nobody reads to its end."""
    told = nfc(said.strip())
    if not told:
        raise bad_request(missing, advice)
    if len(told) > LONGEST_REASON:
        raise bad_request(f"The reason has {len(told)} letters.", f"At most {LONGEST_REASON}.")
    return told


def _holds(kind: CommandKind, parameters: Parameters, value: Any) -> bool:
    """Whether a reading verifies; one of another type than expected does not, and harms nobody."""
    try:
        return bool(kind.verification.holds(parameters, value))
    except (TypeError, ValueError):
        return False
