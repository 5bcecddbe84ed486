"""The record: what the lake, runs, forecasts and saved questions need."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


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
        sa.Column("dataset", sa.Text(), primary_key=True),
        sa.Column("days", sa.Integer()),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", BIG, nullable=False),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("seed", BIG, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", BIG, nullable=False),
        sa.Column("started_at", BIG),
        sa.Column("ended_at", BIG),
        sa.Column("seconds", sa.Double()),
        sa.Column("progress", sa.Double(), nullable=False, server_default="0"),
        sa.Column("inputs", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("outputs", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("error", sa.Text(), nullable=False, server_default=""),
        sa.Column("options", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("repeats", sa.Text()),
        sa.Column("ended_by", sa.Text(), nullable=False, server_default=""),
        sa.Column("inputs_digest", sa.Text(), nullable=False, server_default=""),
        sa.Column("outputs_digest", sa.Text(), nullable=False, server_default=""),
    )
    op.create_index("run_requested", "run", ["requested_at"])
    op.create_index("run_process", "run", ["process", "requested_at"])
    op.create_table(
        "forecast",
        sa.Column("process", sa.Text(), primary_key=True),
        sa.Column("series_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("issued_at", BIG, primary_key=True, autoincrement=False),
        sa.Column("target_at", BIG, primary_key=True, autoincrement=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False, server_default="model"),
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
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("sql", sa.Text(), nullable=False),
        sa.Column("display", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("modified_at", BIG, nullable=False),
        sa.Column("folded", sa.Text(), nullable=False, server_default=""),
        sqlite_autoincrement=True,
    )
