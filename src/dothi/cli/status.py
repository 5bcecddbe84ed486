"""``dothi status``: how the running city is doing, by its own health door."""

from typing import Any

import typer

from dothi.cli.client import Client
from dothi.cli.shared import FAILED, load_settings, out, table


def status() -> None:
    """Print what /health says; exit code 0 if the city works, 2 if not or if none runs."""
    health, works = _ask()
    rows: list[tuple[str, Any]] = [
        ("address", health["address"]),
        ("city", health["city"]),
        ("works", "yes" if works else "no: " + ", ".join(name for name, fine in health["works"].items() if not fine)),
        ("time in the city", health["time"]),
        ("data", _data(health)),
    ]
    if "lag" in health:
        rows.append(("database", health["home"]))
        rows.append(("messages waiting", health["lag"]))
        rows.append(("disk free", f"{health['diskFree']:.0%}"))
        if "clockLeap" in health:
            rows.append(
                ("clock of the machine", f"leapt by {health['clockLeap']['seconds']:+,} s to {health['clockLeap']['to']}")
            )
        rows.append(("devices", ", ".join(f"{count} {state}" for state, count in health["devices"].items())))
        rows += [(f"task {task['name']}", _task(task)) for task in health["tasks"]]
    out.print(table(("", ""), rows))
    if not works:
        raise typer.Exit(FAILED)


def _ask() -> tuple[dict[str, Any], bool]:
    client = Client(load_settings())
    health = client.health()
    return health | {"address": client.url}, health["status"] == "ok"


def _data(health: dict[str, Any]) -> str:
    kind = "replayed" if health["replay"] else "simulated" if health["simulated"] else "live"
    return kind + (", approximate boundaries" if health["approximate"] else "")


def _task(task: dict[str, Any]) -> str:
    words: str = task["state"]
    if "total" in task:
        words += f" {task['done']:,}/{task['total']:,}"
    if task["failures"]:
        words += f", crashed {task['failures']} ×: {task.get('lastError', '')}"
    return words
