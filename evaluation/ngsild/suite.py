"""A fresh city and everything the suite wants beside it: its Robot Framework, ports for its stand-ins, MQTT brokers."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from dothi.store.nats_process import server_binary

_HOST = "127.0.0.1"
_NOT_NEEDED = ("robotframework-robocop",)  # the suite's own linter
_PATIENCE = 60.0
_QUIET = ("--log", "NONE", "--report", "NONE", "--console", "none")
_MQTT_PORTS = (1883, 8085)  # written into the suite's tests
_CONTEXTS = "resources/jsonld-contexts"
# Two contexts that fixtures name and use no name of.
_UNUSED = (
    "https://fiware.github.io/data-models/context.jsonld",
    "https://fiware.github.io/NGSI-LD_TestSuite/ldContext/testContext.jsonld",
)
# Seven fixtures still name the suite's own context by where it lay before.
_FORMER = "https://easy-global-market.github.io/ngsild-api-data-models/ngsildTestSuite/ngsildTestSuiteV1.8-compound.jsonld"


def prepare_robot(checkout: Path) -> Path:
    """The Python that runs the suite: its own environment in ``checkout/.venv``, made at the first run (needs PyPI)."""
    folder = checkout / ".venv"
    python = folder / "bin" / "python"
    done = folder / "prepared"
    if not done.exists():
        venv.create(folder, with_pip=True)
        lines = (checkout / "requirements.txt").read_text(encoding="utf-8").splitlines()
        wanted = [line.removeprefix("-e ").strip() for line in lines if line.strip() and not line.startswith("#")]
        needed = [line for line in wanted if not line.startswith(_NOT_NEEDED)]
        subprocess.run([python, "-m", "pip", "install", "-q", *needed], check=True, cwd=checkout)
        done.touch()
    return python


@contextmanager
def opened(folder: Path, contexts: dict[str, str], *, brokers: bool = False) -> Iterator["Bench"]:
    """One fresh city in ``folder`` with the door open, and MQTT ``brokers`` beside it; ends what it started.

    ``contexts`` maps the URL of an @context to the file it is read from.
    """
    folder.mkdir(parents=True)
    port = _free_port()
    listed = folder / "contexts.json"
    empty = folder / "empty.jsonld"
    empty.write_text('{"@context": {}}', encoding="utf-8")
    listed.write_text(json.dumps(dict.fromkeys(_UNUSED, str(empty)) | contexts), encoding="utf-8")
    ours = {
        "DOTHI_HOME": str(folder / "home"),
        "DOTHI_PORT": str(port),
        "DOTHI_MQTT_PORT": str(_free_port()),
        "DOTHI_CITY": "25",
        "DOTHI_SECTORS": "weather",  # has no feed of its own: the suite counts what is there
        "DOTHI_OPEN_DOORS": "ngsild",
        "DOTHI_CONTEXTS": str(listed),
        "DOTHI_CONTEXT_HOSTS": _HOST,
        "DOTHI_TEMPORAL_PAGE": "30",  # it looks at pages of entities with 40 instances
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOTHI_")} | ours
    with ExitStack() as stack:
        for broker in _MQTT_PORTS if brokers else ():
            _start(stack, _broker(folder, broker), folder / f"mqtt-{broker}.log", dict(os.environ))
        city = _start(stack, [str(Path(sys.executable).parent / "dothi"), "run"], folder / "city.log", environment)
        url = f"http://{_HOST}:{port}"
        _wait(f"{url}/health", city, folder / "city.log")
        yield Bench(folder, url)


@dataclass(frozen=True, slots=True)
class Bench:
    """A running city at ``url``, to be tried."""

    folder: Path
    url: str

    def run(self, robot: Path, checkout: Path, parts: tuple[str, ...], output: Path, tests: str) -> None:
        """Run folders ``parts`` of the suite; Robot's files go to ``output``. A failing test is no error here."""
        stands = {name: _free_port() for name in ("notification_server", "context_source", "context_server")}
        said = {"url": f"{self.url}/ngsi-ld/v1", "temporal_api_url": f"{self.url}/ngsi-ld/v1", "mqtt_broker_host": _HOST}
        said |= {f"{name}_host": _HOST for name in stands}
        variables = [f"{name}:{value}" for name, value in said.items()]
        variables += [f"{name}_port: int:{port}" for name, port in stands.items()]
        command: list[str | Path] = [robot, "-m", "robot", "--outputdir", output, *_QUIET]
        for variable in variables:
            command += ["--variable", variable]
        command += ["--test", tests, *(part for part in parts if (checkout / part).is_dir())]
        with (self.folder / "robot.log").open("wb") as log:
            subprocess.run(command, cwd=checkout, stdout=log, stderr=log, check=False)


def contexts_of(checkout: Path) -> dict[str, str]:
    """The suite's own @contexts by the address its fixtures name them by, whoever's copy of the suite it is."""
    variables = (checkout / "resources" / "variables.py").read_text(encoding="utf-8")
    line = next(one for one in variables.splitlines() if one.startswith("ngsild_test_suite_context"))
    base = line.split("'")[1].rpartition("/")[0]
    found = {f"{base}/{path.name}": str(path) for path in sorted((checkout / _CONTEXTS).glob("*.jsonld"))}
    return found | {_FORMER: str(checkout / _CONTEXTS / line.split("'")[1].rpartition("/")[2])}


def _broker(folder: Path, port: int) -> list[str]:
    """The command of an MQTT broker for notifications: mosquitto, or where there is none the city's own NATS server, which
    speaks MQTT 3.1.1 only.
    """
    config = folder / f"mqtt-{port}.conf"
    mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if mosquitto is not None:
        config.write_text(f"listener {port} {_HOST}\nallow_anonymous true\n", encoding="utf-8")
        return [mosquitto, "-c", str(config)]
    words = (
        f'server_name: suite{port}\nhost: {_HOST}\nport: {_free_port()}\njetstream {{ store_dir: "{folder}/mqtt-{port}" }}\n'
    )
    config.write_text(f"{words}mqtt {{ host: {_HOST}, port: {port} }}\n", encoding="utf-8")
    return [server_binary(), "-c", str(config)]


def _start(stack: ExitStack, command: list[str], log: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    out = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=log.parent)
    stack.callback(_end, process)
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(url: str, city: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and city.poll() is None:
        try:
            with urlopen(url, timeout=2):  # noqa: S310 - our own city on loopback
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"the city does not answer: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
