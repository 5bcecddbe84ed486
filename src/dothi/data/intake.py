"""From what devices said to columns of readings: who sent it, which series each value belongs to, in which unit.

This is the hot path: a device's plan is worked out once, after that a message costs a few list operations and the rest
is done over whole columns.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from dothi.data.batch import FloatArray, IntArray, Quarantined, Readings
from dothi.data.checks import Checks, Judged, believable_times
from dothi.data.fields import FieldColumns, Template, read_stated
from dothi.data.sealed_only import SealedOnly
from dothi.data.series import SeriesIndex
from dothi.devices.payload import DeviceMessage, Value, decode, encode
from dothi.devices.registry import SHARED_PLACE, Device, Registry
from dothi.model.reading import Origin, Reason
from dothi.model.schema import EntityType
from dothi.model.text import nfc
from dothi.store.journal import Message

MAX_READINGS = 5_000
TokensKnown = Callable[[Sequence[object]], set[object]]
_PLAIN = frozenset((float, int))
_NAMED = 80  # letters of a sender's name that are kept: enough to see that it is no device id


@dataclass(slots=True)
class Draft:
    """What one commit shall take: readings already judged, what goes to quarantine, and who was heard.

    ``unknown`` are messages of devices nobody admitted, with their source; ``refused`` counts those of refused devices.
    """

    readings: Readings
    judged: Judged
    quarantine: list[Quarantined] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    unknown: list[tuple[DeviceMessage, Message]] = field(default_factory=list)
    refused: int = 0


@dataclass(slots=True)
class _Plan:
    """Where a device's values go: ``first`` is the slot of its template's first field, ``number`` its plan's row."""

    device: Device
    template: Template
    first: int
    number: int


class _Sheet:
    """Rows being gathered. ``cells`` are values as they came, ``positions`` the field of each within its template.

    One entry per message in ``plans``, ``counts``, ``times``, ``bodies``; one per body in ``heard`` and ``origins``.
    """

    __slots__ = (
        "bodies",
        "cells",
        "counts",
        "heard",
        "origins",
        "plans",
        "positions",
        "quarantine",
        "refused",
        "times",
        "unknown",
    )

    def __init__(self) -> None:
        self.cells: list[Value] = []
        self.positions, self.plans, self.counts, self.bodies = array("q"), array("q"), array("q"), array("q")
        self.times, self.heard, self.origins = array("q"), array("q"), array("q")
        self.quarantine: list[Quarantined] = []
        self.unknown: list[tuple[DeviceMessage, Message]] = []
        self.refused = 0


