"""``dothi devices secret|withdraw|enrol|enrolments|close``: what devices prove themselves with, from the command line."""

from typing import Annotated

import typer

from dothi.cli.client import Client
from dothi.cli.shared import Why, err, load_settings, out, table


def secret(devices: Annotated[list[str], typer.Argument(help="Ids of admitted devices.")], why: Why = "") -> None:
    """Issue a new secret for a device; it is told only this once, and the old one is worth nothing."""
    client = Client(load_settings(), why)
    for device in devices:
        told = client.post(f"/api/v1/devices/{device}/secret", {})["secret"]
        typer.echo(told if len(devices) == 1 else f"{device}\t{told}")


def withdraw(device: Annotated[str, typer.Argument(help="The device's id.")], why: Why = "") -> None:
    """Take a device's secret back: it cannot send any more until it gets a new one."""
    Client(load_settings(), why).post(f"/api/v1/devices/{device}/secret/withdraw", {})
    out.print(f"{device} has no secret now.")


def enrol(
    label: Annotated[str, typer.Option("--label", help="What it is for, e.g. who installs where.")] = "",
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How long it lets devices in.")] = 7,
) -> None:
    """Make a code with which devices nobody knows yet may send, as far as the lobby; it is told only this once."""
    made = Client(load_settings()).post("/api/v1/enrolments", {"label": label, "days": days})
    typer.echo(made["code"])
    err.print(f"Good until {made['expiresAt']}. Close it with: dothi devices close {made['id']}")


def enrolments() -> None:
    """The enrolment codes of the city, those that let devices in first; never the codes themselves."""
    rows = [
        (one["id"], "open" if one["open"] else "closed", one["label"], one["expiresAt"], one["used"], one["createdBy"])
        for one in Client(load_settings()).get("/api/v1/enrolments")["items"]
    ]
    out.print(table(("code", "state", "label", "until", "used", "made by"), rows))


def close(code: Annotated[str, typer.Argument(help="The code's id, as `dothi devices enrolments` shows it.")]) -> None:
    """Let nobody in with an enrolment code any more."""
    Client(load_settings()).post(f"/api/v1/enrolments/{code}/close", {})
    out.print(f"{code} closed.")
