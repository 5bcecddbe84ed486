"""What the commands share: settings with clear errors, consoles, tables, and one line for every failure."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dothi.model.problem import Problem
from dothi.settings import Settings

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
FAILED = 2


def load_settings() -> Settings:
    """The settings from the environment. Raises Problem naming the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "DOTHI_" + "_".join(str(part) for part in first["loc"]).upper()
        raise Problem(
            400, "bad-setting", f"{name} is not valid: {first['msg']}.", f"Given: {str(first['input'])[:80]!r}."
        ) from error


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
