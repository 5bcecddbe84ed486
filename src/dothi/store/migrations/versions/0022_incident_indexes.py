"""Incidents are counted by an index, and found by whose they are and when they ended."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Indexes only."""
    op.create_index("incident_tally", "incident", ["state", "clearance", "ward", "agency", "due_at"])
    op.create_index("incident_ended", "incident", ["state", "state_at"])
    op.create_index("incident_ward", "incident", ["ward", "state"])
    op.create_index("incident_assignee", "incident", ["assignee", "state"])
