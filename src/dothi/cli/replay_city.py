"""``dothi replay-city DIR``: recorded data as a city of their own, beside the live one, on a clock of their own."""

import errno
import re
import shutil
import socket
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from dothi.cli.client import address_of
from dothi.cli.run import serve_city
from dothi.cli.shared import bad_setting, load_settings, moment_option
from dothi.model.problem import Problem
from dothi.model.text import fold
from dothi.settings import Settings

FOLDER = "replays"  # in the live city's home


def replay_city(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Recorded data like DOTHI_DATA, or a folder that dothi export wrote.")
    ],
    start: Annotated[
        str | None,
        typer.Option("--from", help="Where its clock begins: 2026-05-20, or with a time and offset; left out: half-way."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Where its clock stops; left out: at the recording's end.")] = None,
    speed: Annotated[float | None, typer.Option(help="City seconds per real second; left out: DOTHI_REPLAY_SPEED.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of its pages; left out: the usual one, or any that is free.")
    ] = None,
) -> None:
    """Run a city that lives through recorded data again, from the beginning each time; the live city is not touched."""
    from dothi.app import installed_sectors, recorded_period, with_found_data

    live = with_found_data(load_settings())
    settings = _settings(live, folder, start, end, speed, port)
    if recorded_period(settings, installed_sectors(settings.sectors)) is None:
        raise Problem(
            400,
            "no-recording",
            f"{folder} holds nothing to replay.",
            "Name a folder of recorded data, or one of dothi export.",
        )
    begin_anew(settings)
    serve_city(settings)


def _settings(
    live: Settings, folder: Path, start: str | None, end: str | None, speed: float | None, port: int | None
) -> Settings:
    """The live city's settings with a home, a store, a clock and ports of their own."""
    from dothi.api.exchange.replaying import is_export

    if not folder.is_dir():
        raise Problem(404, "no-recording", f"There is no folder {folder}.", "Check the path.")
    changes = {
        "home": live.home / FOLDER / (_name(folder) or "replay"),
        "recording": folder,
        "data": live.data if live.data is not None or is_export(folder) else folder,  # the ground of its map
        "replay_from": moment_option(start, "--from"),
        "replay_to": moment_option(end, "--to"),
        "replay_speed": live.replay_speed if speed is None else speed,
        "port": _free(live.host, live.port) if port is None else port,
        "mqtt_port": 0,  # any: the devices of the city know the usual one
        "open_meteo": "off",  # what a model says today is not of that time
        "database": None,
        "nats": None,
    }
    try:
        return Settings(**{**live.model_dump(), **changes})
    except ValidationError as error:
        raise bad_setting(error) from error


def begin_anew(settings: Settings) -> None:
    """Empty the replay's own home but for its caches. Raises Problem 409 if that replay runs."""
    from dothi.platform.home import locked

    try:
        with locked(settings.home):
            shutil.rmtree(settings.home / "tenants", ignore_errors=True)
    except Problem as problem:
        if problem.code != "home-in-use":
            raise
        where = address_of(settings)
        raise Problem(
            409, "replay-runs", f"This recording is being replayed at {where} already.", "Stop that first."
        ) from problem


def _name(folder: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", fold(folder.resolve().name)).strip("-")[:60]


def _free(host: str, port: int) -> int:
    """``port`` if nothing listens on it, else 0: any that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise Problem(
                    400, "cannot-listen", f"Cannot listen on {host}: {error.strerror}.", "Mend DOTHI_HOST."
                ) from error
            return 0
    return port
