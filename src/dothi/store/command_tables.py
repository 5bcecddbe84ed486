"""The table of commands to devices. Moments are int64 µs since 1970-01-01T00:00:00Z of the city's clock."""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

# ``month`` (yymm in the city's zone) and ``number`` make the id. ``parameters`` and ``value`` are JSON. Ward, agency, type
# and clearance are those of the entity when it was proposed.
command = sa.Table(
    "command",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("month", TEXT, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("entity", TEXT, nullable=False),
    sa.Column("entity_type", TEXT, nullable=False),
    sa.Column("device", TEXT, nullable=False),
    sa.Column("parameters", TEXT, nullable=False),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("proposed_by", TEXT, nullable=False),
    sa.Column("proposed_at", BIG, nullable=False),
    sa.Column("because", TEXT, nullable=False),
    sa.Column("incident", TEXT, nullable=False),
    sa.Column("ward", TEXT),
    sa.Column("agency", TEXT),
    sa.Column("clearance", sa.SmallInteger, nullable=False),
    sa.Column("decided_by", TEXT, nullable=False, server_default=""),
    sa.Column("decided_at", BIG),
    sa.Column("sent_at", BIG),
    sa.Column("sends", sa.Integer, nullable=False, server_default="0"),
    sa.Column("acknowledged_at", BIG),
    sa.Column("ended_at", BIG),
    sa.Column("reason", TEXT, nullable=False, server_default=""),
    sa.Column("value", TEXT),
    sa.UniqueConstraint("month", "number"),
    sa.Index("command_state", "state"),
    sa.Index("command_incident", "incident"),
)
