"""A load generator for the NGSI-LD door in its own process: keeps connections busy with requests made beforehand.

Usage: python -m bench.load_ngsild PORT HOME KIND CONNECTIONS SECONDS ENTITIES
KIND is update, upsert, retrieve, query or count. Prints one JSON object: requests, seconds, p50 and p95 in ms. Aims at
127.0.0.1 only and stops by itself.
"""

import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from dothi.access.local_key import operator_headers

BATCH = 1_000  # entities of one upsert
TYPE = "BenchPump"
URN = "urn:ngsi-ld:BenchPump:hanoi:%d"
Maker = Callable[[int], bytes]


class Line:
    """One kept connection, from the address ``source``: sends a request, reads its answer."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self._port, self._source = port, source
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises OSError or IncompleteReadError if the city goes away."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port, limit=2**25, local_addr=(self._source, 0)
            )
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        lowered = head.lower()
        place = lowered.find(b"content-length:")
        size = int(lowered[place + 15 : lowered.index(b"\r\n", place)]) if place >= 0 else 0
        body = await self._reader.readexactly(size)
        return status, body


def request_of(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of one request."""
    told = {"Host": "127.0.0.1"} | headers | ({"Content-Length": str(len(body))} if body else {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def entity(number: int, turn: int, side: int) -> dict[str, object]:
    """A pump on a grid over the city: four attributes and a place."""
    return {
        "id": URN % number,
        "type": TYPE,
        "level": {"type": "Property", "value": (number * 7 + turn) % 1000 / 10, "unitCode": "MTR"},
        "state": {"type": "Property", "value": "on" if (number + turn) % 2 else "off"},
        "power": {"type": "Property", "value": number % 500 + turn % 10},
        "name": {"type": "Property", "value": f"Pump {number}"},
        "location": {
            "type": "GeoProperty",
            "value": {
                "type": "Point",
                "coordinates": [105.55 + 0.5 * (number % side) / side, 20.75 + 0.45 * (number // side) / side],
            },
        },
    }


def maker(kind: str, headers: dict[str, str], entities: int) -> Maker:
    """What makes the n-th request of a kind."""
    chance, base = random.Random(5), "/ngsi-ld/v1"
    side = int(entities**0.5) + 1
    json_headers = headers | {"Content-Type": "application/json"}

    def update(turn: int) -> bytes:
        body = b'{"type":"Property","value":%d.5}' % turn  # another each time: who is told the same again tells nobody
        return request_of("PATCH", f"{base}/entities/{URN % (turn * 7919 % entities)}/attrs/power", json_headers, body)

    def upsert(turn: int) -> bytes:
        first = turn * BATCH % entities
        rows = [entity((first + i) % entities, turn, side) for i in range(BATCH)]
        return request_of("POST", f"{base}/entityOperations/upsert", json_headers, msgspec.json.encode(rows))

    def retrieve(turn: int) -> bytes:
        return request_of("GET", f"{base}/entities/{URN % (turn * 7919 % entities)}", headers)

    def query(_: int) -> bytes:
        place = f"[{105.55 + chance.random() / 2:.4f},{20.75 + chance.random() * 0.45:.4f}]"
        asked = f"type={TYPE}&q=level%3E20;state==%22on%22&georel=near;maxDistance==2000&geometry=Point&coordinates={place}"
        return request_of("GET", f"{base}/entities?{asked}&limit=100", headers)

    def count(_: int) -> bytes:
        return request_of("GET", f"{base}/entities?type={TYPE}&q=level%3E99&limit=100&count=true", headers)

    return {"update": update, "upsert": upsert, "retrieve": retrieve, "query": query, "count": count}[kind]


async def load(port: int, home: Path, kind: str, connections: int, seconds: float, entities: int) -> None:
    """Keep ``connections`` busy until ``seconds`` are over, then print what was answered. A wrong status ends it."""
    make = maker(kind, operator_headers(home), entities)
    ends, took, turn = time.perf_counter() + seconds, list[float](), iter(range(10**9))

    async def work() -> None:
        line = Line(port)
        while time.perf_counter() < ends:
            request = make(next(turn))
            began = time.perf_counter()
            status, body = await line.ask(request)
            if status not in (200, 201, 204):
                sys.exit(f"the city answered {status}: {body[:300]!r}")
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    spent = time.perf_counter() - began
    cuts = statistics.quantiles(took, n=20) if len(took) > 1 else took * 19
    told = {"requests": len(took), "seconds": spent, "p50": cuts[9] * 1000, "p95": cuts[18] * 1000}
    print(json.dumps(told))


if __name__ == "__main__":
    port, home, kind, connections, seconds, entities = sys.argv[1:7]
    asyncio.run(load(int(port), Path(home), kind, int(connections), float(seconds), int(entities)))
