"""What a folder of real data knows of a city's wards beyond their shapes: people, and the communes they were made from."""

import csv
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import structlog

from dothi.model.gazetteer import words
from dothi.model.ward import Former, Ward

log = structlog.get_logger(__name__)


class WardNames:
    """Finds the ward a row of somebody else's table means: by its code, and where the code is unknown, by its name."""

    def __init__(self, wards: Sequence[Ward], elsewhere: Container[str] = ()) -> None:
        self._codes, self._elsewhere = {ward.code for ward in wards}, elsewhere
        self._by_name: dict[str, set[str]] = {}
        for ward in wards:
            for name in (ward.full_name, ward.name):
                self._by_name.setdefault(words(name), set()).add(ward.code)

    def code_for(self, code: str, name: str) -> str | None:
        """The ward's code; None if the code is another province's, or unknown and the name not that of exactly one ward."""
        if code in self._codes:
            return code
        if code in self._elsewhere:
            return None
        named = self._by_name.get(words(name), set())
        if len(named) != 1:
            return None
        (found,) = named
        if code:
            log.info("unknown ward code, matched by name", code=code, name=name, ward=found)
        return found


def with_population(wards: Sequence[Ward], table: Path, elsewhere: Container[str] = ()) -> list[Ward]:
    """``wards`` with the people counted in ``table``, a CSV with the columns ward, code and population.

    Rows that match no ward (codes in ``elsewhere`` are other provinces'), or whose count is no whole number, are logged and
    passed over; a missing or unreadable table, or one of which less than half is this city's, leaves the wards as they are.
    """
    names = WardNames(wards, elsewhere)
    people: dict[str, int] = {}
    strange = []
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                code = names.code_for(row.get("code") or "", row.get("ward") or "")
                count = (row.get("population") or "").strip()
                if code is None or not count.isdecimal():
                    strange.append(row.get("code") or row.get("ward") or "")
                else:
                    people[code] = int(count)
    except FileNotFoundError:
        return list(wards)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        log.warning("population not readable", table=str(table), error=str(error))
        return list(wards)
    if strange:
        log.warning("population rows not understood", table=str(table), rows=len(strange), first=strange[:5])
    if len(strange) > len(people):
        return list(wards)
    return [replace(ward, population=people.get(ward.code)) for ward in wards]


class _Merge(msgspec.Struct):
    name: str
    type: str = "full"


class _Commune(msgspec.Struct):
    level2_id: str
    name: str = ""
    merges: list[_Merge] = []


class _Province(msgspec.Struct):
    level1_id: str
    level2s: list[_Commune] = []


class _Mapping(msgspec.Struct):
    data: list[_Province]


def read_former(mapping: Path, province: str, wards: Sequence[Ward]) -> list[Former]:
    """The communes of before 2025-07-01 and the wards each went into, from a JSON file shaped like dvhcvn's 20250701.

    [] if there is no such file; an unreadable one is logged and counts as none.
    """
    try:
        content = msgspec.json.decode(mapping.read_bytes(), type=_Mapping)
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("former communes not readable", file=str(mapping), error=str(error))
        return []
    names = WardNames(wards)
    return [
        Former(merge.name, code, merge.type == "full")
        for one in content.data
        if one.level1_id == province
        for commune in one.level2s
        if (code := names.code_for(commune.level2_id, commune.name)) is not None
        for merge in commune.merges
    ]
