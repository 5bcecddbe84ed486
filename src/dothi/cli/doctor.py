"""``dothi doctor``: looks at this machine and says what is missing and how to mend it."""

import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import typer
from pydantic import SecretStr

from dothi.cli.shared import FAILED, load_settings, out, table
from dothi.model.problem import Problem
from dothi.settings import Settings
from dothi.store.nats_process import server_binary
from dothi.ui.assets import asset

Verdict = Literal["ok", "missing", "note"]
_MARKS = {"ok": "✓", "missing": "✗", "note": "·"}
_LEAST_FREE = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: fine, missing (the city cannot run) or worth a note; ``advice`` says how to mend it."""

    name: str
    verdict: Verdict
    words: str
    advice: str = ""


def doctor() -> None:
    """Check this machine; exit code 0 if the city can run here, 2 if something is missing."""
    from dothi.app import with_found_data  # imports that other commands need not wait for

    findings = examine(with_found_data(load_settings()))
    out.print(table(("", "", "", ""), [(_MARKS[one.verdict], one.name, one.words, one.advice) for one in findings]))
    missing = sum(one.verdict == "missing" for one in findings)
    out.print("The city can run here." if not missing else f"{missing} to mend before the city can run here.")
    if missing:
        raise typer.Exit(FAILED)


def examine(settings: Settings) -> list[Finding]:
    """Every finding, in the order in which a start would need the things."""
    looks: tuple[Callable[[Settings], Finding], ...] = (
        _python,
        _database,
        _home,
        _disk,
        _web_port,
        _mqtt_port,
        _nats,
        _city,
        _lake,
        _data,
        _bundle,
        _chromium,
    )
    return [look(settings) for look in looks]


def _python(_: Settings) -> Finding:
    words = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info >= (3, 11)
    return Finding("Python", "ok" if fine else "missing", words, "" if fine else "Install Python 3.11 or later.")


def _database(settings: Settings) -> Finding:
    if settings.database is not None:
        return _postgres(settings, settings.database)
    fine = sqlite3.sqlite_version_info >= (3, 35)
    advice = "" if fine else "Use a Python built with SQLite 3.35 or later."
    return Finding("SQLite", "ok" if fine else "missing", sqlite3.sqlite_version, advice)


def _postgres(settings: Settings, url: SecretStr) -> Finding:
    """Whether the server answers and is fit; of where it is only what holds no secret is said."""
    from dothi.app import tenant_of
    from dothi.store.database import database_of, revision, tenant_folder

    try:
        database = database_of(tenant_folder(settings.home, tenant_of(settings)), url)
        database.make(trial=True)
        at = revision(database)
    except Problem as problem:
        return Finding("PostgreSQL", "missing", problem.title, problem.detail)
    place = f"schema {database.folder.name!r}" + ("" if at else ", empty until the first start")
    return Finding("PostgreSQL", "ok", f"{database.kind.removeprefix('PostgreSQL ')}, {place}")


def _home(settings: Settings) -> Finding:
    folder = _standing(settings.home)
    if os.access(folder, os.W_OK):
        if folder == settings.home.absolute() and folder.stat().st_mode & 0o077:
            words = f"others on this machine can look into {settings.home}"
            return Finding("home", "note", words, f"Keep the record to yourself: chmod 700 {settings.home}")
        return Finding("home", "ok", str(settings.home))
    return Finding("home", "missing", f"{settings.home} cannot be written", "Set DOTHI_HOME to a folder of yours.")


def _disk(settings: Settings) -> Finding:
    usage = shutil.disk_usage(_standing(settings.home))
    words = f"{usage.free / 1e9:.1f} GB free ({usage.free / usage.total:.0%})"
    if usage.free / usage.total < settings.disk_floor:
        return Finding("disk", "missing", words, f"Free some: below {settings.disk_floor:.0%} no reading is accepted.")
    return Finding("disk", "ok" if usage.free > _LEAST_FREE else "note", words)


def _web_port(settings: Settings) -> Finding:
    return _port("web port", settings.host, settings.port, "DOTHI_PORT", settings.home)


def _mqtt_port(settings: Settings) -> Finding:
    if settings.nats is not None:
        return Finding("MQTT port", "note", "the NATS that DOTHI_NATS names has its own")
    return _port("MQTT port", "127.0.0.1", settings.mqtt_port, "DOTHI_MQTT_PORT", settings.home)


def _port(name: str, host: str, port: int, setting: str, home: Path) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            if (home / "address").is_file():
                return Finding(name, "note", f"{host}:{port} is in use; a city seems to run here", "See: dothi status")
            return Finding(name, "missing", f"{host}:{port}: {error.strerror}", f"Set {setting} to a free port.")
    return Finding(name, "ok", f"{host}:{port} is free")


def _nats(settings: Settings) -> Finding:
    if settings.nats is not None:
        return Finding("nats-server", "note", "not needed: DOTHI_NATS is set")
    try:
        return Finding("nats-server", "ok", server_binary())
    except Problem as problem:
        return Finding("nats-server", "missing", problem.title, problem.detail)


def _lake(settings: Settings) -> Finding:
    from dothi.app import tenant_of
    from dothi.store.connection import DatabaseError
    from dothi.store.database import database_of, tenant_folder

    try:
        database = database_of(tenant_folder(settings.home, tenant_of(settings)), settings.database)
        if not database.exists():
            return Finding("lake", "ok", "nothing sealed yet")
        lake = database.lake  # it knows from the database whether there must be something
        files = sum(figures.files for figures in lake.figures())
        damages = list(lake.damages())
    except Problem as problem:
        return Finding("lake", "note", problem.title, problem.detail)
    except DatabaseError as error:
        return Finding("lake", "note", f"not looked at: {error}", "Mend the database first.")
    if damages:
        words = "; ".join(f"{one.day:%d/%m/%Y}: {one.what}" for one in damages)
        return Finding("lake", "note", words, "Put these files back from a backup, under their names.")
    return Finding("lake", "ok", f"{files} files, all whole" if files else "nothing sealed yet")


def _city(settings: Settings) -> Finding:
    from dothi.cities.units import read_country

    try:
        province = read_country().province(settings.city)
    except Problem as problem:
        return Finding("city", "missing", problem.title, problem.detail)
    return Finding("city", "ok", f"{province.code} {province.name}")


def _data(settings: Settings) -> Finding:
    from dothi.app import installed_sectors, recorded_period

    try:
        period = recorded_period(settings, installed_sectors(settings.sectors))
    except Problem as problem:
        return Finding("data", "missing", problem.title, problem.detail)
    if settings.data is None:
        return Finding(
            "data", "note", "no folder with real data: readings are simulated", "Set DOTHI_DATA to have a replay."
        )
    if period is None:
        return Finding("data", "note", f"{settings.data} holds no recorded readings: they are simulated")
    return Finding("data", "ok", f"{settings.data}: {period.start:%d/%m/%Y} – {period.end:%d/%m/%Y}")


def _bundle(_: Settings) -> Finding:
    if asset("src/base.css"):
        return Finding("pages", "ok", "styles, map and charts are built")
    return Finding("pages", "note", "styles, map and charts are not built", "Run: make run (or pip install dothi)")


def _chromium(_: Settings) -> Finding:
    if found := shutil.which("chromium") or shutil.which("google-chrome"):
        return Finding("Chromium", "ok", found)
    if find_spec("playwright") is None:
        return Finding("Chromium", "note", "not here; only browser tests need it")
    kept = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    if folder := next(kept.glob("chromium*"), None):
        return Finding("Chromium", "ok", str(folder))
    return Finding("Chromium", "note", "not here; only browser tests need it", "Run: playwright install chromium")


def _standing(folder: Path) -> Path:
    """The nearest folder above that exists: where ``folder`` would be made."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
