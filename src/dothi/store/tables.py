"""Every table of a city's database, once: migrations are checked against it, Core statements are built from it.

Moments are int64 microseconds since 1970-01-01T00:00:00Z. JSON is text. Names (IRIs) are interned in ``name`` so that
the many rows carry small numbers.
"""

import sqlalchemy as sa

import dothi.store.access_tables
import dothi.store.command_tables
import dothi.store.incident_tables
import dothi.store.invented_tables
import dothi.store.kind_tables
import dothi.store.message_tables
import dothi.store.personal_tables
import dothi.store.report_tables
import dothi.store.rule_tables
import dothi.store.subscription_tables
import dothi.store.telling_tables
import dothi.store.view_tables  # noqa: F401 - METADATA is whole wherever tables are known
from dothi.store.metadata import BIG, TEXT
from dothi.store.metadata import METADATA as METADATA

meta = sa.Table(
    "meta",
    METADATA,
    sa.Column("key", TEXT, primary_key=True),
    sa.Column("value", TEXT, nullable=False),
)

# Expanded names of types, attributes and datasets. Id 0 is never given out: it stands for "no dataset".
name = sa.Table(
    "name",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("iri", TEXT, nullable=False, unique=True),
)

# One row per entity that ever was; a deleted one keeps its number, so its history keeps its owner.
entity = sa.Table(
    "entity",
    METADATA,
    sa.Column("num", sa.Integer, primary_key=True),
    sa.Column("id", TEXT, nullable=False, unique=True),
    sa.Column("type", sa.Integer, sa.ForeignKey("name.id", deferrable=True, initially="DEFERRED"), nullable=False),
    sa.Column("clearance", sa.SmallInteger, nullable=False),
    sa.Column("ward", TEXT),
    sa.Column("owner", TEXT),
    # Bounding box of the location in EPSG:4326; both corners are the same for a point, NULL without a place.
    sa.Column("west", sa.Double),
    sa.Column("south", sa.Double),
    sa.Column("east", sa.Double),
    sa.Column("north", sa.Double),
    sa.Column("created_at", BIG, nullable=False),
    sa.Column("modified_at", BIG, nullable=False),
    sa.Column("deleted_at", BIG),
    # {iri: [{"k": kind, "v": value, "u": unit, "d": dataset, "x": sub-attributes, ...}]}; what is observed lives in "live".
    sa.Column("doc", TEXT, nullable=False),
    # What else it is (JSON list of IRIs) and its scopes (JSON list), in the order told; the tables below find by them.
    sa.Column("more_types", TEXT),
    sa.Column("scopes", TEXT),
    # When it is gone; and when it, or the first of its attributes, has to be swept away.
    sa.Column("expires_at", BIG),
    sa.Column("due_at", BIG),
    sa.Index("entity_type", "type"),
    sa.Index("entity_ward", "ward"),
    sa.Index(
        "entity_due", "due_at", sqlite_where=sa.text("due_at IS NOT NULL"), postgresql_where=sa.text("due_at IS NOT NULL")
    ),
)

