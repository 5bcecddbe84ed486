"""A bare city under load, and a ledger of what it promised: every reading it acknowledged must be in its history, once."""

import json
import os
import random
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt

from dothi.testing.city import CityProcess, RunningCity, start_city_process, wait_until

TENANT = "hanoi"
LOAD = ("http-0", "http-1", "mqtt-0", "mqtt-1")
DOOR = "/api/v1/readings"
PAGE = 50_000  # readings asked for at once
STEP = timedelta(milliseconds=20)
_FAILURES = (httpx.HTTPError, OSError)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses, below those a system gives out by itself: while a city is away it stays."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def bare_city(folder: Path, **settings: Any) -> Iterator[CityProcess]:
    """``dothi run`` as a process, on ports that stay the same over restarts, with an empty data folder."""
    empty = folder / "no-data"
    empty.mkdir(parents=True, exist_ok=True)
    ports = {"port": free_port(), "mqtt_port": free_port()}
    with start_city_process(folder, **({"data": empty, "log_level": "WARNING"} | ports | settings)) as city:
        yield city


@contextmanager
def operator(city: CityProcess | RunningCity) -> Iterator[httpx.Client]:
    """A program that has the key of the home folder: the city's operator."""
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=20, headers=city.operator) as client:
        yield client


def key_of(city: CityProcess | RunningCity) -> str:
    """What a system shows as its password: here the key of the home folder."""
    return city.operator["Authorization"].removeprefix("Bearer ")


def register(client: httpx.Client, devices: Sequence[str], **more: object) -> None:
    """Admit air stations, each at a place of its own."""
    told = [
        {"id": one, "type": "AirQualityObserved", "longitude": 105.8 + number / 1000, "latitude": 21.03} | more
        for number, one in enumerate(devices)
    ]
    answer = client.post("/api/v1/devices/bulk", json=told)
    assert answer.status_code == 200, answer.text


def figures(client: httpx.Client) -> dict[str, float]:
    """The unlabelled figures of /metrics."""
    lines = client.get("/metrics").text.splitlines()
    return {key: float(value) for key, _, value in (line.partition(" ") for line in lines if not line.startswith("#"))}


def nats_pid(home: Path) -> int:
    """Process id of the journal's server; 0 while it is being written down."""
    return int((home / "tenants" / TENANT / "journal" / "nats.pid").read_text() or 0)


