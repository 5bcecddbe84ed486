"""Which devices the city knows: what they report on and where, who owns them, and whether they are heard in time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Literal, Protocol, TypeVar

from dothi.access.policy import SYSTEM, Clearance, Person, Thing, may, reach
from dothi.devices.lobby import Lobby, LobbyView
from dothi.devices.payload import DEVICE_ID, DeviceMessage
from dothi.devices.places import shared_places
from dothi.devices.records import Mappings, find_matching, load_devices, save_devices, save_seen
from dothi.devices.specs import Device, DeviceSpec, MappingRule, device_of, entity_of
from dothi.model.city import City
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.entity import Entity
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.schema import EntityType
from dothi.store.audit import Act
from dothi.store.connection import Connection, DatabaseError
from dothi.store.database import Database
from dothi.store.journal import Message

__all__ = ["Device", "DeviceSpec", "DeviceState", "DeviceView", "LobbyView", "MappingRule", "Registry", "heard_state"]

T = TypeVar("T")
Devices = list[Device]  # named here: in Registry ``list`` is a method
DeviceState = Literal["live", "late", "silent", "never", "refused"]
STATES: tuple[DeviceState, ...] = ("silent", "late", "never", "live", "refused")  # the most urgent first
LATE_AFTER, SILENT_AFTER = 1.5, 3.0  # cadences
SHARED_PLACE = "shared-place"
_FLUSH_EVERY = 15.0  # real seconds
_FLUSH_ROWS = 5_000  # at once, so that the writer is not held up
_THERE = (
    "SELECT e.clearance, e.ward, e.owner, n.iri FROM entity e JOIN name n ON n.id = e.type "
    "WHERE e.id = ? AND e.deleted_at IS NULL"
)


class Writes(Protocol):
    """What the registry needs of the city's one writer (``dothi.data.writer.Writer``)."""

    async def save(
        self,
        person: Person,
        kind: Literal["upsert"],
        entity: Sequence[Entity],
        *,
        at: datetime,
        correlation: str = "",
        acts: Sequence[Act] = (),
        also: Callable[[Connection], None] | None = None,
        action: str = ...,
    ) -> None:
        """Write entities and, in the same transaction, whatever ``also`` does."""
        ...

    def clearance_of(self, entity_id: str) -> Clearance | None:
        """How far an entity may be known, deleted or not; None if there never was one."""
        ...

    def highest_clearance(self) -> Clearance:
        """The strictest that anything is or was held to."""
        ...

    async def run(
        self,
        person: Person,
        at: datetime,
        work: Callable[[Connection], T],
        acts: Sequence[Act] = (),
        *,
        action: str = ...,
    ) -> T:
        """Run statements in a transaction of the writer."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device as it is shown. ``last_seen`` and ``created_at`` are UTC by the city's clock; the place is in EPSG:4326."""

    id: str
    name: str
    state: DeviceState
    last_seen: datetime | None
    cadence_s: float
    entity_id: str
    entity_type: str
    owner: str | None
    longitude: float | None
    latitude: float | None
    ward: str | None
    mapping: dict[str, MappingRule]
    created_at: datetime
    flags: tuple[str, ...]


