"""One tenant's database, whichever home it has: where it lies, and the one migration tree."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from dothi.model.problem import bad_request
from dothi.store.connection import Connection, Database
from dothi.store.sqlite import SqliteDatabase
from dothi.store.tables import METADATA

__all__ = ["Connection", "Database", "differences", "migrate", "open_database", "revision", "tenant_folder"]

MIGRATIONS = Path(__file__).parent / "migrations"


def tenant_folder(home: Path, tenant: str) -> Path:
    """Where everything of one tenant lies. Raises Problem 400 for a name that is not ``[a-z0-9-]{1,63}``."""
    if not (0 < len(tenant) < 64 and tenant.isascii() and tenant.replace("-", "").isalnum() and tenant == tenant.lower()):
        raise bad_request(f"{tenant!r} cannot name a tenant.", "Use up to 63 small letters, digits and hyphens.")
    return home / "tenants" / tenant


def open_database(home: Path, tenant: str) -> Database:
    """The database of ``tenant`` under ``home``, its folders made where missing. Call ``migrate`` before using it."""
    folder = tenant_folder(home, tenant)
    for part in ("lake", "files", "journal", "backups"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    return SqliteDatabase(folder)


def migrate(database: Database) -> Path | None:
    """Bring the tables to the newest revision; an older database is copied first, and the copy's path returned.

    The copy lies in ``backups/`` and opens as it is. Raises Problem 400 for a database newer than this program.
    """
    config = _config()
    head = ScriptDirectory.from_config(config).get_current_head()
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return None
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise bad_request(
            f"The database is at revision {current}, which this version does not know.",
            "Run the newer version of dothi that wrote it, or restore an older backup.",
        )
    saved = None
    if current is not None:
        saved = database.copy(_unused(database.folder / "backups" / f"city-before-{head}-from-{current}.db"))
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return saved


def revision(database: Database) -> str | None:
    """The revision the database is at; None before the first migration."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def differences(database: Database) -> list[object]:
    """What a migrated database and ``tables.METADATA`` disagree about; empty when the migrations are complete."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _is_ours, "compare_type": True})
        return list(compare_metadata(context, METADATA))


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    # The R*Tree keeps its nodes in tables of its own.
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
