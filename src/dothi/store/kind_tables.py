"""The table of the kinds of incidents that a city made itself, each with all its versions.

Moments are int64 µs since 1970-01-01T00:00:00Z of the city's clock.
"""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

# The newest version of an id counts. Of a kind that a sector brings only ``citizens`` counts: whether people may report it.
# ``retired`` kinds are not offered any more.
incident_kind = sa.Table(
    "incident_kind",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("title", TEXT, nullable=False),
    sa.Column("title_en", TEXT, nullable=False),
    sa.Column("hint", TEXT, nullable=False),
    sa.Column("hint_en", TEXT, nullable=False),
    sa.Column("agency", TEXT, nullable=False),
    sa.Column("severity", sa.SmallInteger, nullable=False),
    sa.Column("urgency", TEXT, nullable=False),
    sa.Column("proof", sa.SmallInteger, nullable=False),
    sa.Column("citizens", sa.SmallInteger, nullable=False),
    sa.Column("retired", sa.SmallInteger, nullable=False),
    sa.Column("at", BIG, nullable=False),
    sa.Column("person", TEXT, nullable=False),
)
