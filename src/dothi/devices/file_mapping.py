"""What the columns of a recorded file mean, declared once, and how a row becomes part of a message."""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from dothi.devices.payload import DEVICE_ID, MAX_KEY, MAX_TEXT, MAX_VALUES, micros_of
from dothi.model.problem import bad_request
from dothi.model.text import fold, nfc

Row = Mapping[str, Any]


class FileMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """What the columns of a file mean (docs/reference/devices.md, "Files").

    ``device`` and ``time`` are columns; ``one_device`` instead of ``device`` if the whole file is of one. Long files name
    ``parameter``, ``value`` and perhaps ``unit`` columns; wide ones give in ``values`` the column of each key. ``units``
    states a unit for keys where no column does. ``time_zone`` (IANA) is for times that carry no offset; ``time_format`` is
    strptime's. ``missing`` are the spellings of "no value"; keys in ``texts`` are not numbers.
    """

    time: str
    device: str | None = None
    one_device: str | None = None
    parameter: str | None = None
    value: str | None = None
    unit: str | None = None
    values: dict[str, str] = {}
    units: dict[str, str] = {}
    texts: tuple[str, ...] = ()
    time_zone: str | None = None
    time_format: str | None = None
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null", "None")
    delimiter: str = ","

    @cached_property
    def columns(self) -> list[str]:
        """The columns a file must have."""
        named = (self.time, self.device, self.parameter, self.value, self.unit, *self.values.values())
        return list(dict.fromkeys(name for name in named if name is not None))


def load_mapping(path: Path) -> FileMapping:
    """The mapping in a JSON file. Raises Problem 400 saying what is wrong with it."""
    try:
        return check_mapping(msgspec.json.decode(path.read_bytes(), type=FileMapping))
    except OSError as failure:
        raise bad_request(f"The mapping {path} cannot be read.", failure.strerror or "") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise bad_request(f"The mapping {path} is not one.", str(failure)) from None


def check_mapping(mapping: FileMapping) -> FileMapping:
    """The mapping itself, if its parts fit together. Raises Problem 400."""
    if (mapping.device is None) == (mapping.one_device is None):
        raise bad_request("The mapping must say whose values these are.", 'Give either "device" or "one_device".')
    if mapping.one_device is not None and DEVICE_ID.fullmatch(mapping.one_device) is None:
        raise bad_request('"one_device" is no device id.', "Letters without accents, digits, _ and -, at most 64.")
    long = mapping.parameter is not None
    if long != (mapping.value is not None) or long == bool(mapping.values):
        how = 'Give "parameter" and "value" (a long file), or "values" (a wide one).'
        raise bad_request("The mapping must say where the values are.", how)
    if len(mapping.values) > MAX_VALUES:
        raise bad_request(f"A message carries at most {MAX_VALUES} values.", 'Name fewer in "values".')
    if mapping.unit is not None and not long:
        raise bad_request('A "unit" column belongs to a long file.', 'State units of a wide file in "units".')
    if len(mapping.delimiter) != 1:
        raise bad_request("The delimiter is one character.", "Leave it out for a comma.")
    try:
        ZoneInfo(mapping.time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise bad_request(f"There is no time zone {mapping.time_zone!r}.", "Write it as Asia/Ho_Chi_Minh.") from None
    return mapping


def device_id_of(name: str) -> str:
    """A device id for a name in a file: itself if it can be one, else folded, with hyphens for all other signs."""
    if DEVICE_ID.fullmatch(name):
        return name
    return re.sub(r"[^a-z0-9]+", "-", fold(nfc(name))).strip("-")[:64].rstrip("-")


class RowReader:
    """Reads rows by a mapping. ``read`` gives the device, the time (µs UTC), the values, and what of it was bad."""

    def __init__(self, mapping: FileMapping) -> None:
        self._mapping = mapping
        self._zone = ZoneInfo(mapping.time_zone) if mapping.time_zone else None
        self._missing, self._texts = frozenset(mapping.missing), frozenset(mapping.texts)
        self._ids: dict[str, str] = {}

    def read(self, row: Row) -> tuple[str, int, dict[str, Any], str]:
        """One row: (device, at, values, complaint). Raises ValueError if the row as a whole says nothing usable."""
        mapping = self._mapping
        device = mapping.one_device or self._device(row[mapping.device or ""])
        at = self._time(row[mapping.time])
        values: dict[str, Any] = {}
        if mapping.parameter is not None:
            key = self._key(row[mapping.parameter])
            unit = row[mapping.unit] if mapping.unit is not None else mapping.units.get(key)
            self._take(values, key, row[mapping.value or ""], unit)
            return device, at, values, ""
        complaints = []
        for key, column in mapping.values.items():
            try:
                self._take(values, key, row[column], mapping.units.get(key))
            except ValueError as failure:
                complaints.append(str(failure))
        return device, at, values, "; ".join(complaints)

    def _take(self, values: dict[str, Any], key: str, cell: Any, unit: Any) -> None:
        value = self._value(key, cell)
        if value is not None:
            values[key] = value if unit is None or unit in self._missing else {"value": value, "unit": str(unit)}

    def _value(self, key: str, cell: Any) -> float | str | bool | None:
        """A number, a text where the mapping says so, or None for no value."""
        if cell is None or (isinstance(cell, str) and cell.strip() in self._missing):
            return None
        if key in self._texts:
            text = nfc(str(cell)).strip()
            if len(text) > MAX_TEXT:
                raise ValueError(f"{key}: the text has {len(text)} letters; at most {MAX_TEXT}")
            return text
        if isinstance(cell, bool):
            return cell
        try:
            number = float(cell)
        except (TypeError, ValueError):
            raise ValueError(f"{key}: {str(cell)[:60]!r} is not a number") from None
        if math.isnan(number):
            return None
        if math.isinf(number):
            raise ValueError(f"{key}: infinity is not a value")
        return number

    def _device(self, cell: Any) -> str:
        name = "" if cell is None else str(cell).strip()
        known = self._ids.get(name)
        if known is None:
            known = device_id_of(name)
            if not known:
                raise ValueError("there is no device id")
            if len(self._ids) < 100_000:
                self._ids[name] = known
        return known

    def _key(self, cell: Any) -> str:
        key = "" if cell is None else nfc(str(cell)).strip()
        if not 0 < len(key) <= MAX_KEY:
            raise ValueError("there is no parameter")
        return key

    def _time(self, cell: Any) -> int:
        if isinstance(cell, str):
            cell = self._parsed_time(cell.strip())
        if isinstance(cell, datetime):
            if cell.tzinfo is None:
                if self._zone is None:
                    raise ValueError("the time has no offset; say time_zone in the mapping")
                cell = cell.replace(tzinfo=self._zone)
        elif not isinstance(cell, int | float) or isinstance(cell, bool) or not math.isfinite(cell):
            raise ValueError("there is no time")
        return micros_of(cell)

    def _parsed_time(self, text: str) -> datetime | float:
        try:
            if self._mapping.time_format is not None:
                return datetime.strptime(text, self._mapping.time_format)  # noqa: DTZ007 - the caller sees to the zone
            return float(text) if re.fullmatch(r"\d{1,14}(\.\d+)?", text) else datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"the time {text[:60]!r} cannot be read") from None
