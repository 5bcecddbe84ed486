"""Parts of photos that everybody sees blacked out."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Three columns."""
    op.add_column("incident_photo", sa.Column("boxes", TEXT, nullable=False, server_default="[]"))
    op.add_column("incident_photo", sa.Column("shown", TEXT, nullable=False, server_default=""))
    op.add_column("incident_photo", sa.Column("shown_small", TEXT, nullable=False, server_default=""))
