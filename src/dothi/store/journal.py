"""The journal's port: what is heard is kept here, durably, until ingest has committed it and says so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dothi.model.problem import Problem
from dothi.model.reading import Origin
from dothi.model.text import Text


@dataclass(slots=True)
class Message:
    """One body as it was heard.

    ``source`` is the door ("mqtt", "http" or "file"); ``device`` the id that the door itself knows (from the topic or the
    path), None when only the body tells; ``received_at`` the wall time in µs UTC at which the journal stored it, until
    ingest puts the city's time there; ``stored_at`` keeps the wall time, the same each time the message is handed out;
    ``origin`` is None unless the door declared one; ``redelivered`` is True when it may have been handed out before.
    ``handle`` is the journal's own: what it needs to acknowledge; None when nothing is kept (MQTT QoS 0).
    """

    source: str
    device: str | None
    body: bytes
    content_type: str
    received_at: int
    correlation: str
    origin: Origin | None = None
    redelivered: bool = False
    handle: bytes | None = field(default=None, repr=False)
    stored_at: int = 0

    def __post_init__(self) -> None:
        self.stored_at = self.stored_at or self.received_at


class JournalFull(Problem):
    """The journal keeps no more for now: its bound or the disk floor is reached. Nothing that was sent is kept."""

    def __init__(self, title: str, detail: str, retry_after: int = 5) -> None:
        super().__init__(503, "journal-full", title, detail, retry_after)


class JournalDown(Problem):
    """The journal does not answer. What was sent may or may not be kept: send it again, a repetition is harmless."""

    def __init__(self, title: str, detail: str, retry_after: int = 2) -> None:
        super().__init__(503, "journal-down", title, detail, retry_after)


class Journal(Protocol):
    """A durable queue between the doors and ingest."""

    async def start(self) -> None:
        """Make the journal ready; no device is admitted before what keeps its messages stands. Raises JournalDown."""
        ...

    async def stop(self) -> None:
        """Leave; what was not acknowledged is handed out again after the next start."""
        ...

    async def append(
        self,
        body: bytes,
        *,
        source: str,
        device: str | None,
        content_type: str,
        correlation: str,
        origin: Origin | None = None,
    ) -> None:
        """Keep ``body``; returns only once it is durable. Raises JournalFull, JournalDown, or Problem 413 (too large)."""
        ...

    async def fetch(self, max_messages: int, wait: float) -> list[Message]:
        """What was heard, oldest first per door, as soon as there is something; [] after ``wait`` seconds of silence."""
        ...

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """These are committed and need not be kept."""
        ...

    async def lag(self) -> int:
        """How many messages are kept and not yet acknowledged. Raises JournalDown."""
        ...

    def command(self, device: str, body: bytes) -> None:
        """Hand ``body`` to a device that listens now; nothing keeps it for one that does not. Raises JournalDown."""
        ...

    def hear_answers(self, tell: Callable[[str, bytes], None]) -> None:
        """Have ``tell`` called, on the event loop, with every device id and what it publishes as an answer to a command."""
        ...

    def refusal(self) -> Text | None:
        """Why nothing is accepted at present, in words for people; None while all is well."""
        ...

    def turned_away(self) -> int:
        """How many messages its own doors did not keep since the start."""
        ...

    def healthy(self) -> bool:
        """True while the journal can be written and read."""
        ...
