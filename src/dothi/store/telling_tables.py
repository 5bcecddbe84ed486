"""Tables of what people are told outside the browser: who wants to hear what, what there is to tell, and the mails of it.

Moments are int64 µs since 1970-01-01T00:00:00Z of the machine's clock: people live by it, also beside a replay.
"""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

# What an account wants to hear of (``topics``, JSON) and where. ``address`` is written to only once ``confirmed_at`` says
# that its owner answered. ``quiet_from`` and ``quiet_until`` are minutes of the city's day.
telling_wish = sa.Table(
    "telling_wish",
    METADATA,
    sa.Column("account", TEXT, primary_key=True),
    sa.Column("address", TEXT, nullable=False),
    sa.Column("confirmed_at", BIG),
    sa.Column("asked_at", BIG),
    sa.Column("language", TEXT, nullable=False),
    sa.Column("topics", TEXT, nullable=False),
    sa.Column("severity", sa.SmallInteger, nullable=False),
    sa.Column("quiet_from", sa.Integer),
    sa.Column("quiet_until", sa.Integer),
    sa.Column("most", sa.SmallInteger, nullable=False),
    sa.Column("changed_at", BIG, nullable=False),
)

# Where a unit (a ward's code, an agency's id) hears of work that is given to it, though nobody of it has an account.
telling_unit = sa.Table(
    "telling_unit",
    METADATA,
    sa.Column("unit", TEXT, primary_key=True),
    sa.Column("address", TEXT, nullable=False),
    sa.Column("changed_by", TEXT, nullable=False),
    sa.Column("changed_at", BIG, nullable=False),
)

# Up to where what happened was heard, by what it is read from.
telling_mark = sa.Table(
    "telling_mark",
    METADATA,
    sa.Column("source", TEXT, primary_key=True),
    sa.Column("mark", BIG, nullable=False),
)

# Who said that they want no more mails.
telling_stop = sa.Table(
    "telling_stop",
    METADATA,
    sa.Column("recipient", TEXT, primary_key=True),
    sa.Column("at", BIG, nullable=False),
)

# Something to tell somebody (``recipient`` is "account:", "unit:" or "report:" and an id), once for each ``what``; ``about``
# names what it is of. ``letter`` is the mail it is in; NULL waits for one.
telling_note = sa.Table(
    "telling_note",
    METADATA,
    sa.Column("id", BIG, primary_key=True, autoincrement=True),
    sa.Column("recipient", TEXT, nullable=False),
    sa.Column("what", TEXT, nullable=False),
    sa.Column("at", BIG, nullable=False),
    sa.Column("topic", TEXT, nullable=False),
    sa.Column("severity", sa.SmallInteger, nullable=False),
    sa.Column("about", TEXT, nullable=False),
    sa.Column("words", TEXT, nullable=False),
    sa.Column("words_en", TEXT, nullable=False),
    sa.Column("letter", BIG),
    sa.UniqueConstraint("recipient", "what"),
    sa.Index("telling_note_letter", "letter", "recipient"),
    sqlite_autoincrement=True,
)

# One mail: ``state`` is waiting, sent or dead. What it says is written anew from its notes at each try, so that it never
# tells more than its receiver may know at that moment.
telling_letter = sa.Table(
    "telling_letter",
    METADATA,
    sa.Column("id", BIG, primary_key=True, autoincrement=True),
    sa.Column("recipient", TEXT, nullable=False),
    sa.Column("made_at", BIG, nullable=False),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", BIG, nullable=False),
    sa.Column("ended_at", BIG),
    sa.Column("error", TEXT, nullable=False, server_default=""),
    sa.Index("telling_letter_state", "state", "next_at"),
    sa.Index("telling_letter_recipient", "recipient", "made_at"),
    sqlite_autoincrement=True,
)
