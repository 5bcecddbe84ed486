"""Personal data apart from the city: subjects, what is kept of them, consent."""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Nothing yet."""
