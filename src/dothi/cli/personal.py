"""``dothi personal …``: what is kept of people, who a breach affects, and the copy of the keys a city is saved by."""

import csv
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from dothi.cli.announcing import announce
from dothi.cli.client import Client
from dothi.cli.shared import Why, err, load_settings, moment_option, out, table
from dothi.model.problem import Problem
from dothi.ui.tables import harmless

app = typer.Typer(no_args_is_help=True, help="Personal data: what it is kept for, who a breach affects, keys.")

_BREACH = ("subject", "account", "state", "kinds", "sensitive", "purposes", "records", "since", "looks", "lastLook")


@app.command(help="List what personal data is kept for, and how much.")
def purposes() -> None:
    """The register of purposes."""
    found = Client(load_settings()).get("/api/v1/personal/purposes")["items"]
    rows = [
        (one["id"], one["title"]["vi"], one["law"] or one["basis"], one["keepDays"], one["subjects"], one["records"])
        for one in found
    ]
    out.print(table(("purpose", "title", "basis", "days kept", "subjects", "records"), rows))


@app.command(help="Forget a person for good: in the database, in backups, wherever a copy went.")
def erase(
    subject: Annotated[str, typer.Argument(help="The subject's id, as /personal shows it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the audit log. No names.")],
) -> None:
    """Destroy every key of a subject."""
    Client(load_settings()).post(f"/api/v1/personal/subjects/{quote(subject, safe='')}/erase", {"reason": reason})
    out.print(f"Forgotten: {subject}. Now renew the copy of the keys: dothi personal keys FILE")


@app.command(help="Who is affected by a breach, with what, since when: for the notice within 72 hours.")
def breach(
    since: Annotated[str, typer.Option("--since", help="When it may have begun: 2026-11-20 or 2026-11-20T14:00+07:00.")],
    until: Annotated[str | None, typer.Option("--until", help="When it ended; now if left out.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Only what this account (its id) looked at.")] = None,
    found: Annotated[str | None, typer.Option("--found", help="When somebody first knew of it; now if left out.")] = None,
    target: Annotated[Path | None, typer.Option("--output", "-o", help="The CSV file to write.")] = None,
) -> None:
    """The affected, as a table or as CSV."""
    start, end = moment_option(since, "--since"), moment_option(until, "--until")
    known = moment_option(found, "--found")
    told = Client(load_settings()).get(
        "/api/v1/personal/breach",
        since=start.isoformat() if start else None,
        until=end.isoformat() if end else None,
        by=by,
        found=known.isoformat() if known else None,
    )
    rows = [[_cell(one[name]) for name in _BREACH] for one in told["items"]]
    if target is None:
        out.print(table(_BREACH, rows))
    else:
        with target.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([_BREACH, *([harmless(cell) for cell in row] for row in rows)])
    err.print(
        f"{told['count']} affected from {told['since']} to {told['until']}. Tell them by {told['tellBy']} at the latest."
    )


@app.command(help="Write the newest keys over FILE, without which no backup can show what was kept of people.")
def keys(
    target: Annotated[Path, typer.Argument(help="The file to write over: keep one copy, the newest.")], why: Why = ""
) -> None:
    """Copy the keys, still wrapped; the city may go on running."""
    from dothi.access.personal.keys import FILE, WRAPPING, Keys
    from dothi.app import tenant_of, with_found_data
    from dothi.store.database import open_database

    settings = with_found_data(load_settings())
    home = settings.home
    if not (home / FILE).is_file():
        raise Problem(404, "no-keys", f"There are no keys in {home} yet.", "They come with the first sealed value.")
    database = open_database(home, tenant_of(settings), settings.database)
    try:
        if database.exists():
            announce(settings, database, f"the keys of personal data to {target}", why)
    finally:
        database.close()
    kept = Keys(home)
    try:
        count = kept.copy(target)
    finally:
        kept.close()
    out.print(f"Written: {target} ({count:,} keys). It opens only together with {home / WRAPPING}, kept elsewhere.")
    if sys.stdout.isatty():
        out.print("Erase older copies: what was forgotten since could still be read with them.")


def _cell(value: object) -> object:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else value
