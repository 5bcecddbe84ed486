"""The tables of one question in one DuckDB: what its asker may see, put together from the database and the lake.

Rows of the lake meet ``_series``, which holds only series the asker may see, before anything of the question touches them:
every column is a CASE over ``seen`` of that table, so that no condition of the question can be moved below the join, where
its errors would tell of hidden rows. ``_series`` also holds one row that is not seen, so that the CASE is never taken for
always true.
"""

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from dothi.access.policy import Person, Reach
from dothi.data.sql.bounds import Bounds, quoted
from dothi.data.sql.catalogue import Table, reached
from dothi.data.sql.frames import Frames
from dothi.model.reading import Grade, Origin
from dothi.store.delta import LakeFile
from dothi.store.lake import Lake

if TYPE_CHECKING:
    import duckdb
    import polars as pl

EVER = (-(2**62), 2**62)
_RAW = "series, observed_at, number, other, grade, origin, received_at, attribute_id"
_RECENT = 1_000_000_000  # the place of a row of the recent table: after all rows of the lake
_COLUMNS = (
    "series INTEGER, observed_at BIGINT, revision INTEGER, number DOUBLE, other VARCHAR, grade TINYINT, origin TINYINT, "
    "received_at BIGINT, withdrawn BOOLEAN, attribute_id INTEGER"
)
_GRADES = "[" + ", ".join(f"'{one.name.lower()}'" for one in Grade) + "]"
_ORIGINS = "[" + ", ".join(f"'{one.name.lower()}'" for one in Origin) + "]"
_TEXT = "CASE WHEN json_valid({0}) THEN coalesce(json_extract_string({0}, '$'), {0}) END"

# A key has several rows only where one of them is a revision or waits to be sealed: those few are sorted out, all others
# are read as they are. What was told first in the lake, then in the recent table, is one order (``past.settled``).
_STANDING = f"""
SELECT {_RAW} FROM _plain WHERE NOT withdrawn
UNION ALL
SELECT {_RAW} FROM _told ANTI JOIN _twice USING (series, observed_at) WHERE NOT withdrawn
UNION ALL
SELECT {_RAW} FROM (
  SELECT *, row_number() OVER (PARTITION BY series, observed_at ORDER BY received_at DESC, place DESC) AS _nth
  FROM (
    SELECT series, observed_at, received_at, number, other, withdrawn, min(place) AS place, arg_min(grade, place) AS grade,
      arg_min(origin, place) AS origin, any_value(attribute_id) AS attribute_id
    FROM _told SEMI JOIN _twice USING (series, observed_at) GROUP BY ALL
  )
) WHERE _nth = 1 AND NOT withdrawn
"""  # noqa: S608 - constants only
_READINGS = f"""
SELECT s.entity, s.name, s.type, s.attribute, s.dataset,
  CASE WHEN s.seen THEN make_timestamptz(r.observed_at) END AS observed_at,
  CASE WHEN s.seen THEN r.number END AS value,
  CASE WHEN s.seen THEN {_TEXT.format("r.other")} END AS text,
  s.unit,
  CASE WHEN s.seen THEN {_GRADES}[r.grade + 1] END AS grade,
  CASE WHEN s.seen THEN {_ORIGINS}[r.origin + 1] END AS origin,
  s.ward, s.ward_name,
  CASE WHEN s.seen THEN make_timestamptz(r.received_at) END AS received_at,
  s.longitude, s.latitude, s.type_iri
FROM _standing r JOIN _series s ON s.series = r.series AND s.attribute_id = r.attribute_id
"""  # noqa: S608 - constants only
_LATEST = f"""
SELECT s.*, make_timestamptz(r.observed_at) AS observed_at, r.number AS value, {_TEXT.format("r.other")} AS text,
  {_GRADES}[r.grade + 1] AS grade, {_ORIGINS}[r.origin + 1] AS origin, make_timestamptz(r.received_at) AS received_at
FROM _live r JOIN _series s USING (series)
"""  # noqa: S608 - constants only
_HOURLY = """
SELECT entity, name, type, attribute, dataset, date_trunc('hour', observed_at) AS hour, avg(value) AS mean,
  min(value) AS lowest, max(value) AS highest, count(*) AS readings, unit, ward, ward_name
FROM _readings WHERE grade <> 'bad' AND value IS NOT NULL GROUP BY ALL
"""
_SOURCES = {
    "readings": "SELECT * FROM _readings",
    "readings_hourly": _HOURLY,
    "latest": _LATEST,
    "series": "SELECT * FROM _series WHERE seen AND NOT gone",
}


