"""An exported city as a recording: its things at once, its readings as the clock of another city reaches them."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dothi.access.policy import SYSTEM
from dothi.api.exchange import entities, records
from dothi.api.exchange.layout import DELETED, ENTITIES, MANIFEST, Manifest, damaged, read_manifest
from dothi.data.batch import Batch, EntityChange, ReadingRow, join_value, readings_of
from dothi.data.document import attribute_of
from dothi.data.restoring import KeptEntity
from dothi.devices.registry import DeviceSpec, MappingRule
from dothi.model.clock import from_micros, to_micros
from dothi.model.entity import Entity
from dothi.model.problem import Problem
from dothi.model.reading import Grade, Origin, Reason
from dothi.platform.sector import Period
from dothi.store import tables

if TYPE_CHECKING:
    import polars as pl

    from dothi.platform.platform import Platform

PAST = timedelta(days=31)  # what lies farther before the beginning is not loaded: no page looks back that far at once
BULK = timedelta(hours=24)  # what was heard later than this came in bulk: it is told at its own time of observation
_BATCH = 2_000
_LONGEST_NAP, _SHORTEST_NAP = 1.0, 0.05
_DEVICES = next(one for one in records.RECORDS if one.table is tables.device)


def is_export(folder: Path) -> bool:
    """True if ``dothi export`` wrote this folder."""
    return (folder / MANIFEST).is_file()


def exported_period(folder: Path) -> Period:
    """From the first to the last reading of an export; a replay of it begins half-way unless told otherwise.

    Raises Problem 400 if it is no whole export, 404 if it holds no readings.
    """
    manifest = read_manifest(folder)
    frame = _rows(folder, manifest)
    if frame is None:
        raise Problem(
            404, "no-readings", f"The export {folder} holds no readings.", "Export again without --to or --datasets."
        )
    import polars as pl

    first, last = frame.select(pl.col("observed_at").min(), pl.col("told_at").max()).collect().row(0)
    middle = first + (last - first) / 2
    return Period(first, max(middle.replace(minute=0, second=0, microsecond=0), first), last)


class ExportReplay:
    """Tells an export again: each reading at the moment the city heard it, late ones late and corrections as corrections."""

    id = "export-replay"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def run(self, platform: "Platform") -> None:
        """Write until the export ends or the task is cancelled. What is written already is nothing when told again."""
        manifest = await asyncio.to_thread(read_manifest, self._folder)
        await self._things(platform)
        devices = await self._devices(platform)
        start = platform.clock.now() - PAST
        for day in await asyncio.to_thread(_days, self._folder, manifest, to_micros(start)):
            rows = await asyncio.to_thread(_day, self._folder, manifest, day)
            told = 0
            while told < len(rows):
                now = platform.clock.now()
                due = told
                while due < len(rows) and due - told < _BATCH and rows[due][0] <= to_micros(now):
                    due += 1
                if due == told:
                    await _nap(platform, rows[told][0])
                    continue
                await self._tell(platform, rows[told:due], devices)
                told = due

    async def _things(self, platform: "Platform") -> None:
        gone = {line["id"] for line in records.lines(self._folder / DELETED)}
        lines = records.lines(self._folder / ENTITIES)
        for chunk in _chunks(line for line in lines if line["id"] not in gone):
            changes = [_change(entities.entity_of(line)) for line in chunk]
            await platform.writer.write(
                Batch(SYSTEM, self.id, f"{self.id}-{uuid4().hex}", platform.clock.now(), entities=changes)
            )

    async def _devices(self, platform: "Platform") -> dict[str, list[str]]:
        """Admit the devices that were; returns which of them speak for each entity."""
        path = self._folder / _DEVICES.file
        rows = [row for row in records.lines(path) if row["state"] == "admitted"] if path.is_file() else []
        specs = [_spec(row) for row in rows if row["entity_type"] in platform.types]
        new = [spec for spec in specs if platform.devices.lookup(spec.id) is None]
        await platform.devices.register_many(SYSTEM, new)
        found: dict[str, list[str]] = {}
        for spec in specs:
            found.setdefault(spec.entity_id or "", []).append(spec.id)
        return found

    async def _tell(
        self, platform: "Platform", rows: Sequence[tuple[int, ReadingRow]], devices: Mapping[str, Sequence[str]]
    ) -> None:
        known = [row for _, row in rows if platform.writer.index.num(row.entity_id) is not None]
        if not known:
            return
        now = platform.clock.now()
        batch = Batch(SYSTEM, self.id, f"{self.id}-{uuid4().hex}", now, readings=readings_of(known))
        await platform.writer.write(batch)
        heard = {device for row in known if row.origin is Origin.REPLAYED for device in devices.get(row.entity_id, ())}
        platform.devices.seen(heard, min(rows[-1][0], to_micros(now)))


def _change(kept: KeptEntity) -> EntityChange:
    moments = _Moments()
    attributes = {
        iri: [attribute_of(one, moments) for one in instances if "v" in one] for iri, instances in kept.document.items()
    }
    told = {iri: instances for iri, instances in attributes.items() if instances}
    entity = Entity(kept.id, kept.type, told, owner=kept.owner, more_types=kept.more_types, scopes=kept.scopes)
    if kept.expires_at is not None:
        entity.expires_at = from_micros(kept.expires_at)
    return EntityChange("upsert", entity, kept.clearance)


class _Moments(dict[int, Any]):
    def __missing__(self, micros: int) -> Any:
        found = self[micros] = from_micros(micros)
        return found


def _spec(row: Mapping[str, Any]) -> DeviceSpec:
    rules = {
        key: MappingRule(rule["attribute"], rule.get("unit"), rule.get("dataset_id"))
        for key, rule in (row["mapping"] or {}).items()
    }
    return DeviceSpec(
        id=row["id"],
        entity_type=row["entity_type"],
        name=row["name"],
        entity_id=row["entity_id"],
        owner=row["owner"],
        cadence_s=row["cadence_s"],
        longitude=row["longitude"],
        latitude=row["latitude"],
        mapping=rules,
    )


def _files(folder: Path, manifest: Manifest) -> list[Path]:
    return sorted(folder / name for name in manifest.files if name.startswith("readings/"))


def _rows(folder: Path, manifest: Manifest) -> "pl.LazyFrame | None":
    """Every statement of the readings with ``told_at``: when a replay says it."""
    import polars as pl

    files = _files(folder, manifest)
    if not files:
        return None
    late = (pl.col("received_at") - pl.col("observed_at")) > BULK
    return pl.scan_parquet(files, hive_partitioning=False).with_columns(
        pl.when(late).then(pl.col("observed_at")).otherwise(pl.max_horizontal("received_at", "observed_at")).alias("told_at")
    )


def _days(folder: Path, manifest: Manifest, start: int) -> list[int]:
    """The UTC days (since 1970) on which something is told from ``start`` (µs) on."""
    import polars as pl

    frame = _rows(folder, manifest)
    if frame is None:
        return []
    days = frame.filter(pl.col("told_at").dt.epoch("us") >= start).select(pl.col("told_at").dt.epoch("d").unique().sort())
    return [int(day) for day in days.collect()["told_at"].to_list()]


def _day(folder: Path, manifest: Manifest, day: int) -> list[tuple[int, ReadingRow]]:
    """What is told on a day, in order: (µs UTC, the reading). Raises Problem 400 for a file that is none of ours."""
    import polars as pl

    frame = _rows(folder, manifest)
    if frame is None:
        return []
    try:
        rows = (
            frame.filter(pl.col("told_at").dt.epoch("d") == day)
            .sort("told_at", "observed_at", "revision")
            .with_columns(pl.col("told_at").dt.epoch("us"))
            .collect()
        )
        return [(row["told_at"], _reading(row)) for row in rows.iter_rows(named=True)]
    except (pl.exceptions.PolarsError, KeyError, ValueError) as error:
        raise damaged(folder, f"its readings cannot be read ({error})") from error


def _reading(row: Mapping[str, Any]) -> ReadingRow:
    origin = Origin(entities.origin_number(row["origin"]))
    return ReadingRow(
        row["entity"],
        row["attribute"],
        row["observed_at"],
        None if row["withdrawn"] else join_value(row["number"], row["other"]),
        origin if origin is Origin.MODELLED else Origin.REPLAYED,
        row["unit"],
        row["dataset"],
        row["withdrawn"],
        Grade(entities.grade_number(row["grade"])),
        Reason(entities.reasons_number(row["reasons"])),
        from_micros(row["told_at"]),
    )


def _chunks(lines: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == _BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _nap(platform: "Platform", until: int) -> None:
    """Sleep towards a moment of the city's clock, a second at most: the clock may be held or sped up meanwhile."""
    speed = platform.replay.speed if platform.replay is not None else 1.0
    real = (from_micros(until) - platform.clock.now()).total_seconds() / speed
    await asyncio.sleep(min(max(real, _SHORTEST_NAP), _LONGEST_NAP))
