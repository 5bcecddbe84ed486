"""The table of filters that people keep for their queue of incidents."""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

# ``query`` is the part of the address behind "?"; ``owner`` an account's id: nobody else sees it.
incident_view = sa.Table(
    "incident_view",
    METADATA,
    sa.Column("number", BIG, primary_key=True, autoincrement=True),
    sa.Column("owner", TEXT, nullable=False),
    sa.Column("title", TEXT, nullable=False),
    sa.Column("query", TEXT, nullable=False),
    sa.Column("at", BIG, nullable=False),
    sa.Index("incident_view_owner", "owner", "number"),
    sqlite_autoincrement=True,
)
