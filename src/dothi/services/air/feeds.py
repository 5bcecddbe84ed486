"""Readings the air sector brings along: recorded ones on the city's clock, or made-up ones in a city without data."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from dothi.access.policy import SYSTEM, Clearance
from dothi.data.batch import Batch, EntityChange
from dothi.data.context import EntityQuery
from dothi.devices.registry import DeviceSpec, MappingRule
from dothi.model.entity import Attribute, Entity
from dothi.model.reading import Origin
from dothi.model.urn import urn
from dothi.platform.open_meteo import OpenMeteo, wanted
from dothi.platform.sector import Feed
from dothi.services.air import open_meteo
from dothi.services.air.model import AIR_QUALITY_OBSERVED, POLLUTANTS, PROVIDER, iri
from dothi.services.air.process import fill_past, whole_hour
from dothi.services.air.recorded import (
    RECORDED_BY,
    RecordedMessage,
    bodies,
    readings_file,
    recorded_messages,
    recorded_stations,
    replay_period,
    resume_from,
)
from dothi.services.air.simulated import SimulatedStation, simulated_stations, simulated_values
from dothi.services.air.stations import HOUR, stations
from dothi.store.journal import JournalDown, JournalFull

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

__all__ = ["feeds", "replay_period"]

NDJSON = "application/x-ndjson"
SIMULATED_EVERY = timedelta(minutes=1)
_LONGEST_NAP = 1.0  # real seconds between looks at the city's clock
_SHORTEST_NAP = 0.05
_LOOKS = 600  # a newest message that was refused never comes
MAPPING = {
    **{name: MappingRule(iri(name)) for name in POLLUTANTS},
    "temp": MappingRule(iri("temperature")),
    "hum": MappingRule(iri("relativeHumidity")),
}


def feeds(platform: "Platform") -> Sequence[Feed]:
    """The feeds this city needs: a replay where it replays recorded data, a simulation where it is simulated, a model's
    values where it wants them."""
    data = platform.settings.recorded_in
    model = (OpenMeteo(open_meteo.MODEL),) if wanted(platform) else ()
    if platform.replay is not None and data is not None and readings_file(data) is not None:
        return (Replay(data), *model)
    return (Simulation(), *model) if platform.simulated and platform.replay is None else model


class Replay:
    """Recorded readings: the past at once, the rest as the city's clock reaches it, each at its own time of observation."""

    id = "air-replay"

    def __init__(self, data: Path) -> None:
        self._data = data

    async def run(self, platform: "Platform") -> None:
        """Feed the journal until the recording ends or the task is cancelled; goes on where the store left off."""
        known = await asyncio.to_thread(recorded_stations, self._data)
        provider = f"{RECORDED_BY}, {(readings_file(self._data) or self._data).name}"
        specs = [_spec(platform, one.device, one.name, one.longitude, one.latitude, HOUR) for one in known.values()]
        await _register(platform, specs, provider)
        heard = await asyncio.to_thread(_heard, platform)
        messages = await asyncio.to_thread(recorded_messages, self._data, resume_from(heard))
        async with asyncio.TaskGroup() as both:
            both.create_task(self._follow(platform, messages))
            both.create_task(self._index_past(platform, specs, messages))

    async def _index_past(
        self, platform: "Platform", specs: Sequence[DeviceSpec], messages: Sequence[RecordedMessage]
    ) -> None:
        """Give the recorded past its indexes, once all of it is stored: the derivation looks back on a day only."""
        now = platform.clock.now()
        newest = max((message.at for message in messages if message.at <= now), default=None)
        for _ in range(_LOOKS):
            heard = await asyncio.to_thread(_heard, platform)
            if newest is None or newest <= max(heard, default=newest - HOUR):
                break
            await asyncio.sleep(_LONGEST_NAP)
        if platform.replay is not None:
            await fill_past(platform, _ids(specs), platform.replay.start, now)

    async def _follow(self, platform: "Platform", messages: Sequence[RecordedMessage]) -> None:
        sent = 0
        while sent < len(messages):
            now = platform.clock.now()
            due = sent
            while due < len(messages) and messages[due].at <= now:
                due += 1
            waiting = list(bodies(messages[sent:due]))
            for number, body in enumerate(waiting, 1):
                await _append(platform, body, Origin.REPLAYED)
                if len(waiting) > 1:
                    platform.tasks.advance(f"feed:{self.id}", number, len(waiting))
            sent = due
            if sent < len(messages):
                await _nap(platform, messages[sent].at)


