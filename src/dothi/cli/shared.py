"""What the commands share: settings with clear errors, consoles, tables, and one line for every failure."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dothi.model.problem import Problem, bad_request
from dothi.settings import Settings
from dothi.ui.formats import city_zone

_WIDE = 200  # columns of a pipe or a file: what is read by a program must not lose the ends of its words
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
err = Console(stderr=True, highlight=False, soft_wrap=True)
FAILED = 2
Why = Annotated[str, typer.Option("--reason", help="Why, for the audit log, which keeps it for ever. No names.")]


def load_settings() -> Settings:
    """The settings from the environment. Raises Problem naming the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        raise bad_setting(error) from error


def bad_setting(error: ValidationError) -> Problem:
    """The problem of settings that are not valid, naming the first wrong variable."""
    first = error.errors()[0]
    name = "DOTHI_" + "_".join(str(part) for part in first["loc"]).upper()
    return Problem(400, "bad-setting", f"{name} is not valid: {first['msg']}.", f"Given: {str(first['input'])[:80]!r}.")


def moment_option(text: str | None, option: str) -> datetime | None:
    """The moment people wrote; without an offset it is the city's time. Raises Problem 400."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request(f"{option} {text!r} is no moment.", "Write 2026-05-01 or 2026-05-01T14:00+07:00.") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=city_zone())


def fail(problem: Problem) -> typer.Exit:
    """Say ``problem`` in one line on stderr; raise what this returns to leave with code 2."""
    err.print(f"[bold red]✗[/] {escape(str(problem))}")
    return typer.Exit(FAILED)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A plain table."""
    made = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    return made


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on stderr; silent where nobody watches a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=not sys.stderr.isatty()) as bar:
        yield bar
