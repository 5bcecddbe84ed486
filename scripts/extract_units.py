"""Extracts Vietnam's provinces and commune-level units from the package vietnamadminunits into our own data file.

Run it when the units change: ``python scripts/extract_units.py``. It reads the package's SQLite file and never imports
the package, whose own code pulls in a GPL dependency. The output is sorted and carries no time stamp, so the same
source gives the same text.
"""

import csv
import gzip
import io
import sqlite3
import sys
import unicodedata
from importlib.metadata import distribution
from pathlib import Path

PACKAGE = "vietnamadminunits"
DATASET = f"{PACKAGE}/data/dataset.db"
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


def main() -> None:
    """Writes provinces.csv and units.csv.gz beside the packs and says what they hold."""
    package = distribution(PACKAGE)
    provinces, units = extract(Path(str(package.locate_file(DATASET))))
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "provinces.csv").write_text(provinces, encoding="utf-8", newline="\n")
    (TARGET / "units.csv.gz").write_bytes(gzip.compress(units.encode(), compresslevel=9, mtime=0))
    sys.stdout.write(
        f"{PACKAGE} {package.version}: {provinces.count(chr(10)) - 1} provinces, {units.count(chr(10)) - 1} units, "
        f"{(TARGET / 'units.csv.gz').stat().st_size} bytes\n"
    )


if __name__ == "__main__":
    main()
