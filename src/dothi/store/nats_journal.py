"""The journal on NATS JetStream: our own stream for HTTP and files, and NATS's own stream of MQTT messages.

A PUBACK is sent only after ``$MQTT_msgs`` stored the message, so that stream is what ingest reads; beside it a stream of
ours would be filled after the PUBACK, or not at all. It stands, bounded, with its consumer, before any device may enter.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import msgspec
import structlog

from dothi.model.problem import Problem, bad_request
from dothi.model.reading import Origin
from dothi.model.text import Text
from dothi.settings import Settings
from dothi.store.database import tenant_folder
from dothi.store.disk import free_share
from dothi.store.journal import JournalDown, JournalFull, Message
from dothi.store.nats_gate import SUBJECT, Gate
from dothi.store.nats_server import NatsServer
from dothi.store.nats_streams import bound_side_streams, not_acknowledged, set_consumer, set_stream
from dothi.store.nats_wire import Address, NatsGone, Wire, frame, parse_urls

MQTT_STREAM = "$MQTT_msgs"
MQTT_HOST = "127.0.0.1"  # without TLS, whatever the web listens on: a password would travel in the clear
STREAM_BYTES = 4 * 1024**3
_IN_HAND = 4_000  # messages asked for ahead, per stream
_IN_HAND_BYTES = 16 * 1024**2
_FETCH_BYTES = 4 * 1024**2
_PULL_LIFE = 30.0
_UNKEPT = 20_000  # QoS 0 messages that may wait in memory
_START_PATIENCE = 30.0
_DISK_EVERY = 1.0
_HYSTERESIS = 1.2  # the journal reopens once this much more than the floor is free
_FULL_CODES = (10077, 10047, 10023)  # maximum bytes exceeded; insufficient storage; insufficient resources
_SEALED = 1  # bytes: a stream bounded so refuses whatever comes and keeps what it has
log = structlog.get_logger("dothi.journal")


class _Meta(msgspec.Struct, omit_defaults=True):
    """What the HTTP and file doors know about a body; travels as one JSON header."""

    source: str
    content_type: str
    correlation: str
    device: str | None = None
    origin: int | None = None


_meta = msgspec.json.Decoder(_Meta)


@dataclass(slots=True)
class _Stream:
    """One of the two streams: ``due`` messages are asked for and still to come until ``end``, ``held`` wait in memory."""

    name: str
    consumer: str
    inbox: bytes
    due: int = 0
    end: float = 0.0
    held: int = 0


class NatsJournal:
    """The journal of one tenant. ``server`` is our own child, or None when ``urls`` names a NATS that others run.

    ``free_share`` answers which share of the disk is free (0 to 1); ``max_bytes`` bounds each of the two streams.
    """

    def __init__(
        self,
        tenant: str,
        *,
        server: NatsServer | None = None,
        addresses: Callable[[], list[Address]],
        free_share: Callable[[], float],
        disk_floor: float = 0.0,
        max_bytes: int = STREAM_BYTES,
        disk_every: float = _DISK_EVERY,
    ) -> None:
        self._tenant, self._server, self._max_bytes = tenant, server, max_bytes
        self._free_share, self._floor, self._disk_every = free_share, disk_floor, disk_every
        self._wire = Wire(addresses, self._prepare)
        consumer = f"dothi_{tenant}_ingest"
        box = self._wire.inbox
        self._subject = f"{tenant}.intake".encode()
        self._mqtt = _Stream(MQTT_STREAM, consumer, box + b".m")
        self._http = _Stream(f"dothi_{tenant}_intake", consumer, box + b".h")
        self._buffer: deque[Message] = deque()
        self._unkept = 0
        self._arrived = asyncio.Event()
        self._disk_watch: asyncio.Task[None] | None = None
        self._closed_by_disk = False
        self._told_streams: bool | None = None
        self.dropped_unkept = 0
        self._signing_in: set[asyncio.Task[None]] = set()
        self._wire.subscribe(self._mqtt.inbox, self._on_mqtt)
        self._wire.subscribe(self._http.inbox, self._on_http)
        self._wire.subscribe(f"{tenant}.devices.*.readings".encode(), self._on_live)
        if server is not None:
            self._wire.subscribe(SUBJECT, self._on_sign_in)

    @property
    def mqtt_port(self) -> int | None:
        """Port of our own MQTT door; None when others run the server."""
        return self._server.mqtt_port if self._server else None

    def guard(self, gate: Gate) -> None:
        """Let ``gate`` decide who comes in by MQTT; without one nobody does. A NATS of others has its own guards."""
        if self._server is not None:
            self._server.guard(gate)

    async def expel(self, names: Collection[str]) -> None:
        """End the MQTT connections known by these names, after what they may do has changed."""
        if self._server is not None:
            await self._server.expel(names)

    async def start(self) -> None:
        """Start the server if it is ours, set the streams up and open the doors. Raises JournalDown."""
        await self._look_at_disk()
        if self._server is not None:
            await self._server.start()
        self._wire.open()
        try:
            async with asyncio.timeout(_START_PATIENCE):
                await self._wire.ready.wait()
        except TimeoutError:
            trouble = self._wire.trouble
            await self.stop()
            raise JournalDown("The journal (NATS) cannot be used.", trouble) from None
        except asyncio.CancelledError:
            await self.stop()
            raise
        self._disk_watch = asyncio.create_task(self._watch_disk(), name="journal-disk")

    async def stop(self) -> None:
        """Leave, and end the server if it is ours."""
        if self._disk_watch is not None:
            self._disk_watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._disk_watch
            self._disk_watch = None
        await self._wire.close()
        if self._server is not None:
            await self._server.stop()

    def healthy(self) -> bool:
        """True while messages can be kept and read."""
        broken = self._server is not None and self._server.broken
        return self._wire.ready.is_set() and not self._sealed and not broken

    @property
    def _sealed(self) -> bool:
        """True from the moment the disk is found full until the streams are open again."""
        return self._closed_by_disk or bool(self._told_streams)

    def turned_away(self) -> int:
        """MQTT messages not kept since the start: topics that are no device's, and QoS 0 beyond what memory holds."""
        return self.dropped_unkept + (self._server.refused_topics if self._server else 0)

    def refusal(self) -> Text | None:
        """Why nothing is accepted at present, in words for people; None while all is well."""
        if self._sealed:
            return Text(
                f"Đĩa còn trống dưới {self._floor:.0%}: tạm ngừng nhận số đo",
                f"Less than {self._floor:.0%} of the disk is free: no readings are accepted",
            )
        if not self.healthy():
            return Text("Nhật ký tiếp nhận không trả lời", "The journal does not answer")
        return None

    async def append(
        self,
        body: bytes,
        *,
        source: str,
        device: str | None,
        content_type: str,
        correlation: str,
        origin: Origin | None = None,
    ) -> None:
        """Keep ``body``; returns once it is stored. Raises JournalFull, JournalDown, or Problem 413 for a body too large."""
        if self._sealed:
            raise self._disk_problem()
        meta = _Meta(source, content_type, correlation, device, None if origin is None else int(origin))
        header = b"NATS/1.0\r\nDothi-Meta:%s\r\n\r\n" % msgspec.json.encode(meta)
        if len(header) + len(body) > self._wire.max_payload:
            raise Problem(413, "too-large", f"{len(body)} bytes are too many for one message.", "Send it in several parts.")
        try:
            status, answer = await self._wire.request(self._subject, body, header)
        except NatsGone as failure:
            raise JournalDown("The journal does not answer.", "Send it again; a repetition does no harm.") from failure
        if status.startswith(b"NATS/1.0 503"):
            raise JournalDown("The journal is not ready.", "Send it again; a repetition does no harm.")
        error = msgspec.json.decode(answer).get("error")
        if error is not None:
            if error.get("err_code") in _FULL_CODES:
                raise (
                    self._disk_problem()
                    if self._sealed
                    else JournalFull(
                        "The journal is full: ingest is behind.", "Wait and send it again; nothing of it was kept."
                    )
                )
            raise JournalDown("The journal could not keep it.", str(error.get("description", "")))

    async def fetch(self, max_messages: int, wait: float) -> list[Message]:
        """Up to ``max_messages`` (and about 4 MB) as soon as there is one; [] after ``wait`` seconds, also while down."""
        self._ask()
        if not self._buffer:
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._arrived.wait()
        taken: list[Message] = []
        size = 0
        while self._buffer and len(taken) < max_messages and size < _FETCH_BYTES:
            message = self._buffer.popleft()
            size += len(message.body)
            if message.handle is None:
                self._unkept -= 1
            elif message.source == "mqtt":
                self._mqtt.held -= 1
            else:
                self._http.held -= 1
            taken.append(message)
        self._ask()
        return taken

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """These are committed. If the journal is away they come once more, which is harmless."""
        frames = b"".join([frame(message.handle, b"+ACK") for message in messages if message.handle is not None])
        with suppress(NatsGone):
            self._wire.write(frames)

    def command(self, device: str, body: bytes) -> None:
        """Hand ``body`` to a device that listens now; nothing keeps it for one that does not. Raises JournalDown."""
        try:
            self._wire.publish(f"{self._tenant}.devices.{device}.commands".encode(), body)
        except NatsGone as failure:
            raise JournalDown("The journal does not answer.", str(failure)) from failure

    def hear_answers(self, tell: Callable[[str, bytes], None]) -> None:
        """Have ``tell`` called, on the event loop, with every device id and what it publishes as an answer to a command."""

        def heard(subject: bytes, _reply: bytes, _header: bytes, body: bytes) -> None:
            tell(subject.split(b".")[2].decode(errors="replace"), body)

        self._wire.subscribe(f"{self._tenant}.devices.*.answers".encode(), heard)

    async def lag(self) -> int:
        """Messages kept and not acknowledged, plus QoS 0 messages waiting in memory. Raises JournalDown."""
        total = self._unkept
        try:
            for stream in (self._mqtt, self._http):
                total += await not_acknowledged(self._wire, stream.name, stream.consumer)
        except NatsGone as failure:
            raise JournalDown("The journal does not answer.", str(failure)) from failure
        return total

    # --- setting up: runs after every sign-in ---------------------------------------------------------------------

    async def _prepare(self) -> None:
        self._buffer.clear()
        self._unkept = 0
        self._told_streams = None
        for stream in (self._mqtt, self._http):
            stream.due = stream.held = 0
        await self._set_streams()
        readings = f"$MQTT.msgs.{self._tenant}.devices.*.readings"
        await set_consumer(self._wire, self._mqtt.name, self._mqtt.consumer, readings)
        await set_consumer(self._wire, self._http.name, self._http.consumer, self._subject.decode())
        await self._open_door()
        self._arrived.set()

    async def _open_door(self) -> None:
        """Let devices in, if there is room for what they say: opening the door writes too."""
        if self._server is not None and not self._closed_by_disk:
            await self._server.admit_devices()
            await bound_side_streams(self._wire)

    async def _set_streams(self) -> None:
        closed = self._closed_by_disk
        common = {"storage": "file", "discard": "new", "max_bytes": _SEALED if closed else self._max_bytes}
        await set_stream(self._wire, MQTT_STREAM, common | {"subjects": ["$MQTT.msgs.>"], "retention": "interest"})
        subjects = [self._subject.decode()]
        await set_stream(self._wire, self._http.name, common | {"subjects": subjects, "retention": "workqueue"})
        self._told_streams = closed

    # --- reading --------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Keep a pull request standing on each stream, so that a message never waits for one."""
        if not self._wire.ready.is_set():
            return
        now = asyncio.get_running_loop().time()
        for stream in (self._mqtt, self._http):
            if now > stream.end:
                stream.due = 0
            wanted = _IN_HAND - stream.due - stream.held
            if wanted < _IN_HAND // 2:
                continue
            stream.due += wanted
            stream.end = now + _PULL_LIFE + 5
            pull = {"batch": wanted, "max_bytes": _IN_HAND_BYTES, "expires": int(_PULL_LIFE * 1e9)}
            target = f"$JS.API.CONSUMER.MSG.NEXT.{stream.name}.{stream.consumer}".encode()
            with suppress(NatsGone):
                self._wire.publish(target, msgspec.json.encode(pull), stream.inbox)

    def _on_mqtt(self, subject: bytes, reply: bytes, header: bytes, body: bytes) -> None:
        if header.startswith(b"NATS/1.0 "):
            self._on_status(self._mqtt, header)
            return
        delivered, sequence, stored = _where(reply)
        message = Message(
            "mqtt",
            subject.split(b".")[4].decode(errors="replace"),
            body,
            "application/json",
            stored,
            f"mqtt-{sequence}",
            redelivered=delivered > 1,
            handle=reply,
        )
        self._keep(self._mqtt, message)

    def _on_http(self, _subject: bytes, reply: bytes, header: bytes, body: bytes) -> None:
        if header.startswith(b"NATS/1.0 "):
            self._on_status(self._http, header)
            return
        delivered, sequence, stored = _where(reply)
        try:
            meta = _meta.decode(header.partition(b"Dothi-Meta:")[2].partition(b"\r\n")[0])
            origin = None if meta.origin is None else Origin(meta.origin)
        except ValueError:  # msgspec's errors are ValueErrors too: somebody else wrote into our stream
            meta, origin = _Meta("http", "application/json", f"intake-{sequence}"), None
        message = Message(
            meta.source,
            meta.device,
            body,
            meta.content_type,
            stored,
            meta.correlation,
            origin,
            redelivered=delivered > 1,
            handle=reply,
        )
        self._keep(self._http, message)

    def _on_live(self, subject: bytes, _reply: bytes, header: bytes, body: bytes) -> None:
        """MQTT QoS 0: heard once, kept nowhere. QoS 1 passes here too and is left to the stream that keeps it."""
        if b"Nmqtt-Pub:1" in header:
            return
        if self._unkept >= _UNKEPT or self._closed_by_disk:
            self.dropped_unkept += 1
            return
        self._unkept += 1
        now = time.time_ns()
        device = subject.split(b".")[2].decode(errors="replace")
        self._buffer.append(Message("mqtt", device, body, "application/json", now // 1000, f"mqtt-qos0-{now}"))
        self._arrived.set()

    def _on_sign_in(self, _subject: bytes, reply: bytes, _header: bytes, body: bytes) -> None:
        work = asyncio.get_running_loop().create_task(self._let_in(reply, body))
        self._signing_in.add(work)
        work.add_done_callback(self._signing_in.discard)

    async def _let_in(self, reply: bytes, body: bytes) -> None:
        try:
            if self._server is not None:
                self._wire.publish(reply, await self._server.judge(body))
        except (NatsGone, ValueError, IndexError) as failure:  # no answer is a refusal
            log.error("mqtt.sign-in-unanswered", error=str(failure))

    def _keep(self, stream: _Stream, message: Message) -> None:
        stream.due -= 1
        stream.held += 1
        self._buffer.append(message)
        self._arrived.set()

    def _on_status(self, stream: _Stream, header: bytes) -> None:
        """A pull request has ended: expired, given as many bytes as it asked for, or nobody there to serve it."""
        pending = header.partition(b"Nats-Pending-Messages:")[2].partition(b"\r\n")[0].strip()
        if pending.isdigit() and header.startswith((b"NATS/1.0 408", b"NATS/1.0 409 Message Size", b"NATS/1.0 409 Batch")):
            stream.due -= int(pending)
            self._ask()
            return
        log.error("journal.reading-interrupted", stream=stream.name, status=header[9:80].decode(errors="replace").strip())
        self._wire.reconnect("the journal cannot be read")

    # --- the disk -------------------------------------------------------------------------------------------------

    async def _watch_disk(self) -> None:
        while True:
            await asyncio.sleep(self._disk_every)
            await self._look_at_disk()

    async def _look_at_disk(self) -> None:
        """Refuse everything below the floor, and accept again a little above it, so that it does not flutter."""
        free = await asyncio.to_thread(self._free_share)
        closed = free < self._floor * (_HYSTERESIS if self._closed_by_disk else 1.0)
        if closed != self._closed_by_disk:
            self._closed_by_disk = closed
            log.error("journal.disk-full", free=free) if closed else log.warning("journal.disk-free-again", free=free)
        if self._server is not None and self._server.broken and not closed:
            self._server.restart()
        if self._wire.ready.is_set() and self._told_streams != closed:
            with suppress(NatsGone, JournalDown):
                await self._set_streams()
                await self._open_door()

    def _disk_problem(self) -> JournalFull:
        return JournalFull(
            "The disk of this city is nearly full; readings are not accepted.",
            f"Free some space: at least {self._floor * _HYSTERESIS:.0%} of the disk must be free.",
            retry_after=60,
        )


def open_journal(settings: Settings, tenant: str) -> NatsJournal:
    """The journal the settings choose: our own server in the tenant's folder, or the NATS that DOTHI_NATS names.

    Raises Problem 400 for an address that cannot be read. Nothing is started.
    """
    folder = tenant_folder(settings.home, tenant) / "journal"
    free = partial(free_share, settings.home)

    if settings.nats is None:
        certificate, key = settings.tls or (None, None)
        host = MQTT_HOST if certificate is None else settings.host
        server = NatsServer(folder, tenant, host, settings.mqtt_port, 3 * STREAM_BYTES, certificate=certificate, key=key)
        return NatsJournal(
            tenant,
            server=server,
            addresses=server.addresses,
            free_share=free,
            disk_floor=settings.disk_floor,
        )
    try:
        known = parse_urls(settings.nats.get_secret_value())
    except ValueError as failure:
        raise bad_request("DOTHI_NATS cannot be read.", str(failure)) from None
    return NatsJournal(tenant, addresses=lambda: known, free_share=free, disk_floor=settings.disk_floor)


def _where(reply: bytes) -> tuple[int, int, int]:
    """(deliveries, sequence, µs stored) from an acknowledgement subject, in its old form or the one with a domain."""
    words = reply.split(b".")
    first = 4 if len(words) == 9 else 6
    return int(words[first]), int(words[first + 1]), int(words[first + 3]) // 1000
