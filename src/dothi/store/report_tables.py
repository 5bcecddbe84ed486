"""Tables of what citizens report: the report, kept apart from who sent it, and how they rate the answer.

Moments are int64 µs since 1970-01-01T00:00:00Z of the city's clock.
"""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

# ``code`` is the hash of the code that its sender follows it by: the code itself is kept nowhere. ``incident`` is the work
# it began or joined (``same`` is 1 for a "me too"). ``subject`` is the sender in the vault of personal data, "" for who left
# no way to be reached. ``decided_at`` is when somebody released it (``title`` and ``shown`` are what anybody may read then)
# or decided not to (``released`` 0).
report = sa.Table(
    "report",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("code", TEXT, nullable=False, unique=True),
    sa.Column("incident", TEXT, nullable=False),
    sa.Column("same", sa.SmallInteger, nullable=False),
    sa.Column("at", BIG, nullable=False),
    sa.Column("language", TEXT, nullable=False),
    sa.Column("text", TEXT, nullable=False),
    sa.Column("subject", TEXT, nullable=False, server_default=""),
    sa.Column("reopened", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("photos", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("title", TEXT, nullable=False, server_default=""),
    sa.Column("shown", TEXT, nullable=False, server_default=""),
    sa.Column("released", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("decided_at", BIG),
    sa.Column("decided_by", TEXT, nullable=False, server_default=""),
    sa.Index("report_incident", "incident", "at"),
    sa.Index("report_at", "at"),
    sa.Index("report_decided", "decided_at", "at"),
)

# One rating of one answer by one report: ``answered_at`` tells the answers of a reopened incident apart. ``score`` is 3
# satisfied, 2 acceptable, 1 not satisfied; ``comment`` is for those who answered, not for the public.
report_rating = sa.Table(
    "report_rating",
    METADATA,
    sa.Column("report", TEXT, primary_key=True),
    sa.Column("answered_at", BIG, primary_key=True, autoincrement=False),
    sa.Column("incident", TEXT, nullable=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("ward", TEXT, nullable=False),
    sa.Column("agency", TEXT, nullable=False),
    sa.Column("score", sa.SmallInteger, nullable=False),
    sa.Column("comment", TEXT, nullable=False),
    sa.Column("at", BIG, nullable=False),
    sa.Index("report_rating_incident", "incident"),
    sa.Index("report_rating_at", "at"),
)
