"""The NATS client's parser: whatever way the network cuts the bytes, the same messages come out."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.store.nats_wire import _Link

BODIES = st.binary(max_size=60) | st.just(b"\r\nMSG x 1 5\r\n")
WORD = st.sampled_from([b"a", b"hanoi.devices.x.readings", b"$JS.ACK.s.c.1.2.3.4.5"])


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