# What an entity is besides its first type.
further_type = sa.Table(
    "further_type",
    METADATA,
    sa.Column("entity", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("type", sa.Integer, primary_key=True, autoincrement=False),
    sa.Index("further_type_type", "type", "entity"),
    sqlite_with_rowid=False,
)

# Where an entity belongs in trees of the city's own: paths like /Hanoi/Parks.
scope = sa.Table(
    "scope",
    METADATA,
    sa.Column("entity", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("path", TEXT, primary_key=True),
    sa.Index("scope_path", "path", "entity"),
    sqlite_with_rowid=False,
)

# An observed attribute of an entity and the small number that readings carry. The key gives all series of an entity in one
# go; the way from number to key is kept in memory (``SeriesIndex``).
series = sa.Table(
    "series",
    METADATA,
    sa.Column(
        "entity",
        sa.Integer,
        sa.ForeignKey("entity.num", deferrable=True, initially="DEFERRED"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("attribute", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("dataset", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Integer, nullable=False),
    sa.Column("unit", TEXT),
    sqlite_with_rowid=False,
)

# The newest reading of each series. ``head`` is the newest link of the history chain (see ``reading.previous``): it stays
# when a withdrawal takes the shown value back to an older one.
live = sa.Table(
    "live",
    METADATA,
    sa.Column("series_id", sa.Integer, primary_key=True),
    sa.Column("head", BIG),
    sa.Column("observed_at", BIG),
    sa.Column("number", sa.Double),
    sa.Column("other", TEXT),
    sa.Column("grade", sa.SmallInteger, nullable=False),
    sa.Column("reasons", sa.Integer, nullable=False),
    sa.Column("origin", sa.SmallInteger, nullable=False),
    sa.Column("received_at", BIG, nullable=False),
    sa.Column("hidden", sa.SmallInteger, nullable=False),
)

# Recent history. The key starts with time: new rows then go to the end of the tree, whatever the number of series.
reading = sa.Table(
    "reading",
    METADATA,
    sa.Column("observed_at", BIG, primary_key=True, autoincrement=False),
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Double),
    sa.Column("other", TEXT),
    sa.Column("grade", sa.SmallInteger, nullable=False),
    sa.Column("reasons", sa.Integer, nullable=False),
    sa.Column("origin", sa.SmallInteger, nullable=False),
    sa.Column("received_at", BIG, nullable=False),
    sa.Column("withdrawn", sa.SmallInteger, nullable=False),
    # When this series was observed before: history of one series is a walk along these, not a scan. Measured at 5 million
    # rows of 50,000 series: this column costs nothing (248 k rows/s with, 231 k without), an index that starts with the
    # series falls to 44 k rows/s; a day of one series takes 10 ms instead of 220 ms over 11 million rows.
    sa.Column("previous", BIG),
    sqlite_with_rowid=False,
)

# Where the walk may start on a day in the past: the first chained reading of each series and UTC day.
anchor = sa.Table(
    "anchor",
    METADATA,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("observed_at", BIG, nullable=False),
    sqlite_with_rowid=False,
)

# Readings that came late, or from a clock that runs ahead: they are not in the chain.
late = sa.Table(
    "late",
    METADATA,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("observed_at", BIG, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# What a commit changed, told after it. The payload is a ``data.batch.Changed``.
outbox = sa.Table(
    "outbox",
    METADATA,
    sa.Column("seq", BIG, primary_key=True, autoincrement=True),
    sa.Column("at", BIG, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

dispatch_cursor = sa.Table(
    "dispatch_cursor",
    METADATA,
    sa.Column("handler", TEXT, primary_key=True),
    sa.Column("seq", BIG, nullable=False),
)

parked = sa.Table(
    "parked",
    METADATA,
    sa.Column("id", BIG, primary_key=True, autoincrement=True),
    sa.Column("handler", TEXT, nullable=False),
    sa.Column("seq", BIG, nullable=False),
    sa.Column("at", BIG, nullable=False),
    sa.Column("error", TEXT, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("payload", sa.LargeBinary),
    sa.Index("parked_handler", "handler", "seq"),
    sqlite_autoincrement=True,
)

# What came in and could not be taken, with its raw bytes. ``state`` is held, replayed or discarded.
quarantine = sa.Table(
    "quarantine",
    METADATA,
    sa.Column("id", BIG, primary_key=True, autoincrement=True),
    # What the row is of (``data.batch.Quarantined.key``): a message handed out again is held once.
    sa.Column("key", TEXT, nullable=False, unique=True),
    sa.Column("at", BIG, nullable=False),
    sa.Column("source", TEXT, nullable=False),
    sa.Column("device", TEXT),
    sa.Column("reason", TEXT, nullable=False),
    sa.Column("detail", TEXT, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("content_type", TEXT, nullable=False),
    sa.Column("correlation", TEXT, nullable=False),
    sa.Column("received_at", BIG),
    sa.Column("origin", sa.SmallInteger),
    sa.Column("replayed_at", BIG),
    sa.Column("state", TEXT, nullable=False, server_default="held"),
    sa.Index("quarantine_state_reason", "state", "reason"),
    sqlite_autoincrement=True,
)

# Known devices. ``mapping`` is JSON {key: {"attribute": iri, "unit": …, "dataset_id": …}}; ``state`` admitted or refused.
device = sa.Table(
    "device",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("entity_id", TEXT, nullable=False),
    sa.Column("entity_type", TEXT, nullable=False),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("owner", TEXT),
    sa.Column("cadence_s", sa.Double, nullable=False),
    sa.Column("longitude", sa.Double),
    sa.Column("latitude", sa.Double),
    sa.Column("ward", TEXT),
    sa.Column("mapping", TEXT, nullable=False, server_default="{}"),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("created_at", BIG, nullable=False),
    sa.Column("last_seen", BIG),
    sa.Column("flags", TEXT, nullable=False, server_default="[]"),
    sa.Column("folded", TEXT, nullable=False, server_default=""),
    sa.Index("device_state", "state"),
    sa.Index("device_ward", "ward"),
    sa.Index("device_entity", "entity_id"),
)

# Devices nobody admitted yet: the last message and a count each.
lobby = sa.Table(
    "lobby",
    METADATA,
    sa.Column("device", TEXT, primary_key=True),
    sa.Column("source", TEXT, nullable=False),
    sa.Column("first_seen", BIG, nullable=False),
    sa.Column("last_seen", BIG, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary),
    sa.Column("content_type", TEXT, nullable=False, server_default="application/json"),
    sa.Column("readings", BIG, nullable=False, server_default="0"),
    sa.Index("lobby_last_seen", "last_seen"),
)

# Who did what: append-only (triggers forbid more), each row sealed by the hash of the one before. ``source`` is the address
# or door it came from, ``why`` the reason its doer gave.
audit = sa.Table(
    "audit",
    METADATA,
    sa.Column("seq", BIG, primary_key=True),
    sa.Column("at", BIG, nullable=False),
    sa.Column("person_id", TEXT, nullable=False),
    sa.Column("action", TEXT, nullable=False),
    sa.Column("thing", TEXT, nullable=False),
    sa.Column("result", TEXT, nullable=False),
    sa.Column("correlation", TEXT, nullable=False),
    sa.Column("detail", TEXT, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("source", TEXT, nullable=False, server_default=""),
    sa.Column("why", TEXT, nullable=False, server_default=""),
    sa.Index("audit_at", "at"),
)

# Rows of the audit log that were signed: ``seq`` had ``hash`` at ``at``, says the holder of ``key`` (its public part).
# Append-only as the log.
audit_checkpoint = sa.Table(
    "audit_checkpoint",
    METADATA,
    sa.Column("seq", BIG, primary_key=True, autoincrement=False),
    sa.Column("at", BIG, nullable=False),
    sa.Column("tenant", TEXT, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("key", sa.LargeBinary, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
)

# The lake (``data/sealing.py``). A day that got a row after its hour was sealed, with a counter that every commit raises: a
# compaction clears it only if nothing came meanwhile.
dirty_day = sa.Table(
    "dirty_day",
    METADATA,
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("mark", BIG, nullable=False),
)

# Keys that got a row after their hour was sealed: what the lake holds of them is not all until the next compaction.
unsealed = sa.Table(
    "unsealed",
    METADATA,
    sa.Column("observed_at", BIG, primary_key=True, autoincrement=False),
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# How long a dataset is kept where a person chose other than its default; NULL days keeps it for ever.
retention = sa.Table(
    "retention",
    METADATA,
    sa.Column("dataset", TEXT, primary_key=True),
    sa.Column("days", sa.Integer),
    sa.Column("changed_by", TEXT, nullable=False),
    sa.Column("changed_at", BIG, nullable=False),
)

# Executions of processes (``platform/runs.py``). ``state`` is queued, running, done, failed, cancelled or expired. Options,
# inputs and outputs are JSON; old big ones are let go ('' is left), their SHA-256 stays. ``repeats`` is the run whose inputs
# and seed this one takes again.
run = sa.Table(
    "run",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("process", TEXT, nullable=False),
    sa.Column("version", TEXT, nullable=False),
    sa.Column("seed", BIG, nullable=False),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("requested_by", TEXT, nullable=False),
    sa.Column("requested_at", BIG, nullable=False),
    sa.Column("started_at", BIG),
    sa.Column("ended_at", BIG),
    sa.Column("seconds", sa.Double),
    sa.Column("progress", sa.Double, nullable=False, server_default="0"),
    sa.Column("inputs", TEXT, nullable=False, server_default="{}"),
    sa.Column("outputs", TEXT, nullable=False, server_default="{}"),
    sa.Column("error", TEXT, nullable=False, server_default=""),
    sa.Column("options", TEXT, nullable=False, server_default="{}"),
    sa.Column("repeats", TEXT),
    sa.Column("ended_by", TEXT, nullable=False, server_default=""),
    sa.Column("inputs_digest", TEXT, nullable=False, server_default=""),
    sa.Column("outputs_digest", TEXT, nullable=False, server_default=""),
    sa.Index("run_requested", "requested_at"),
    sa.Index("run_process", "process", "requested_at"),
)

# What a process said would come (``platform/forecasts.py``), the naive forecasts made at the same moment, and what came.
forecast = sa.Table(
    "forecast",
    METADATA,
    sa.Column("process", TEXT, primary_key=True),
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("issued_at", BIG, primary_key=True, autoincrement=False),
    sa.Column("target_at", BIG, primary_key=True, autoincrement=False),
    sa.Column("run", TEXT, nullable=False),
    # How it was made: "model", or why there is only a naive one; and whether it was made afterwards, for the past.
    sa.Column("method", TEXT, nullable=False, server_default="model"),
    sa.Column("hindcast", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("low", sa.Double),
    sa.Column("high", sa.Double),
    sa.Column("persistence", sa.Double),
    sa.Column("yesterday", sa.Double),
    sa.Column("actual", sa.Double),
    sa.Column("scored_at", BIG),
    sa.Index("forecast_target", "process", "target_at", "series_id"),
)

# Questions in SQL that people keep (``data/sql``). ``display`` is JSON: how the answer is drawn.
saved_query = sa.Table(
    "saved_query",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("title", TEXT, nullable=False),
    sa.Column("sql", TEXT, nullable=False),
    sa.Column("display", TEXT, nullable=False, server_default="{}"),
    sa.Column("owner", TEXT, nullable=False),
    sa.Column("modified_at", BIG, nullable=False),
    sa.Column("folded", TEXT, nullable=False, server_default=""),
    # A deleted one stays for a day, so that deleting can be undone.
    sa.Column("deleted_at", BIG),
    sqlite_autoincrement=True,
)

# JSON-LD contexts that are kept (``api/ngsild/contexts/store.py``). ``kind`` is Hosted, ImplicitlyCreated or Cached;
# ``body`` is the JSON of the "@context" member.
jsonld_context = sa.Table(
    "jsonld_context",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("url", TEXT, nullable=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("body", TEXT, nullable=False),
    sa.Column("created_at", BIG, nullable=False),
)

# What readings cannot hold of how entities changed (``data/evolution.py``): ``kind`` is one of its ``Kind``. Ids and names
# stand as they are: a row is whole without any other. The dataset "" is the default instance, the attribute "" the entity.
evolution = sa.Table(
    "evolution",
    METADATA,
    sa.Column("entity", TEXT, primary_key=True),
    sa.Column("attribute", TEXT, primary_key=True),
    sa.Column("dataset", TEXT, primary_key=True),
    sa.Column("at", BIG, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("body", TEXT, nullable=False),
    sqlite_with_rowid=False,
)