class Intake:
    """Reads messages and drafts what to commit. One thread owns it; memory per device is about 150 bytes and 8 a field.

    ``known`` gives those of some tokens of sealed values that this city gave out.
    """

    def __init__(
        self, registry: Registry, types: Mapping[str, EntityType], index: SeriesIndex, checks: Checks, known: TokensKnown
    ) -> None:
        self._registry, self._types, self._index, self._checks, self._known = registry, types, index, checks, known
        self._personal = SealedOnly(types.values()).attributes
        self._plans: dict[str, _Plan] = {}
        self._templates: dict[object, Template] = {}
        self._fields = FieldColumns()
        self._planned: list[_Plan] = []
        self._plan_first, self._plan_field, self._plan_flags = array("q"), array("q"), array("q")
        self._slots = array("q")  # the series of each slot, 0 until it is first needed

    def draft(self, messages: Sequence[Message], now: int) -> Iterator[Draft]:
        """What to commit for ``messages``, in drafts of about ``MAX_READINGS`` rows, judged by the city's time ``now`` (µs).

        Each draft is judged when it is asked for, so the one before it must have been committed and kept.
        """
        sheet = _Sheet()
        lookup, plans, exists = self._registry.lookup, self._plans, self._index.num
        oldest, newest = believable_times(now)
        for message in messages:
            items, undecodable = decode(message)
            for bad in undecodable:
                sheet.quarantine.append(_held(message, bad.reason, bad.detail, bad.raw, bad.device))
            received, body = message.received_at, len(sheet.heard)
            sheet.heard.append(received)
            sheet.origins.append(message.origin or Origin.MEASURED)
            for item in items:
                device = lookup(item.device)
                if device is None:
                    sheet.unknown.append((item, message))
                    continue
                plan = plans.get(item.device)
                if plan is None or plan.device is not device or exists(device.entity_id) is None:
                    if device.state == "refused":
                        sheet.refused += 1
                        continue
                    plan = self._plan(device)
                    if plan is None:
                        detail = f"{device.entity_id} does not exist: register the device again"
                        sheet.quarantine.append(_held(message, "no-entity", detail, encode(item), item.device))
                        continue
                if plan.template.personal and not self._sealed(plan.template, item, message, sheet):
                    continue
                at = received if item.at is None else item.at
                if not oldest <= at <= newest:
                    detail = "more than a day ahead of the city's clock" if at > newest else "ten years ago or more"
                    sheet.quarantine.append(_held(message, "absurd-time", detail, encode(item), item.device))
                    continue
                values = item.values
                shape = plan.template.shape(tuple(values))
                if shape is None:
                    values, shape = self._mapped(plan, item, message, sheet)
                    if not values and item.location is None:
                        continue
                sheet.cells.extend(values.values())
                if item.location is not None:
                    sheet.cells.append({"type": "Point", "coordinates": list(item.location)})
                    shape = (*shape, plan.template.place)
                sheet.positions.extend(shape)
                sheet.plans.append(plan.number)
                sheet.counts.append(len(shape))
                sheet.times.append(at)
                sheet.bodies.append(body)
                if len(sheet.cells) >= MAX_READINGS:
                    yield self._finish(sheet, now)
                    sheet = _Sheet()
                    body = 0
                    sheet.heard.append(received)
                    sheet.origins.append(message.origin or Origin.MEASURED)
        if sheet.cells or sheet.quarantine or sheet.unknown or sheet.refused:
            yield self._finish(sheet, now)

    def _plan(self, device: Device) -> _Plan | None:
        """A new plan for a device that is new or has changed; None if its entity does not exist."""
        if self._index.num(device.entity_id) is None:
            return None
        key = (device.entity_type, frozenset(device.mapping.items()))
        template = self._templates.get(key)
        if template is None:
            template = Template(self._types.get(device.entity_type), device.mapping, len(self._fields.all), self._personal)
            self._fields.add(template.fields)
            self._templates[key] = template
        plan = self._plans.get(device.id)
        if plan is None:
            plan = _Plan(device, template, len(self._slots), len(self._planned))
            self._planned.append(plan)
            for column in (self._plan_first, self._plan_field, self._plan_flags):
                column.append(0)
            self._plans[device.id] = plan
        plan.device, plan.template, plan.first = device, template, len(self._slots)
        self._slots.extend([0] * len(template.fields))
        self._plan_first[plan.number], self._plan_field[plan.number] = plan.first, template.first
        self._plan_flags[plan.number] = Reason.SHARED_PLACE if SHARED_PLACE in device.flags else Reason.NONE
        return plan

    def tells_of_persons(self, message: Message) -> bool:
        """True if ``message`` has a value where only sealed ones belong: it must not be kept as it came."""
        items, _ = decode(message)
        plans = ((self._plans.get(item.device), item) for item in items)
        return any(plan is not None and not plan.template.personal.isdisjoint(item.values) for plan, item in plans)

    def _sealed(self, template: Template, item: DeviceMessage, message: Message, sheet: _Sheet) -> bool:
        """Leave out of ``item`` what is personal and not sealed by this city, before anything can keep it; False if all is.

        That it came is told in quarantine, without a letter of it: what is held there is not forgotten with a key.
        """
        told = {key: _stated(value) for key, value in item.values.items() if key in template.personal}
        known = self._known(list(told.values())) if told else set()
        bare = [key for key, value in told.items() if not isinstance(value, str) or value not in known]
        if bare:
            detail = "not sealed here: " + ", ".join(repr(key) for key in bare)
            sheet.quarantine.append(_held(message, "unsealed", detail[:500], b"", item.device))
            for key in bare:
                del item.values[key]
        return bool(item.values) or item.location is not None

    def _mapped(
        self, plan: _Plan, item: DeviceMessage, message: Message, sheet: _Sheet
    ) -> tuple[dict[str, Value], tuple[int, ...]]:
        """The values whose keys have a place, and where; the others go to quarantine, together."""
        positions = plan.template.positions
        strange = {key: value for key, value in item.values.items() if key not in positions}
        if strange:
            rest = DeviceMessage(item.device, message.received_at if item.at is None else item.at, strange)
            detail = "no attribute for " + ", ".join(repr(key) for key in strange)
            sheet.quarantine.append(_held(message, "unmapped-key", detail[:500], encode(rest), item.device))
        values = {key: value for key, value in item.values.items() if key in positions}
        return values, tuple(positions[key] for key in values)

    def _finish(self, sheet: _Sheet, now: int) -> Draft:
        """Columns of what was gathered, each value in its declared unit, judged."""
        counts, plans = _column(sheet.counts), _column(sheet.plans)
        which = np.repeat(plans, counts)
        position = _column(sheet.positions)
        slot = _column(self._plan_first)[which] + position
        fields = _column(self._plan_field)[which] + position
        known = self._fields
        series = self._series(slot, which, position)
        reasons = _column(self._plan_flags)[which]

        number, other, plain = self._values(sheet.cells, fields, reasons)
        reasons[plain & ~known.takes_numbers[fields]] |= Reason.TYPE
        reasons[plain] |= known.wrong[fields[plain]]

        body = np.repeat(_column(sheet.bodies), counts)
        observed = np.repeat(_column(sheet.times), counts)
        judged = self._checks.run(series, observed, number, reasons, now)
        readings = Readings(
            series=series,
            observed_at=observed,
            number=number,
            received_at=_column(sheet.heard)[body],
            grade=judged.grades,
            reasons=judged.reasons,
            origin=_column(sheet.origins)[body],
            other=other,
        )
        heard = [self._planned[number].device.id for number in np.unique(plans).tolist()]
        return Draft(readings, judged, sheet.quarantine, heard, sheet.unknown, sheet.refused)

    def _values(
        self, cells: list[Value], fields: IntArray, reasons: IntArray
    ) -> tuple[FloatArray, list[str | None] | None, NDArray[np.bool_]]:
        """Numbers in declared units, JSON text where a value is something else, and which cells are bare numbers."""
        factor, offset = self._fields.factor[fields], self._fields.offset[fields]
        plain = np.ones(len(cells), np.bool_)
        if set(map(type, cells)) <= _PLAIN:
            return np.array(cells, np.float64) * factor + offset, None, plain
        odd = [row for row, cell in enumerate(cells) if type(cell) not in _PLAIN]
        plain[odd] = False
        bare = np.array([cell if type(cell) in _PLAIN else np.nan for cell in cells], np.float64)
        number = bare * factor + offset
        other: list[str | None] = [None] * len(cells)
        for row in odd:
            value, wrong = read_stated(self._fields.all[fields[row]], cells[row])
            reasons[row] |= wrong
            if type(value) is float:
                number[row] = value
            else:
                other[row] = nfc(msgspec.json.encode(value, order="deterministic").decode())
        return number, other, plain

    def _series(self, slot: IntArray, which: IntArray, position: IntArray) -> IntArray:
        """The series of each row, found or made when a slot is first used."""
        series = _column(self._slots)[slot]
        if series.all():
            return series
        fresh = np.flatnonzero(series == 0)
        _, at = np.unique(slot[fresh], return_index=True)
        for row in fresh[at].tolist():
            plan = self._planned[which[row]]
            one = plan.template.fields[position[row]]
            number = self._index.series(plan.device.entity_id, one.attribute, one.dataset_id, one.unit)
            if one.type is not None:
                self._checks.declare(number, one.type)
            self._slots[slot[row]] = number
        return _column(self._slots)[slot]


def _stated(value: Value) -> object:
    """A value, or what it states: {"value": …}."""
    return value.get("value") if isinstance(value, dict) else value


def _column(values: "array[int]") -> IntArray:
    """A copy, so that the array may go on growing."""
    return np.array(values, np.int64)


def _held(message: Message, reason: str, detail: str, body: bytes, device: str | None) -> Quarantined:
    whole = body is message.body
    sender = device or message.device
    return Quarantined(
        source=message.source,
        device=sender and sender[:_NAMED],
        reason=reason,
        detail=detail,
        body=body,
        content_type=message.content_type if whole else "application/json",
        correlation=message.correlation,
        received_at=message.received_at,
        origin=message.origin,
        stored_at=message.stored_at,
    )
