"""Kinds of incidents that a city makes itself, and what it tells everybody on every page."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Two tables."""
    op.create_table(
        "incident_kind",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("title_en", TEXT, nullable=False),
        sa.Column("hint", TEXT, nullable=False),
        sa.Column("hint_en", TEXT, nullable=False),
        sa.Column("agency", TEXT, nullable=False),
        sa.Column("severity", sa.SmallInteger, nullable=False),
        sa.Column("urgency", TEXT, nullable=False),
        sa.Column("proof", sa.SmallInteger, nullable=False),
        sa.Column("citizens", sa.SmallInteger, nullable=False),
        sa.Column("retired", sa.SmallInteger, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("person", TEXT, nullable=False),
    )
    op.create_table(
        "site_message",
        sa.Column("number", BIG, primary_key=True, autoincrement=True),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("text_en", TEXT, nullable=False),
        sa.Column("grave", sa.SmallInteger, nullable=False),
        sa.Column("audience", TEXT, nullable=False),
        sa.Column("from_at", BIG, nullable=False),
        sa.Column("until_at", BIG),
        sa.Column("at", BIG, nullable=False),
        sa.Column("person", TEXT, nullable=False),
        sqlite_autoincrement=True,
    )
