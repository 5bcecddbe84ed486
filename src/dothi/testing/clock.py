"""A clock that tests hold in their hand."""

from datetime import UTC, datetime, timedelta


class FixedClock:
    """Stands still at ``moment`` (aware) until it is moved. Raises ValueError for a naive moment."""

    def __init__(self, moment: datetime) -> None:
        self.set(moment)

    def now(self) -> datetime:
        """The moment it stands at, in UTC."""
        return self._moment

    def when(self, machine: int) -> int:
        """The machine's time as it is: what a door stamps stays comparable between two steps of a test."""
        return machine

    def set(self, moment: datetime) -> None:
        """Stand at ``moment`` from now on."""
        if moment.tzinfo is None:
            raise ValueError("a clock needs timezone-aware moments")
        self._moment = moment.astimezone(UTC)

    def advance(self, span: timedelta) -> None:
        """Go on by ``span``."""
        self._moment += span
