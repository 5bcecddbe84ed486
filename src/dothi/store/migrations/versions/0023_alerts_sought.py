"""Alerts are sought by words without accents."""

import json

import sqlalchemy as sa
from alembic import op

from dothi.model.text import fold

revision = "0023"
down_revision = "0022"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """One column, filled from what the alerts and the rules that raised them say."""
    op.add_column("alert", sa.Column("folded", TEXT, nullable=False, server_default=""))
    db = op.get_bind()
    titles = {}
    for rule, version, body in db.execute(sa.text("SELECT rule, version, body FROM rule_version")):
        title = json.loads(body)["title"]
        titles[rule, version] = f"{rule} {title['vi']} {title['en']}"
    said = db.execute(sa.text("SELECT id, rule, version, name, said_vi, said_en FROM alert")).fetchall()
    rows = [
        {"id": number, "folded": fold(f"{titles.get((rule, version), rule)} {name} {vi} {en}")}
        for number, rule, version, name, vi, en in said
    ]
    if rows:
        db.execute(sa.text("UPDATE alert SET folded = :folded WHERE id = :id"), rows)
