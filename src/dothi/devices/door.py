"""The door of devices, the same for MQTT and HTTP: who may send for which device, and who waits in the lobby."""

import base64
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from starlette.types import Scope

from dothi.access.device_keys import DEVICE, ENROLMENT, DeviceKeys, Enrolment
from dothi.access.identity import Identity
from dothi.access.policy import STRANGER, Clearance, Person, Thing, reach
from dothi.access.refusals import Refusals
from dothi.devices.payload import DEVICE_ID
from dothi.devices.registry import Registry
from dothi.model.clock import Clock
from dothi.model.problem import Problem
from dothi.store.nats_gate import EVERY_DEVICE, Pass, Visitor

_SYSTEM = "system:"
_SYSTEM_STAYS = timedelta(hours=1)  # a system shows its key again after this long: by then a withdrawn one is noticed
_GUEST_STAYS = timedelta(days=1)


class Line(Protocol):
    """What the door needs of the journal: to end the MQTT connections of some names."""

    async def expel(self, names: Collection[str]) -> None:
        """End the connections known by these names."""
        ...


class DeviceDoor:
    """Decides for every device and every system that sends. ``identity`` is told of devices, and knows the systems.

    ``clock`` is the city's, ``machine`` the machine's.
    """

    def __init__(
        self,
        registry: Registry,
        keys: DeviceKeys,
        line: Line,
        identity: Identity,
        clock: Clock,
        machine: Clock,
    ) -> None:
        self._registry, self._keys, self._line, self._identity = registry, keys, line, identity
        self._clock, self._machine = clock, machine
        self._guests: dict[str, set[str]] = {}  # who came by MQTT with a code that is open
        self.refused = 0
        self.refusals: Refusals | None = (
            None  # where those who are turned away by MQTT are noted; by HTTP the doorkeeper does
        )
        identity.accept("basic", self._basic)
        identity.accept("bearer", self._bearer)

    # --- sending --------------------------------------------------------------------------------------------------

    async def admits(self, visitor: Visitor) -> Pass | None:
        """What somebody who signs in at the MQTT door may do; None, and counted, for nothing.

        A device signs in under its own id, with its secret or, unknown yet, with an enrolment code; a system with its key as
        the password, under any name. Nobody may use the client id of another device: that would end its session.
        """
        allowed = await self._admits(visitor)
        if allowed is None:
            self.refused += 1
            if self.refusals is not None:
                source = f"mqtt {visitor.address}".strip()
                self.refusals.note(STRANGER.id, "reading.write", visitor.user, "wrong-credentials", source=source)
        return allowed

    async def _admits(self, visitor: Visitor) -> Pass | None:
        device, client = visitor.user, visitor.client
        if client != device and self._registry.lookup(client) is not None:
            return None
        person = self._keys.sender(visitor.password, device) or await self._system(visitor)
        if person is None:
            return None
        if person.id.startswith(DEVICE):
            if person.id.removeprefix(DEVICE) != device:
                return None
            known = self._registry.lookup(device)
            return Pass(device, device) if known is not None and known.state != "refused" else None
        if person.id.startswith(ENROLMENT):
            code = person.id.removeprefix(ENROLMENT)
            ends = self._keys.expiry(code)
            if ends is None or DEVICE_ID.fullmatch(device) is None or self._refusal(device) is not None:
                return None
            self._guests.setdefault(code, set()).add(device)
            return Pass(device, device, _seconds(min(ends, self._machine.now() + _GUEST_STAYS)))
        reached = reach(person, "reading.write")
        if reached is None or not reached.whole:
            return None
        return Pass(_SYSTEM + person.id, EVERY_DEVICE, _seconds(self._machine.now() + _SYSTEM_STAYS))

    async def _system(self, visitor: Visitor) -> Person | None:
        """Whose key the password is, as if it had come in a request from the same address."""
        headers = [(b"authorization", b"Bearer " + visitor.password.encode())]
        came = {"type": "mqtt", "scheme": "mqtt", "client": (visitor.address, 0), "headers": headers, "state": {}}
        try:
            return await self._identity.of(came, headers)
        except Problem:
            return None

    async def _basic(self, credential: str, _: Scope) -> Person | None:
        """A device by id and secret, or by id and enrolment code (RFC 7617)."""
        try:
            device, _colon, secret = base64.b64decode(credential, validate=True).decode().partition(":")
        except ValueError:
            return None
        return self._keys.sender(secret, device)

    async def _bearer(self, credential: str, _: Scope) -> Person | None:
        """A device by its secret alone, or an enrolment code (RFC 6750)."""
        return self._keys.sender(credential)

    def check(self, person: Person, devices: Iterable[str]) -> None:
        """Let ``person`` send for these devices. Raises Problem 403 if not for every one of them, naming the first."""
        if person.id.startswith(DEVICE):
            own = person.id.removeprefix(DEVICE)
            known = self._registry.lookup(own)
            if known is None or known.state == "refused":
                raise self._turned_away("device-refused", f"The city does not hear device {own!r}.", "Ask its operator.")
            for device in devices:
                if device != own:
                    raise self._turned_away(
                        "other-device", f"{own!r} cannot speak for {device!r}.", "Each device sends with its own secret."
                    )
            return
        if person.id.startswith(ENROLMENT):
            for device in devices:
                refusal = self._refusal(device)
                if refusal is not None:
                    raise self._turned_away(*refusal)
            return
        reached = reach(person, "reading.write")
        if reached is not None and reached.whole:
            return
        for device in devices:
            known = self._registry.lookup(device)
            thing = Thing(Clearance.PUBLIC)
            if known is not None:
                thing = Thing(Clearance.PUBLIC, known.ward, known.owner, known.entity_type)
            if reached is None or not reached.covers(thing):
                raise self._turned_away(
                    "outside-scope", f"Device {device!r} is none of yours.", "Ask for a wider scope, or leave it out."
                )

    def _refusal(self, device: str) -> tuple[str, str, str] | None:
        """Why a device with an enrolment code is not heard: (code, title, advice); None if it is."""
        known = self._registry.lookup(device)
        if known is not None and known.state == "refused":
            return "device-refused", f"The city does not hear device {device!r}.", "Ask its operator."
        if known is not None:
            return "device-known", f"Device {device!r} is known by now.", "Send with the secret that its operator issues."
        if not self._registry.has_room(device):
            advice = "Ask the operator of this city to admit or refuse it."
            return "lobby-limit", f"Device {device!r} may say no more until somebody decides about it.", advice
        return None

    def _turned_away(self, code: str, title: str, advice: str) -> Problem:
        self.refused += 1
        return Problem(403, code, title, advice)

    # --- deciding -------------------------------------------------------------------------------------------------

    def has_secret(self, device: str) -> bool:
        """True if a secret was issued to this device."""
        return self._keys.has_secret(device)

    async def issue(self, asker: Person, device: str, *, correlation: str = "") -> str:
        """A new secret for an admitted device, told only now; who came with the old one is sent away.

        Raises Problem 403, 404 for a device that is not admitted.
        """
        self._registry.changeable(asker, device)
        secret = await self._keys.issue(asker, device, self._clock.now(), correlation=correlation)
        await self._line.expel([device])
        return secret

    async def withdraw(self, asker: Person, device: str, *, correlation: str = "") -> None:
        """Take a device's secret back: it is sent away and cannot send any more. Raises Problem 403, 404."""
        self._registry.changeable(asker, device)
        await self._keys.withdraw(asker, device, self._clock.now(), correlation=correlation)
        await self._line.expel([device])

    async def open_enrolment(self, asker: Person, label: str, days: int, *, correlation: str = "") -> tuple[str, Enrolment]:
        """A new enrolment code, told only now. Raises Problem 400, 403, 409."""
        return await self._keys.open_enrolment(asker, label, days, self._clock.now(), correlation=correlation)

    async def close_enrolment(self, asker: Person, enrolment: str, *, correlation: str = "") -> Enrolment:
        """Let nobody in with a code any more, and send away who came with it. Raises Problem 403, 404."""
        closed = await self._keys.close_enrolment(asker, enrolment, self._clock.now(), correlation=correlation)
        await self._line.expel(self._guests.pop(enrolment, set()))
        return closed

    def enrolments(self, asker: Person) -> list[tuple[Enrolment, bool]]:
        """Every enrolment code and whether it lets devices in, those that do first; none for who may not make any."""
        return [(one, self._keys.is_open(one)) for one in self._keys.enrolments(asker)]


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
