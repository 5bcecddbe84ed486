"""What people are told outside the browser: their wishes, what there is to tell, the mails of it."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Six tables."""
    op.create_table(
        "telling_wish",
        sa.Column("account", TEXT, primary_key=True),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("confirmed_at", BIG),
        sa.Column("asked_at", BIG),
        sa.Column("language", TEXT, nullable=False),
        sa.Column("topics", TEXT, nullable=False),
        sa.Column("severity", sa.SmallInteger, nullable=False),
        sa.Column("quiet_from", sa.Integer),
        sa.Column("quiet_until", sa.Integer),
        sa.Column("most", sa.SmallInteger, nullable=False),
        sa.Column("changed_at", BIG, nullable=False),
    )
    op.create_table(
        "telling_unit",
        sa.Column("unit", TEXT, primary_key=True),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("changed_by", TEXT, nullable=False),
        sa.Column("changed_at", BIG, nullable=False),
    )
    op.create_table(
        "telling_mark",
        sa.Column("source", TEXT, primary_key=True),
        sa.Column("mark", BIG, nullable=False),
    )
    op.create_table(
        "telling_stop",
        sa.Column("recipient", TEXT, primary_key=True),
        sa.Column("at", BIG, nullable=False),
    )
    op.create_table(
        "telling_note",
        sa.Column("id", BIG, primary_key=True, autoincrement=True),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("what", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("severity", sa.SmallInteger, nullable=False),
        sa.Column("about", TEXT, nullable=False),
        sa.Column("words", TEXT, nullable=False),
        sa.Column("words_en", TEXT, nullable=False),
        sa.Column("letter", BIG),
        sa.UniqueConstraint("recipient", "what"),
        sqlite_autoincrement=True,
    )
    op.create_index("telling_note_letter", "telling_note", ["letter", "recipient"])
    op.create_table(
        "telling_letter",
        sa.Column("id", BIG, primary_key=True, autoincrement=True),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("made_at", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_at", BIG, nullable=False),
        sa.Column("ended_at", BIG),
        sa.Column("error", TEXT, nullable=False, server_default=""),
        sqlite_autoincrement=True,
    )
    op.create_index("telling_letter_state", "telling_letter", ["state", "next_at"])
    op.create_index("telling_letter_recipient", "telling_letter", ["recipient", "made_at"])
