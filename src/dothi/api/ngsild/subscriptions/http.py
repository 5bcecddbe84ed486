"""Notifications over HTTP (ETSI GS CIM 009 v1.8.1, clause 6.3.8): open connections to addresses that were checked.

A client of our own, over httptools: a general one costs more than everything else a notification needs.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Collection
from functools import cache, lru_cache
from urllib.parse import SplitResult, quote, urlsplit

import httptools
import httpx

from dothi.access.outgoing import NotCalled, check, origin_of
from dothi.api.ngsild.subscriptions.taking import NotTaken, Target, unreached

MOST_CONNECTIONS = 8  # to one origin at the same time
_IDLE = 1.0  # seconds a connection is kept for the next one: receivers hang up early, some without a word
_MOST_ANSWER = 262_144  # bytes; nobody reads them
_AS_IT_IS = "/?%:@!$&'()*+,;=~"  # what a request line takes; all other letters are escaped (RFC 3986, RFC 3987)
_HEAD = "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: dothi\r\nAccept: */*\r\nContent-Type: {media}\r\n{more}"


class HttpSender:
    """Posts notifications. ``named`` are the origins that may lie in the city's own network; ``anywhere`` lets all."""

    def __init__(self, named: Collection[str], *, anywhere: bool) -> None:
        self._named, self._anywhere = frozenset(named), anywhere
        self._pools: dict[str, _Pool] = {}
        self._heads: dict[Target, bytes] = {}
        self._proxied: httpx.AsyncClient | None = None

    async def send(self, target: Target, body: bytes) -> None:
        """Post ``body``. Raises NotTaken unless a status of 2xx comes back in time."""
        try:
            status = await self._post(target, body)
        except TimeoutError:
            raise NotTaken(f"no answer within {target.timeout:g} s") from None
        except NotCalled as why:
            raise NotTaken(str(why)) from why
        except (OSError, httpx.HTTPError, httptools.HttpParserError) as error:
            raise unreached(error) from error
        if not 200 <= status < 300:
            raise NotTaken(f"answered {status}", refused=True)

    async def close(self) -> None:
        """Let go of all connections."""
        for pool in self._pools.values():
            pool.close()
        if self._proxied is not None:
            await self._proxied.aclose()

    async def _post(self, target: Target, body: bytes) -> int:
        origin = _origin(target.uri)
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = _Pool()
        async with pool.turn:
            ends = asyncio.get_running_loop().time() + target.timeout
            while True:
                connection = pool.idle()
                fresh = connection is None
                if connection is None:
                    async with asyncio.timeout_at(ends):
                        named = {*self._named, origin} if self._anywhere else self._named
                        call = await asyncio.to_thread(check, target.uri, named)
                        if call.proxied:
                            return await self._through_proxy(target, body)
                        connection = await _connect(call.url, call.extensions.get("sni_hostname"))
                        connection.host = call.headers["Host"]
                try:
                    status = await connection.ask(self._head(target, connection.host), body, ends)
                except ConnectionError:
                    if fresh:
                        raise
                    continue  # it was closed while nobody used it
                if connection.reusable:
                    pool.keep(connection)
                return status

    def _head(self, target: Target, host: str) -> bytes:
        head = self._heads.get(target)
        if head is None:
            parts = urlsplit(target.uri)
            path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_AS_IT_IS)
            headers = {**dict(target.headers), **({"Link": target.link} if target.link else {})}
            more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = _HEAD.format(path=path, host=host, media=target.media, more=more).encode()
            if len(self._heads) > 1_000:
                self._heads.clear()
            self._heads[target] = head
        return head

    async def _through_proxy(self, target: Target, body: bytes) -> int:
        if self._proxied is None:
            self._proxied = httpx.AsyncClient(follow_redirects=False)
        headers = {**dict(target.headers), "Content-Type": target.media, **({"Link": target.link} if target.link else {})}
        answer = await self._proxied.post(target.uri, content=body, headers=headers)
        return answer.status_code


_origin = lru_cache(maxsize=1_000)(origin_of)


class _Pool:
    """The connections to one origin."""

    def __init__(self) -> None:
        self.turn = asyncio.Semaphore(MOST_CONNECTIONS)
        self._idle: deque[tuple[float, _Connection]] = deque()

    def idle(self) -> "_Connection | None":
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, connection = self._idle.pop()  # the one used last is the likeliest to be open still
            if connection.reusable and now - since < _IDLE:
                return connection
            connection.close()
        return None

    def keep(self, connection: "_Connection") -> None:
        self._idle.append((asyncio.get_running_loop().time(), connection))

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()


class _Connection(asyncio.Protocol):
    """One connection, with one request on it at a time; bodies of answers are passed over.

    ``reusable`` is True when an answer came to its end and the receiver listens on: one without a length ends with the
    connection.
    """

    def __init__(self) -> None:
        self.host = ""
        self.reusable = False
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] | None = None
        self._read = 0

    async def ask(self, head: bytes, body: bytes, ends: float) -> int:
        """The status that answers a request. Raises TimeoutError if none came until ``ends`` by the event loop's clock."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection was closed")
        loop = asyncio.get_running_loop()
        self._answer, self._read, self.reusable = loop.create_future(), 0, False
        late = loop.call_at(ends, self._fail, TimeoutError())  # asyncio.timeout costs several times as much
        self._transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
        try:
            return await self._answer
        finally:
            late.cancel()
            self._answer = None
            if not self.reusable:
                self.close()  # what is still to come would be taken for the next one's answer

    def close(self) -> None:
        self.reusable = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # create_connection makes nothing else

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        self._fail(ConnectionResetError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        self._read += len(data)
        if self._read > _MOST_ANSWER:
            self.close()
            self._fail(ConnectionAbortedError("the answer has no end"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.close()
            self._fail(error)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and self._answer is not None and not self._answer.done():
            self._answer.set_result(status)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self.reusable = self._parser.should_keep_alive()

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


async def _connect(url: str, name: str | None) -> _Connection:
    """A connection to the checked address in ``url``; with TLS for ``name``."""
    parts: SplitResult = urlsplit(url)
    secure = _tls() if parts.scheme == "https" else None
    _, connection = await asyncio.get_running_loop().create_connection(
        _Connection, parts.hostname or "", parts.port or 0, ssl=secure, server_hostname=name if secure else None
    )
    return connection


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
