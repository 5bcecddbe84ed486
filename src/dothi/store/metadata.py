"""What the tables of a city's database are declared in, and their common types of columns."""

import sqlalchemy as sa

METADATA = sa.MetaData()

# SQLite only counts up a column that is exactly INTEGER; PostgreSQL needs eight bytes.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Texts are ordered by code point in both.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
