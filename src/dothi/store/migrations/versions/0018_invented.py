"""What was made up in a demo city."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """One table."""
    op.create_table(
        "invented",
        sa.Column("kind", TEXT, primary_key=True),
        sa.Column("ref", TEXT, primary_key=True),
        sa.Column("at", BIG, nullable=False),
    )
