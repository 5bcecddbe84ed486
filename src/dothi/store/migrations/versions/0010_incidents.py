"""Incidents, what was done about them, what they are tied to, their photos, and shifts."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "incident",
        sa.Column("code", TEXT, primary_key=True),
        sa.Column("month", TEXT, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("title_en", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("severity", sa.SmallInteger, nullable=False),
        sa.Column("urgency", TEXT, nullable=False),
        sa.Column("longitude", sa.Double),
        sa.Column("latitude", sa.Double),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("ward", TEXT),
        sa.Column("agency", TEXT),
        sa.Column("assignee", TEXT, nullable=False),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("cause", TEXT, unique=True),
        sa.Column("opened_at", BIG, nullable=False),
        sa.Column("state_at", BIG, nullable=False),
        sa.Column("detected_from", BIG, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("accepted_at", BIG),
        sa.Column("answered_at", BIG),
        sa.Column("arrived_at", BIG),
        sa.Column("paused_since", BIG),
        sa.Column("paused_until", BIG),
        sa.Column("pause_reason", TEXT, nullable=False, server_default=""),
        sa.Column("escalated", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("help", TEXT, nullable=False, server_default="[]"),
        sa.Column("parent", TEXT, nullable=False, server_default=""),
        sa.Column("answer", TEXT, nullable=False, server_default=""),
        sa.Column("proof", TEXT, nullable=False, server_default="[]"),
        sa.Column("tasks", TEXT, nullable=False, server_default="[]"),
        sa.Column("playbook_at", BIG),
        sa.Column("steps_done", TEXT, nullable=False, server_default="[]"),
        sa.Column("clocks", TEXT, nullable=False, server_default="[]"),
        sa.Column("told", TEXT, nullable=False, server_default="[]"),
        sa.Column("due_at", BIG),
        sa.Column("look_at", BIG),
        sa.Column("clearance", sa.SmallInteger, nullable=False),
        sa.Column("folded", TEXT, nullable=False),
    )
    op.create_index("incident_look", "incident", ["look_at"])
    op.create_index("incident_month", "incident", ["month", "number"], unique=True)
    op.create_index("incident_opened", "incident", ["opened_at"])
    op.create_index("incident_parent", "incident", ["parent"])
    op.create_index("incident_state", "incident", ["state", "due_at"])
    op.create_table(
        "incident_entry",
        sa.Column("number", BIG, primary_key=True, autoincrement=True),
        sa.Column("incident", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("person", TEXT, nullable=False),
        sa.Column("act", TEXT, nullable=False),
        sa.Column("words", TEXT, nullable=False),
        sa.Column("words_en", TEXT, nullable=False),
        sa.Column("changes", TEXT, nullable=False),
        sa.Column("refs", TEXT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("incident_entry_incident", "incident_entry", ["incident", "number"])
    op.create_table(
        "incident_link",
        sa.Column("incident", TEXT, primary_key=True),
        sa.Column("kind", TEXT, primary_key=True),
        sa.Column("ref", TEXT, primary_key=True),
        sa.Column("at", BIG, nullable=False),
        sa.Column("first", TEXT, nullable=False),
    )
    op.create_index("incident_link_ref", "incident_link", ["kind", "ref"])
    op.create_table(
        "incident_photo",
        sa.Column("number", BIG, primary_key=True, autoincrement=True),
        sa.Column("incident", TEXT, nullable=False),
        sa.Column("first", TEXT, nullable=False),
        sa.Column("report", TEXT, nullable=False, server_default=""),
        sa.Column("phase", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("small", TEXT, nullable=False),
        sa.Column("media", TEXT, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("taken_at", BIG),
        sa.Column("added_at", BIG, nullable=False),
        sa.Column("person", TEXT, nullable=False),
        sa.Column("released_at", BIG),
        sa.Column("released_by", TEXT, nullable=False, server_default=""),
        sa.Column("removed_at", BIG),
        sa.Column("removed_by", TEXT, nullable=False, server_default=""),
        sqlite_autoincrement=True,
    )
    op.create_index("incident_photo_incident", "incident_photo", ["incident", "number"])
    op.create_table(
        "shift",
        sa.Column("number", BIG, primary_key=True, autoincrement=True),
        sa.Column("ward", TEXT, nullable=False),
        sa.Column("person", TEXT, nullable=False),
        sa.Column("began_at", BIG, nullable=False),
        sa.Column("note", TEXT, nullable=False, server_default=""),
        sa.Column("handed_at", BIG),
        sa.Column("taken_by", TEXT, nullable=False, server_default=""),
        sa.Column("taken_at", BIG),
        sqlite_autoincrement=True,
    )
    op.create_index("shift_ward", "shift", ["ward", "number"])
