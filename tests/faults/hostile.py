"""What senders write, good and bad, and what must become of it: each piece knows whether it is a reading or is held."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from hypothesis import strategies as st

from dothi.testing.city import RunningCity, wait_until

KNOWN, REFUSED = "fuzz-known", "fuzz-refused"
GHOSTS = tuple(f"ghost-{number}" for number in range(20))
URN = f"urn:ngsi-ld:AirQualityObserved:hanoi:{KNOWN}"
KEYS = ("pm25", "pm10", "no2", "temperature")
STEP = timedelta(milliseconds=1)

numbers = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False, width=32)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
documents = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
values = numbers | texts | st.booleans() | st.none() | documents


def _message(**parts: object) -> bytes:
    return json.dumps({"values": {"pm25": 1}, **parts}).encode()


BROKEN = (
    b"1",
    b"null",
    b'"text"',
    b"{}",
    b"[1]",
    b'{"values":5}',
    b'{"values":[1]}',
    b'{"values":{}}',
    b'{"values":{"pm25":NaN}}',
    b'{"values":{"pm25":-Infinity}}',
    b'{"values":{"pm25":1e999}}',
    b'{"values":{"pm25":%d}}' % 10**40,
    b'{"values":{"pm25":"\xff\xfe"}}',
    b'{"values":{"pm25":"\xed\xa0\x80"}}',
    b'{"values":{"pm25":"\\ud800"}}',
    b'{"values":{"pm25":' + b"[" * 40 + b"]" * 40 + b"}}",
    b'{"values":{"pm25":' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
    b'{"values":{"pm25":01}}',
    b'{"values":{"pm25":1,}}',
    b"{'values':{'pm25':1}}",
    _message(device="không"),
    _message(device=""),
    _message(device="x" * 65),
    _message(device=7),
    _message(device=["a"]),
    _message(at="2026-05-14T04:07:24"),
    _message(at="yesterday"),
    _message(at=-1),
    _message(at=10**30),
    _message(at=True),
    _message(location=[105.8]),
    _message(location=[105.8, 99]),
    _message(location="here"),
    _message(values={f"k{number}": 1 for number in range(201)}),
    _message(values={"k" * 129: 1}),
    _message(values={"pm25": "x" * 10_001}),
)


@dataclass
class Piece:
    """One message of a body: its text, or values that get a device and a moment when they are sent."""

    kind: str  # known, strange, ghost, absurd, refused or broken
    raw: bytes = b""
    values: dict[str, Any] = field(default_factory=dict)
    device: str = KNOWN
    years: int = 0


def _known(values: dict[str, Any]) -> Piece:
    return Piece("strange" if set(values) - set(KEYS) else "known", values=values)


pieces = st.one_of(
    st.dictionaries(st.sampled_from(KEYS), values, min_size=1, max_size=4).map(_known),
    st.dictionaries(st.sampled_from([*KEYS, "bụi", "x"]) | texts, values, min_size=1, max_size=4).map(_known),
    st.builds(
        Piece,
        st.just("ghost"),
        values=st.dictionaries(texts, values, min_size=1, max_size=3),
        device=st.sampled_from(GHOSTS),
    ),
    st.builds(Piece, st.just("absurd"), values=st.just({"pm25": 1}), years=st.sampled_from([-40, -10, 10, 1000])),
    st.builds(Piece, st.just("refused"), values=st.just({"pm25": 1}), device=st.just(REFUSED)),
    st.builds(Piece, st.just("broken"), raw=st.sampled_from(BROKEN)),
)


class Expected:
    """What the city must end up with, counted piece by piece."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.readings: Counter[str] = Counter()
        self.began = datetime.now(UTC) - timedelta(hours=12)
        self._moments = 0

    def write(self, piece: Piece, *, named: bool) -> bytes:
        """The text of a piece; ``named`` says its device in the body. Every message gets a moment of its own."""
        if piece.kind == "broken":
            return piece.raw
        self._moments += 1
        at = self.began + self._moments * STEP
        if piece.years:
            at = at.replace(year=at.year + piece.years, day=min(at.day, 28))
        message = {"at": at.isoformat(), "values": piece.values}
        return json.dumps(message | ({"device": piece.device} if named else {}), ensure_ascii=False).encode()

    def keep(self, sent: Sequence[Piece]) -> None:
        """The city took this body. The same broken text twice in one body is held once: it says nothing more."""
        self.count["broken"] += len({piece.raw for piece in sent if piece.kind == "broken"})
        for piece in sent:
            if piece.kind != "broken":
                self.count[piece.kind] += 1
            if piece.kind in ("known", "strange"):
                self.readings.update(piece.values.keys() & set(KEYS))

    @property
    def held(self) -> int:
        """Rows that must be in quarantine."""
        return self.count["broken"] + self.count["absurd"] + self.count["strange"]


def prepare(client: httpx.Client) -> None:
    """A device that is known, and one that is refused."""
    place = {"type": "AirQualityObserved", "longitude": 105.85, "latitude": 21.03}
    assert client.post("/api/v1/devices/bulk", json=[{"id": one} | place for one in (KNOWN, REFUSED)]).status_code == 200
    assert client.post(f"/api/v1/devices/{REFUSED}/refuse").status_code == 200


def settle(city: RunningCity, client: httpx.Client, arrived: Callable[[], bool]) -> None:
    """Wait until what was sent has ``arrived`` and the journal is empty, which it may seem to be a moment too early."""
    wait_until(arrived, "everything has arrived somewhere")
    wait_until(lambda: city.run(city.platform.journal.lag()) == 0, "the journal is empty")
    assert client.get("/health").status_code == 200


def lobby_count(client: httpx.Client) -> int:
    """How many messages of unknown devices were heard."""
    return sum(one["count"] for one in client.get("/api/v1/lobby?limit=1000").json()["items"])


def held_count(client: httpx.Client) -> int:
    """How many rows are in quarantine."""
    return int(client.get("/api/v1/quarantine?limit=1").json()["total"])


def held_of(client: httpx.Client) -> Counter[str]:
    """How many rows of each message are in quarantine, by its correlation."""
    found: Counter[str] = Counter()
    while True:
        page = client.get("/api/v1/quarantine", params={"limit": 1000, "offset": found.total()}).json()
        found.update(row["correlation"] for row in page["items"])
        if found.total() >= page["total"]:
            return found


def check(expected: Expected, city: RunningCity, client: httpx.Client) -> None:
    """Nothing is lost in silence: the sums are right to the last piece."""
    settle(city, client, lambda: held_count(client) >= expected.held and lobby_count(client) >= expected.count["ghost"])
    assert held_count(client) == expected.held
    assert lobby_count(client) == expected.count["ghost"]
    assert city.platform.ingest.figures.refused == expected.count["refused"]
    window = {"from": expected.began.isoformat(), "to": (expected.began + timedelta(hours=13)).isoformat()}
    found = Counter()
    for key in KEYS:
        told = client.get(f"/api/v1/entities/{URN}/history", params=window | {"attribute": key, "limit": 100_000}).json()
        assert set(told["revisions"]) <= {0}
        found[key] = len(told["values"])
    assert found == expected.readings
