"""Who is known here: accounts, what they sign in with, sessions, one-time links, credentials of devices."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables of access."""
    op.create_table(
        "account",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("login", TEXT, nullable=False, unique=True),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("folded", TEXT, nullable=False, server_default=""),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("grants", TEXT, nullable=False, server_default="[]"),
        sa.Column("password", TEXT),
        sa.Column("totp", sa.LargeBinary),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("locked_until", BIG),
        sa.Column("demo", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("subject", TEXT, unique=True),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("changed_at", BIG, nullable=False),
        sa.Column("last_seen", BIG),
    )
    op.create_table(
        "credential",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("label", TEXT, nullable=False, server_default=""),
        sa.Column("counter", BIG, nullable=False, server_default="0"),
        sa.Column("grants", TEXT, nullable=False, server_default="[]"),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("used_at", BIG),
        sa.Column("expires_at", BIG),
        sa.Column("revoked_at", BIG),
    )
    op.create_index("credential_account", "credential", ["account", "kind"])
    op.create_table(
        "session",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("strong", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("seen_at", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.Column("address", TEXT, nullable=False, server_default=""),
        sa.Column("agent", TEXT, nullable=False, server_default=""),
    )
    op.create_index("session_account", "session", ["account"])
    op.create_table(
        "ticket",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.Column("used_at", BIG),
    )
    op.create_table(
        "device_credential",
        sa.Column("device", TEXT, primary_key=True),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("used_at", BIG),
    )
    op.create_table(
        "enrolment",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.Column("revoked_at", BIG),
        sa.Column("used", BIG, nullable=False, server_default="0"),
    )
    op.add_column("lobby", sa.Column("readings", BIG, nullable=False, server_default="0"))
