"""``dothi demo …``: be done with what was made up to try the city with."""

import typer

from dothi.cli.client import Client
from dothi.cli.shared import Why, load_settings, out

app = typer.Typer(no_args_is_help=True, help="The demo neighbourhood of a city of simulated readings.")


@app.callback()
def _demo() -> None:
    """What can be done with it."""


@app.command(help="Destroy all work that was made up; it does not come back.")
def remove(why: Why = "") -> None:
    """Ask the running city to take it away."""
    gone = Client(load_settings(), why).post("/api/v1/demo/remove", {})["incidents"]
    out.print(f"Destroyed: {gone} made-up incidents, with their reports, photos, alerts and commands.")
