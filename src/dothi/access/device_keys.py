"""What devices prove themselves with: a secret for each, and enrolment codes that bring unknown ones as far as the lobby.

Both are random, so a plain hash keeps them: what cannot be guessed needs no slow one. Moments are the machine's, also in a
replay city.
"""

import asyncio
import secrets
import string
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dothi.access.hashes import hash_of
from dothi.access.policy import SYSTEM, Grant, Person, Scope, Thing, may
from dothi.access.sessions import Writes
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.text import nfc
from dothi.store.audit import Act
from dothi.store.connection import Connection, DatabaseError
from dothi.store.database import Database

DEVICE, ENROLMENT = "device:", "enrolment:"
MOST_CODES = 1_000
MAX_LABEL = 100
LONGEST = timedelta(days=366)
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # without those people take for another (Crockford's base 32)
_SIGNS, _LENGTH = string.ascii_letters + string.digits, 32  # 190 bits, and no sign that a shell or a form minds
_GROUPS, _GROUP = 4, 5  # 20 letters of 5 bits: 100 bits
# It may send, but covers nothing: only the door of devices knows for which one (dothi.devices.door).
_SENDER = (Grant("device", Scope(types=frozenset())),)
_FLUSH_EVERY = 15.0  # real seconds
_NOTED_EVERY = 3_600_000_000  # µs: the use of a secret is written down once an hour

_ISSUE = """
INSERT INTO device_credential (device, secret, created_at) VALUES (?,?,?)
ON CONFLICT (device) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at, used_at = NULL
"""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A code that lets unknown devices into the lobby: everything but the code itself. Moments are UTC, the machine's."""

    id: str
    label: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    used: int


