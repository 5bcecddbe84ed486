"""The first tables. Frozen: a later change is a revision of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

SQLITE_EXTRAS = (
    "CREATE VIRTUAL TABLE place USING rtree(num, west, east, south, north)",
    "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
)

# The same on PostgreSQL: boxes with PostGIS's index, distances as model.ground measures them, an audit log nobody rewrites.
# "live" is written anew all the time: room on its pages keeps that in place.
POSTGRES_EXTRAS = (
    "CREATE TABLE place (num integer PRIMARY KEY, box public.geometry NOT NULL)",
    "CREATE INDEX place_box ON place USING gist (box)",
    """
    CREATE FUNCTION metres(longitude float8, latitude float8, west float8, south float8, east float8, north float8)
    RETURNS float8 LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN
    2 * 6371008.8 * asin(sqrt(least(1.0,
        sin((radians(least(greatest(latitude, south), north)) - radians(latitude)) / 2) ^ 2
        + cos(radians(latitude)) * cos(radians(least(greatest(latitude, south), north)))
        * sin(radians(least(greatest(longitude, west), east) - longitude) / 2) ^ 2)))
    """,
    """
    CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'integrity_constraint_violation'; END$$
    """,
    "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
    "ALTER TABLE live SET (fillfactor = 50)",
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
        sa.Column("seq", BIG, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("thing", TEXT, nullable=False),
        sa.Column("result", TEXT, nullable=False),
        sa.Column("correlation", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("audit_at", "audit", ["at"], unique=False)
    op.create_table(
        "device",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("entity_id", TEXT, nullable=False),
        sa.Column("entity_type", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=True),
        sa.Column("cadence_s", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("ward", TEXT, nullable=True),
        sa.Column("mapping", TEXT, server_default="{}", nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("last_seen", BIG, nullable=True),
        sa.Column("flags", TEXT, server_default="[]", nullable=False),
        sa.Column("folded", TEXT, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("device_entity", "device", ["entity_id"], unique=False)
    op.create_index("device_state", "device", ["state"], unique=False)
    op.create_index("device_ward", "device", ["ward"], unique=False)
    op.create_table(
        "dispatch_cursor",
        sa.Column("handler", TEXT, nullable=False),
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
        sa.Column("other", TEXT, nullable=True),
        sa.Column("grade", sa.SmallInteger(), nullable=False),
        sa.Column("reasons", sa.Integer(), nullable=False),
        sa.Column("origin", sa.SmallInteger(), nullable=False),
        sa.Column("received_at", BIG, nullable=False),
        sa.Column("hidden", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series_id"),
    )
    op.create_table(
        "lobby",
        sa.Column("device", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("first_seen", BIG, nullable=False),
        sa.Column("last_seen", BIG, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("content_type", TEXT, server_default="application/json", nullable=False),
        sa.PrimaryKeyConstraint("device"),
    )
    op.create_index("lobby_last_seen", "lobby", ["last_seen"], unique=False)
    op.create_table(
        "meta",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "name",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("iri", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("iri"),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", BIG, autoincrement=True, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "parked",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("handler", TEXT, nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("parked_handler", "parked", ["handler", "seq"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("device", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", TEXT, nullable=False),
        sa.Column("correlation", TEXT, nullable=False),
        sa.Column("received_at", BIG, nullable=True),
        sa.Column("origin", sa.SmallInteger(), nullable=True),
        sa.Column("replayed_at", BIG, nullable=True),
        sa.Column("state", TEXT, server_default="held", nullable=False),
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
        sa.Column("other", TEXT, nullable=True),
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
        sa.Column("id", TEXT, nullable=False),
        sa.Column("type", sa.Integer(), nullable=False),
        sa.Column("clearance", sa.SmallInteger(), nullable=False),
        sa.Column("ward", TEXT, nullable=True),
        sa.Column("owner", TEXT, nullable=True),
        sa.Column("west", sa.Double(), nullable=True),
        sa.Column("south", sa.Double(), nullable=True),
        sa.Column("east", sa.Double(), nullable=True),
        sa.Column("north", sa.Double(), nullable=True),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("modified_at", BIG, nullable=False),
        sa.Column("deleted_at", BIG, nullable=True),
        sa.Column("doc", TEXT, nullable=False),
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
        sa.Column("unit", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["entity"], ["entity.num"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("entity", "attribute", "dataset"),
        sqlite_with_rowid=False,
    )
    for statement in SQLITE_EXTRAS if op.get_bind().dialect.name == "sqlite" else POSTGRES_EXTRAS:
        op.execute(statement)
