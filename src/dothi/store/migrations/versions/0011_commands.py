"""Commands to devices."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "command",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("month", TEXT, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("entity_type", TEXT, nullable=False),
        sa.Column("device", TEXT, nullable=False),
        sa.Column("parameters", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("proposed_by", TEXT, nullable=False),
        sa.Column("proposed_at", BIG, nullable=False),
        sa.Column("because", TEXT, nullable=False),
        sa.Column("incident", TEXT, nullable=False),
        sa.Column("ward", TEXT),
        sa.Column("agency", TEXT),
        sa.Column("clearance", sa.SmallInteger, nullable=False),
        sa.Column("decided_by", TEXT, nullable=False, server_default=""),
        sa.Column("decided_at", BIG),
        sa.Column("sent_at", BIG),
        sa.Column("sends", sa.Integer, nullable=False, server_default="0"),
        sa.Column("acknowledged_at", BIG),
        sa.Column("ended_at", BIG),
        sa.Column("reason", TEXT, nullable=False, server_default=""),
        sa.Column("value", TEXT),
        sa.UniqueConstraint("month", "number"),
    )
    op.create_index("command_state", "command", ["state"])
    op.create_index("command_incident", "command", ["incident"])
