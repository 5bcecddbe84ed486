"""The record: what the lake, runs, forecasts and saved questions need."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables of the record."""
    op.create_table(
        "dirty_day",
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("mark", BIG, nullable=False),
    )
    op.create_table(
        "unsealed",
        sa.Column("observed_at", BIG, primary_key=True, autoincrement=False),
        sa.Column("series_id", sa.Integer(), primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "retention",
        sa.Column("dataset", TEXT, primary_key=True),
        sa.Column("days", sa.Integer()),
        sa.Column("changed_by", TEXT, nullable=False),
        sa.Column("changed_at", BIG, nullable=False),
    )
    op.create_table(
        "run",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("process", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("seed", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("requested_by", TEXT, nullable=False),
        sa.Column("requested_at", BIG, nullable=False),
        sa.Column("started_at", BIG),
        sa.Column("ended_at", BIG),
        sa.Column("seconds", sa.Double()),
        sa.Column("progress", sa.Double(), nullable=False, server_default="0"),
        sa.Column("inputs", TEXT, nullable=False, server_default="{}"),
        sa.Column("outputs", TEXT, nullable=False, server_default="{}"),
        sa.Column("error", TEXT, nullable=False, server_default=""),
        sa.Column("options", TEXT, nullable=False, server_default="{}"),
        sa.Column("repeats", TEXT),
        sa.Column("ended_by", TEXT, nullable=False, server_default=""),
        sa.Column("inputs_digest", TEXT, nullable=False, server_default=""),
        sa.Column("outputs_digest", TEXT, nullable=False, server_default=""),
    )
    op.create_index("run_requested", "run", ["requested_at"])
    op.create_index("run_process", "run", ["process", "requested_at"])
    op.create_table(
        "forecast",
        sa.Column("process", TEXT, primary_key=True),
        sa.Column("series_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("issued_at", BIG, primary_key=True, autoincrement=False),
        sa.Column("target_at", BIG, primary_key=True, autoincrement=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("method", TEXT, nullable=False, server_default="model"),
        sa.Column("hindcast", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("low", sa.Double()),
        sa.Column("high", sa.Double()),
        sa.Column("persistence", sa.Double()),
        sa.Column("yesterday", sa.Double()),
        sa.Column("actual", sa.Double()),
        sa.Column("scored_at", BIG),
    )
    op.create_index("forecast_target", "forecast", ["process", "target_at", "series_id"])
    op.create_table(
        "saved_query",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("sql", TEXT, nullable=False),
        sa.Column("display", TEXT, nullable=False, server_default="{}"),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("modified_at", BIG, nullable=False),
        sa.Column("folded", TEXT, nullable=False, server_default=""),
        sa.Column("deleted_at", BIG),
        sqlite_autoincrement=True,
    )
