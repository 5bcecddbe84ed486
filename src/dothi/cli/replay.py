"""``dothi replay FILE``: a recorded file as if its devices spoke again, each reading at its own time of observation."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from dothi.cli.client import Client
from dothi.cli.shared import err, load_settings, out, progress_bar
from dothi.devices.files import FileReport, load_mapping, send_file
from dothi.model.problem import Problem
from dothi.model.reading import Origin
from dothi.store.journal import JournalDown, JournalFull

_SHOWN_BAD = 5


class HttpSink:
    """The door of a running city as a place for messages."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def append(
        self,
        body: bytes,
        *,
        source: str,
        device: str | None,
        content_type: str,
        correlation: str,
        origin: Origin | None = None,
    ) -> None:
        """Send a body; returns once the city has it for good. Raises JournalFull or JournalDown if it must wait."""
        path = f"/api/v1/readings?origin={(origin or Origin.MEASURED).name.lower()}"
        try:
            await asyncio.to_thread(self._client.send, path, body, content_type, correlation)
        except Problem as problem:
            if problem.status != 503:
                raise
            if problem.retry_after is None:  # nobody answered at all
                raise JournalDown(problem.title, problem.detail) from problem
            raise JournalFull(problem.title, problem.detail, problem.retry_after) from problem


def replay(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or NDJSON.")],
    speed: Annotated[
        float | None, typer.Option(help="Seconds of observation per real second; left out: as fast as possible.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="JSON that says what the columns mean; NDJSON of messages needs none.")
    ] = None,
) -> None:
    """Send every row of FILE to the running city, which must be started first. Raises Problem for what cannot be read."""
    client = Client(load_settings())
    client.health()  # fails here, clearly, rather than after reading the file
    if not file.is_file():
        raise Problem(404, "no-file", f"There is no file {file}.", "Check the path.")
    meaning = load_mapping(mapping) if mapping is not None else None
    with progress_bar() as bar:
        task = bar.add_task(file.name, total=None)
        report = asyncio.run(
            send_file(
                file,
                meaning,
                HttpSink(client),
                speed=speed,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        )
    _tell(report)


def _tell(report: FileReport) -> None:
    out.print(
        f"{report.rows:,} rows, {report.messages:,} messages, {report.values:,} values, {len(report.devices):,} devices."
    )
    if report.first is not None and report.last is not None:
        out.print(f"Observed {report.first:%d/%m/%Y %H:%M} – {report.last:%d/%m/%Y %H:%M} UTC.")
    if report.bad:
        err.print(f"{report.bad:,} rows were left out:")
        for row in report.bad_rows[:_SHOWN_BAD]:
            err.print(f"  line {row.line}: {row.reason}", markup=False)
