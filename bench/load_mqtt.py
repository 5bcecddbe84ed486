"""A load generator in its own process: publishes readings over MQTT 3.1.1 at QoS 1 and counts the PUBACKs.

It writes packets by hand (OASIS MQTT 3.1.1, section 3.3), because a full client costs more than the city does.
Usage: python -m bench.load_mqtt PORT HOME TENANT DEVICES SECONDS WINDOW. Prints one JSON object. Aims at 127.0.0.1 only.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dothi.access.local_key import operator_headers

VALUES = '"values":{"pm25":%d.5,"pm10":%d,"no2":20.25,"temperature":25.5,"relativeHumidity":61}}'


def _length(size: int) -> bytes:
    out = bytearray()
    while True:
        size, digit = divmod(size, 128)
        out.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(out)


def connect_packet(client: str, key: str) -> bytes:
    """CONNECT with a clean session, no keep-alive, as a system that speaks for every device."""
    words = b"".join(len(word).to_bytes(2, "big") + word.encode() for word in (client, client, key))
    body = b"\x00\x04MQTT\x04\xc2\x00\x00" + words
    return b"\x10" + _length(len(body)) + body


def publish_packet(topic: bytes, identifier: int, payload: bytes) -> bytes:
    """PUBLISH at QoS 1."""
    size = 2 + len(topic) + 2 + len(payload)
    return b"".join((b"\x32", _length(size), len(topic).to_bytes(2, "big"), topic, identifier.to_bytes(2, "big"), payload))


async def main(port: int, home: Path, tenant: str, devices: int, seconds: float, window: int) -> None:
    """Publish until ``seconds`` are over with at most ``window`` unacknowledged, then wait for the rest."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(connect_packet("bench-load", operator_headers(home)["Authorization"].removeprefix("Bearer ")))
    if (await reader.readexactly(4))[3] != 0:
        sys.exit("the MQTT listener refused the connection")
    topics = [f"{tenant}/devices/bench-{i}/readings".encode() for i in range(devices)]
    origin = datetime.now(UTC) - timedelta(minutes=2)
    acknowledged = sent = 0
    room, finished, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    room.set()

    async def count() -> None:
        nonlocal acknowledged
        rest = b""
        while data := await reader.read(65536):
            data = rest + data
            whole = len(data) // 4
            acknowledged += whole
            rest = data[whole * 4 :]
            if sent - acknowledged < window:
                room.set()
            if finished.is_set() and acknowledged >= sent:
                done.set()

    counting = asyncio.create_task(count())
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        for _ in range(50):
            turn, device = divmod(sent, devices)
            moment = (origin + timedelta(milliseconds=turn * 100)).isoformat(timespec="milliseconds")
            payload = f'{{"at":"{moment}",{VALUES % (20 + turn % 17, 40 + turn % 13)}'.encode()
            writer.write(publish_packet(topics[device], sent % 65535 + 1, payload))
            sent += 1
        await writer.drain()
        if sent - acknowledged >= window:
            room.clear()
            await asyncio.wait_for(room.wait(), 60)
    finished.set()
    if acknowledged < sent:
        await asyncio.wait_for(done.wait(), 60)
    took = time.perf_counter() - began
    counting.cancel()
    writer.write(b"\xe0\x00")
    writer.close()
    print(json.dumps({"sent": sent, "acknowledged": acknowledged, "seconds": took}))


if __name__ == "__main__":
    port, home, tenant, devices, seconds, window = sys.argv[1:7]
    asyncio.run(main(int(port), Path(home), tenant, int(devices), float(seconds), int(window)))
