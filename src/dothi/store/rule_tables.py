"""Tables of rules and alerts: what people asked to be watched, in versions; what was found; what is being watched now.

Moments are int64 µs since 1970-01-01T00:00:00Z of the city's clock. Numbers are given out by the writer.
"""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

rule = sa.Table(
    "rule",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("enabled", sa.SmallInteger, nullable=False),
    sa.Column("owner", TEXT),
    sa.Column("entity_type", TEXT, nullable=False),
    sa.Column("changed_at", BIG, nullable=False),
)

# ``body`` is a ``platform.rules.model.Rule`` as JSON; ``made_again`` the older version that this one repeats.
rule_version = sa.Table(
    "rule_version",
    METADATA,
    sa.Column("rule", TEXT, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", TEXT, nullable=False),
    sa.Column("made_by", TEXT, nullable=False),
    sa.Column("made_at", BIG, nullable=False),
    sa.Column("made_again", sa.Integer),
)

# How far a rule is with one subject (an entity's URN, or "ward:" and a code) where it is not at rest. ``phase`` is a
# ``platform.rules.state.Phase``.
rule_cell = sa.Table(
    "rule_cell",
    METADATA,
    sa.Column("rule", TEXT, primary_key=True),
    sa.Column("subject", TEXT, primary_key=True),
    sa.Column("phase", sa.SmallInteger, nullable=False),
    sa.Column("since_at", BIG, nullable=False),
    sa.Column("alert", BIG),
)

# ``state`` is firing, acknowledged or ended; ``wards`` (JSON) are those of its alerts; ``incident`` is the code of what it
# opened, ``to_tell`` says whether something is to be opened or told still. ``to_publish`` counts what changed since it was
# published as entities.
alert_group = sa.Table(
    "alert_group",
    METADATA,
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
    sa.Column("to_publish", sa.Integer, nullable=False, server_default="0"),
    sa.Column("acknowledged_by", TEXT),
    sa.Column("acknowledged_at", BIG),
    sa.Index("alert_group_state", "state", "newest_at"),
    sa.Index("alert_group_newest", "newest_at"),
    sa.Index("alert_group_to_tell", "to_tell"),
    sa.Index("alert_group_to_publish", "to_publish"),
)

# ``value`` was measured when the rule fired, or grew graver; ``said_vi`` and ``said_en`` put it in words. ``folded`` is what
# is sought, without accents.
alert = sa.Table(
    "alert",
    METADATA,
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
    sa.Column("folded", TEXT, nullable=False, server_default=""),
    sa.Column("ward", TEXT),
    sa.Column("owner", TEXT),
    sa.Column("clearance", sa.SmallInteger, nullable=False),
    sa.Column("acknowledged_by", TEXT),
    sa.Column("acknowledged_at", BIG),
    sa.Index("alert_of_group", "group_id"),
    sa.Index("alert_subject", "subject", "detected_at"),
)

# While one holds, no rule fires for its entity, for its ward, or (neither named) anywhere.
maintenance = sa.Table(
    "maintenance",
    METADATA,
    sa.Column("id", BIG, primary_key=True, autoincrement=False),
    sa.Column("entity", TEXT),
    sa.Column("ward", TEXT),
    sa.Column("from_at", BIG, nullable=False),
    sa.Column("until_at", BIG, nullable=False),
    sa.Column("reason", TEXT, nullable=False),
    sa.Column("made_by", TEXT, nullable=False),
    sa.Column("made_at", BIG, nullable=False),
)
