"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket of its own, never as root."""

import ctypes
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from pydantic import SecretStr

from dothi.store.database import migrate, open_database
from dothi.testing.homes import empty_tables

OLDEST = 15
MISSING = "there is no PostgreSQL 15 with PostGIS here; on Debian: apt-get install postgresql-postgis"
_USER = "dothi"
_PASSWORD = "not-to-be-told"  # noqa: S105 - of a server that trusts its socket; tests look for it where it must not be
_MAINTENANCE = "postgres"
_TENANT = "hanoi"
_PATIENCE = 60.0
_PR_SET_PDEATHSIG = 1


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL from 15 on that is installed with PostGIS; None without one."""
    found = {int(one.parent.parent.name): one.parent for one in Path("/usr/lib/postgresql").glob("[0-9]*/bin/postgres")}
    if server := shutil.which("postgres"):
        told = subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - ours
        if told_version := re.search(r"\d+", told):
            found.setdefault(int(told_version.group()), Path(server).parent)
    for version in sorted(found, reverse=True):
        where = subprocess.run([found[version] / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)  # noqa: S603 - ours
        if version >= OLDEST and (Path(where.stdout.strip()) / "extension" / "postgis.control").is_file():
            return found[version]
    return None


class Cluster:
    """One server. ``durable`` says that it may be killed: then a commit is on the disk before it is answered."""

    def __init__(self, folder: Path, tools: Path, *, durable: bool = False) -> None:
        self._folder, self._tools = folder, tools
        self._options = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        self._numbers = count(1)
        self._free: list[SecretStr] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._user: int | None = None
        if os.geteuid() == 0:
            names = {one.pw_name: one for one in pwd.getpwall()}
            who = names.get("postgres") or names["nobody"]
            self._user = who.pw_uid
            os.chown(folder, who.pw_uid, who.pw_gid)
        data = ["-D", str(folder / "data"), "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(  # noqa: S603 - ours
            [tools / "initdb", *data], user=self._user, cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command: list[str | Path] = [
            self._tools / "postgres",
            "-D",
            self._folder / "data",
            "-k",
            self._folder,
            "-c",
            "listen_addresses=",
        ]
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - ours
                [*command, *self._options],
                user=self._user,
                cwd=self._folder,
                stdout=output,
                stderr=output,
                preexec_fn=_end_with_the_tests,
            )
        until = time.monotonic() + _PATIENCE
        while not self._answers():
            if time.monotonic() > until:
                raise TimeoutError(f"PostgreSQL did not answer in {_PATIENCE:g} s")
            time.sleep(0.02)

    def stop(self, *, immediate: bool = False) -> None:
        """Stop it: at once and without a checkpoint if ``immediate``, as if its machine had lost power."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
            self._process.wait(_PATIENCE)
            self._process = None

    def empty(self) -> SecretStr:
        """The URL of a new database without a city."""
        return self._make("template1")

    def migrated(self) -> SecretStr:
        """The URL of a database with the empty tables of the tenant ``hanoi``; give it back with ``give_back``."""
        if self._free:
            url = self._free.pop()
            empty_tables(url)
            return url
        if not self._has("ready"):
            self._run("CREATE DATABASE ready")
            with tempfile.TemporaryDirectory() as home:
                database = open_database(Path(home), _TENANT, self.url("ready"))
                migrate(database)
                database.close()
        return self._make("ready")

    def give_back(self, url: SecretStr) -> None:
        """A database that ``migrated`` made may be used again; its tables and indexes are still as they were."""
        self._free.append(url)

    def url(self, name: str) -> SecretStr:
        """How the city is told of the database ``name``."""
        return SecretStr(f"postgresql://{_USER}:{_PASSWORD}@/{name}?host={self._folder}")

    def _make(self, template: str) -> SecretStr:
        name = f"city_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def _has(self, name: str) -> bool:
        import psycopg

        with psycopg.connect(self.url(_MAINTENANCE).get_secret_value()) as db:
            return db.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None

    def _run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url(_MAINTENANCE).get_secret_value(), autocommit=True) as db:
            db.execute(statement)

    def _answers(self) -> bool:
        import psycopg

        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended: {(self._folder / 'log').read_text()[-2000:]}")
        try:
            psycopg.connect(self.url(_MAINTENANCE).get_secret_value()).close()
        except psycopg.OperationalError:
            return False
        return True


def _end_with_the_tests() -> None:
    """Also when they are killed: Linux then tells the server to stop."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


@contextmanager
def cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """A server for the block. Raises RuntimeError with the words ``MISSING`` if none is installed."""
    tools = binaries()
    if tools is None:
        raise RuntimeError(MISSING)
    with tempfile.TemporaryDirectory(prefix="dothi-pg-", ignore_cleanup_errors=True) as folder:
        server = Cluster(Path(folder), tools, durable=durable)
        try:
            yield server
        finally:
            server.stop(immediate=not durable)
