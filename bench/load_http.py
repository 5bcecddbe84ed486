"""A load generator in its own process: posts batches of readings over HTTP, and prints what was accepted.

Usage: python -m bench.load_http PORT HOME DEVICES MESSAGES_PER_BODY SECONDS [MESSAGES_PER_SECOND]
Prints one JSON object: accepted messages, refused posts (503), seconds. Aims at 127.0.0.1 only and stops by itself.
"""

import http.client
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dothi.access.local_key import operator_headers

VALUES = '"values":{"pm25":%d.5,"pm10":%d,"no2":20.25,"temperature":25.5,"relativeHumidity":61}}'


def body_of(first: int, messages: int, devices: int, moment: str, turn: int) -> bytes:
    """One JSON array of ``messages`` messages of five values, from devices ``first`` on."""
    values = VALUES % (20 + turn % 17, 40 + turn % 13)
    return (
        "[" + ",".join(f'{{"device":"bench-{(first + i) % devices}","at":"{moment}",{values}' for i in range(messages)) + "]"
    ).encode()


def main(port: int, home: Path, devices: int, messages: int, seconds: float, rate: float | None) -> None:
    """Post until ``seconds`` are over; with ``rate``, no faster than that many messages a second."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = operator_headers(home) | {"Content-Type": "application/json"}
    began = time.perf_counter()
    origin = datetime.now(UTC) - timedelta(minutes=2)
    accepted = refused = sent = 0
    while (elapsed := time.perf_counter() - began) < seconds:
        turn, first = divmod(sent, devices)
        if rate is not None and sent > elapsed * rate:
            time.sleep(0.002)
            continue
        # Each round of all devices has its own moment, so that every reading is a new one.
        moment = (origin + timedelta(milliseconds=turn * 100)).isoformat(timespec="milliseconds")
        body = body_of(first, messages, devices, moment, turn)
        connection.request("POST", "/api/v1/readings", body, headers)
        response = connection.getresponse()
        text = response.read()
        if response.status == 202:
            accepted += messages
            sent += messages
        elif response.status in (429, 503):
            refused += 1
            time.sleep(0.02)
        else:
            sys.exit(f"the city answered {response.status}: {text[:300]!r}")
    print(json.dumps({"accepted": accepted, "refused": refused, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    port, home, devices, messages, seconds = sys.argv[1:6]
    rate = float(sys.argv[6]) if len(sys.argv) > 6 else None
    main(int(port), Path(home), int(devices), int(messages), float(seconds), rate)
