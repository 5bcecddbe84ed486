"""What citizens report, and how they rate the answers."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Two tables."""
    op.create_table(
        "report",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("code", TEXT, nullable=False, unique=True),
        sa.Column("incident", TEXT, nullable=False),
        sa.Column("same", sa.SmallInteger, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("language", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False, server_default=""),
        sa.Column("reopened", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("photos", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("title", TEXT, nullable=False, server_default=""),
        sa.Column("shown", TEXT, nullable=False, server_default=""),
        sa.Column("released", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("decided_at", BIG),
        sa.Column("decided_by", TEXT, nullable=False, server_default=""),
    )
    op.create_index("report_incident", "report", ["incident", "at"])
    op.create_index("report_at", "report", ["at"])
    op.create_index("report_decided", "report", ["decided_at", "at"])
    op.create_table(
        "report_rating",
        sa.Column("report", TEXT, primary_key=True),
        sa.Column("answered_at", BIG, primary_key=True, autoincrement=False),
        sa.Column("incident", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("ward", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("score", sa.SmallInteger, nullable=False),
        sa.Column("comment", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
    )
    op.create_index("report_rating_incident", "report_rating", ["incident"])
    op.create_index("report_rating_at", "report_rating", ["at"])
