"""The audit log: where from, why, and signed checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_SAYS = "RAISE(ABORT, 'the checkpoints of the audit log are append-only')"
SQLITE_LOCKS = (
    f"CREATE TRIGGER audit_checkpoint_no_update BEFORE UPDATE ON audit_checkpoint BEGIN SELECT {_SAYS}; END",
    f"CREATE TRIGGER audit_checkpoint_no_delete BEFORE DELETE ON audit_checkpoint BEGIN SELECT {_SAYS}; END",
)
POSTGRES_LOCKS = (
    "CREATE TRIGGER audit_checkpoint_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoint "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
)


def upgrade() -> None:
    """Two columns more for each act, sealed where they say something, and the table of checkpoints."""
    op.add_column("audit", sa.Column("source", TEXT, nullable=False, server_default=""))
    op.add_column("audit", sa.Column("why", TEXT, nullable=False, server_default=""))
    op.create_table(
        "audit_checkpoint",
        sa.Column("seq", BIG, primary_key=True, autoincrement=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
    )
    for statement in SQLITE_LOCKS if op.get_bind().dialect.name == "sqlite" else POSTGRES_LOCKS:
        op.execute(statement)
