"""``dothi export`` and ``dothi import``: the whole city as a folder of open formats, and back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dothi.cli.announcing import announce
from dothi.cli.shared import Why, err, load_settings, moment_option, out, progress_bar, table
from dothi.model.clock import SystemClock, to_micros
from dothi.model.problem import Problem

if TYPE_CHECKING:
    from dothi.api.exchange.layout import Manifest, Progress


def export(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="The new folder to write.")],
    start: Annotated[
        str | None,
        typer.Option("--from", help="Only readings observed from here on: 2026-05-01, or with a time and offset."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Only readings observed before this moment.")] = None,
    datasets: Annotated[
        str | None, typer.Option(help="Only these entity types, separated by commas, without the records of the whole city.")
    ] = None,
    why: Why = "",
) -> None:
    """Write the city into DIR in open formats, of one moment; it may go on running."""
    from dothi.access.policy import LOCAL_OPERATOR  # imports that other commands need not wait for
    from dothi.api.exchange.export import About, Wanted, export_city
    from dothi.app import installed_sectors, tenant_of, with_found_data
    from dothi.cities import load_city
    from dothi.platform.logs import configure
    from dothi.store.database import open_database

    names = None if datasets is None else [name.strip() for name in datasets.split(",") if name.strip()]
    wanted = Wanted(moment_option(start, "--from"), moment_option(end, "--to"), names)
    settings = with_found_data(load_settings())
    tenant = tenant_of(settings)
    database = open_database(settings.home, tenant, settings.database)
    try:
        if not database.exists():
            raise Problem(404, "no-city", f"There is no city in {settings.home} yet.", "Start one with: dothi run")
        moment = announce(settings, database, f"{datasets or 'the whole city'} to {target}", why)
        configure("ERROR")  # what is rough about the boundaries was said when the city started
        city = load_city(settings.city, settings.data, settings.boundaries, settings.home / "cache")
        said = {"code": city.code, "id": city.slug, "vi": city.title.vi, "en": city.title.en}
        types = [one for sector in installed_sectors(settings.sectors) for one in sector.entity_types]
        about = About(tenant, said, (city.source,) if city.source else (), moment, SystemClock().now(), types)
        with _progress() as progress:
            manifest = export_city(database, target, LOCAL_OPERATOR, about, wanted, progress)
    finally:
        database.close()
    _tell(manifest)
    out.print(f"Written: {target}. Bring it back into an empty city with: dothi import {target}")
    if manifest.withheld:
        err.print(f"{manifest.withheld:,} entities were left out: they are above your clearance.")


def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that dothi export wrote.")],
    home: Annotated[Path | None, typer.Option(help="Where the city is to live, instead of DOTHI_HOME.")] = None,
) -> None:
    """Bring an exported city into an empty home; one that was interrupted goes on when run again."""
    from dothi.access.policy import LOCAL_OPERATOR
    from dothi.api.exchange.importing import import_city
    from dothi.api.exchange.layout import moment_of, read_manifest, verify
    from dothi.app import tenant_of, with_found_data
    from dothi.platform.home import locked
    from dothi.store.database import migrate, open_database

    settings = with_found_data(load_settings())
    if home is not None:
        settings = settings.model_copy(update={"home": home})
    manifest = read_manifest(folder)
    tenant = tenant_of(settings)
    if manifest.tenant != tenant:
        raise Problem(
            409,
            "another-city",
            f"{folder} holds the city {manifest.tenant!r}, but these settings run {tenant!r}.",
            "Set DOTHI_CITY and DOTHI_DATA as they were for that city.",
        )
    with locked(settings.home), _progress() as progress:
        verify(folder, manifest, progress)
        database = open_database(settings.home, tenant, settings.database)
        try:
            migrate(database)
            began = time.monotonic()
            # A replay lives in its own time: what is done to it is done at the moment it stood at.
            now = moment_of(manifest.moment) if manifest.replay is not None else None
            import_city(
                database, folder, manifest, LOCAL_OPERATOR, to_micros(SystemClock().now()) if now is None else now, progress
            )
            seconds = time.monotonic() - began
        finally:
            database.close()
    _tell(manifest)
    rate = manifest.counts.get("readings", 0) / max(seconds, 0.001)
    out.print(f"Brought into {settings.home} in {seconds:,.0f} s ({rate:,.0f} readings a second). Start it with: dothi run")


@contextmanager
def _progress() -> Iterator["Progress"]:
    """One bar that says what is under way."""
    with progress_bar() as bar:
        task = bar.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield tell


def _tell(manifest: "Manifest") -> None:
    out.print(table(("", ""), [(name.replace("_", " "), f"{count:,}") for name, count in manifest.counts.items() if count]))
