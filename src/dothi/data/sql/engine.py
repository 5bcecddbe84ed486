"""One question from text to answer, in the process that does nothing else (``worker``): check, bound, build, run."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from dothi.data.sql.answer import Answer, AnswerColumn, Ask, Kind, Limits, Refusal, Refused, World
from dothi.data.sql.bounds import Bounds, bounds_of, shapes
from dothi.data.sql.catalogue import Table, visible
from dothi.data.sql.faults import refusal_of, too_large
from dothi.data.sql.frames import Frames
from dothi.data.sql.grammar import Statement, check
from dothi.data.sql.views import Stage, clock, literal
from dothi.store.database import Database, open_database

if TYPE_CHECKING:
    import duckdb
    import polars as pl

_WHOLE = "SELECT * FROM (\n"
_FETCH = 500
_MEGA = 1_000_000
# How a column is read, by the id of its type: an expression over it, and what it is then.
_CASTS: dict[str, tuple[str, Kind]] = {
    "boolean": ("{}", "boolean"),
    **dict.fromkeys(
        ("tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint", "hugeint", "uhugeint"),
        ("{}", "integer"),
    ),
    **dict.fromkeys(("float", "double", "decimal"), ("CAST({} AS DOUBLE)", "number")),
    "timestamp with time zone": ("CASE WHEN isfinite({0}) THEN epoch_us({0}) END", "time"),
    "date": ("CAST({} AS VARCHAR)", "date"),
    **dict.fromkeys(("list", "array", "struct", "map", "union"), ("CAST(to_json({}) AS VARCHAR)", "text")),
}
_OTHER: tuple[str, Kind] = ("CAST({} AS VARCHAR)", "text")


def answer(ask: Ask, database: Database, temporary: Path) -> Answer | Refusal:
    """The answer to one question, or why there is none; ``temporary`` is a folder for what does not fit into memory."""
    began = time.perf_counter()
    limits = ask.world.limits
    head = _WHOLE
    try:
        if len(ask.text) > limits.text:
            raise Refused(413, "sql-too-long-text", f"The question has more than {limits.text:,} letters.", "Shorten it.")
        tables = visible(ask.asker, ask.world.types)
        with _connected(ask, temporary) as plain:
            statement = check(plain, ask.text, set(tables))
            bounds = _bounds(plain, statement, tables, ask)
        with _connected(ask, temporary) as connection:
            _stage(connection, ask, tables, statement, bounds, database)
            head, columns = _framed(connection, statement)
            body = f"{head}{statement.text}\n) AS _answer({_names(columns)}) LIMIT {ask.rows + 1}"
            rows = _fetched(connection.execute(body), ask.rows, limits)
        more = len(rows) > ask.rows
        rows = rows[: ask.rows]
        packed = _parquet(columns, rows) if ask.form == "parquet" else None
        if packed is not None and len(packed) > limits.answer * _MEGA:
            raise too_large(limits)
        spent = time.perf_counter() - began
        return Answer(columns, len(rows), [] if ask.form == "parquet" else rows, more, packed, spent)
    except Exception as error:  # whatever it was, the asker hears of it in words
        return refusal_of(error, ask.text, limits, len(head.encode()))


@contextmanager
def _connected(ask: Ask, temporary: Path) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A DuckDB of its own in memory, bounded, with the city's clock and time zone."""
    import duckdb

    limits = ask.world.limits
    connection = duckdb.connect(":memory:", config={"python_enable_replacements": "false"})
    try:
        for setting in (
            f"TimeZone = {literal(ask.world.time_zone)}",
            f"threads = {limits.threads}",
            f"memory_limit = '{limits.memory}MB'",
            f"temp_directory = {literal(str(temporary))}",
            f"max_temp_directory_size = '{limits.spill}MB'",
            "preserve_insertion_order = false",
            "errors_as_json = true",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
        ):
            connection.execute(f"SET {setting}")
        for statement in clock(ask.now):
            connection.execute(statement)
        yield connection
    finally:
        connection.close()


