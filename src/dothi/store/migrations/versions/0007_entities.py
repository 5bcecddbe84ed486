"""Entities of several types, with scopes and an end."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the columns and the tables that find by them."""
    for name, kind in (("more_types", TEXT), ("scopes", TEXT), ("expires_at", BIG), ("due_at", BIG)):
        op.add_column("entity", sa.Column(name, kind))
    due = sa.text("due_at IS NOT NULL")
    op.create_index("entity_due", "entity", ["due_at"], sqlite_where=due, postgresql_where=due)
    op.create_table(
        "further_type",
        sa.Column("entity", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("type", sa.Integer, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_index("further_type_type", "further_type", ["type", "entity"])
    op.create_table(
        "scope",
        sa.Column("entity", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("path", TEXT, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("scope_path", "scope", ["path", "entity"])
