"""Rules and alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "rule",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("enabled", sa.SmallInteger, nullable=False),
        sa.Column("owner", TEXT),
        sa.Column("entity_type", TEXT, nullable=False),
        sa.Column("changed_at", BIG, nullable=False),
    )
    op.create_table(
        "rule_version",
        sa.Column("rule", TEXT, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("made_by", TEXT, nullable=False),
        sa.Column("made_at", BIG, nullable=False),
        sa.Column("made_again", sa.Integer),
    )
    op.create_table(
        "rule_cell",
        sa.Column("rule", TEXT, primary_key=True),
        sa.Column("subject", TEXT, primary_key=True),
        sa.Column("phase", sa.SmallInteger, nullable=False),
        sa.Column("since_at", BIG, nullable=False),
        sa.Column("alert", BIG),
    )
    _make_alerts()
    op.create_table(
        "maintenance",
        sa.Column("id", BIG, primary_key=True, autoincrement=False),
        sa.Column("entity", TEXT),
        sa.Column("ward", TEXT),
        sa.Column("from_at", BIG, nullable=False),
        sa.Column("until_at", BIG, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("made_by", TEXT, nullable=False),
        sa.Column("made_at", BIG, nullable=False),
    )


def _make_alerts() -> None:
    op.create_table(
        "alert_group",
        sa.Column("id", BIG, primary_key=True, autoincrement=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("severity", sa.SmallInteger, nullable=False),
        sa.Column("began_at", BIG, nullable=False),
        sa.Column("detected_at", BIG, nullable=False),
        sa.Column("newest_at", BIG, nullable=False),
        sa.Column("ended_at", BIG),
        sa.Column("wards", TEXT, nullable=False),
        sa.Column("incident", TEXT, nullable=False, server_default=""),
        sa.Column("to_tell", TEXT, nullable=False, server_default=""),
        sa.Column("acknowledged_by", TEXT),
        sa.Column("acknowledged_at", BIG),
    )
    op.create_index("alert_group_state", "alert_group", ["state", "newest_at"])
    op.create_index("alert_group_newest", "alert_group", ["newest_at"])
    op.create_index("alert_group_to_tell", "alert_group", ["to_tell"])
    op.create_table(
        "alert",
        sa.Column("id", BIG, primary_key=True, autoincrement=False),
        sa.Column("group_id", BIG, nullable=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("entity_type", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("severity", sa.SmallInteger, nullable=False),
        sa.Column("began_at", BIG, nullable=False),
        sa.Column("detected_at", BIG, nullable=False),
        sa.Column("ended_at", BIG),
        sa.Column("value", sa.Double),
        sa.Column("threshold", sa.Double),
        sa.Column("said_vi", TEXT, nullable=False),
        sa.Column("said_en", TEXT, nullable=False),
        sa.Column("ward", TEXT),
        sa.Column("owner", TEXT),
        sa.Column("clearance", sa.SmallInteger, nullable=False),
        sa.Column("acknowledged_by", TEXT),
        sa.Column("acknowledged_at", BIG),
    )
    op.create_index("alert_of_group", "alert", ["group_id"])
    op.create_index("alert_subject", "alert", ["subject", "detected_at"])
