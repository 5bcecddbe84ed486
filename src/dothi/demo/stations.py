"""Three stations that do not exist: they measure smog that was made up, and do what they are told as a real one would.

What they say comes in by the journal like any simulated reading; commands reach them by MQTT, with a secret of their own.
"""

import asyncio
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp
from typing import Any
from uuid import uuid4

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from dothi.access.policy import SYSTEM
from dothi.demo.past import ward_of
from dothi.devices.registry import DeviceSpec
from dothi.model.city import City, Ward
from dothi.model.reading import Origin
from dothi.model.urn import urn
from dothi.platform.platform import Platform
from dothi.services.air.feeds import MAPPING, NDJSON
from dothi.services.air.model import AIR_QUALITY_OBSERVED
from dothi.services.air.process import whole_hour
from dothi.services.air.simulated import SimulatedStation, simulated_values
from dothi.store.journal import JournalDown, JournalFull

EVERY = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_HISTORY = 26  # hours: the first index of a day looks back on two more
_SMOG = 190.0  # µg/m³ of PM2.5 more than the air of the day
# Hours before the whole hour of the story's now, and after it: the last whole hour is the first that is bad.
_RISES, _LASTS = 1.5, 5.0
_APART = 0.003  # degrees


@dataclass(frozen=True, slots=True)
class InventedStation:
    """One of them, ``ward`` and place included (EPSG:4326)."""

    device: str
    entity: str
    name: str
    longitude: float
    latitude: float
    air: SimulatedStation


def invented_stations(city: City) -> list[InventedStation]:
    """The three, around the centre of the ward officer's ward."""
    ward = ward_of(city, 0)
    return [_station(city, ward, number) for number in range(1, 4)]


def values_at(station: InventedStation, at: datetime, now: datetime) -> dict[str, dict[str, float | str]]:
    """What it says at a moment, in a story that is told ``now``: the air of a simulated day, and the smog upon it."""
    values = simulated_values(station.air, at)
    hours = (at - whole_hour(now)).total_seconds() / 3600
    smog = _SMOG * _step(hours + _RISES) * _step(_LASTS - hours)
    for name, share in (("pm25", 1.0), ("pm10", 1.4)):
        values[name] = {"value": round(float(values[name]["value"]) + share * smog, 1), "unit": "GQ"}
    return values


class InventedStations:
    """They speak once a minute and listen for commands, from ``begin`` to ``close``. ``now`` is the story's."""

    def __init__(self, platform: Platform, now: datetime) -> None:
        self._platform, self._now = platform, now
        known = AIR_QUALITY_OBSERVED in platform.types
        self.stations = invented_stations(platform.city) if known else []
        self._due: dict[str, datetime] = {}
        self._told = set[str]()  # devices that carried something out and measure anew, noted by the MQTT threads
        self._lines = list[paho.Client]()

    async def begin(self) -> None:
        """Admit them, tell what they measured since they were last heard, and let them listen."""
        platform = self._platform
        await platform.invented.note("device", *(one.device for one in self.stations))
        await platform.invented.note("entity", *(one.entity for one in self.stations))
        new = [_spec(one) for one in self.stations if platform.devices.lookup(one.device) is None]
        if new:
            await platform.devices.register_many(SYSTEM, new)
        present = platform.clock.now()
        hours = [whole_hour(present) - _HOUR * back for back in range(_HISTORY, -1, -1)]
        # Station by station: the first index of each then finds its whole day at once. What was heard changes nothing.
        await self._say([(one, hour) for one in self.stations for hour in (*hours, present)])
        self._due = {one.device: present + EVERY for one in self.stations}
        port = getattr(platform.journal, "mqtt_port", None) or platform.settings.mqtt_port
        for one in self.stations:
            secret = await platform.device_door.issue(SYSTEM, one.device)
            self._lines.append(self._listen(one.device, secret, port))

    async def speak(self) -> None:
        """Say what is due; who carried out a command says at once that it measures again."""
        present = self._platform.clock.now()
        for device in list(self._told):
            self._told.discard(device)
            self._due[device] = present
        due = [one for one in self.stations if self._due[one.device] <= present]
        if due:
            await self._say([(one, present) for one in due])
            self._due |= {one.device: present + EVERY for one in due}

    def close(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.disconnect()
            line.loop_stop()
        self._lines.clear()

    async def _say(self, moments: Sequence[tuple[InventedStation, datetime]]) -> None:
        lines = [
            msgspec.json.encode({"device": one.device, "at": at, "values": values_at(one, at, self._now)})
            for one, at in moments
        ]
        while True:
            try:
                await self._platform.journal.append(
                    b"\n".join(lines),
                    source="file",
                    device=None,
                    content_type=NDJSON,
                    correlation=f"demo-{uuid4().hex}",
                    origin=Origin.SIMULATED,
                )
                return
            except (JournalFull, JournalDown) as refusal:
                await asyncio.sleep(refusal.retry_after or 1)

    def _listen(self, device: str, secret: str, port: int) -> paho.Client:
        topic = f"{self._platform.tenant}/devices/{device}"
        line = paho.Client(CallbackAPIVersion.VERSION2, client_id=device)
        line.username_pw_set(device, secret)

        def on_message(_line: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
            command = msgspec.json.decode(message.payload)
            line.publish(f"{topic}/answers", msgspec.json.encode({"id": command["id"], "state": "accepted"}), qos=1)
            self._told.add(device)

        def on_connect(_line: paho.Client, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
            line.subscribe(f"{topic}/commands", 1)

        line.on_message, line.on_connect = on_message, on_connect
        with suppress(OSError):  # it tries again by itself
            line.connect_async("127.0.0.1", port)
            line.loop_start()
        return line


def _station(city: City, ward: Ward, number: int) -> InventedStation:
    device = f"khu-pho-mau-{number}"
    seed = zlib.crc32(device.encode())
    place = ward.longitude + (number - 2) * _APART, ward.latitude + (number % 2) * _APART / 2
    return InventedStation(
        device,
        urn("AirQualityObserved", city.slug, device),
        f"{ward.name}, khu phố mẫu {number} (mô phỏng)",
        *place,
        SimulatedStation(device, ward, 1.0, seed),
    )


def _spec(station: InventedStation) -> DeviceSpec:
    return DeviceSpec(
        id=station.device,
        entity_id=station.entity,
        entity_type=AIR_QUALITY_OBSERVED,
        name=station.name,
        cadence_s=EVERY.total_seconds(),
        longitude=station.longitude,
        latitude=station.latitude,
        mapping=MAPPING,
    )


def _step(hours: float) -> float:
    """From 0 to 1 within half an hour before and after 0."""
    return 1 / (1 + exp(-16 * max(-2.0, min(2.0, hours))))
