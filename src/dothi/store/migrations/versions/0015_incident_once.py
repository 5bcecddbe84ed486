"""What is sent twice, by a phone whose line dropped, is done once."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the column."""
    op.add_column("incident_entry", sa.Column("once", TEXT, nullable=False, server_default=""))
