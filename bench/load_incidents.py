"""The work of a large morning in a process of its own: reports come in, operators read, browsers are told of every change.

Usage: python -m bench.load_incidents PORT HOME SECONDS REPORTS PAGES STREAMS
REPORTS and PAGES are a second. Prints one JSON object: reports sent and taken, p50 and p95 of sending and of each page in
ms, streams that did not hear of every incident. Aims at 127.0.0.1 only and stops by itself.
"""

import asyncio
import json
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

from bench.load_ngsild import Line, request_of
from dothi.access.local_key import operator_headers
from dothi.services.citizens import codes

PROXY = "127.0.0.2"  # whose word is taken for the addresses citizens come from
PATIENCE = 20.0  # seconds after the last report until every browser must have heard of it
_TEXT = "Đống rác chưa thu gom ở đầu ngõ, mùi nồng nặc, chắn lối đi (số %d)."
_TOKEN = re.compile(rb'name="csrf_token" value="([^"]+)"')
_CODES = re.compile(rb"SV-[0-9]{4}-[0-9]+")


class Stream:
    """One browser's ``/live``: which incidents it was told of."""

    def __init__(self) -> None:
        self.codes = set[bytes]()
        self.anew = False  # it was told to load the page anew, and so sees all of them

    async def run(self, port: int, request: bytes) -> None:
        """Listen until cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        writer.write(request)
        try:
            while line := await reader.readline():
                self.anew = self.anew or line.startswith(b"event: reload")
                if line.startswith(b"data:"):
                    self.codes.update(_CODES.findall(line))
        finally:
            writer.close()


class Pool:
    """Kept connections from one address, taken one at a time."""

    def __init__(self, port: int, source: str) -> None:
        self._port, self._source, self._free = port, source, list[Line]()

    async def ask(self, request: bytes) -> tuple[int, bytes, float]:
        """Status, body and how long it took in ms."""
        line = self._free.pop() if self._free else Line(self._port, self._source)
        began = time.perf_counter()
        status, body = await line.ask(request)
        self._free.append(line)
        return status, body, (time.perf_counter() - began) * 1000


async def at_rate(rate: float, seconds: float, work: Callable[[int], Awaitable[None]]) -> None:
    """Begin ``work`` ``rate`` times a second, whether or not earlier ones are done, and wait for all of them."""
    began, tasks = time.perf_counter(), list[asyncio.Task[None]]()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.ensure_future(work(number)))
    await asyncio.gather(*tasks)


async def load(port: int, home: Path, seconds: float, reports: float, pages: float, streams: int) -> None:
    """Run it and print what was seen."""
    pool, proxy = Pool(port, "127.0.0.1"), Pool(port, PROXY)
    operator = operator_headers(home) | {"Accept": "text/html", "Accept-Encoding": "identity"}
    watching = [Stream() for _ in range(streams)]
    listen = request_of("GET", "/live", operator | {"Accept": "text/event-stream"})
    tasks = [asyncio.create_task(one.run(port, listen)) for one in watching]
    nonce = "0123456789abcdef0123456789abcdef"
    cookie = {"Cookie": f"dothi_csrf={nonce}"}
    page = request_of("GET", "/report?kind=report-environment&longitude=105.852&latitude=21.028", cookie)
    listed = (await pool.ask(request_of("GET", "/api/v1/incidents?limit=100", operator_headers(home))))[1]
    known = [one["code"] for one in json.loads(listed)["items"]]
    found = _TOKEN.search((await proxy.ask(page))[1])
    if found is None:
        sys.exit("the page of reports has no form")
    token, refused = found[1].decode(), list[int]()
    took: dict[str, list[float]] = {"report": []}

    async def report(number: int) -> None:
        chance = random.Random(number)
        said = {
            "csrf_token": token,
            "form": codes.new_form(),
            "kind": "report-environment",
            "longitude": f"{105.80 + chance.random() * 0.08:.5f}",
            "latitude": f"{20.99 + chance.random() * 0.06:.5f}",
            "text": _TEXT % number,
        }
        headers = cookie | {"Content-Type": "application/x-www-form-urlencoded"}
        headers |= {"X-Forwarded-For": f"10.{number % 251}.{number // 251}.1"}
        status, _body, spent = await proxy.ask(request_of("POST", "/report", headers, urlencode(said).encode()))
        if status not in (302, 303):
            refused.append(status)
        took["report"].append(spent)

    async def read(number: int) -> None:
        name = ("the queue", "operations", "an incident")[number % 3]
        path = {"the queue": "/incidents", "operations": "/", "an incident": f"/incidents/{known[number % len(known)]}"}[
            name
        ]
        status, _body, spent = await pool.ask(request_of("GET", path, operator))
        if status != 200:
            sys.exit(f"{path} answered {status}")
        took.setdefault(name, []).append(spent)

    await asyncio.gather(at_rate(reports, seconds, report), at_rate(pages, seconds, read))
    path = "/api/v1/incidents?origin=report&order=newest&limit=1"
    total = json.loads((await pool.ask(request_of("GET", path, operator_headers(home))))[1])["total"]
    for _ in range(int(PATIENCE / 0.2)):
        if all(one.anew or len(one.codes) >= total for one in watching):
            break
        await asyncio.sleep(0.2)
    deaf = sum(len(one.codes) < total and not one.anew for one in watching)
    for task in tasks:
        task.cancel()
    cuts = {name: statistics.quantiles(times, n=20) for name, times in took.items()}
    told: dict[str, dict[str, object]] = {name: {"p50": cut[9], "p95": cut[18]} for name, cut in cuts.items()}
    told["sent"] = {"reports": len(took["report"]), "taken": total, "refused": dict(Counter(refused)), "deaf": deaf}
    print(json.dumps(told))


if __name__ == "__main__":
    port, home, seconds, reports, pages, streams = sys.argv[1:7]
    asyncio.run(load(int(port), Path(home), float(seconds), float(reports), float(pages), int(streams)))
