"""What a folder of real data knows of a city's wards beyond their shapes: how many people live there."""

import csv
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from dothi.model.gazetteer import words
from dothi.model.ward import Ward

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
