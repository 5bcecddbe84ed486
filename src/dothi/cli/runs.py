"""``dothi runs``: what the running city computes, and how it went."""

from typing import Annotated

import typer

from dothi.cli.client import Client
from dothi.cli.shared import load_settings, out, table


def runs(
    state: Annotated[
        str | None, typer.Option("--state", help="queued, running, done, failed, cancelled or expired.")
    ] = None,
    text: Annotated[str | None, typer.Option("--search", help="Part of an id, a process's title or who asked.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
) -> None:
    """The runs of the city, the newest first."""
    page = Client(load_settings()).get("/api/v1/runs", state=state, q=text, limit=limit)
    rows = []
    for one in page["items"]:
        shown = f"{one['progress']:.0%}" if one["state"] == "running" else (one["error"] or {}).get("code", "")
        took = "" if one["seconds"] is None else f"{one['seconds']:.2f} s"
        rows.append((one["id"], one["process"], one["state"], shown, one["requestedBy"], one["requestedAt"], took))
    out.print(table(("run", "process", "state", "", "asked by", "asked at", "took"), rows))
    out.print(f"{len(rows)} of {page['total']}")
