"""``dothi backup`` and ``dothi restore``: the whole city in one file, and back."""

from pathlib import Path
from typing import Annotated

import typer

from dothi.cli.shared import err, load_settings, out
from dothi.model.problem import Problem


def backup(target: Annotated[Path, typer.Argument(help="The file to write, or a folder for it.")]) -> None:
    """Copy the city's database and files into one archive with checksums; the city may go on running."""
    from dothi.app import tenant_of, with_found_data  # imports that other commands need not wait for
    from dothi.store.backup import backup as write_backup
    from dothi.store.database import open_database

    settings = with_found_data(load_settings())
    database = open_database(settings.home, tenant_of(settings), settings.database)
    try:
        if not database.exists():
            raise Problem(404, "no-city", f"There is no city in {settings.home} yet.", "Start one with: dothi run")
        with err.status("Copying the city…"):
            written = write_backup(database, target)
    finally:
        database.close()
    out.print(f"Written: {written} ({written.stat().st_size:,} bytes)")


def restore(
    archive: Annotated[Path, typer.Argument(help="A file that dothi backup wrote.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a city that is there already.")] = False,
) -> None:
    """Bring the city back; refuses to touch one that is there unless told, and one that runs always."""
    from dothi.app import tenant_of, with_found_data
    from dothi.platform.home import locked
    from dothi.store.backup import restore as read_backup

    settings = with_found_data(load_settings())
    with locked(settings.home), err.status("Bringing the city back…"):
        read_backup(archive, settings.home, tenant_of(settings), overwrite=overwrite)
    out.print(f"Restored into {settings.home}. Start it with: dothi run")
