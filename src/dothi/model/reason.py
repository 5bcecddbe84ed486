"""Why somebody does what they do: set at the door (``access.reasons``), and every act made behind it says so."""

from contextvars import ContextVar

WHY: ContextVar[str] = ContextVar("why", default="")
"""The reason that was given for what is being done; empty where none was."""
HEADER = "Dothi-Reason"
"""The reason of a program's request, percent-encoded UTF-8 (RFC 3986, clause 2.1): a header carries ASCII only."""
