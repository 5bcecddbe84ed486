"""Tables of subscriptions (NGSI-LD): who asked to be told what, what waits to be sent, and what nobody took.

Moments are int64 µs since 1970-01-01T00:00:00Z of the machine's clock, but ``due_at`` of the city's.
"""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

# ``document`` is the subscription with expanded names, ``context`` the @context it was told in; ``grants`` is what its owner
# might do when asking (JSON): it never tells more. ``held`` says why the city paused it; ``pending`` (JSON) which entities
# changed while it was throttled.
subscription = sa.Table(
    "subscription",
    METADATA,
    sa.Column("num", BIG, primary_key=True, autoincrement=True),
    sa.Column("id", TEXT, nullable=False, unique=True),
    sa.Column("owner", TEXT, nullable=False),
    sa.Column("grants", TEXT, nullable=False),
    sa.Column("document", TEXT, nullable=False),
    sa.Column("context", TEXT, nullable=False),
    sa.Column("created_at", BIG, nullable=False),
    sa.Column("modified_at", BIG, nullable=False),
    sa.Column("held", TEXT, nullable=False, server_default=""),
    sa.Column("pending", TEXT, nullable=False, server_default=""),
    sa.Column("due_at", BIG),
    sa.Column("times_sent", BIG, nullable=False, server_default="0"),
    sa.Column("times_failed", BIG, nullable=False, server_default="0"),
    sa.Column("last_notification", BIG),
    sa.Column("last_success", BIG),
    sa.Column("last_failure", BIG),
    sa.Column("last_error", TEXT, nullable=False, server_default=""),
    sqlite_autoincrement=True,
)

# What is to be sent to ``endpoint`` in the order of ``id``. ``told`` (JSON) lists its entities with the attributes that were
# left out of them; ``dead`` is 1 once it is no longer tried.
notification = sa.Table(
    "notification",
    METADATA,
    sa.Column("id", BIG, primary_key=True, autoincrement=False),
    sa.Column("subscription", TEXT, nullable=False),
    sa.Column("endpoint", TEXT, nullable=False),
    sa.Column("at", BIG, nullable=False),
    sa.Column("told", TEXT, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("dead", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", TEXT, nullable=False, server_default=""),
    sa.Index("notification_queue", "dead", "endpoint", "id"),
    sa.Index("notification_subscription", "subscription", "dead"),
)
