"""Tables of personal data: what is kept of whom, for what, until when. No value is in here that its key does not open.

As in ``access_tables``, moments are int64 µs since 1970-01-01T00:00:00Z of the machine's clock. Subjects, records and people
are known by random ids.
"""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

# What is kept for which reason. ``basis`` is consent or law (then ``law`` names it); ``agency`` answers for it.
personal_purpose = sa.Table(
    "personal_purpose",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("title", TEXT, nullable=False),
    sa.Column("title_en", TEXT, nullable=False),
    sa.Column("why", TEXT, nullable=False),
    sa.Column("why_en", TEXT, nullable=False),
    sa.Column("basis", TEXT, nullable=False),
    sa.Column("law", TEXT, nullable=False, server_default=""),
    sa.Column("keep_days", sa.Integer, nullable=False),
    sa.Column("agency", TEXT),
    sa.Column("changed_by", TEXT, nullable=False),
    sa.Column("changed_at", BIG, nullable=False),
)

# Of whom something is kept. ``account`` is who may ask for it as their own; ``state`` active, erasing or erased.
personal_subject = sa.Table(
    "personal_subject",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("account", TEXT, unique=True),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("created_at", BIG, nullable=False),
    sa.Column("erased_at", BIG),
)

# Who agreed to what, in which words, and who wrote it down.
personal_consent = sa.Table(
    "personal_consent",
    METADATA,
    sa.Column("subject", TEXT, primary_key=True),
    sa.Column("purpose", TEXT, primary_key=True),
    sa.Column("given_at", BIG, primary_key=True, autoincrement=False),
    sa.Column("words", TEXT, nullable=False),
    sa.Column("given_by", TEXT, nullable=False),
    sa.Column("withdrawn_at", BIG),
)

# A sealed value; ``token`` goes when its key is destroyed, what kind it was stays: a breach of the past must be told.
personal_record = sa.Table(
    "personal_record",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("subject", TEXT, nullable=False),
    sa.Column("purpose", TEXT, nullable=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("token", TEXT),
    sa.Column("created_by", TEXT, nullable=False),
    sa.Column("created_at", BIG, nullable=False),
    sa.Column("until", BIG, nullable=False),
    sa.Column("ended_at", BIG),
    sa.Column("ended", TEXT, nullable=False, server_default=""),
    sa.Index("personal_record_subject", "subject"),
    sa.Index("personal_record_until", "until"),
)

# Every look at values: who, of whom, which kinds (JSON), why.
personal_look = sa.Table(
    "personal_look",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("at", BIG, nullable=False),
    sa.Column("person", TEXT, nullable=False),
    sa.Column("subject", TEXT, nullable=False),
    sa.Column("kinds", TEXT, nullable=False),
    sa.Column("reason", TEXT, nullable=False),
    sa.Index("personal_look_at", "at"),
    sa.Index("personal_look_subject", "subject"),
)

# What subjects ask for and somebody has to decide. ``kind`` is erase or correct; ``state`` open, done or refused.
personal_request = sa.Table(
    "personal_request",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("subject", TEXT, nullable=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("asked_at", BIG, nullable=False),
    sa.Column("asked_by", TEXT, nullable=False),
    sa.Column("answered_at", BIG),
    sa.Column("answered_by", TEXT, nullable=False, server_default=""),
    sa.Column("answer", TEXT, nullable=False, server_default=""),
    sa.Index("personal_request_state", "state", "asked_at"),
)
