"""Personal data apart from the city: subjects, what is kept of them, consent."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables of personal data."""
    op.create_table(
        "personal_purpose",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("title_en", TEXT, nullable=False),
        sa.Column("why", TEXT, nullable=False),
        sa.Column("why_en", TEXT, nullable=False),
        sa.Column("basis", TEXT, nullable=False),
        sa.Column("law", TEXT, nullable=False, server_default=""),
        sa.Column("keep_days", sa.Integer, nullable=False),
        sa.Column("agency", TEXT),
        sa.Column("changed_by", TEXT, nullable=False),
        sa.Column("changed_at", BIG, nullable=False),
    )
    op.create_table(
        "personal_subject",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("account", TEXT, unique=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("erased_at", BIG),
    )
    op.create_table(
        "personal_consent",
        sa.Column("subject", TEXT, primary_key=True),
        sa.Column("purpose", TEXT, primary_key=True),
        sa.Column("given_at", BIG, primary_key=True, autoincrement=False),
        sa.Column("words", TEXT, nullable=False),
        sa.Column("given_by", TEXT, nullable=False),
        sa.Column("withdrawn_at", BIG),
    )
    op.create_table(
        "personal_record",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("token", TEXT),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.Column("ended_at", BIG),
        sa.Column("ended", TEXT, nullable=False, server_default=""),
    )
    op.create_index("personal_record_subject", "personal_record", ["subject"])
    op.create_index("personal_record_until", "personal_record", ["until"])
    op.create_table(
        "personal_look",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("at", BIG, nullable=False),
        sa.Column("person", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("kinds", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
    )
    op.create_index("personal_look_at", "personal_look", ["at"])
    op.create_index("personal_look_subject", "personal_look", ["subject"])
    op.create_table(
        "personal_request",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("asked_at", BIG, nullable=False),
        sa.Column("asked_by", TEXT, nullable=False),
        sa.Column("answered_at", BIG),
        sa.Column("answered_by", TEXT, nullable=False, server_default=""),
        sa.Column("answer", TEXT, nullable=False, server_default=""),
    )
    op.create_index("personal_request_state", "personal_request", ["state", "asked_at"])
