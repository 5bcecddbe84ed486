"""``dothi devices``: the registry of the running city from the command line."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from dothi.cli import device_keys
from dothi.cli.client import Client
from dothi.cli.shared import Why, load_settings, out, progress_bar, table
from dothi.model.problem import bad_request

app = typer.Typer(no_args_is_help=True, help="Devices of the running city.")
_ROOT = "/api/v1/devices"
_AT_ONCE = 500
for command in (device_keys.secret, device_keys.withdraw, device_keys.enrol, device_keys.enrolments, device_keys.close):
    app.command()(command)


@app.command("list")
def list_devices(
    lobby: Annotated[bool, typer.Option("--lobby", help="Those that wait to be admitted.")] = False,
    text: Annotated[str | None, typer.Option("--search", help="Part of an id or a name.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """The devices of the city, or those in the lobby."""
    client = Client(load_settings())
    if lobby:
        page = client.get("/api/v1/lobby", limit=limit)
        rows: list[tuple[Any, ...]] = [
            (one["device"], one["count"], one["firstSeen"], one["lastSeen"]) for one in page["items"]
        ]
        out.print(table(("device", "messages", "first", "last"), rows))
    else:
        page = client.get(_ROOT, limit=limit, q=text)
        rows = [(one["id"], one["state"], one["name"], one["ward"], one["lastSeen"]) for one in page["items"]]
        out.print(table(("device", "state", "name", "ward", "last heard"), rows))
    out.print(f"{len(rows)} of {page['total']}")


@app.command()
def register(
    file: Annotated[Path, typer.Argument(help="JSON array or NDJSON of devices, each with at least id, type and name.")],
) -> None:
    """Register devices from a file."""
    specs = _read(file)
    client = Client(load_settings())
    done = 0
    with progress_bar() as bar:
        task = bar.add_task("Registering", total=len(specs))
        for start in range(0, len(specs), _AT_ONCE):
            done += client.post(f"{_ROOT}/bulk", specs[start : start + _AT_ONCE])["registered"]
            bar.update(task, completed=done)
    out.print(f"{done} registered.")


@app.command()
def admit(
    device: Annotated[str, typer.Argument(help="The device's id, as the lobby shows it.")],
    kind: Annotated[str, typer.Option("--type", help="What it observes, e.g. AirQualityObserved.")],
    name: Annotated[str, typer.Option("--name", help="What people call it.")],
    longitude: Annotated[float | None, typer.Option(min=-180, max=180)] = None,
    latitude: Annotated[float | None, typer.Option(min=-90, max=90)] = None,
    cadence: Annotated[float, typer.Option(min=1, help="Seconds between its messages.")] = 300.0,
    why: Why = "",
) -> None:
    """Admit a device that waits in the lobby; what it sends from now on is kept."""
    spec = {"type": kind, "name": name, "longitude": longitude, "latitude": latitude, "cadence": cadence}
    Client(load_settings(), why).post(f"{_ROOT}/{device}/admit", spec)
    out.print(f"{device} admitted.")


@app.command()
def refuse(device: Annotated[str, typer.Argument(help="The device's id.")], why: Why = "") -> None:
    """Refuse a device: what it sends is no longer kept."""
    Client(load_settings(), why).post(f"{_ROOT}/{device}/refuse", {})
    out.print(f"{device} refused.")


def _read(file: Path) -> list[Any]:
    content = file.read_bytes()
    try:
        found = (
            msgspec.json.decode(content) if content.lstrip()[:1] == b"[" else msgspec.json.Decoder().decode_lines(content)
        )
    except msgspec.DecodeError as error:
        raise bad_request(f"{file} is not JSON: {error}.", "Give a JSON array or one object a line.") from error
    if not found:
        raise bad_request(f"{file} holds no device.")
    return list(found)
