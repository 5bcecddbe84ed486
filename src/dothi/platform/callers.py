"""What one caller may take before a request is whole: the server under us bounds neither a request's head nor a silence.

Without this a stranger could fill the memory with one header, or the table of open files with connections that say nothing
(slow requests: OWASP ASVS 5.0, 15.2.2).
"""

import asyncio
from collections import Counter
from ipaddress import ip_address
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dothi.access.limits import neighbourhood
from dothi.access.proxies import Proxies

MOST_HEAD = 64 * 1024
"""Bytes of a request's line and headers together, trailers and the sizes of chunks included."""
HEAD_WITHIN = 20.0
"""Seconds from a connection's or a request's first byte to the end of its head."""
MOST_LINES = 1_000
"""Connections of one address at once: an office of hundreds may stand behind it. Proxies and this machine have more."""


class Lines:
    """How many connections each address has now. ``proxies`` are the city's own."""

    def __init__(self, proxies: Proxies, most: int = MOST_LINES) -> None:
        self._proxies, self._most = proxies, most
        self._open = Counter[str]()

    def take(self, address: str) -> bool:
        """Count one more connection from ``address``, to be given back with ``leave``; False if that is too many."""
        if self._unbound(address):
            return True
        whose = neighbourhood(address)
        self._open[whose] += 1
        return self._open[whose] <= self._most

    def leave(self, address: str) -> None:
        """One connection from ``address`` ended."""
        if self._unbound(address):
            return
        whose = neighbourhood(address)
        self._open[whose] -= 1
        if self._open[whose] <= 0:
            del self._open[whose]

    def _unbound(self, address: str) -> bool:
        try:
            return ip_address(address).is_loopback or self._proxies.trusts(address)
        except ValueError:
            return False


class _TooLarge(Exception):  # noqa: N818 - ends the parsing of a head, nobody else hears of it
    pass


class Caller(HttpToolsProtocol):
    """One connection. ``lines`` is shared by all of a server; ``head_within`` is for tests that do not wait."""

    def __init__(self, *given: Any, lines: Lines, head_within: float = HEAD_WITHIN, **named: Any) -> None:
        super().__init__(*given, **named)
        self._lines, self._head_within = lines, head_within
        self._head_timer: asyncio.TimerHandle | None = None
        self._head = 0  # bytes of this request's head that were read
        self._unread = 0  # bytes since the parser last made something of them
        self._heard = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the parent has it
        super().connection_made(transport)
        if not self._lines.take(self._address()):
            transport.abort()
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._lines.leave(self._address())
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._heard = False
        before = self.cycle
        idle = before is None or before.response_complete
        super().data_received(data)
        # Most heads come whole: only one that did not needs a clock.
        if idle and self.cycle is before and self._head_timer is None and not self.transport.is_closing():
            self._await_head()
        self._unread = 0 if self._heard else self._unread + len(data)
        if self._unread > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("Too much before the request is whole.")

    def on_message_begin(self) -> None:
        self._head, self._heard = 0, True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:  # no sign of progress: it may come in pieces without an end
        super().on_url(url)
        if len(self.url) > MOST_HEAD:
            raise _TooLarge

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head, self._heard = self._head + len(name) + len(value), True
        if self._head > MOST_HEAD:
            raise _TooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._heard = True
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._heard = True
        super().on_body(body)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._head_within, self._too_late)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_late(self) -> None:
        self._head_timer = None
        self.transport.abort()

    def _address(self) -> str:
        return self.client[0] if self.client is not None else ""
