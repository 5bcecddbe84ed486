"""Streams and consumers as the journal wants them: created where missing, changed only where they differ."""

import asyncio
from contextlib import suppress
from typing import Any

from dothi.store.journal import JournalDown
from dothi.store.nats_wire import Wire

_ACK_WAIT = 60.0  # seconds ingest may take over a message before it is handed out again
_PENDING = 50_000  # messages handed out and not acknowledged
_SIDE_BYTES = 64 * 1024**2
_SIDE_STREAMS = ("$MQTT_sess", "$MQTT_rmsgs", "$MQTT_out", "$MQTT_qos2in")
_NO_STREAM = 10059
_NO_MESSAGE = 10037


async def set_stream(wire: Wire, name: str, wanted: dict[str, Any]) -> None:
    """A stream with what is ``wanted``; anything else of an existing one stays. Raises NatsGone or JournalDown."""
    info = await wire.api(f"STREAM.INFO.{name}")
    if info.get("error", {}).get("err_code") == _NO_STREAM:
        _expect(await wire.api(f"STREAM.CREATE.{name}", wanted | {"name": name}), name)
        return
    config = _expect(info, name)["config"]
    if any(config.get(key) != value for key, value in wanted.items()):
        _expect(await wire.api(f"STREAM.UPDATE.{name}", config | wanted), name)


async def set_consumer(wire: Wire, stream: str, name: str, subject: str) -> None:
    """The durable consumer of ``subject``; what was handed to a reader that is gone comes back within a second.

    Every message is acknowledged by itself: that costs next to nothing and cannot acknowledge another by mistake. Raises
    NatsGone or JournalDown.
    """
    config = {
        "durable_name": name,
        "name": name,
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "filter_subject": subject,
        "max_ack_pending": _PENDING,
    }

    async def put(ack_wait: float) -> dict[str, Any]:
        wanted = {"stream_name": stream, "config": config | {"ack_wait": int(ack_wait * 1e9)}}
        return _expect(await wire.api(f"CONSUMER.CREATE.{stream}.{name}", wanted), name)

    # Asked first and written only if it must be: what is kept can still be read from a disk without a byte left.
    info = await wire.api(f"CONSUMER.INFO.{stream}.{name}")
    known = info.get("config", {})
    if known.get("ack_wait") != int(_ACK_WAIT * 1e9) or any(known.get(key) != value for key, value in config.items()):
        info = await put(_ACK_WAIT)
    if info["num_ack_pending"]:
        # A moment of impatience brings them back now, not in a minute.
        with suppress(JournalDown):
            await put(0.001)
            await asyncio.sleep(0.25)
            await put(_ACK_WAIT)


async def not_acknowledged(wire: Wire, stream: str, consumer: str) -> int:
    """Messages of ``consumer`` that are kept and not acknowledged. Raises NatsGone or JournalDown.

    A consumer hears of a message a moment after its sender was told that it is kept; where it counts none, the stream is
    asked whether it holds one the consumer was never handed, which then counts for one.
    """
    info = _expect(await wire.api(f"CONSUMER.INFO.{stream}.{consumer}"), consumer)
    counted: int = info["num_pending"] + info["num_ack_pending"]
    if counted:
        return counted
    newest = await wire.api(f"STREAM.MSG.GET.{stream}", {"last_by_subj": info["config"]["filter_subject"]})
    if newest.get("error", {}).get("err_code") == _NO_MESSAGE:
        return 0
    return int(_expect(newest, stream)["message"]["seq"] > info["delivered"]["stream_seq"])


async def bound_side_streams(wire: Wire) -> None:
    """Bound what NATS keeps beside the messages: MQTT sessions, retained messages, leftovers of QoS 2."""
    for name in _SIDE_STREAMS:
        info = await wire.api(f"STREAM.INFO.{name}")
        if "error" not in info and info["config"].get("max_bytes") != _SIDE_BYTES:
            _expect(await wire.api(f"STREAM.UPDATE.{name}", info["config"] | {"max_bytes": _SIDE_BYTES}), name)


def _expect(answer: dict[str, Any], thing: str) -> dict[str, Any]:
    """The answer itself. Raises JournalDown if the server refused."""
    if "error" in answer:
        raise JournalDown(f"The journal refuses {thing}.", str(answer["error"].get("description", "")))
    return answer
