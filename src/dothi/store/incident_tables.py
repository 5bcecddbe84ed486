"""Tables of incidents: what is wrong, everything that was done about it, and what it is tied to.

Moments are int64 µs since 1970-01-01T00:00:00Z of the city's clock.
"""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

# ``month`` (yymm in the city's zone) and ``number`` make the code. ``cause`` is what opened it: nothing opens two.
# ``folded`` is what is sought, without accents. ``help``, ``proof``, ``tasks``, ``steps_done``, ``clocks`` and ``told`` are
# JSON. ``due_at`` is when its first clock runs out, ``look_at`` when the city must look at it again: to warn, to escalate,
# to end a pause.
incident = sa.Table(
    "incident",
    METADATA,
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
    sa.Index("incident_month", "month", "number", unique=True),
    sa.Index("incident_state", "state", "due_at"),
    sa.Index("incident_opened", "opened_at"),
    # All that counting asks of: how many there are is told without their rows.
    sa.Index("incident_tally", "state", "clearance", "ward", "agency", "due_at"),
    sa.Index("incident_ended", "state", "state_at"),
    sa.Index("incident_ward", "ward", "state"),
    sa.Index("incident_assignee", "assignee", "state"),
    sa.Index("incident_look", "look_at"),
    sa.Index("incident_parent", "parent"),
)

# The timeline, in the order of ``number``. ``words`` and ``words_en`` are what was said, ``changes`` (JSON) the fields that
# changed with before and after, ``refs`` (JSON) what it is about; ``version`` the incident's after it. ``once`` is what its
# sender calls it by: it is done once, however often it is sent.
incident_entry = sa.Table(
    "incident_entry",
    METADATA,
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
    sa.Column("once", TEXT, nullable=False, server_default=""),
    sa.Index("incident_entry_incident", "incident", "number"),
    sqlite_autoincrement=True,
)

# What an incident is tied to: reports, alerts, entities. ``first`` is the incident it was tied to first: a merge moves it.
incident_link = sa.Table(
    "incident_link",
    METADATA,
    sa.Column("incident", TEXT, primary_key=True),
    sa.Column("kind", TEXT, primary_key=True),
    sa.Column("ref", TEXT, primary_key=True),
    sa.Column("at", BIG, nullable=False),
    sa.Column("first", TEXT, nullable=False),
    sa.Index("incident_link_ref", "kind", "ref"),
)

# Which units (a ward's code, an agency's id) were asked to help: they see the incident too.
incident_help = sa.Table(
    "incident_help",
    METADATA,
    sa.Column("incident", TEXT, primary_key=True),
    sa.Column("unit", TEXT, primary_key=True),
)

# Photos: ``hash`` (SHA-256, hex) names the picture among the files, ``small`` its small one. ``report`` is the report it
# came with, if it did. Only one that somebody released may be shown to everybody; of one that was
# removed only this row is left. Where parts of it (``boxes``, JSON) are blacked out, ``shown`` and ``shown_small`` name what
# everybody sees instead.
incident_photo = sa.Table(
    "incident_photo",
    METADATA,
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
    sa.Column("boxes", TEXT, nullable=False, server_default="[]"),
    sa.Column("shown", TEXT, nullable=False, server_default=""),
    sa.Column("shown_small", TEXT, nullable=False, server_default=""),
    sa.Index("incident_photo_incident", "incident", "number"),
    sqlite_autoincrement=True,
)

# Shifts of the centre (``ward`` "") and of wards: who was on from when, and what they hand over to whom.
shift = sa.Table(
    "shift",
    METADATA,
    sa.Column("number", BIG, primary_key=True, autoincrement=True),
    sa.Column("ward", TEXT, nullable=False),
    sa.Column("person", TEXT, nullable=False),
    sa.Column("began_at", BIG, nullable=False),
    sa.Column("note", TEXT, nullable=False, server_default=""),
    sa.Column("handed_at", BIG),
    sa.Column("taken_by", TEXT, nullable=False, server_default=""),
    sa.Column("taken_at", BIG),
    sa.Index("shift_ward", "ward", "number"),
    sqlite_autoincrement=True,
)
