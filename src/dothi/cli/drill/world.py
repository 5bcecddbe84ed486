"""The city a drill takes place in: a process of its own, on a home of its own, which begins empty."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from dothi.cli.client import Client
from dothi.cli.drill.script import Script
from dothi.model.problem import Problem
from dothi.settings import PREFIX, Settings

FOLDER = "drills"  # in the home of the city that people work in
_PATIENCE = 120.0
_GRACE = 15.0


def settings_of(live: Settings, script: Script, speed: float, port: int) -> Settings:
    """The settings of the drill's city: those of ``live``, with a home, a clock and ports of its own, on 127.0.0.1."""
    return Settings(
        home=live.home / FOLDER / script.id,
        host="127.0.0.1",
        port=port,
        mqtt_port=0,
        city=script.city,
        data=live.data,
        boundaries=live.boundaries,
        working_time=live.working_time,
        database=live.database,
        sectors=live.sectors,
        drill=script.id,
        replay_from=script.begins,
        replay_to=script.begins + timedelta(minutes=script.minutes),
        replay_speed=speed,
        log_level="WARNING",
    )


def begin_anew(settings: Settings) -> None:
    """Destroy what an earlier drill left in this home. Raises Problem 409 if that drill is going on."""
    from dothi.app import tenant_of
    from dothi.platform.home import locked
    from dothi.store.database import database_of, tenant_folder

    try:
        with locked(settings.home):
            database = database_of(tenant_folder(settings.home, tenant_of(settings)), settings.database)
            with closing(database), database.alone():  # a drill of this name may be played from another home
                database.forget()
    except Problem as problem:
        if problem.code == "home-in-use":
            raise Problem(409, "drill-runs", "This drill is going on already.", "Let it end, or stop it first.") from problem
        raise
    shutil.rmtree(settings.home, ignore_errors=True)


@contextmanager
def drill_city(settings: Settings) -> Iterator[Client]:
    """The city, from the moment it works until the block ends. Raises Problem with its last words if it does not start."""
    log = settings.home / "city.log"
    settings.home.mkdir(0o700, parents=True, exist_ok=True)
    with log.open("wb") as written:
        command = [sys.executable, "-c", "from dothi.cli import main; main()", "run"]
        process = subprocess.Popen(  # noqa: S603 - this very program
            command, env=_environment(settings), stdout=written, stderr=subprocess.STDOUT
        )
    try:
        yield _when_ready(process, settings, log)
    finally:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(settings: Settings) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    chosen = settings.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if settings.database is not None:
        chosen["database"] = settings.database.get_secret_value()
    return kept | {f"{PREFIX}{name.upper()}": str(value) for name, value in chosen.items()}


def _when_ready(process: "subprocess.Popen[bytes]", settings: Settings, log: Path) -> Client:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Problem(500, "drill-failed", f"The city of the drill ended: {_last(log)}", f"Its log is {log}.")
        with suppress(Problem):
            client = Client(settings)
            if client.health()["status"] == "ok":
                return client
        time.sleep(0.1)
    raise Problem(503, "drill-failed", f"The city of the drill does not start: {_last(log)}", f"Its log is {log}.")


def _last(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
