"""``dothi city``: what is known about a province without starting anything."""

from typing import TYPE_CHECKING, Annotated

import typer

from dothi.cli.shared import FAILED, err, load_settings, out, table

if TYPE_CHECKING:
    from dothi.model.city import City

app = typer.Typer(no_args_is_help=True, help="The province or city that DOTHI_CITY names.")


def _city() -> "City":
    from dothi.app import with_found_data  # imports that other commands need not wait for
    from dothi.cities import load_city

    settings = with_found_data(load_settings())
    with err.status("Reading the city…"):
        return load_city(settings.city, settings.data, settings.boundaries, settings.home / "cache")


@app.command()
def info() -> None:
    """Name, wards, bounds and where the boundaries come from."""
    city = _city()
    west, south, east, north = city.bounds
    out.print(
        table(
            ("", ""),
            (
                ("code", city.code),
                ("name", f"{city.title.vi} ({city.title.en})"),
                ("wards and communes", len(city.wards)),
                ("bounds", f"{west:.4f} {south:.4f} {east:.4f} {north:.4f}"),
                ("boundaries", f"{'approximate' if city.approximate else 'real'}: {city.source}"),
                ("agencies", len(city.agencies)),
            ),
        )
    )


@app.command()
def search(text: Annotated[str, typer.Argument(help="Part of a name; accents do not matter.")]) -> None:
    """Find wards and communes by name, also by the names they had before 2025."""
    found = _city().search(text)
    if not found:
        err.print(f"No ward or commune is called {text!r}.")
        raise typer.Exit(FAILED)
    out.print(
        table(
            ("code", "name", "longitude", "latitude"),
            [(ward.code, ward.full_name, f"{ward.longitude:.5f}", f"{ward.latitude:.5f}") for ward in found],
        )
    )