class DeviceKeys:
    """The secrets of devices and the enrolment codes of one city, by their hashes, all in memory.

    ``clock`` is the machine's. Whoever calls ``issue`` and ``withdraw`` has made sure that the asker may change the device.
    """

    def __init__(self, database: Database, writer: Writes, clock: Clock) -> None:
        self._writer, self._clock = writer, clock
        self._device: dict[bytes, str] = {}
        self._hash: dict[str, bytes] = {}
        self._codes: dict[bytes, Enrolment] = {}
        self._noted: dict[str, int] = {}
        self._unsaved: set[str] = set()
        self._uses: dict[bytes, int] = {}
        with database.reader() as connection:
            for device, hashed, used in connection.execute("SELECT device, secret, used_at FROM device_credential"):
                self._remember(device, bytes(hashed))
                self._noted[device] = used or 0
            found = "SELECT id, label, created_by, created_at, expires_at, revoked_at, used FROM enrolment"
            for hashed, label, by, created, expires, closed, used in connection.execute(found):
                ends = None if closed is None else from_micros(closed)
                self._codes[bytes(hashed)] = Enrolment(
                    _short(bytes(hashed)), label, by, from_micros(created), from_micros(expires), ends, used
                )

    # --- who sends ------------------------------------------------------------------------------------------------

    def sender(self, secret: str, device: str | None = None) -> Person | None:
        """Who shows this secret, under the name of ``device`` if it gives one: a device, or whoever has a code; else None.

        The id of a device's person begins with ``DEVICE``, that of a code with ``ENROLMENT``.
        """
        hashed = hash_of(secret)
        known = self._device.get(hashed)
        if known is not None:
            if device not in (None, known):
                return None
            self._note(known)
            return Person(DEVICE + known, _SENDER)
        hashed = hash_of(_plain(secret))
        code = self._codes.get(hashed)
        if code is None or not self._open(code):
            return None
        self._uses[hashed] = self._uses.get(hashed, 0) + 1
        return Person(ENROLMENT + code.id, _SENDER)

    def has_secret(self, device: str) -> bool:
        """True if a secret was issued to this device."""
        return device in self._hash

    def expiry(self, enrolment: str) -> datetime | None:
        """Until when a code lets devices in; None once it does not any more."""
        return next((one.expires_at for one in self._codes.values() if one.id == enrolment and self._open(one)), None)

    # --- deciding -------------------------------------------------------------------------------------------------

    async def issue(self, asker: Person, device: str, at: datetime, *, correlation: str = "") -> str:
        """A new secret for a device, told only now; the one it had is worth nothing from here on. ``at`` is the city's."""
        secret = "".join(secrets.choice(_SIGNS) for _ in range(_LENGTH))
        hashed, now = hash_of(secret), to_micros(self._clock.now())
        await self._change(asker, at, device, "secret issued", correlation, _ISSUE, (device, hashed, now))
        self._forget(device)
        self._remember(device, hashed)
        return secret

    async def withdraw(self, asker: Person, device: str, at: datetime, *, correlation: str = "") -> None:
        """Make the secret of a device worth nothing. Raises Problem 404 if it has none."""
        if device not in self._hash:
            raise not_found("secret of device", device)
        gone = "DELETE FROM device_credential WHERE device = ?"
        await self._change(asker, at, device, "secret withdrawn", correlation, gone, (device,))
        self._forget(device)

    async def open_enrolment(
        self, asker: Person, label: str, days: int, at: datetime, *, correlation: str = ""
    ) -> tuple[str, Enrolment]:
        """A new code that is good for so many ``days``, told only now. Raises Problem 400, 403, 409 for too many."""
        _allow(asker)
        label = nfc(label).strip()
        if len(label) > MAX_LABEL or not 1 <= days <= LONGEST.days:
            raise bad_request("No such code can be made.", f"A label of {MAX_LABEL} letters, for 1 to {LONGEST.days} days.")
        if sum(self._open(one) for one in self._codes.values()) >= MOST_CODES:
            raise Problem(409, "too-many-codes", f"{MOST_CODES} codes are open.", "Close some of them first.")
        letters = [secrets.choice(_LETTERS) for _ in range(_GROUPS * _GROUP)]
        code = "-".join("".join(letters[first : first + _GROUP]) for first in range(0, len(letters), _GROUP))
        hashed, now = hash_of(_plain(code)), self._clock.now()
        made = Enrolment(_short(hashed), label, asker.id, now, now + timedelta(days=days), None, 0)
        statement = "INSERT INTO enrolment (id, label, created_by, created_at, expires_at) VALUES (?,?,?,?,?)"
        row = (hashed, label, asker.id, to_micros(now), to_micros(made.expires_at))
        await self._change(asker, at, ENROLMENT + made.id, "enrolment opened", correlation, statement, row)
        self._codes[hashed] = made
        return code, made

    async def close_enrolment(self, asker: Person, enrolment: str, at: datetime, *, correlation: str = "") -> Enrolment:
        """Let nobody in with this code any more. Raises Problem 403, 404."""
        _allow(asker)
        hashed = next((one for one, code in self._codes.items() if code.id == enrolment), None)
        if hashed is None:
            raise not_found("enrolment code", enrolment)
        if self._codes[hashed].closed_at is None:
            now = self._clock.now()
            statement = "UPDATE enrolment SET revoked_at = ? WHERE id = ?"
            row = (to_micros(now), hashed)
            await self._change(asker, at, ENROLMENT + enrolment, "enrolment closed", correlation, statement, row)
            self._codes[hashed] = replace(self._codes[hashed], closed_at=now)
        return self._shown(hashed)

    def enrolments(self, asker: Person) -> list[Enrolment]:
        """Every code ever made, those that are open first, then the newest; none for an asker who may not make any."""
        if not may(asker, "device.write", Thing()):
            return []
        shown = [self._shown(hashed) for hashed in self._codes]
        return sorted(shown, key=lambda one: (not self._open(one), -one.created_at.timestamp(), one.id))

    def is_open(self, enrolment: Enrolment) -> bool:
        """True while the code lets devices in."""
        return self._open(enrolment)

    async def run(self) -> None:
        """Write down what was used, now and then and once more at the end; run it beside the city until cancelled."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_EVERY)
                await self.flush()
        finally:
            with suppress(DatabaseError):
                await self.flush()

    async def flush(self) -> None:
        """Write down what was used since the last time."""
        (devices, self._unsaved), (uses, self._uses) = (self._unsaved, set()), (self._uses, {})
        if not devices and not uses:
            return
        seen = [(self._noted[device], device) for device in devices]
        added = [(count, hashed) for hashed, count in uses.items()]

        def work(connection: Connection) -> None:
            connection.executemany("UPDATE device_credential SET used_at = ? WHERE device = ?", seen)
            connection.executemany("UPDATE enrolment SET used = used + ? WHERE id = ?", added)

        await self._writer.run(SYSTEM, self._clock.now(), work, action="device.write")
        for count, hashed in added:
            self._codes[hashed] = replace(self._codes[hashed], used=self._codes[hashed].used + count)

    # --- the rest -------------------------------------------------------------------------------------------------

    async def _change(
        self, asker: Person, at: datetime, thing: str, what: str, correlation: str, statement: str, row: tuple[object, ...]
    ) -> None:
        act = Act(asker.id, "device.write", thing, correlation=correlation, detail=what)
        await self._writer.run(
            asker, at, lambda connection: connection.execute(statement, row) and None, [act], action="device.write"
        )

    def _open(self, code: Enrolment) -> bool:
        return code.closed_at is None and code.expires_at > self._clock.now()

    def _shown(self, hashed: bytes) -> Enrolment:
        code = self._codes[hashed]
        return replace(code, used=code.used + self._uses.get(hashed, 0))

    def _remember(self, device: str, hashed: bytes) -> None:
        self._device[hashed], self._hash[device] = device, hashed

    def _forget(self, device: str) -> None:
        hashed = self._hash.pop(device, None)
        if hashed is not None:
            del self._device[hashed]

    def _note(self, device: str) -> None:
        now = to_micros(self._clock.now())
        if now - self._noted.get(device, 0) >= _NOTED_EVERY:
            self._noted[device] = now
            self._unsaved.add(device)


def _plain(code: str) -> str:
    """A code without what people add or change when they type it."""
    return code.upper().translate(str.maketrans("OIL", "011", "- "))


def _short(hashed: bytes) -> str:
    """What a code is called: no help in finding it."""
    return hashed.hex()[:12]


def _allow(asker: Person) -> None:
    """A code belongs to no ward and no owner: only who decides about devices of the whole city makes one."""
    if not may(asker, "device.write", Thing()):
        raise Problem(403, "forbidden", f"{asker.id} may not do this.", "Sign in as one who may.")