def lock(connection: "duckdb.DuckDBPyConnection", files: list[str]) -> None:
    """From here on only ``files`` can be read, nothing written, and no setting changed."""
    listed = ", ".join(literal(one) for one in files)
    connection.execute(f"SET allowed_paths = [{listed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _bounds(plain: "duckdb.DuckDBPyConnection", statement: Statement, tables: dict[str, Table], ask: Ask) -> Bounds:
    import duckdb

    if not any(tables[name].time for name in statement.tables):
        return Bounds()
    # Of an empty table the statistics would prove that nothing is ever found.
    plain.execute("SET disabled_optimizers = 'statistics_propagation,compressed_materialization'")
    for shape in shapes(tables[name] for name in statement.tables):
        plain.execute(shape)
    lock(plain, [])
    names = {kind.iri: kind.name for kind in ask.world.types}
    try:
        return bounds_of(plain, statement.text, tables, names)
    except duckdb.Error:
        return Bounds()  # the question itself will say what is wrong with it


def _stage(
    connection: "duckdb.DuckDBPyConnection",
    ask: Ask,
    tables: dict[str, Table],
    statement: Statement,
    bounds: Bounds,
    database: Database,
) -> None:
    files: list[str] = []
    if statement.tables:
        with database.reader() as db:
            stage = Stage(connection, Frames(ask.world, db), database.lake, ask.asker, ask.now)
            stage.build(tables, statement.tables, bounds)
            files = stage.files
    lock(connection, files)


def opened(world: World) -> Database:
    """The city's database, for reading; whoever opens it closes it."""
    return open_database(Path(world.home), world.tenant, None if world.url is None else SecretStr(world.url))


def _framed(connection: "duckdb.DuckDBPyConnection", statement: Statement) -> tuple[str, list[AnswerColumn]]:
    """The beginning of a question whose values all come out plain, and the columns it gives."""
    import duckdb

    try:
        shape = connection.sql(statement.text)
    except duckdb.Error:
        # The same once more, where the error says its place in a form that can be read.
        connection.execute(f"{_WHOLE}{statement.text}\n)")
        raise
    columns, read = [], []
    for place, (name, kind) in enumerate(zip(shape.columns, shape.types, strict=True)):
        expression, plain = _CASTS.get(kind.id, _OTHER)
        columns.append(AnswerColumn(name, plain))
        read.append(expression.format(f"c{place}"))
    return f"SELECT {', '.join(read)} FROM (\n", columns  # noqa: S608 - expressions over columns of our own naming


def _names(columns: list[AnswerColumn]) -> str:
    return ", ".join(f"c{place}" for place in range(len(columns)))


def _fetched(result: "duckdb.DuckDBPyConnection", most: int, limits: Limits) -> list[list[Any]]:
    """At most ``most`` + 1 rows. Raises Refused once they are too large to send."""
    found: list[list[Any]] = []
    size = 0
    while len(found) <= most and (piece := result.fetchmany(_FETCH)):
        for row in piece:
            values = [_plain(value) for value in row]
            size += sum(len(value) + 4 if isinstance(value, str) else 8 for value in values)
            found.append(values)
        if size > limits.answer * _MEGA:
            raise too_large(limits)
    return found[: most + 1]


def _plain(value: Any) -> Any:
    if type(value) is int and not -(2**63) <= value < 2**63:
        return float(value)
    return value


def _parquet(columns: list[AnswerColumn], rows: list[list[Any]]) -> bytes:
    from io import BytesIO

    import polars as pl

    names = list(_unlike(column.name for column in columns))
    kinds = [column.kind for column in columns]
    frame = pl.DataFrame(
        [_series(kind, [row[place] for row in rows]).alias(names[place]) for place, kind in enumerate(kinds)]
    )
    file = BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def _series(kind: Kind, values: list[Any]) -> "pl.Series":
    import polars as pl

    if kind == "time":
        return pl.Series(values=values, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    if kind == "date":
        return pl.Series(values=values, dtype=pl.String).str.to_date(strict=False)
    if kind == "integer" and any(isinstance(value, float) for value in values):
        kind = "number"
    types = {"number": pl.Float64, "integer": pl.Int64, "text": pl.String, "boolean": pl.Boolean}
    return pl.Series(values=values, dtype=types[kind], strict=False)


def _unlike(names: Iterable[str]) -> Iterator[str]:
    """The names, later ones changed where they were there before: a file cannot hold two columns of one name."""
    seen: set[str] = set()
    for name in names:
        unlike, count = name, 2
        while unlike in seen:
            unlike, count = f"{name}_{count}", count + 1
        seen.add(unlike)
        yield unlike
