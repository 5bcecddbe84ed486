"""A real city in a temporary folder, on free ports: on a thread for speed, or as a process that can be killed."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import msgspec
from fastapi import FastAPI

from dothi.access.demo import DEMO_ROLES
from dothi.access.grants import Granted
from dothi.access.local_key import operator_headers
from dothi.access.roles import ROLES
from dothi.app import serve
from dothi.platform.platform import Platform
from dothi.platform.server import listen, url_of
from dothi.settings import Settings
from dothi.testing.people import insider

T = TypeVar("T")
PATIENCE = 60.0
_anybody = ssl.create_default_context()
_anybody.check_hostname, _anybody.verify_mode = False, ssl.CERT_NONE  # a test's certificate is nobody's
_open = build_opener(ProxyHandler({}), HTTPSHandler(context=_anybody)).open


@dataclass(slots=True)
class RunningCity:
    """A city that serves on a thread of this process. ``platform`` is its inside; touch it through ``run``."""

    base_url: str
    mqtt_port: int
    home: Path
    platform: Platform
    app: FastAPI
    loop: asyncio.AbstractEventLoop

    @property
    def operator(self) -> dict[str, str]:
        """The headers of its operator's requests: those of whoever can read its home folder."""
        return operator_headers(self.home)

    def session(self, *roles: str) -> str:
        """The value of a session's cookie as somebody with ``roles`` (all of people's, unless named) in the whole city."""
        return self.run(_signed_in(self.platform, roles or DEMO_ROLES))

    def run(self, work: Coroutine[Any, Any, T], timeout: float = PATIENCE) -> T:
        """Run ``work`` on the city's own event loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)


@contextmanager
def running_city(folder: Path, **settings: Any) -> Iterator[RunningCity]:
    """A city with its home under ``folder``, on free ports of 127.0.0.1; ``settings`` override the defaults.

    Raises Problem if it cannot start. Stops it on the way out.
    """
    wanted: dict[str, Any] = {"home": folder / "home", "port": 0, "mqtt_port": 0, "demo_work": False} | settings
    chosen = Settings(**wanted)
    begun: Future[RunningCity] = Future()
    listening = listen(chosen)
    url = url_of(listening, tls=chosen.tls is not None)
    stop: list[Callable[[], object]] = []

    async def live() -> None:
        ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(ending.set))

        def ready(app: FastAPI) -> None:
            platform: Platform = app.state.platform
            mqtt = getattr(platform.journal, "mqtt_port", None) or chosen.mqtt_port
            begun.set_result(RunningCity(url, mqtt, chosen.home, platform, app, loop))

        await serve(chosen, listening, ending, ready)

    def body() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            if begun.done():
                raise
            begun.set_exception(error)
        finally:
            listening.close()

    thread = threading.Thread(target=body, name="city", daemon=True)
    thread.start()
    city = begun.result(PATIENCE)
    try:
        wait_until(lambda: _healthy(city.base_url), "the city works")
        yield city
    finally:
        stop[0]()
        thread.join(PATIENCE)
        if thread.is_alive():
            raise TimeoutError("the city did not stop")


async def _signed_in(platform: Platform, roles: Sequence[str]) -> str:
    accounts, login = platform.accounts, "test-" + "-".join(role[:5] for role in roles)[:50]
    known = accounts.account_of_login(login)
    granted = [Granted(role, ROLES[role].ceiling) for role in roles]
    account_id = known.id if known is not None else await accounts.create(insider(), login, "Người thử", granted)
    return await accounts.open_session(account_id, strong=True, address="127.0.0.1", agent="test", correlation="test")


@dataclass(slots=True)
class CityProcess:
    """A city that runs as ``dothi run`` in a process of its own. ``process.pid`` is what a test may kill."""

    home: Path
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes]
    base_url: str = ""
    mqtt_port: int = 0

    @property
    def operator(self) -> dict[str, str]:
        """The headers of its operator's requests."""
        return operator_headers(self.home)

    def wait_ready(self) -> None:
        """Wait until it works. Raises RuntimeError with its last words if it ended instead."""

        def ready() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"the city ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
            with suppress(OSError, msgspec.DecodeError, KeyError):
                told = msgspec.json.decode((self.home / "address").read_bytes())
                self.base_url, self.mqtt_port = told["url"], told["mqtt"]
                return _healthy(self.base_url)
            return False

        wait_until(ready, "the city works")

    def restart(self) -> None:
        """Start it again on the same home, after it ended."""
        self.process = _spawn(self.home, self.environment, self.log)
        self.wait_ready()

    def kill(self) -> None:
        """``kill -9``, without a last word."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def start_city_process(folder: Path, **settings: Any) -> Iterator[CityProcess]:
    """``dothi run`` with its home under ``folder``, on free ports of 127.0.0.1; ends it on the way out.

    Without a setting ``data`` its data folder is an empty one, so that the city is simulated wherever the tests run.
    """
    empty = folder / "no-data"
    empty.mkdir(exist_ok=True)
    chosen: dict[str, Any] = {"home": folder / "home", "port": 0, "mqtt_port": 0, "host": "127.0.0.1", "data": empty}
    chosen |= {"demo_work": False} | settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOTHI_")}
    environment |= {f"DOTHI_{name.upper()}": str(value) for name, value in chosen.items()}
    home = Path(chosen["home"])
    log = folder / "city.log"
    city = CityProcess(home, environment, log, _spawn(home, environment, log))
    try:
        city.wait_ready()
        yield city
    finally:
        if city.process.poll() is None:
            city.terminate()


def wait_until(condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
    """Wait until ``condition()`` is true. Raises TimeoutError saying ``what`` did not happen."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s in vain until {what}")
        time.sleep(0.02)


def _spawn(home: Path, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    (home / "address").unlink(missing_ok=True)
    command = [sys.executable, "-c", "from dothi.cli import main; main()", "run"]
    with log.open("ab") as output:
        return subprocess.Popen(command, env=environment, cwd=log.parent, stdout=output, stderr=output)  # noqa: S603 - ours


def _healthy(url: str) -> bool:
    try:
        with _open(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (HTTPError, URLError, OSError):
        return False
