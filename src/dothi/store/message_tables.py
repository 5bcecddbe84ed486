"""The table of what the city tells everybody on every page.

Moments are int64 µs since 1970-01-01T00:00:00Z of the city's clock.
"""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

# ``grave`` 1 is said as a warning. ``audience`` is all, citizens (pages of the public) or staff. ``until_at`` NULL: until
# somebody ends it.
site_message = sa.Table(
    "site_message",
    METADATA,
    sa.Column("number", BIG, primary_key=True, autoincrement=True),
    sa.Column("text", TEXT, nullable=False),
    sa.Column("text_en", TEXT, nullable=False),
    sa.Column("grave", sa.SmallInteger, nullable=False),
    sa.Column("audience", TEXT, nullable=False),
    sa.Column("from_at", BIG, nullable=False),
    sa.Column("until_at", BIG),
    sa.Column("at", BIG, nullable=False),
    sa.Column("person", TEXT, nullable=False),
    sqlite_autoincrement=True,
)
