"""A real city in a temporary folder for the benches, and the one way a figure is printed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dothi.access.local_key import operator_headers

ROOT = Path(__file__).resolve().parent.parent


def report(
    name: str, value: float, unit: str, *, limit: float | None = None, target: float, lower_is_better: bool = False
) -> None:
    """Print one figure as a JSON line. ``limit`` is the raw limit measured in the same run, ``ratio`` the part reached."""
    print(
        json.dumps(
            {
                "name": name,
                "value": round(value, 3),
                "unit": unit,
                "limit": None if limit is None else round(limit, 3),
                "ratio": None if not limit else round(value / limit, 3),
                "target": target,
                "met": value <= target if lower_is_better else value >= target,
            }
        ),
        flush=True,
    )


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RunningCity:
    """A city process started by a bench."""

    process: subprocess.Popen[bytes]
    port: int
    mqtt_port: int
    home: Path
    tenant: str

    @property
    def operator(self) -> dict[str, str]:
        """The headers of its operator's requests."""
        return operator_headers(self.home)

    def request(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """JSON in, JSON out. Raises urllib.error.HTTPError for 4xx and 5xx."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data,
            self.operator | {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read() or b"null")

    def metrics(self) -> dict[str, float]:
        """The unlabelled figures of /metrics."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics", headers=self.operator)
        with urllib.request.urlopen(request, timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return {
            key: float(value) for key, _, value in (line.partition(" ") for line in lines if not line.startswith("#")) if key
        }

    def peak_resident_mb(self) -> float:
        """The most memory the server process has had resident, in MB; the journal's child is not included."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmHWM: this bench needs Linux")

    def committed(self) -> float:
        """Readings committed since the start, those known already included."""
        figures = self.metrics()
        return figures["dothi_ingest_readings_total"] + figures["dothi_ingest_repeated_total"]

    def wait_committed(self, readings: float, seconds: float = 120) -> None:
        """Return once ``committed`` has reached ``readings``; raises TimeoutError if it never does."""
        end = time.monotonic() + seconds
        while (done := self.committed()) < readings:
            if time.monotonic() > end:
                raise TimeoutError(f"{done:.0f} of {readings:.0f} readings were committed")
            time.sleep(0.25)  # a scrape of 10,000 devices costs the city 13 ms: asked often, it would be what is measured


@contextlib.contextmanager
def city(**environment: str) -> Iterator[RunningCity]:
    """A bare Hanoi (simulated feed, no recorded data) on free ports; stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="dothi-bench-") as folder:
        home, port, mqtt_port = Path(folder) / "home", free_port(), free_port()
        (Path(folder) / "no-data").mkdir()
        settings = {
            "DOTHI_HOME": str(home),
            "DOTHI_PORT": str(port),
            "DOTHI_MQTT_PORT": str(mqtt_port),
            "DOTHI_DATA": str(Path(folder) / "no-data"),
            "DOTHI_LOG_LEVEL": "WARNING",
        }
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / "dothi"), "run"],
                env={**os.environ, **settings, **environment},
                stdout=log,
                stderr=log,
            )
        running = RunningCity(process, port, mqtt_port, home, "hanoi")
        try:
            wait_healthy(running, Path(folder) / "log")
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_healthy(running: RunningCity, log: Path, seconds: float = 60) -> None:
    """Return once /health answers 200; raises RuntimeError with the log's end if the process died or took too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and running.process.poll() is None:
        with contextlib.suppress(OSError):
            running.request("/health")
            return
        time.sleep(0.05)
    raise RuntimeError("the city did not start:\n" + log.read_text()[-2000:])


def register_devices(running: RunningCity, count: int, prefix: str = "bench") -> None:
    """Admit ``count`` air stations named bench-0 … on a grid over Hanoi."""
    side = int(count**0.5) + 1
    for first in range(0, count, 5000):
        devices = [
            {
                "id": f"{prefix}-{i}",
                "name": f"{prefix.capitalize()} {i}",
                "type": "AirQualityObserved",
                "cadence": 3600,
                "longitude": 105.55 + 0.5 * (i % side) / side,
                "latitude": 20.75 + 0.45 * (i // side) / side,
            }
            for i in range(first, min(first + 5000, count))
        ]
        running.request("/api/v1/devices/bulk", devices)


def generator(module: str, *arguments: object) -> dict[str, Any]:
    """Run a load generator to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