class Registry:
    """The devices of one city, all in memory: about half a kilobyte each. ``types`` maps IRIs to what the city knows.

    Reads may come from any thread; the coroutines belong to one event loop. A device may be known as far as the thing it
    reports on, and belongs to its own ward and owner; one that waits is internal and belongs to none. What an asker may not
    see is not there; to decide about what they may not raises Problem 403. ``decided`` is told of devices that are admitted
    or refused from now on.
    """

    def __init__(self, database: Database, city: City, clock: Clock, types: dict[str, EntityType], writer: Writes) -> None:
        self._database, self._city, self._clock, self._types, self._writer = database, city, clock, types, writer
        self._devices: dict[str, Device] = {}
        self._seen: dict[str, int] = {}
        self._unsaved: set[str] = set()
        self._mappings = Mappings()
        self._lock = asyncio.Lock()
        for device, heard in load_devices(database, self._mappings):
            self._devices[device.id] = device
            if heard is not None:
                self._seen[device.id] = heard
        self._lobby = Lobby(database)
        self.decided: Callable[[Collection[str]], Awaitable[None]] | None = None

    # --- the hot path ---------------------------------------------------------------------------------------------

    def lookup(self, device_id: str) -> Device | None:
        """The device as it was decided about; None if nobody did yet. Memory only."""
        return self._devices.get(device_id)

    def seen(self, ids: Iterable[str], at: int) -> None:
        """These were heard at ``at`` (µs UTC, the city's clock)."""
        heard = dict.fromkeys(ids, at)
        self._seen.update(heard)
        self._unsaved.update(heard)

    async def unknown(self, heard: Sequence[tuple[DeviceMessage, Message]], at: int) -> int:
        """Messages of devices that ``lookup`` does not know, for the lobby; durable when it returns.

        Returns how many were refused because the lobby is full. ``at`` is µs UTC by the city's clock.
        """
        return await self._lobby.hear(
            heard, at, lambda work: self._writer.run(SYSTEM, from_micros(at), work, action="device.write")
        )

    def has_room(self, device: str) -> bool:
        """True if the lobby takes something more of a device nobody decided about. Memory only."""
        return self._lobby.has_room(device)

    def turns_away(self, ids: Sequence[str]) -> bool:
        """True, and counted, if the lobby is full and has no place for any of these devices. Memory only."""
        if not self._lobby.full or any(one in self._devices or one in self._lobby for one in ids):
            return False
        self._lobby.refused += len(ids)
        return True

    async def run(self) -> None:
        """Write down who was heard, now and then and once more at the end; run it beside the city until cancelled."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_EVERY)
                await self.flush()
        finally:
            with suppress(DatabaseError):
                await self.flush()

    async def flush(self) -> None:
        """Write down who was heard since the last time."""
        heard, self._unsaved = self._unsaved, set()
        rows = [(self._seen[device], device) for device in heard]
        for start in range(0, len(rows), _FLUSH_ROWS):
            work = partial(save_seen, rows=rows[start : start + _FLUSH_ROWS])
            await self._writer.run(SYSTEM, self._clock.now(), work, action="device.write")

    # --- reading --------------------------------------------------------------------------------------------------

    def get(self, asker: Person, device_id: str) -> DeviceView | None:
        """One device, or None."""
        device = self._devices.get(device_id)
        if device is None or not self._sight(asker)(device):
            return None
        return self._view(device, to_micros(self._clock.now()))

    def list(
        self,
        asker: Person,
        *,
        state: str | None = None,
        ward: str | None = None,
        text: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[DeviceView], int]:
        """A page of devices and how many there are in all: the most urgent state first, then by name.

        ``text`` is looked for in id, name and owner, blind to accents and case. With 100,000 devices this takes a tenth of
        a second: call it off the event loop.
        """
        sees, now = self._sight(asker), to_micros(self._clock.now())
        matching = find_matching(self._database, text) if text and text.strip() else None
        rank = {name: number for number, name in enumerate(STATES)}
        found = []
        for device in tuple(self._devices.values()):
            if (ward is not None and device.ward != ward) or (matching is not None and device.id not in matching):
                continue
            shown = self._state(device, now)
            if (state is None or shown == state) and sees(device):
                found.append((rank[shown], device.name, device.id, device))
        found.sort(key=lambda row: row[:3])
        return [self._view(row[3], now) for row in found[offset : offset + limit]], len(found)

    def of_entity(self, asker: Person, entity_id: str) -> Sequence[DeviceView]:
        """The devices that report on an entity, as far as the asker may see them."""
        if not may(asker, "device.read"):
            return []
        with self._database.reader() as connection:
            rows = connection.execute("SELECT id FROM device WHERE entity_id = ? ORDER BY id", (entity_id,)).fetchall()
        now = to_micros(self._clock.now())
        known = (device for (one,) in rows if (device := self._devices.get(one)) is not None)
        return [self._view(device, now) for device in filter(self._sight(asker), known)]

    def tally(self, asker: Person, group: Callable[[Device], T]) -> dict[T, dict[DeviceState, int]]:
        """How many devices of each group are in each state; 0.1 s for 100,000 devices."""
        now = to_micros(self._clock.now())
        found: dict[T, dict[DeviceState, int]] = {}
        for device in filter(self._sight(asker), tuple(self._devices.values())):
            state = self._state(device, now)
            counts = found.setdefault(group(device), {})
            counts[state] = counts.get(state, 0) + 1
        return found

    def last_heard(self, asker: Person) -> datetime | None:
        """When the newest message of any device came, by the city's clock; None if none ever did, or for an asker who does
        not see all."""
        reached = reach(asker, "device.read")
        return from_micros(max(tuple(self._seen.values()))) if self._seen and reached and reached.whole else None

    def state_of(self, device_id: str) -> DeviceState | None:
        """Whether a device is heard in time by the city's clock; None if it is not known."""
        device = self._devices.get(device_id)
        return None if device is None else self._state(device, to_micros(self._clock.now()))

    def counts(self, asker: Person) -> dict[str, int]:
        """How many devices are live, late, silent, never heard and refused, and how many wait in the lobby."""
        counts: dict[str, int] = dict.fromkeys(("live", "late", "silent", "never", "lobby", "refused"), 0)
        for states in self.tally(asker, lambda _: None).values():
            counts.update({str(state): count for state, count in states.items()})
        counts["lobby"] = len(self._lobby) if may(asker, "device.read", Thing()) else 0
        return counts

    def lobby(self, asker: Person, limit: int = 50, offset: int = 0) -> tuple[Sequence[LobbyView], int]:
        """A page of the devices nobody admitted yet, the last heard first, and how many wait in all."""
        return (self._lobby.page(limit, offset), len(self._lobby)) if may(asker, "device.read", Thing()) else ([], 0)

    def waiting(self, asker: Person, device_id: str) -> LobbyView | None:
        """One device of the lobby with its last message, or None."""
        return self._lobby.find(device_id) if may(asker, "device.read", Thing()) else None

    @property
    def lobby_refused(self) -> int:
        """Messages refused since the start because the lobby was full."""
        return self._lobby.refused

    # --- deciding -------------------------------------------------------------------------------------------------

    async def register(self, asker: Person, spec: DeviceSpec, *, correlation: str = "") -> Device:
        """Admit a device nobody decided about yet. Raises Problem 400 for a wrong spec, 409 if it is known."""
        if (known := self._devices.get(spec.id)) is not None:
            words = (
                "It was refused before; admit it to change that."
                if known.state == "refused"
                else "Admit it anew to change it."
            )
            raise Problem(409, "already-registered", f"Device {spec.id!r} is known already.", words)
        return (await self._admit(asker, [spec], "registered", correlation))[0]

    async def register_many(self, asker: Person, specs: Sequence[DeviceSpec], *, correlation: str = "") -> Devices:
        """Admit or change many devices in one transaction: all, or none. Raises Problem 400 naming the first wrong one."""
        return await self._admit(asker, specs, f"registered {len(specs)} devices", correlation) if specs else []

    async def admit(self, asker: Person, device_id: str, spec: DeviceSpec, *, correlation: str = "") -> Device:
        """Admit a device from the lobby, one that was refused, or change an admitted one. Raises Problem 400."""
        if device_id != spec.id:
            raise bad_request(f"The device is {device_id!r}, its description says {spec.id!r}.", "Write the same id.")
        return (await self._admit(asker, [spec], "admitted", correlation))[0]

    def changeable(self, asker: Person, device_id: str) -> Device:
        """An admitted device that the asker may decide about. Raises Problem 403, or 404 if there is none."""
        known = self._devices.get(device_id)
        _allow(asker, "device.write", Thing() if known is None else self._thing(known))
        if known is None or known.state == "refused":
            raise not_found("admitted device", device_id)
        return known

    async def refuse(self, asker: Person, device_id: str, *, correlation: str = "") -> Device:
        """Refuse a device: what it sends is counted and not kept. Raises Problem 400 or 404."""
        if DEVICE_ID.fullmatch(device_id) is None:
            raise bad_request("That is no device id.", "Letters without accents, digits, _ and -, at most 64.")
        async with self._lock:
            known = self._devices.get(device_id)
            _allow(asker, "device.write", Thing() if known is None else self._thing(known))
            if known is None and device_id not in self._lobby:
                raise not_found("device", device_id)
            now = self._clock.now()
            blank = Device(device_id, "", "", device_id, None, 0.0, None, None, None, {}, "refused", to_micros(now))
            refused = replace(known, state="refused") if known is not None else blank
            act = Act(asker.id, "device.write", device_id, correlation=correlation, detail="refused")
            await self._save(asker, [refused], [], now, act, correlation)
            return self._devices[device_id]

    async def _admit(self, asker: Person, specs: Sequence[DeviceSpec], detail: str, correlation: str) -> Devices:
        _allow(asker, "device.write")
        async with self._lock:
            now = self._clock.now()
            devices = await asyncio.to_thread(self._described, specs, to_micros(now))
            known = [one for device in devices if (one := self._devices.get(device.id)) is not None]
            for one in (*devices, *known):
                _allow(asker, "device.write", self._thing(one))
            entities = await asyncio.to_thread(self._own_entities, asker, devices)
            thing = devices[0].id if len(devices) == 1 else f"{len(devices)} devices"
            act = Act(asker.id, "device.write", thing, correlation=correlation, detail=detail)
            await self._save(asker, devices, entities, now, act, correlation)
            return [self._devices[device.id] for device in devices]

    def _described(self, specs: Sequence[DeviceSpec], now: int) -> Devices:
        devices: dict[str, Device] = {}
        for spec in specs:
            if spec.id in devices:
                raise bad_request(f"Device {spec.id!r} is named twice.", "Name each device once.")
            known = self._devices.get(spec.id)
            device = device_of(spec, self._types, self._city, known.created_at if known else now)
            devices[spec.id] = replace(device, mapping=self._mappings.one(device.mapping))
        return [*devices.values()]

    def _own_entities(self, asker: Person, devices: Sequence[Device]) -> Sequence[Entity]:
        """What to write down of the things they report on. A thing that was there before them keeps its name and place.

        Raises Problem 403 for a thing that the asker may not have devices speak of: what a device tells is written to it.
        """
        there = set()
        with self._database.reader() as connection:
            for device in devices:
                row = connection.execute(_THERE, (device.entity_id,)).fetchone()
                if row is not None:
                    _allow(asker, "device.write", Thing(Clearance(row[0]), *row[1:]))
                    there.add(device.entity_id)
        entities: dict[str, Entity] = {}
        for device in devices:
            known = self._devices.get(device.id)
            if device.entity_id not in there or (known is not None and known.entity_id == device.entity_id):
                entities.setdefault(device.entity_id, entity_of(device))
        return [*entities.values()]

    async def _save(
        self, asker: Person, decided: Devices, entities: Sequence[Entity], now: datetime, act: Act, correlation: str
    ) -> None:
        """Commit decisions with their entities and the act, then take them into memory."""
        changed = await asyncio.to_thread(self._flagged, decided)
        await self._writer.save(
            asker,
            "upsert",
            entities,
            at=now,
            correlation=correlation,
            acts=[act],
            also=lambda connection: save_devices(connection, changed),
            action="device.write",
        )
        known = {device.id: self._devices.get(device.id) for device in decided}
        self._devices.update((device.id, device) for device in changed)
        self._lobby.leave(known)
        if self.decided is not None:
            was = {name: device.state for name, device in known.items() if device is not None}
            await self.decided([device.id for device in decided if was.get(device.id) != device.state])

    def _flagged(self, decided: Devices) -> Devices:
        """The decided devices, and those whose flag changes with them."""
        new = {device.id for device in decided}
        others = [device for device in tuple(self._devices.values()) if device.id not in new]
        suspects = decided + [device for device in others if SHARED_PLACE in device.flags]
        shared = shared_places([*others, *decided], suspects)
        changed = [device for device in others if (device.id in shared) != (SHARED_PLACE in device.flags)]
        return [_with_flag(device, device.id in shared) for device in decided + changed]

    # --- the rest -------------------------------------------------------------------------------------------------

    def _thing(self, device: Device) -> Thing:
        """A device as the policy sees it, like ``data.subjects.OF_DEVICE``."""
        known = self._writer.clearance_of(device.entity_id)
        return Thing(Clearance.INTERNAL if known is None else known, device.ward, device.owner, device.entity_type or None)

    def _sight(self, asker: Person) -> Callable[[Device], bool]:
        """Which devices ``asker`` sees."""
        reached = reach(asker, "device.read")
        if reached is None:
            return lambda _: False
        most, clearance_of = reached.throughout, self._writer.clearance_of
        if most is not None and most >= max(self._writer.highest_clearance(), Clearance.INTERNAL):
            return lambda _: True

        def sees(device: Device) -> bool:
            known = clearance_of(device.entity_id)
            return (most is not None and (known or Clearance.INTERNAL) <= most) or reached.covers(self._thing(device))

        return sees

    def _state(self, device: Device, now: int) -> DeviceState:
        return heard_state(device.state, self._seen.get(device.id), device.cadence_s, now)

    def _view(self, device: Device, now: int) -> DeviceView:
        seen = self._seen.get(device.id)
        return DeviceView(
            id=device.id,
            name=device.name,
            state=self._state(device, now),
            last_seen=None if seen is None else from_micros(seen),
            cadence_s=device.cadence_s,
            entity_id=device.entity_id,
            entity_type=device.entity_type,
            owner=device.owner,
            longitude=device.longitude,
            latitude=device.latitude,
            ward=device.ward,
            mapping=device.mapping,
            created_at=from_micros(device.created_at),
            flags=device.flags,
        )


def heard_state(decided: str, seen: int | None, cadence_s: float, now: int) -> DeviceState:
    """How a device is heard at ``now``: ``decided`` is admitted or refused, ``seen`` its newest message (µs), if any."""
    if decided == "refused":
        return "refused"
    if seen is None:
        return "never"
    cadences = (now - seen) / 1e6 / cadence_s
    return "live" if cadences <= LATE_AFTER else "late" if cadences <= SILENT_AFTER else "silent"


def _allow(asker: Person, action: str, thing: Thing | None = None) -> None:
    if not may(asker, action, thing):
        raise Problem(403, "forbidden", f"{asker.id} may not do this.", "Sign in as one who may.")


def _with_flag(device: Device, shared: bool) -> Device:
    flags = tuple(flag for flag in device.flags if flag != SHARED_PLACE) + ((SHARED_PLACE,) if shared else ())
    return device if flags == device.flags else replace(device, flags=flags)
