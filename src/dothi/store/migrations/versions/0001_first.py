"""The first tables. Frozen: a later change is a revision of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

SQLITE_EXTRAS = (
    "CREATE VIRTUAL TABLE place USING rtree(num, west, east, south, north)",
    "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
)


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "anchor",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("observed_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("series_id", "day"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("audit_at", "audit", ["at"], unique=False)
    op.create_table(
        "device",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("cadence_s", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("ward", sa.Text(), nullable=True),
        sa.Column("mapping", sa.Text(), server_default="{}", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("last_seen", BIG, nullable=True),
        sa.Column("flags", sa.Text(), server_default="[]", nullable=False),
        sa.Column("folded", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("device_entity", "device", ["entity_id"], unique=False)
    op.create_index("device_state", "device", ["state"], unique=False)
    op.create_index("device_ward", "device", ["ward"], unique=False)
    op.create_table(
        "dispatch_cursor",
        sa.Column("handler", sa.Text(), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.PrimaryKeyConstraint("handler"),
    )
    op.create_table(
        "late",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("observed_at", BIG, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("series_id", "observed_at"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "live",
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("head", BIG, nullable=True),
        sa.Column("observed_at", BIG, nullable=True),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("other", sa.Text(), nullable=True),
        sa.Column("grade", sa.SmallInteger(), nullable=False),
        sa.Column("reasons", sa.Integer(), nullable=False),
        sa.Column("origin", sa.SmallInteger(), nullable=False),
        sa.Column("received_at", BIG, nullable=False),
        sa.Column("hidden", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series_id"),
    )
    op.create_table(
        "lobby",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("first_seen", BIG, nullable=False),
        sa.Column("last_seen", BIG, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("content_type", sa.Text(), server_default="application/json", nullable=False),
        sa.PrimaryKeyConstraint("device"),
    )
    op.create_index("lobby_last_seen", "lobby", ["last_seen"], unique=False)
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "name",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("iri", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("iri"),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "parked",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("handler", sa.Text(), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("parked_handler", "parked", ["handler", "seq"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("received_at", BIG, nullable=True),
        sa.Column("origin", sa.SmallInteger(), nullable=True),
        sa.Column("replayed_at", BIG, nullable=True),
        sa.Column("state", sa.Text(), server_default="held", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
        sqlite_autoincrement=True,
    )
    op.create_index("quarantine_state_reason", "quarantine", ["state", "reason"], unique=False)
    op.create_table(
        "reading",
        sa.Column("observed_at", BIG, autoincrement=False, nullable=False),
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("other", sa.Text(), nullable=True),
        sa.Column("grade", sa.SmallInteger(), nullable=False),
        sa.Column("reasons", sa.Integer(), nullable=False),
        sa.Column("origin", sa.SmallInteger(), nullable=False),
        sa.Column("received_at", BIG, nullable=False),
        sa.Column("withdrawn", sa.SmallInteger(), nullable=False),
        sa.Column("previous", BIG, nullable=True),
        sa.PrimaryKeyConstraint("observed_at", "series_id", "revision"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "entity",
        sa.Column("num", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Integer(), nullable=False),
        sa.Column("clearance", sa.SmallInteger(), nullable=False),
        sa.Column("ward", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("west", sa.Double(), nullable=True),
        sa.Column("south", sa.Double(), nullable=True),
        sa.Column("east", sa.Double(), nullable=True),
        sa.Column("north", sa.Double(), nullable=True),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("modified_at", BIG, nullable=False),
        sa.Column("deleted_at", BIG, nullable=True),
        sa.Column("doc", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["type"], ["name.id"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("num"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("entity_type", "entity", ["type"], unique=False)
    op.create_index("entity_ward", "entity", ["ward"], unique=False)
    op.create_table(
        "series",
        sa.Column("entity", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attribute", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dataset", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["entity"], ["entity.num"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("entity", "attribute", "dataset"),
        sqlite_with_rowid=False,
    )
    for statement in SQLITE_EXTRAS:
        op.execute(statement)
