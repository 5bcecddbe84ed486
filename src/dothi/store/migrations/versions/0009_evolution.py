"""How entities changed, as far as readings do not hold it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """One table."""
    op.create_table(
        "evolution",
        sa.Column("entity", TEXT, primary_key=True),
        sa.Column("attribute", TEXT, primary_key=True),
        sa.Column("dataset", TEXT, primary_key=True),
        sa.Column("at", BIG, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("body", TEXT, nullable=False),
        sqlite_with_rowid=False,
    )
