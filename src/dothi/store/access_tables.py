"""Tables of who is known here: accounts, what they sign in with, sessions, one-time links, credentials of devices.

As in ``tables``: moments are int64 µs since 1970-01-01T00:00:00Z, always of the machine's clock, also in a replay city. No
secret is kept: hashes of what is random, argon2id of passwords, public keys. TOTP secrets are sealed.
"""

import sqlalchemy as sa

from dothi.store.metadata import BIG, METADATA, TEXT

# A person or a system that is known here. ``id`` is random and never given out again: the audit log speaks of it. ``grants``
# is JSON [{"role", "clearance", "wards", "agencies", "sectors"}]; ``state`` active or disabled; ``subject`` is "issuer
# subject" of a sign-in elsewhere (OIDC).
account = sa.Table(
    "account",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("login", TEXT, nullable=False, unique=True),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("folded", TEXT, nullable=False, server_default=""),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("grants", TEXT, nullable=False, server_default="[]"),
    sa.Column("password", TEXT),
    sa.Column("totp", sa.LargeBinary),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("locked_until", BIG),
    sa.Column("demo", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("subject", TEXT, unique=True),
    sa.Column("created_at", BIG, nullable=False),
    sa.Column("changed_at", BIG, nullable=False),
    sa.Column("last_seen", BIG),
)

# What an account proves itself with beside its password: ``kind`` passkey, recovery, key (of an API) or secret (OAuth2
# client). ``id`` is its public part; ``secret`` a hash or a passkey's public key; ``counter`` a passkey's signatures;
# ``grants`` what a key or client is narrowed to, as an account's.
credential = sa.Table(
    "credential",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("account", TEXT, nullable=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("label", TEXT, nullable=False, server_default=""),
    sa.Column("counter", BIG, nullable=False, server_default="0"),
    sa.Column("grants", TEXT, nullable=False, server_default="[]"),
    sa.Column("created_at", BIG, nullable=False),
    sa.Column("used_at", BIG),
    sa.Column("expires_at", BIG),
    sa.Column("revoked_at", BIG),
    sa.Index("credential_account", "account", "kind"),
)

# Who is signed in. ``id`` is the SHA-256 of what the cookie holds; ``strong`` 1 once a second factor was shown.
session = sa.Table(
    "session",
    METADATA,
    sa.Column("id", sa.LargeBinary, primary_key=True),
    sa.Column("account", TEXT, nullable=False),
    sa.Column("strong", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("created_at", BIG, nullable=False),
    sa.Column("seen_at", BIG, nullable=False),
    sa.Column("expires_at", BIG, nullable=False),
    sa.Column("address", TEXT, nullable=False, server_default=""),
    sa.Column("agent", TEXT, nullable=False, server_default=""),
    sa.Index("session_account", "account"),
)

# Links that work once: ``purpose`` first (the first administrator), invite or reset. ``id`` is the SHA-256 of the token.
ticket = sa.Table(
    "ticket",
    METADATA,
    sa.Column("id", sa.LargeBinary, primary_key=True),
    sa.Column("account", TEXT, nullable=False),
    sa.Column("purpose", TEXT, nullable=False),
    sa.Column("expires_at", BIG, nullable=False),
    sa.Column("used_at", BIG),
)

# What a device proves itself with, at MQTT and HTTP alike: a hash of a random secret shown once.
device_credential = sa.Table(
    "device_credential",
    METADATA,
    sa.Column("device", TEXT, primary_key=True),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("created_at", BIG, nullable=False),
    sa.Column("used_at", BIG),
)

# Codes that let unknown devices in as far as the lobby. ``id`` is the hash of the code; ``used`` counts what came with it.
enrolment = sa.Table(
    "enrolment",
    METADATA,
    sa.Column("id", sa.LargeBinary, primary_key=True),
    sa.Column("label", TEXT, nullable=False),
    sa.Column("created_by", TEXT, nullable=False),
    sa.Column("created_at", BIG, nullable=False),
    sa.Column("expires_at", BIG, nullable=False),
    sa.Column("revoked_at", BIG),
    sa.Column("used", BIG, nullable=False, server_default="0"),
)
