"""One tenant's database, whichever home it has: where it lies, and the one migration tree."""

from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr

from dothi.model.problem import bad_request
from dothi.store.connection import Connection, Database
from dothi.store.sqlite import SqliteDatabase
from dothi.store.tables import METADATA

__all__ = [
    "Connection",
    "Database",
    "database_of",
    "differences",
    "migrate",
    "open_database",
    "revision",
    "tenant_folder",
    "upgrade",
]

MIGRATIONS = Path(__file__).parent / "migrations"


def tenant_folder(home: Path, tenant: str) -> Path:
    """Where everything of one tenant lies. Raises Problem 400 for a name that is not ``[a-z0-9-]{1,63}``."""
    if not (0 < len(tenant) < 64 and tenant.isascii() and tenant.replace("-", "").isalnum() and tenant == tenant.lower()):
        raise bad_request(f"{tenant!r} cannot name a tenant.", "Use up to 63 small letters, digits and hyphens.")
    return home / "tenants" / tenant


def open_database(home: Path, tenant: str, url: SecretStr | None = None) -> Database:
    """The database of ``tenant``: in PostgreSQL at ``url``, or a file of SQLite under ``home``. Call ``migrate`` first.

    Its folders under ``home`` are made where missing; nothing is connected yet. Raises as ``database_of``.
    """
    folder = tenant_folder(home, tenant)
    for part in ("lake", "files", "journal", "backups"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    return database_of(folder, url)


def database_of(folder: Path, url: SecretStr | None) -> Database:
    """The database of the tenant in ``folder``, without making anything.

    Raises Problem 400 for a ``url`` that makes no sense, or where psycopg is not installed.
    """
    if url is None:
        return SqliteDatabase(folder)
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise bad_request("A database is a URL like postgresql://user@host:5432/database.", "Mend it, or leave it out.")
    if find_spec("psycopg") is None:
        raise bad_request("PostgreSQL needs psycopg, which is not installed.", "Run: pip install 'dothi[postgres]'")
    from dothi.store.postgres import PostgresDatabase  # a driver that most cities never need

    return PostgresDatabase(folder, url.get_secret_value())


def migrate(database: Database) -> Path | None:
    """Bring the tables to the newest revision; an older database is copied first, and the copy's path returned.

    The copy lies in ``backups/`` and is a file of SQLite. Raises Problem 400 for a database newer than this program, 409 if
    a city is writing to it.
    """
    config = _config()
    head = ScriptDirectory.from_config(config).get_current_head()
    current = revision(database)
    if current == head:
        return None
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise bad_request(
            f"The database is at revision {current}, which this version does not know.",
            "Run the newer version of dothi that wrote it, or restore an older backup.",
        )
    database.make()
    with database.alone():
        saved = None
        if current is not None:
            saved = database.copy(_unused(database.folder / "backups" / f"city-before-{head}-from-{current}.db"))
        with database.engine.connect() as connection:
            upgrade(connection)
    return saved


def upgrade(connection: sa.Connection, to: str = "head") -> None:
    """Run the migrations up to revision ``to`` on ``connection``, in one transaction of their own."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def revision(database: Database) -> str | None:
    """The revision the database is at; None before the first migration."""
    if not database.exists():
        return None
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def differences(database: Database) -> list[object]:
    """What a migrated database and ``tables.METADATA`` disagree about; empty when the migrations are complete."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _is_ours, "compare_type": True})
        return list(compare_metadata(context, METADATA))


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    # Where things are is kept in ways that SQLAlchemy has no words for; the R*Tree has tables of its own beside it.
    return not (kind == "table" and name is not None and (name == "place" or name.startswith("place_")))


def _unused(path: Path) -> Path:
    # A second try after a failed upgrade must not overwrite the first copy.
    count = 2
    while path.exists():
        path, count = path.with_stem(f"{path.stem.split('~')[0]}~{count}"), count + 1
    return path


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
