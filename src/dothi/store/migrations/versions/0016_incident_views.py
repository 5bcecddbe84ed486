"""Filters that people keep for their queue of incidents."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """One table."""
    op.create_table(
        "incident_view",
        sa.Column("number", BIG, primary_key=True, autoincrement=True),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("query", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("incident_view_owner", "incident_view", ["owner", "number"])
