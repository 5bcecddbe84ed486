"""``dothi backup``, ``dothi restore`` and ``dothi move``: the whole city in one file, back, and to the other home."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from dothi.cli.announcing import announce, record_at_rest
from dothi.cli.shared import Why, err, load_settings, out, table
from dothi.model.problem import Problem


def backup(target: Annotated[Path, typer.Argument(help="The file to write, or a folder for it.")], why: Why = "") -> None:
    """Copy the city's database and files into one archive with checksums; the city may go on running."""
    from dothi.app import tenant_of, with_found_data  # imports that other commands need not wait for
    from dothi.store.backup import backup as write_backup
    from dothi.store.database import open_database

    settings = with_found_data(load_settings())
    database = open_database(settings.home, tenant_of(settings), settings.database)
    try:
        if not database.exists():
            raise Problem(404, "no-city", f"There is no city in {settings.home} yet.", "Start one with: dothi run")
        announce(settings, database, f"a backup to {target}", why)
        with err.status("Copying the city…"):
            written = write_backup(database, target)
    finally:
        database.close()
    out.print(f"Written: {written} ({written.stat().st_size:,} bytes)")


def restore(
    archive: Annotated[Path, typer.Argument(help="A file that dothi backup wrote.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a city that is there already.")] = False,
    why: Why = "",
) -> None:
    """Bring the city back; refuses to touch one that is there unless told, and one that runs always."""
    from dothi.app import tenant_of, with_found_data
    from dothi.platform.home import locked
    from dothi.store.backup import restore as read_backup
    from dothi.store.database import open_database

    settings = with_found_data(load_settings())
    with locked(settings.home), err.status("Bringing the city back…"):
        read_backup(archive, settings.home, tenant_of(settings), settings.database, overwrite=overwrite)
        database = open_database(settings.home, tenant_of(settings), settings.database)
        try:
            record_at_rest(settings, database, "city.import", f"the backup {archive}", why)
        finally:
            database.close()
    out.print(f"Restored into {settings.home}. Start it with: dothi run")


def move(
    to: Annotated[str, typer.Option("--to", help="postgresql://user@host:5432/database, or sqlite for the home folder.")],
    why: Why = "",
) -> None:
    """Copy the city that DOTHI_DATABASE names into another database, and prove it; the old one stays as it is.

    The city must not run. A password belongs into PGPASSWORD or ~/.pgpass, where nobody sees it.
    """
    from dothi.app import tenant_of, with_found_data
    from dothi.platform.home import locked
    from dothi.store.database import open_database
    from dothi.store.moving import move as copy_city

    settings = with_found_data(load_settings())
    tenant = tenant_of(settings)
    with locked(settings.home):
        source = open_database(settings.home, tenant, settings.database)
        target = open_database(settings.home, tenant, None if to == "sqlite" else SecretStr(to))
        try:
            with err.status("Moving the city…"):
                moved = copy_city(source, target)
                record_at_rest(settings, target, "city.import", f"moved from {source.kind} to {target.kind}", why)
        finally:
            source.close()
            target.close()
    out.print(
        table(("table", "rows", "checksum on both sides"), [(one.table, f"{one.rows:,}", one.checksum) for one in moved])
    )
    out.print(f"{sum(one.rows for one in moved):,} rows of {tenant} are in {target.kind} as they are in {source.kind}.")
    out.print("Now set DOTHI_DATABASE to that address." if to != "sqlite" else "Now leave DOTHI_DATABASE out.")