def is_gone(pid: int) -> bool:
    """True once a process has ended, whether or not anybody has buried it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path("/proc/self").exists()


class Ledger:
    """What was sent and what the city promised to keep: a value for each (device, number of its moment)."""

    def __init__(self) -> None:
        self.began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)
        self.sent: dict[str, dict[int, float]] = {}
        self.kept: dict[str, set[int]] = {}
        self._lock = threading.Lock()

    def next(self, device: str, rng: random.Random) -> dict[str, object]:
        """One message nobody sent before."""
        values = self.sent.setdefault(device, {})
        number = len(values)
        values[number] = rng.randrange(1, 9_000) / 10
        return {"device": device, "at": self.moment(number).isoformat(), "values": {"pm25": values[number]}}

    def moment(self, number: int) -> datetime:
        """When the city was told that the reading ``number`` of a device was taken."""
        return self.began + number * STEP

    def promise(self, device: str, numbers: Sequence[int]) -> None:
        """The city acknowledged these."""
        with self._lock:
            self.kept.setdefault(device, set()).update(numbers)

    def more(self, least: int, most: int, rng: random.Random) -> Callable[[], bool]:
        """Tells when every device of the load was promised some more readings: ``least`` to ``most``, as chance will."""
        goals = {device: len(self.kept.get(device, ())) + rng.randint(least, most) for device in LOAD}
        return lambda: all(len(self.kept.get(device, ())) >= goal for device, goal in goals.items())

    def missing(self, client: httpx.Client) -> int:
        """How many promised readings are not in history yet."""
        return sum(len(kept - history(client, self, device).keys()) for device, kept in self.kept.items())

    def check(self, client: httpx.Client) -> None:
        """Every promised reading is there once with its value, and nothing is there that nobody sent."""
        for device, values in self.sent.items():
            found = history(client, self, device)
            assert self.kept.get(device, set()) <= found.keys()
            assert found == {number: values[number] for number in found}

    def settled(self, client: httpx.Client) -> None:
        """Wait until the city has taken everything in, then check."""
        wait_until(lambda: _patiently(lambda: self.missing(client) == 0), "all that was acknowledged is in history")
        wait_until(lambda: _patiently(lambda: client.get("/health").json()["lag"] == 0), "the journal is empty")
        self.check(client)


def history(client: httpx.Client, ledger: Ledger, device: str) -> dict[int, float]:
    """The readings of a device by number. Fails if a moment is there twice or was corrected."""
    urn = f"urn:ngsi-ld:AirQualityObserved:{TENANT}:{device}"
    found: dict[int, float] = {}
    for first in range(0, len(ledger.sent[device]), PAGE):
        window = {"from": ledger.moment(first).isoformat(), "to": ledger.moment(first + PAGE).isoformat()}
        answer = client.get(f"/api/v1/entities/{urn}/history", params=window | {"attribute": "pm25", "limit": PAGE + 1})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert set(told["revisions"]) <= {0}
        numbers = [(datetime.fromisoformat(at) - ledger.began) // STEP for at in told["observedAt"]]
        assert len(set(numbers)) == len(numbers)
        found.update(zip(numbers, told["values"], strict=True))
    return found


def _patiently(question: Callable[[], bool]) -> bool:
    """The answer; no while nobody answers."""
    with suppress(*_FAILURES):
        return question()
    return False


class HttpDevice(threading.Thread):
    """Sends batches, and each of them again until the city has acknowledged it: what a careful device does."""

    def __init__(self, city: CityProcess, device: str, ledger: Ledger, *, batch: int = 10) -> None:
        super().__init__(name=device, daemon=True)
        self._city, self._device, self._ledger, self._batch = city, device, ledger, batch
        self._ended = threading.Event()
        self.refusals: list[httpx.Response] = []

    def run(self) -> None:
        rng = random.Random(self._device)
        with operator(self._city) as client:
            while not self._ended.is_set():
                first = len(self._ledger.sent.get(self._device, {}))
                body = [self._ledger.next(self._device, rng) for _ in range(self._batch)]
                while not self._ended.is_set() and not self._send(client, body, first):
                    self._ended.wait(0.05)

    def _send(self, client: httpx.Client, body: object, first: int) -> bool:
        with suppress(*_FAILURES):
            answer = client.post(DOOR, json=body)
            if answer.status_code == 202:
                self._ledger.promise(self._device, range(first, first + self._batch))
                return True
            self.refusals.append(answer)
        return False

    def end(self) -> None:
        """Send no more."""
        self._ended.set()
        self.join()


class MqttDevice(threading.Thread):
    """Publishes at QoS 1 with a client everybody uses, which connects again and repeats what was not acknowledged."""

    def __init__(self, city: CityProcess, device: str, ledger: Ledger, *, window: int = 100) -> None:
        super().__init__(name=device, daemon=True)
        self._device, self._ledger, self._window = device, ledger, window
        self._ended, self._told = threading.Event(), threading.Event()
        self._pubacks: deque[int] = deque()
        self._under_way: dict[int, int] = {}
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, device, clean_session=True)
        self._client.reconnect_delay_set(0.1, 0.1)
        self._client.max_inflight_messages_set(window)
        self._client.on_publish = self._on_puback
        self._client.username_pw_set(device, key_of(city))
        self._client.connect("127.0.0.1", city.mqtt_port, keepalive=5)
        self._client.loop_start()

    def run(self) -> None:
        rng = random.Random(self._device)
        topic = f"{TENANT}/devices/{self._device}/readings"
        while not self._ended.is_set():
            self._sweep()
            if len(self._under_way) >= self._window:
                self._told.wait(0.05)
                self._told.clear()
                continue
            message = self._ledger.next(self._device, rng)
            sent = self._client.publish(topic, json.dumps(message), qos=1)
            self._under_way[sent.mid] = len(self._ledger.sent[self._device]) - 1

    def _on_puback(self, client: mqtt.Client, userdata: object, mid: int, reason: object, properties: object) -> None:
        self._pubacks.append(mid)
        self._told.set()

    def _sweep(self) -> None:
        told = [self._under_way.pop(self._pubacks.popleft()) for _ in range(len(self._pubacks))]
        if told:
            self._ledger.promise(self._device, told)

    def end(self) -> None:
        """Publish no more."""
        self._ended.set()
        self.join()
        self._client.disconnect()
        self._client.loop_stop()
        self._sweep()


@contextmanager
def under_load(city: CityProcess, ledger: Ledger) -> Iterator[list[HttpDevice]]:
    """Devices that send to ``city`` as fast as it acknowledges, over both doors; they end on the way out."""
    by_http = [HttpDevice(city, device, ledger) for device in LOAD if device.startswith("http")]
    by_mqtt = [MqttDevice(city, device, ledger) for device in LOAD if device.startswith("mqtt")]
    for device in (*by_http, *by_mqtt):
        device.start()
    try:
        yield by_http
    finally:
        for device in (*by_http, *by_mqtt):
            device.end()


class RawMqtt:
    """MQTT 3.1.1 by hand (OASIS, section 3): one message at a time, topics no decent client would send, no second try.

    It signs in as a system that speaks for every device.
    """

    def __init__(self, city: CityProcess | RunningCity) -> None:
        self._port, self._key = city.mqtt_port, key_of(city).encode()
        self._socket: socket.socket | None = None

    def publish(self, topic: str | bytes, body: bytes) -> bool:
        """Publish at QoS 1; True if a PUBACK came, False if the connection was closed instead."""
        raw = topic.encode(errors="surrogatepass") if isinstance(topic, str) else topic
        packet = _packet(0x32, len(raw).to_bytes(2, "big") + raw + b"\x00\x01" + body)
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=20)
                login = b"".join(len(word).to_bytes(2, "big") + word for word in (b"raw", b"raw", self._key))
                self._socket.sendall(_packet(0x10, b"\x00\x04MQTT\x04\xc2\x00\x00" + login))
                assert self._socket.recv(4) == b"\x20\x02\x00\x00"
            self._socket.sendall(packet)
            if self._socket.recv(4) == b"\x40\x02\x00\x01":
                return True
        except ConnectionError:
            pass
        self.close()
        return False

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _packet(kind: int, body: bytes) -> bytes:
    length, rest = bytearray(), len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length.append(digit | (0x80 if rest else 0))
        if not rest:
            return bytes([kind]) + bytes(length) + body
