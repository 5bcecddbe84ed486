"""Lines of alerts note what is to be published of them; those that go on are published at once."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """One column, and an index by which what waits is found."""
    op.add_column("alert_group", sa.Column("to_publish", sa.Integer, nullable=False, server_default="0"))
    op.create_index("alert_group_to_publish", "alert_group", ["to_publish"])
    op.execute("UPDATE alert_group SET to_publish = 1 WHERE state <> 'ended'")
