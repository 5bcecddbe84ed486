"""Which units help with an incident: they see it too."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "incident_help",
        sa.Column("incident", TEXT, primary_key=True),
        sa.Column("unit", TEXT, primary_key=True),
    )
