"""The journal's server on one machine: ``nats-server`` as a child that comes back when it dies and never outlives us.

It asks us about everybody who comes by MQTT, and nobody is let in before whoever keeps the journal says so
(``admit_devices``), once the stream and the consumer that keep devices' messages stand: so no device ever gets a PUBACK for
a message that nobody keeps.
"""

import asyncio
import fcntl
import hmac
import os
import signal
import ssl
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from secrets import token_urlsafe
from typing import IO

import msgspec
import structlog

from dothi.store.journal import JournalDown
from dothi.store.nats_gate import Callout, Gate, Pass, Visitor
from dothi.store.nats_process import LEASH, check_port, free_port, quoted, runs_with, server_binary, wait_gone
from dothi.store.nats_wire import Address, NatsGone, Wire

MAX_PAYLOAD = 8 * 1024 * 1024
SYNC_INTERVAL = "1s"
_PATIENCE = 15.0
_BACK_OFF = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_STEADY = 10.0  # seconds of life after which a death is a first one again
_LOG_BYTES = 4 * 1024 * 1024
_SIGN_IN = 3  # seconds the server waits for our answer about a visitor
_SELF = "dothi-self"
log = structlog.get_logger("dothi.nats")


class NatsServer:
    """Supervises one ``nats-server`` whose journal lies in ``folder``.

    ``mqtt_port`` 0 picks a free port. ``store_bytes`` bounds what JetStream may keep on disk. ``certificate`` and ``key``
    (PEM files) make its MQTT door speak TLS. Times are real seconds.
    """

    def __init__(
        self,
        folder: Path,
        tenant: str,
        host: str,
        mqtt_port: int,
        store_bytes: int,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        self._folder, self._tenant, self._host, self._store_bytes = folder, tenant, host, store_bytes
        self._certificate, self._key = certificate, key
        self.mqtt_port = mqtt_port
        self._password, self._own_password, self._warden_password = (token_urlsafe(24) for _ in range(3))
        self._gate: Gate | None = None
        self._callout: Callout | None = None
        self._inside: set[str] = set()  # names of those let in since the server started
        self._open_for: int | None = None  # the process whose MQTT door is open
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
                self.mqtt_port = free_port(self._host)
            else:
                check_port(self._host, self.mqtt_port)
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

    def guard(self, gate: Gate) -> None:
        """Let ``gate`` decide who comes in by MQTT; without one nobody does."""
        self._gate = gate

    async def judge(self, request: bytes) -> bytes:
        """The answer to the server's question about somebody who signs in. Raises ValueError for what is no question."""
        if self._callout is None:
            raise ValueError("the server was not started here")
        return await self._callout.answer(request, self._decide)

    async def _decide(self, visitor: Visitor) -> Pass | None:
        if visitor.user == _SELF:
            ours = hmac.compare_digest(visitor.password.encode(), self._own_password.encode())
            return Pass(_SELF, "") if ours else None
        if self._gate is None or self._open_for is None or self._open_for != self.pid:
            return None
        allowed = await self._gate(visitor)
        if allowed is not None:
            self._inside.add(allowed.name)
        return allowed

    async def admit_devices(self) -> None:
        """Open the MQTT door. Raises JournalDown if it does not answer.

        We go through it ourselves first: then the server makes what it keeps about MQTT, and that can be bounded.
        """
        process = self._process
        if process is None or process.returncode is not None:
            raise JournalDown("The journal's server is not running.", "It is being started again; try in a moment.")
        if self._open_for == process.pid:
            return
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while not await self._admits():
            if asyncio.get_running_loop().time() > deadline or process.returncode is not None:
                raise JournalDown("The MQTT door does not open.", self._last_words())
            await asyncio.sleep(0.01)
        self._open_for = process.pid

    async def expel(self, names: Collection[str]) -> None:
        """End the connections known by these names; whoever still may comes back at once."""
        there = self._inside.intersection(names)
        port = self._port
        if not there or port is None or self.pid is None:
            return
        wire = Wire(lambda: [Address("127.0.0.1", port, "warden", self._warden_password)], _nothing)
        wire.open()
        try:
            async with asyncio.timeout(_PATIENCE):
                await wire.ready.wait()
                for name in there:
                    await _expel(wire, name)
                    self._inside.discard(name)
        except (TimeoutError, NatsGone) as failure:
            log.error("mqtt.not-expelled", names=len(there), error=str(failure))
        finally:
            await wire.close()

    async def _admits(self) -> bool:
        """True if we are welcome ourselves (MQTT 3.1.1, CONNACK code 0)."""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "::", "") else self._host  # noqa: S104 - compared, not bound
        try:
            reader, writer = await asyncio.open_connection(host, self.mqtt_port, ssl=self._own_tls())
        except OSError:
            return False
        try:
            async with asyncio.timeout(_SIGN_IN):
                words = (_SELF, _SELF, self._own_password)  # client id, user name, password
                texts = b"".join(len(word).to_bytes(2, "big") + word.encode() for word in words)
                head = b"\x00\x04MQTT\x04\xc2\x00\x0a"
                writer.write(b"\x10" + bytes([len(head) + len(texts)]) + head + texts)
                return await reader.readexactly(4) == b"\x20\x02\x00\x00"
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return False
        finally:
            with suppress(OSError):
                writer.write(b"\xe0\x00")
                writer.close()

    def _own_tls(self) -> ssl.SSLContext | None:
        """How we go through our own door: it need not show us whose it is."""
        if self._certificate is None:
            return None
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

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
        self._inside.clear()
        self._write_config()
        self._log.unlink(missing_ok=True)
        self._read = 0
        self.broken = False
        command = (str(os.getpid()), server_binary(), "-c", str(self._config))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            "-c",
            LEASH,
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

    def _write_config(self) -> None:
        folder, tenant = self._folder.absolute(), self._tenant
        self._callout = self._callout or Callout(tenant)
        tls = ""
        if self._certificate is not None and self._key is not None:
            files = quoted(self._certificate.absolute()), quoted(self._key.absolute())
            tls = f"tls {{ cert_file: {files[0]}, key_file: {files[1]} }}"
        text = f"""server_name: "dothi-{tenant}"
host: "127.0.0.1"
port: -1
ports_file_dir: {quoted(folder)}
log_file: {quoted(self._log.absolute())}
log_size_limit: {_LOG_BYTES}
log_max_num: 2
max_payload: {MAX_PAYLOAD}
jetstream {{
  store_dir: {quoted(folder)}
  max_file_store: {self._store_bytes}
  sync_interval: "{SYNC_INTERVAL}"
}}
accounts {{
  $SYS {{ users: [ {{ user: "warden", password: "{self._warden_password}", allowed_connection_types: ["STANDARD"] }} ] }}
}}
authorization {{
  timeout: {_SIGN_IN}
  users: [ {{ user: "city", password: "{self._password}", allowed_connection_types: ["STANDARD"] }} ]
  auth_callout {{ issuer: "{self._callout.issuer}", auth_users: [ "city", "warden" ] }}
}}
mqtt {{
  host: {quoted(self._host)}
  port: {self.mqtt_port}
  reject_qos2_publish: true
  {tls}
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
        if runs_with(pid, str(self._config.absolute())):
            log.warning("nats.orphan", pid=pid)
            for word in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.kill(pid, word)
                if wait_gone(pid, str(self._config.absolute())):
                    break
        self._pid_file.unlink(missing_ok=True)


async def _expel(wire: Wire, name: str) -> None:
    """End every connection of one name. Raises NatsGone."""
    while True:
        asked = msgspec.json.encode({"auth": True, "user": name, "limit": 1024})
        _, told = await wire.request(b"$SYS.REQ.SERVER.PING.CONNZ", asked)
        found = msgspec.json.decode(told)
        connections = found.get("data", {}).get("connections") or ()
        for one in connections:
            await wire.request(f"$SYS.REQ.SERVER.{found['server']['id']}.KICK".encode(), b'{"cid":%d}' % one["cid"])
        if len(connections) < 1024:
            return


async def _nothing() -> None:
    return None
