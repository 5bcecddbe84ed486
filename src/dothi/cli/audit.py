"""``dothi audit``: prove that the log of who did what is whole, and take it along as a file that others can check."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dothi.cli.client import Client
from dothi.cli.shared import FAILED, err, load_settings, out
from dothi.model.clock import SystemClock
from dothi.model.problem import Problem
from dothi.settings import Settings

if TYPE_CHECKING:
    from dothi.store.audit import Fault, Verdict
    from dothi.store.connection import Database

app = typer.Typer(no_args_is_help=True, help="Who did what: verify the log, or take it along.")


@app.command()
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A file that dothi audit export wrote; without it, this city's log."),
    ] = None,
) -> None:
    """Walk the whole log and say which rows were changed, removed, put in or cut off; exit code 2 if any was."""
    from dothi.store.audit import verify as verify_log  # imports that other commands need not wait for
    from dothi.store.audit_copy import verify_copy
    from dothi.store.checkpoints import KEY_FILE, AuditKey, beside

    settings = load_settings()
    own = AuditKey.of(settings.home).public if (settings.home / KEY_FILE).is_file() else None
    with err.status("Walking the log…"):
        if file is not None:
            verdict = verify_copy(file)
        else:
            database = _database(settings)
            try:
                kept = beside(database.folder)  # first: a checkpoint made meanwhile is in both
                with database.reader() as db:
                    verdict = verify_log(db, kept, tenant=database.folder.name, own=own)
            finally:
                database.close()
    _tell(verdict, own)
    if not verdict.intact:
        raise typer.Exit(FAILED)


@app.command()
def export(target: Annotated[Path, typer.Argument(metavar="FILE", help="The new zip file to write.")]) -> None:
    """Write the whole log with its checkpoints into FILE; README.md in it says how anybody checks it. The city may run."""
    from dothi.platform.home import locked

    if target.exists():
        raise Problem(409, "already-exists", f"{target} exists already.", "Choose another name, or remove it first.")
    settings = load_settings()
    try:
        with locked(settings.home), err.status("Writing the log…"):
            asyncio.run(_export(settings, target))
    except Problem as problem:
        if problem.code != "home-in-use":
            raise
        with err.status("The running city writes its log…"):
            written = Client(settings).download("/audit.zip")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(written)
    out.print(f"Written: {target} ({target.stat().st_size:,} bytes). Check it with: dothi audit verify {target}")


async def _export(settings: Settings, target: Path) -> None:
    """The log of a city that does not run: who takes it along is its last row, and the last checkpoint signs that."""
    from dothi.access.policy import LOCAL_OPERATOR
    from dothi.data.writer import Writer
    from dothi.platform.auditing import Auditing
    from dothi.store.audit import Act
    from dothi.store.audit_copy import write_copy
    from dothi.store.database import migrate

    database = _database(settings)
    try:
        migrate(database)
        writer = Writer(database, locate=lambda _longitude, _latitude: None)
        try:
            auditing = Auditing(database, writer, settings.home, SystemClock())
            await auditing.tell(LOCAL_OPERATOR, Act(LOCAL_OPERATOR.id, "audit.export", "audit", detail=str(target)))
            await auditing.checkpoint()
        finally:
            writer.close()
        write_copy(database, target)
    finally:
        database.close()


def _database(settings: Settings) -> "Database":
    from dothi.app import tenant_of, with_found_data
    from dothi.store.database import database_of, tenant_folder

    settings = with_found_data(settings)
    database = database_of(tenant_folder(settings.home, tenant_of(settings)), settings.database)
    if not database.exists():
        raise Problem(404, "no-city", f"There is no city in {settings.home} yet.", "Start one with: dothi run")
    return database


def _tell(verdict: "Verdict", own: bytes | None) -> None:
    from dothi.store.checkpoints import fingerprint

    for fault in verdict.faults:
        err.print(f"[bold red]✗[/] {_words(fault)}")
    if verdict.intact:
        out.print(f"{verdict.rows:,} rows: every one follows from the one before, none was changed, removed or put in.")
    for key, row in verdict.keys.items():
        whose = "this installation's" if key == own else "another's: compare it with the one you were given"
        out.print(f"Signed up to row {row:,} by the key {fingerprint(key)} ({whose}).")
    last = verdict.rows if verdict.intact else 0
    if last > verdict.proven:
        out.print(f"{last - verdict.proven:,} rows since then are not signed yet.")


def _words(fault: "Fault") -> str:
    one = fault.first == fault.last
    rows = f"Row {fault.first:,}" if one else f"Rows {fault.first:,} to {fault.last:,}"
    return {
        "changed": f"{rows}: changed or put in, what stands there does not follow from the row before.",
        "removed": f"{rows}: removed, the log goes on after {'it' if one else 'them'}.",
        "cut": f"{rows}: cut off at the end, a checkpoint signed {'it' if one else 'them'}.",
        "replaced": f"{rows}: replaced as a whole, a checkpoint signed others.",
        "foreign": f"{rows}: signed by another key after this installation's own.",
        "lost": f"{rows}: signed, and not there when the city started: cut off, changed or behind an older backup.",
        "checkpoint": f"{rows}: the checkpoint there was taken away or is not what was signed.",
    }[fault.kind]
