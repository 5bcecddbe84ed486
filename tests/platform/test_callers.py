"""A stranger's connection costs the city a bounded amount of memory and time, whatever is or is not sent on it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from dothi.access.proxies import Proxies
from dothi.platform.callers import MOST_HEAD, MOST_LINES, Caller, Lines
from dothi.platform.server import Server

HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n"
PIECE = b"a" * 16_384
OUTSIDE = "203.0.113.9"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]


async def body_length(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how many bytes of body came."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
    await send({"type": "http.response.body", "body": f"{size:08}".encode()})


def talk(*said: Talk, head_within: float = 30.0) -> list[bytes]:
    """What each of ``said`` hears on a connection of its own."""

    async def run() -> list[bytes]:
        listening = socket.create_server(("127.0.0.1", 0))
        http = cast("type[asyncio.Protocol]", partial(Caller, lines=Lines(Proxies()), head_within=head_within))
        server = Server(uvicorn.Config(body_length, http=http, ws="none", lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await server.ready.wait()
        heard = []
        async with asyncio.timeout(20):
            for one in said:
                reader, writer = await asyncio.open_connection(*listening.getsockname())
                try:
                    heard.append(await one(reader, writer))
                except ConnectionError:
                    heard.append(b"")
                finally:
                    writer.transport.abort()
        server.should_exit = True
        await serving
        return heard

    return asyncio.run(run())


def endless(start: bytes, piece: bytes = PIECE) -> Talk:
    """Says ``start`` and then ``piece`` until the city hangs up; what it said, or an OverflowError if it listens on."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(start)
        try:
            for _ in range(64 * MOST_HEAD // len(piece)):
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            return b""
        if not reader.at_eof():
            raise OverflowError("the city listened to all of it")
        return await reader.read()

    return say


def once(said: bytes) -> Talk:
    """Says ``said`` and listens until the city hangs up."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(said)
        return await reader.read()

    return say


CHUNKED = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /", PIECE),
        (HEAD + b"X-Long: ", PIECE),
        (HEAD + b"X", PIECE),
        (HEAD, b"X-Many: a\r\n" * 1_000),
        (CHUNKED + b"1;", PIECE),
        (CHUNKED + b"1\r\na\r\n0\r\nX-Trailer: ", PIECE),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"X-Trailer: a\r\n" * 1_000),
    ],
)
def test_a_head_without_an_end_is_cut_off(start: bytes, piece: bytes) -> None:
    (heard,) = talk(endless(start, piece))
    assert heard[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 200")


def test_a_large_head_and_a_body_in_many_pieces_are_heard() -> None:
    body = b"".join(b"%x\r\n%s\r\n" % (len(PIECE), PIECE) for _ in range(16))
    close = b"Connection: close\r\n"
    large = HEAD + close + b"X-Long: " + b"a" * (MOST_HEAD - 1_000) + b"\r\n\r\n"
    chunked = CHUNKED.replace(b"\r\n\r\n", b"\r\n" + close + b"\r\n") + body + b"0\r\n\r\n"
    first, second = talk(once(large), once(chunked))
    assert first.endswith(b"00000000")
    assert second.endswith(b"%08d" % (16 * len(PIECE)))


@pytest.mark.parametrize("said", [b"", b"\r\n", b"GET", HEAD])
def test_who_does_not_come_to_the_point_is_left(said: bytes) -> None:
    assert talk(once(said), head_within=0.05) == [b""]


def test_the_second_request_of_a_connection_has_as_long_and_no_longer() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEAD + b"\r\n")
        first = await reader.readuntil(b"00000000")
        writer.write(HEAD)
        return first[:12] + await reader.read()

    assert talk(say, head_within=0.3) == [b"HTTP/1.1 200"]


def test_one_address_has_a_bounded_number_of_connections() -> None:
    lines = Lines(Proxies("198.51.100.0/24"), most=3)
    assert [lines.take(OUTSIDE) for _ in range(4)] == [True, True, True, False]
    assert lines.take("203.0.113.10")
    lines.leave(OUTSIDE)
    lines.leave(OUTSIDE)
    assert lines.take(OUTSIDE)
    assert [lines.take(f"2001:db8::{one}") for one in range(4)] == [True, True, True, False]  # one subscriber's network


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "198.51.100.7"])
def test_proxies_and_this_machine_are_not_counted(address: str) -> None:
    lines = Lines(Proxies("198.51.100.0/24"), most=1)
    assert all(lines.take(address) for _ in range(5))


def test_an_office_behind_one_address_comes_in() -> None:
    lines = Lines(Proxies())
    assert all(lines.take(OUTSIDE) for _ in range(MOST_LINES))
    assert not lines.take(OUTSIDE)
