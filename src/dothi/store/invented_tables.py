"""The table of what was made up: work of a demo city that never happened, so that pages can say so and it can be taken away.

Moments are int64 µs since 1970-01-01T00:00:00Z of the city's clock.
"""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

# ``kind`` is what ``ref`` names: an incident, a report, a device … or "story", how far the telling is.
invented = sa.Table(
    "invented",
    METADATA,
    sa.Column("kind", TEXT, primary_key=True),
    sa.Column("ref", TEXT, primary_key=True),
    sa.Column("at", BIG, nullable=False),
)