class Simulation:
    """Made-up stations at ward centres: a day of hourly history first, then one message a minute each."""

    id = "air-simulation"

    async def run(self, platform: "Platform") -> None:
        """Feed the journal until cancelled."""
        made = simulated_stations(platform.city.wards)
        specs = [
            _spec(
                platform, one.device, f"{one.ward.name} (mô phỏng)", one.ward.longitude, one.ward.latitude, SIMULATED_EVERY
            )
            for one in made
        ]
        await _register(platform, specs, "Đô Thị (mô phỏng)")
        heard = {one.id: one.heard for one in await asyncio.to_thread(stations, platform, SYSTEM)}
        now = platform.clock.now()
        # Station by station: the first index of each then finds its whole day at once.
        hours = [*_hours_before(now), now]
        past = [
            _line(one, hour) for one in made for hour in hours if _missing(heard.get(_entity(platform, one.device)), hour)
        ]
        for start in range(0, len(past), 500):
            await _append(platform, b"\n".join(past[start : start + 500]), Origin.SIMULATED)
        await self._follow(platform, made, now + SIMULATED_EVERY)

    async def _follow(self, platform: "Platform", made: Sequence[SimulatedStation], start: datetime) -> None:
        turn = 0
        while made:
            # Stations speak one after another, so that a minute's messages do not come in one second.
            due = start + SIMULATED_EVERY * (turn / len(made))
            now = platform.clock.now()
            if due > now:
                await _nap(platform, due)
                continue
            if now - due > SIMULATED_EVERY:
                start, turn = now, 0  # the machine slept: nobody needs the minutes in between
                continue
            await _append(platform, _line(made[turn % len(made)], due), Origin.SIMULATED)
            turn += 1


def _heard(platform: "Platform") -> list[datetime]:
    return [station.heard for station in stations(platform, SYSTEM) if station.heard is not None]


def _line(station: SimulatedStation, at: datetime) -> bytes:
    return msgspec.json.encode({"device": station.device, "at": at, "values": simulated_values(station, at)})


def _entity(platform: "Platform", device: str) -> str:
    return urn("AirQualityObserved", platform.city.slug, device)


def _hours_before(now: datetime) -> list[datetime]:
    newest = whole_hour(now)
    # A day, and the two hours that the first index of it looks back on.
    return [newest - HOUR * back for back in range(26, -1, -1)]


def _missing(heard: datetime | None, hour: datetime) -> bool:
    return heard is None or hour > heard


def _spec(platform: "Platform", device: str, name: str, longitude: float, latitude: float, cadence: timedelta) -> DeviceSpec:
    return DeviceSpec(
        id=device,
        entity_id=_entity(platform, device),
        entity_type=AIR_QUALITY_OBSERVED,
        name=name,
        cadence_s=cadence.total_seconds(),
        longitude=longitude,
        latitude=latitude,
        mapping=MAPPING,
    )


async def _register(platform: "Platform", specs: Sequence[DeviceSpec], provider: str) -> None:
    """Admit devices that nobody decided about; say once who provides their readings, and open them to the public then."""
    new = [spec for spec in specs if platform.devices.lookup(spec.id) is None]
    await platform.devices.register_many(SYSTEM, new)
    query = EntityQuery(type=AIR_QUALITY_OBSERVED, ids=_ids(specs), attributes=(PROVIDER,), limit=max(len(specs), 1))
    page = await asyncio.to_thread(platform.context.query, SYSTEM, query)
    changes = [
        EntityChange(
            "merge",
            Entity(one.id, AIR_QUALITY_OBSERVED, {PROVIDER: [Attribute("Property", provider)]}),
            Clearance.PUBLIC,
        )
        for one in page.entities
        if one.first(PROVIDER) is None
    ]
    if changes:
        correlation = f"air-feed-{uuid4().hex}"
        await platform.writer.write(Batch(SYSTEM, "air-feed", correlation, platform.clock.now(), entities=changes))


def _ids(specs: Sequence[DeviceSpec]) -> tuple[str, ...]:
    return tuple(spec.entity_id for spec in specs if spec.entity_id is not None)


async def _append(platform: "Platform", body: bytes, origin: Origin) -> None:
    """Keep a body in the journal, waiting as long as the journal asks when it is full or away."""
    correlation = f"air-feed-{uuid4().hex}"
    while True:
        try:
            await platform.journal.append(
                body, source="file", device=None, content_type=NDJSON, correlation=correlation, origin=origin
            )
            return
        except (JournalFull, JournalDown) as refusal:
            await asyncio.sleep(refusal.retry_after or 1)


async def _nap(platform: "Platform", until: datetime) -> None:
    """Sleep towards a moment of the city's clock, a second at most: the clock may be held or sped up meanwhile."""
    speed = platform.replay.speed if platform.replay is not None else 1.0
    real = (until - platform.clock.now()).total_seconds() / speed
    await asyncio.sleep(min(max(real, _SHORTEST_NAP), _LONGEST_NAP))
