"""``dothi run``: the city until somebody stops it."""

import asyncio
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dothi.cli.client import write_address
from dothi.cli.shared import err, load_settings, out, progress_bar
from dothi.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from dothi.platform.platform import Platform

_LOOK_EVERY = 0.2
_ENOUGH_FILES = 65_536


def run() -> None:
    """Start the city and serve it; Ctrl-C or SIGTERM stops it within five seconds. Raises Problem if it cannot run."""
    from dothi.app import with_found_data  # imports that other commands need not wait for

    serve_city(with_found_data(load_settings()))


def serve_city(settings: Settings) -> None:
    """Serve the city of these settings until it is stopped. Raises Problem if it cannot run."""
    import uvloop

    from dothi.platform.logs import configure

    configure(settings.log_level)
    _allow_connections()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings))


def _allow_connections() -> None:
    """Each connection is an open file: take what the system would give, where it gives little (1,024) unasked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run(settings: Settings) -> None:
    from dothi.app import serve
    from dothi.platform.server import listen, url_of

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    watching: list[asyncio.Task[None]] = []
    written: list[Path] = []
    with listen(settings) as listening:
        url = url_of(listening, tls=settings.tls is not None)

        def ready(app: "FastAPI") -> None:
            platform: Platform = app.state.platform
            mqtt = getattr(platform.journal, "mqtt_port", None) or settings.mqtt_port
            written.append(write_address(settings.home, url, mqtt))
            out.print(_welcome(platform, url, mqtt))
            sys.stdout.flush()
            if platform.accounts.needs_first_link:
                watching.append(asyncio.create_task(_tell_first_link(platform, url)))
            if sys.stderr.isatty():
                watching.append(asyncio.create_task(_show_progress(platform)))

        try:
            await serve(settings, listening, stop, ready)
        finally:
            for task in watching:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            for path in written:
                path.unlink(missing_ok=True)
    err.print("Stopped.")


def _welcome(platform: "Platform", url: str, mqtt: int) -> str:
    if platform.replay is not None:
        first, last = (f"{moment:%d/%m/%Y}" for moment in (platform.replay.start, platform.replay.end))
        kind = f"replayed data of {first} – {last}, {platform.replay.speed:g} × as fast"
    else:
        kind = "simulated data" if platform.simulated else "live data"
    rough = ", approximate boundaries" if platform.city.approximate else ""
    host = "127.0.0.1" if platform.settings.tls is None else f"{platform.settings.host} (TLS)"
    doors = f"MQTT {mqtt} on {host} · new devices: dothi devices enrol · API {url}/docs · Ctrl-C stops"
    opened = platform.settings.open_doors
    warning = f"\n  DOTHI_OPEN_DOORS: anybody on this machine may write through {opened}." if opened else ""
    return f"{platform.city.title.vi}: {url}\n  {kind}{rough}\n  {doors}{warning}"


async def _tell_first_link(platform: "Platform", url: str) -> None:
    """The link that makes the first administrator: said once, at the first start, and kept nowhere."""
    from dothi.access.admitting import LINK_PATH

    link = f"{url}{LINK_PATH}?token={await platform.accounts.first_link()}"
    out.print(f"  First administrator, once, within a week: {link}")
    sys.stdout.flush()


async def _show_progress(platform: "Platform") -> None:
    """A bar on stderr for every background task that has an end."""
    bars = {}
    with progress_bar() as progress:
        while True:
            for state in platform.tasks.states.values():
                if state.total is None:
                    continue
                if state.name not in bars:
                    bars[state.name] = progress.add_task(state.name, total=state.total)
                finished = state.state == "finished" or state.done >= state.total
                progress.update(bars[state.name], completed=state.done, total=state.total, visible=not finished)
            await asyncio.sleep(_LOOK_EVERY)
