"""Extracts Vietnam's provinces and commune-level units from the package vietnamadminunits into our own data files.

Run it when the units change: ``python scripts/extract_units.py``. It reads the package's data files and never imports
the package, whose own code pulls in a GPL dependency. The output is sorted and carries no time stamp, so the same
source gives the same text.
"""

import csv
import gzip
import io
import json
import sqlite3
import sys
import unicodedata
from importlib.metadata import distribution
from pathlib import Path

PACKAGE = "vietnamadminunits"
DATASET, CHANGES = f"{PACKAGE}/data/dataset.db", f"{PACKAGE}/data/converter_2025.json"
TARGET = Path(__file__).resolve().parent.parent / "src" / "dothi" / "cities" / "data"
KINDS = ("phường", "xã", "đặc khu", "tỉnh", "thành phố")


def split_kind(full_name: str) -> tuple[str, str]:
    """'Phường Ba Đình' → ('phường', 'Ba Đình'). The source's own kind column is wrong in four rows, its names are not."""
    name = " ".join(unicodedata.normalize("NFC", full_name).split())
    for kind in KINDS:
        if name.lower().startswith(kind + " "):
            return kind, name[len(kind) + 1 :]
    raise ValueError(f"{full_name!r} starts with none of {KINDS}")


def number(value: float | None) -> str:
    """A number as short text; an area of 0 or none is unknown and stays empty."""
    return f"{value:.8g}" if value else ""


def as_csv(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """``rows`` sorted under ``header``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(sorted(rows))
    return text.getvalue()


def extract(dataset: Path) -> tuple[str, str]:
    """(provinces.csv, units.csv) as text, from the package's SQLite file."""
    with sqlite3.connect(f"file:{dataset}?mode=ro", uri=True) as source:
        rows = source.execute(
            "SELECT provinceCode, province, wardCode, ward, wardLon, wardLat, wardAreaKm2 FROM admin_units"
        ).fetchall()
    provinces = {(code, *split_kind(name)) for code, name, *_ in rows}
    units = [
        (ward, province, *split_kind(name), number(longitude), number(latitude), number(area))
        for province, _, ward, name, longitude, latitude, area in rows
    ]
    return (
        as_csv(("code", "kind", "name"), list(provinces)),
        as_csv(("code", "province", "kind", "name", "longitude", "latitude", "area_km2"), units),
    )


def extract_former(dataset: Path, changes: Path) -> str:
    """former.csv as text: each commune of before 2025-07-01, its district, the unit it went into, whole (1) or not (0)."""
    with sqlite3.connect(f"file:{dataset}?mode=ro", uri=True) as source:
        today = source.execute("SELECT provinceKey, wardKey, wardCode, wardLon, wardLat FROM admin_units").fetchall()
        old = source.execute("SELECT provinceKey, districtKey, wardKey, ward, district FROM admin_units_legacy").fetchall()
    names = {"_".join((province, district, ward or "")): (name, of) for province, district, ward, name, of in old}
    codes: dict[tuple[str, str], list[tuple[str, float, float]]] = {}
    for province, ward, code, longitude, latitude in today:
        codes.setdefault((province, ward), []).append((code, longitude, latitude))
    told = json.loads(changes.read_text(encoding="utf-8"))
    rows = set[tuple[str, str, str, str]]()
    for province, went in told["DICT_PROVINCE_WARD_NO_DIVIDED"].items():
        for ward, olds in went.items():
            known = codes.get((province, ward), [])
            if len(known) == 1:  # of two units of one name in a province nothing says which
                rows |= {(known[0][0], *reversed(names[one]), "1") for one in olds if one in names}
    for province, went in told["DICT_PROVINCE_WARD_DIVIDED"].items():
        for one, parts in went.items():
            for part in parts:
                place = (part["newWardLon"], part["newWardLat"])
                near = [code for code, *point in codes.get((province, part["newWardKey"]), []) if tuple(point) == place]
                rows |= {(code, *reversed(names[one]), "0") for code in near if one in names}
    kept = [(code, bare(district), bare(name), whole) for code, district, name, whole in rows if name]
    return as_csv(("code", "district", "name", "whole"), kept)


def bare(name: str) -> str:
    """A name in NFC with single blanks."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def main() -> None:
    """Writes provinces.csv, units.csv.gz and former.csv.gz beside the packs and says what they hold."""
    package = distribution(PACKAGE)
    dataset = Path(str(package.locate_file(DATASET)))
    provinces, units = extract(dataset)
    former = extract_former(dataset, Path(str(package.locate_file(CHANGES))))
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "provinces.csv").write_text(provinces, encoding="utf-8", newline="\n")
    (TARGET / "units.csv.gz").write_bytes(gzip.compress(units.encode(), compresslevel=9, mtime=0))
    (TARGET / "former.csv.gz").write_bytes(gzip.compress(former.encode(), compresslevel=9, mtime=0))
    sys.stdout.write(
        f"{PACKAGE} {package.version}: {provinces.count(chr(10)) - 1} provinces, {units.count(chr(10)) - 1} units, "
        f"{(TARGET / 'units.csv.gz').stat().st_size} bytes; {former.count(chr(10)) - 1} former communes, "
        f"{(TARGET / 'former.csv.gz').stat().st_size} bytes\n"
    )


if __name__ == "__main__":
    main()