def clock(now: int) -> list[str]:
    """Macros by which every way of asking the time answers ``now`` (µs UTC), the city's clock."""
    moment = f"make_timestamptz({now}::BIGINT)"
    local = f"(make_timestamptz({now}::BIGINT) AT TIME ZONE current_setting('TimeZone'))"
    told = {
        **dict.fromkeys(("now()", "get_current_timestamp()", "current_timestamp()", "transaction_timestamp()"), moment),
        **dict.fromkeys(("today()", "current_date()"), f"CAST({local} AS DATE)"),
        "current_localtimestamp()": local,
        "current_localtime()": f"CAST({local} AS TIME)",
        "get_current_time()": f"CAST({local} AS TIME)",
        "ago(i)": f"{moment} - i::INTERVAL",
        "age(t)": f"age({moment}, t::TIMESTAMPTZ)",
    }
    return [f"CREATE MACRO {name} AS {text}" for name, text in told.items()]


class Stage:
    """Fills ``connection`` with the tables of one question."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", frames: Frames, lake: Lake, asker: Person, now: int) -> None:
        self._connection, self._frames, self._lake, self._asker, self._now = connection, frames, lake, asker, now
        self.files: list[str] = []  # what the tables read of the lake

    def build(self, tables: dict[str, Table], asked: set[str], bounds: Bounds) -> None:
        """Make the tables named in ``asked``, each as far as its asker may see it."""
        clearance = {name: reached(self._asker, tables[name]) for name in asked}
        sees = {name: far for name, far in clearance.items() if far is not None}
        measured = {name for name in sees if tables[name].time}
        of_series = measured | (sees.keys() & {"latest", "series", "forecasts"})
        if of_series:
            known = self._frames.series(reduce(Reach.within, (sees[name] for name in of_series)))
            self._load("_series", known)
            self._run("INSERT INTO _series (series, seen) VALUES (-1, false)")
            if measured:
                self._readings(known, bounds)
            if "forecasts" in sees:
                self._load("_forecasts", self._frames.forecasts(known))
        for name in sees.keys() & {"latest"}:
            self._load("_live", self._frames.live(sees[name]))
        for name in sees.keys() & {"entities", "devices", "runs"}:
            self._load(f"_{name}", self._frame(name, sees[name]))
        for name in sees.keys() & {"attributes", "wards"}:
            self._load(f"_{name}", self._frames.attributes() if name == "attributes" else self._frames.wards())
        for name in sees:
            self._view(tables[name])

    def _frame(self, name: str, clearance: Reach) -> "pl.DataFrame":
        if name == "entities":
            return self._frames.entities(clearance)
        return self._frames.devices(clearance, self._now) if name == "devices" else self._frames.runs(clearance)

    def _view(self, table: Table) -> None:
        """``table`` by its own name, with its columns in their order."""
        plain = f"SELECT * FROM _{table.name}"  # noqa: S608 - a name of our own
        source = _wide(table) if table.kind else _SOURCES.get(table.name, plain)
        columns = ", ".join(quoted(one.name) for one in table.columns)
        self._run(f"CREATE VIEW {quoted(table.name)} AS SELECT {columns} FROM ({source})")  # noqa: S608 - quoted

    def _readings(self, known: "pl.DataFrame", bounds: Bounds) -> None:
        start = EVER[0] if bounds.start is None else bounds.start
        end = EVER[1] if bounds.end is None else bounds.end
        sealed = self._frames.sealed_until()
        border = max(start, min(end, sealed)) if sealed else start
        wanted = known
        if bounds.types is not None:
            wanted = wanted.filter(wanted["type"].is_in(list(bounds.types)))
        if bounds.attributes is not None:
            wanted = wanted.filter(wanted["attribute"].is_in(list(bounds.attributes)))
        self._run(f"CREATE TABLE _recent ({_COLUMNS})")
        for piece in self._frames.recent(start, border, wanted, unsealed=True):
            self._insert("_recent", piece)
        waiting = self._connection.execute("SELECT DISTINCT observed_at // 86400000000 FROM _recent").fetchall()
        for piece in self._frames.recent(border, end, wanted):
            self._insert("_recent", piece)
        files = self._lake_files(wanted, start, border)
        self.files = [str(file.path) for file in files]
        days = {day for (day,) in waiting}
        mixed = [file for file in files if file.revised or file.day in days]
        between = f"WHERE observed_at >= {start} AND observed_at < {border}"
        self._run(f"CREATE VIEW _plain AS {_parquet([file for file in files if file not in mixed], between)}")
        self._run(f"CREATE VIEW _mixed AS {_parquet(mixed, between)}")
        self._run(
            "CREATE VIEW _told AS SELECT *, revision::BIGINT AS place FROM _mixed "  # noqa: S608 - constants only
            f"UNION ALL BY NAME SELECT *, {_RECENT} + revision AS place FROM _recent"
        )
        told = f"SELECT series, observed_at FROM _recent WHERE revision > 0 OR observed_at < {border}"  # noqa: S608 - a number
        sealed_ones = "SELECT series, observed_at FROM _mixed SEMI JOIN _series USING (series) WHERE revision > 0"
        self._run(f"CREATE TABLE _twice AS {told} UNION {sealed_ones}")
        self._run(f"CREATE VIEW _standing AS {_STANDING}")
        self._run(f"CREATE VIEW _readings AS {_READINGS}")

    def _lake_files(self, wanted: "pl.DataFrame", start: int, border: int) -> list[LakeFile]:
        """The files that may hold readings of ``wanted`` series. Raises Problem 503 for a damaged one."""
        if start >= border:
            return []
        # A thing that became another kind of thing has its series where they were sealed first.
        types = sorted(self._lake.types_of(wanted["series"].to_list()))
        files = [file for one in types for file in self._lake.files(one, start, border)]
        self._lake.verify(files)
        return files

    def _load(self, name: str, frame: "pl.DataFrame") -> None:
        self._from(frame, f"CREATE TABLE {name} AS FROM _frame")

    def _insert(self, name: str, frame: "pl.DataFrame") -> None:
        self._from(frame, f"INSERT INTO {name} BY NAME FROM _frame")

    def _from(self, frame: "pl.DataFrame", statement: str) -> None:
        self._connection.register("_frame", _Stream(frame))
        self._run(statement)
        self._connection.unregister("_frame")

    def _run(self, statement: str) -> None:
        self._connection.execute(statement)


class _Stream:
    """A data frame as nothing but an Arrow stream: what DuckDB takes without pyarrow."""

    def __init__(self, frame: "pl.DataFrame") -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def _parquet(files: Sequence[LakeFile], where: str) -> str:
    """The rows of ``files`` of the lake; of none an empty table of the same shape."""
    if not files:
        return "SELECT * FROM _recent WHERE false"
    columns = (
        "attribute AS attribute_id, series, observed_at, revision, number, other, grade, origin, received_at, withdrawn"
    )
    listed = ", ".join(literal(str(file.path)) for file in files)
    return f"SELECT {columns} FROM read_parquet([{listed}], hive_partitioning = false) {where}"  # noqa: S608 - quoted


def _wide(table: Table) -> str:
    """One row for each thing and moment of a type, a column for each attribute."""
    common = "entity, name, ward, ward_name, longitude, latitude, observed_at"
    measured = [
        f"any_value({'value' if one.type == 'DOUBLE' else 'text'}) FILTER (WHERE attribute = {literal(one.name)}) "
        f"AS {quoted(one.name)}"
        for one in table.columns[len(common.split(", ")) :]
    ]
    return (
        f"SELECT {', '.join((common, *measured))} FROM _readings "  # noqa: S608 - names are quoted
        f"WHERE type_iri = {literal(table.kind)} AND dataset IS NULL AND grade <> 'bad' GROUP BY ALL"
    )


def literal(text: str) -> str:
    """``text`` as a string of SQL."""
    return "'" + text.replace("'", "''") + "'"
