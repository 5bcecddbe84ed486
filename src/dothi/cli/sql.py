"""``dothi sql``: a question about the record, asked of the running city or, when none runs, of the record itself."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from dothi.cli.client import Client
from dothi.cli.shared import err, fail, load_settings, out, table
from dothi.data.sql.answer import Form, Refused
from dothi.model.problem import Problem, bad_request

if TYPE_CHECKING:
    from dothi.settings import Settings


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


_SUFFIXES = {".csv": Format.CSV, ".json": Format.JSON, ".parquet": Format.PARQUET}


def sql(
    question: Annotated[
        str | None, typer.Argument(metavar="SELECT", help="One question; - reads it from standard input.")
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="Without it by the name of the file, else a table.")
    ] = None,
    target: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write instead of the screen.")] = None,
    rows: Annotated[int | None, typer.Option(min=1, max=100_000, help="How many rows come back at most.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="Show the tables a question may read.")] = False,
    english: Annotated[bool, typer.Option("--english", help="With --tables: what they mean in English.")] = False,
) -> None:
    """Ask in SQL. Reads only; the answer goes to the screen, or into a file."""
    settings = load_settings()
    if tables:
        _show_tables(settings, "en" if english else "vi")
        return
    if question is None:
        raise bad_request("What is the question?", 'Ask like this: dothi sql "SELECT * FROM latest", or see --tables.')
    text = sys.stdin.read() if question == "-" else question
    if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise bad_request("The question is not written in UTF-8.", "Set the terminal's language to one with UTF-8.")
    chosen = form or _SUFFIXES.get(target.suffix.lower() if target else "", Format.TABLE)
    if chosen is Format.PARQUET and target is None and sys.stdout.isatty():
        raise bad_request("Parquet is nothing to read on a screen.", "Name a file with -o.")
    wanted = {"sql": text, "rows": rows or (1_000 if chosen is Format.TABLE else 100_000)}
    wanted["format"] = "json" if chosen is Format.TABLE else chosen.value
    try:
        body = _asked(settings, wanted)
    except Refused as refused:
        _point(text, refused.position)
        raise fail(refused) from refused
    if chosen is Format.TABLE:
        _show(msgspec.json.decode(body), target)
    elif target is not None:
        target.write_bytes(body)
        err.print(f"Written: {target} ({len(body):,} bytes)")
    else:
        sys.stdout.buffer.write(body)
        sys.stdout.flush()


def _asked(settings: "Settings", wanted: dict[str, Any]) -> bytes:
    try:
        return Client(settings).fetch("/api/v1/sql", wanted)
    except Problem as problem:
        if problem.code != "no-city":
            raise
    return asyncio.run(_asked_here(settings, wanted))


async def _asked_here(settings: "Settings", wanted: dict[str, Any]) -> bytes:
    from dothi.access.policy import LOCAL_OPERATOR  # imports that other commands need not wait for
    from dothi.api.v1.sql import answer_json
    from dothi.app import open_questions, with_found_data
    from dothi.platform.logs import configure
    from dothi.ui.answers import answer_csv

    configure("ERROR")  # what is rough about the boundaries was said when the city started
    async with open_questions(with_found_data(settings)) as questions:
        form: Form = "parquet" if wanted["format"] == "parquet" else "rows"
        answer = await questions.ask(LOCAL_OPERATOR, wanted["sql"], rows=wanted["rows"], form=form)
    if answer.parquet is not None:
        return answer.parquet
    return (
        bytes(answer_csv("answer", answer).body) if wanted["format"] == "csv" else msgspec.json.encode(answer_json(answer))
    )


def _show(answer: dict[str, Any], target: Path | None) -> None:
    from rich.console import Console

    from dothi.ui.formats import city_zone

    zone = city_zone()
    kinds = [column["type"] for column in answer["columns"]]
    rows = [[_cell(cell, kind, zone) for cell, kind in zip(row, kinds, strict=True)] for row in answer["rows"]]
    shown = table([escape(column["name"]) for column in answer["columns"]], rows)
    if target is None:
        out.print(shown)
    else:
        with target.open("w", encoding="utf-8") as file:
            Console(file=file, width=10_000).print(shown)
    more = " (there are more; see --rows)" if answer["more"] else ""
    err.print(f"{answer['count']:,} rows{more} in {answer['seconds']:.2f} s")


def _cell(cell: Any, kind: str, zone: Any) -> str:
    from datetime import datetime

    if cell is None:
        return ""
    if kind == "time":
        return datetime.fromisoformat(cell).astimezone(zone).isoformat(sep=" ", timespec="seconds")[:19]
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def _point(text: str, position: int | None) -> None:
    """Show the line of the question that is to blame, and the place in it."""
    if position is None:
        return
    start = text.rfind("\n", 0, position) + 1
    line = text[start:].partition("\n")[0]
    err.print(escape(f"  {line}\n  {' ' * (position - start)}^"))


def _show_tables(settings: "Settings", language: str) -> None:
    from dothi.access.policy import LOCAL_OPERATOR
    from dothi.api.v1.sql import table_json
    from dothi.app import installed_sectors
    from dothi.data.sql.catalogue import visible

    types = [one for sector in installed_sectors(settings.sectors) for one in sector.entity_types]
    for one in map(table_json, visible(LOCAL_OPERATOR, types).values()):
        out.print(f"[bold]{one['name']}[/]  {escape(one['means'][language])}")
        columns = [(f"  {row['name']}", row["type"], row["unit"], row["means"][language]) for row in one["columns"]]
        out.print(table(("  column", "type", "unit", "what it is"), columns))
        out.print()
