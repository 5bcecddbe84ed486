"""The NATS client's parser: whatever way the network cuts the bytes, the same messages come out."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.store.nats_wire import NatsGone, Wire, _Link

BODIES = st.binary(max_size=60) | st.just(b"\r\nMSG x 1 5\r\n")
WORD = st.sampled_from([b"a", b"hanoi.devices.x.readings", b"$JS.ACK.s.c.1.2.3.4.5", b"hanoi.devices.a\x0bb.readings"])


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, tuple[bytes, bytes, bytes, bytes]]:
    subject, reply, body = draw(WORD), draw(st.one_of(st.just(b""), WORD)), draw(BODIES)
    header = draw(st.sampled_from([b"", b"NATS/1.0\r\n\r\n", b"NATS/1.0 408 Timeout\r\nA: b\r\n\r\n"]))
    target = b"%s 7 %s" % (subject, reply + b" " if reply else b"")
    if header:
        wire = b"HMSG %s%d %d\r\n%s%s\r\n" % (target, len(header), len(header) + len(body), header, body)
    else:
        wire = b"MSG %s%d\r\n%s\r\n" % (target, len(body), body)
    return wire, (subject, reply, header, body)


@settings(max_examples=100)
@given(st.lists(messages(), max_size=8), st.lists(st.integers(1, 40), max_size=200))
def test_any_cut_gives_the_same_messages(
    sent: list[tuple[bytes, tuple[bytes, bytes, bytes, bytes]]], cuts: list[int]
) -> None:
    async def scene() -> None:
        heard: list[tuple[bytes, bytes, bytes, bytes]] = []
        link = _Link({b"7": lambda *message: heard.append(message)})
        stream = b"+OK\r\n" + b"".join(wire for wire, _ in sent)
        for cut in cuts:
            link.data_received(stream[:cut])
            stream = stream[cut:]
            if not stream:
                break
        if stream:
            link.data_received(stream)
        assert heard == [message for _, message in sent]

    asyncio.run(scene())


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_connection_that_is_just_closing_is_gone(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Between the end of a connection and its notice, a write must neither vanish nor fail as something unforeseen."""

    async def scene() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        link = _Link({})
        await asyncio.get_running_loop().create_connection(lambda: link, *server.sockets[0].getsockname())
        wire = Wire(list, asyncio.Event().wait)
        wire._link = link
        link.abort("the journal was killed")
        with pytest.raises(NatsGone):
            wire.publish(b"a", b"b")
        with pytest.raises(NatsGone):
            await wire.request(b"a")
        with pytest.raises(NatsGone):
            await link.ping()
        link._control(b"PING")
        server.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scene())
