"""Subscriptions of the NGSI-LD door, and what waits to be sent for them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "subscription",
        sa.Column("num", BIG, primary_key=True, autoincrement=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("grants", TEXT, nullable=False),
        sa.Column("document", TEXT, nullable=False),
        sa.Column("context", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("modified_at", BIG, nullable=False),
        sa.Column("held", TEXT, nullable=False, server_default=""),
        sa.Column("pending", TEXT, nullable=False, server_default=""),
        sa.Column("due_at", BIG),
        sa.Column("times_sent", BIG, nullable=False, server_default="0"),
        sa.Column("times_failed", BIG, nullable=False, server_default="0"),
        sa.Column("last_notification", BIG),
        sa.Column("last_success", BIG),
        sa.Column("last_failure", BIG),
        sa.Column("last_error", TEXT, nullable=False, server_default=""),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "notification",
        sa.Column("id", BIG, primary_key=True, autoincrement=False),
        sa.Column("subscription", TEXT, nullable=False),
        sa.Column("endpoint", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("told", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("dead", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", TEXT, nullable=False, server_default=""),
    )
    op.create_index("notification_queue", "notification", ["dead", "endpoint", "id"])
    op.create_index("notification_subscription", "notification", ["subscription", "dead"])
