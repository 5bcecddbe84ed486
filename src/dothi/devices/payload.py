"""What devices send, decoded: the published payload contract in code (docs/reference/devices.md)."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from dothi.access.secrecy import REASON as STATE_SECRET
from dothi.access.secrecy import is_marked, may_be_marked
from dothi.model.clock import MICROSECONDS
from dothi.model.text import Text
from dothi.store.journal import Message

MAX_VALUES = 200
MAX_DEPTH = 16
MAX_ITEMS = 10_000
MAX_KEY = 128
MAX_TEXT = 10_000
MAX_MARKS = 1_000_000  # quotes, brackets and commas of a broken array that are looked at: half a second
MAX_PARTS = 100_000  # of one value that is JSON: a shape of 30,000 corners
NDJSON = "application/x-ndjson"
DEVICE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

Value = float | str | bool | dict[str, Any] | list[Any] | None

REASONS: dict[str, Text] = {
    "not-json": Text("Không phải JSON hợp lệ", "Not valid JSON"),
    "not-utf8": Text("Không phải văn bản UTF-8", "Not UTF-8 text"),
    "bad-shape": Text("Sai cấu trúc thông điệp", "Not the shape of a message"),
    "bad-number": Text("Số không hợp lệ (NaN, vô cực hoặc quá lớn)", "Not a number JSON knows (NaN, infinity or too large)"),
    "naive-time": Text("Thời gian thiếu múi giờ", "The time has no offset or Z"),
    "bad-time": Text("Thời gian không đọc được", "The time cannot be read"),
    "no-device": Text("Không có mã thiết bị", "No device id"),
    "bad-device": Text("Mã thiết bị không hợp lệ", "Not a valid device id"),
    "other-device": Text("Mã thiết bị khác với chủ đề MQTT", "The device id differs from the topic's"),
    "no-messages": Text("Lô không có thông điệp nào", "No message in the batch"),
    "no-values": Text("Không có giá trị nào", "No values"),
    "too-many-values": Text(
        f"Quá {MAX_VALUES} giá trị trong một thông điệp", f"More than {MAX_VALUES} values in one message"
    ),
    "too-many-items": Text("Quá nhiều thông điệp trong một lô", "Too many messages in one batch"),
    "too-deep": Text("Lồng quá nhiều tầng", "Nested too deeply"),
    "too-long": Text("Khóa hoặc văn bản quá dài", "A key or a text is too long"),
    STATE_SECRET: Text(
        "Mang dấu bí mật nhà nước; nội dung không được giữ", "Marked as a state secret; nothing of it is kept"
    ),
}


class DeviceMessage(msgspec.Struct, gc=False):
    """One decoded message: ``at`` in µs UTC (None: the sender gave no time), ``location`` as (lon, lat) in EPSG:4326.

    A value is a number, text, bool, null, JSON, or ``{"value": …, "unit": …}`` when the sender states the unit.
    """

    device: str
    at: int | None
    values: dict[str, Value]
    location: tuple[float, float] | None = None


class Undecodable(msgspec.Struct):
    """What could not be decoded: ``reason`` is a key of REASONS, ``detail`` says where, ``raw`` is the text itself; of what
    is marked as a state secret it is empty.
    """

    reason: str
    detail: str
    raw: bytes
    device: str | None = None


class _Item(msgspec.Struct, gc=False):
    values: dict[str, Any]
    at: Annotated[datetime, msgspec.Meta(tz=True)] | int | float | None = None
    device: str | None = None
    location: tuple[float, float] | None = None


class _Refused(ValueError):  # noqa: N818 - it carries a reason from one function to the next, it is not a failure of ours
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


_one = msgspec.json.Decoder(_Item)
_many = msgspec.json.Decoder(list[_Item])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_FAILURES = (msgspec.DecodeError, _Refused, RecursionError, UnicodeDecodeError)


def decode(message: Message) -> tuple[list[DeviceMessage], list[Undecodable]]:
    """The messages in ``message.body`` (one object, an array, or NDJSON), and what of it could not be decoded.

    One bad item never takes the others with it: it comes back alone, with its own text.
    """
    body, known = message.body, message.device
    if may_be_marked(body):
        return _one_by_one(body, known, message.content_type.startswith(NDJSON))
    try:
        if message.content_type.startswith(NDJSON):
            items = _one.decode_lines(body)
        elif body[:1] == b"{":
            items = [_one.decode(body)]
        else:
            items = _many.decode(body)
        if not 0 < len(items) <= MAX_ITEMS:
            if not items:
                raise _Refused("no-messages", "the batch is empty")
            raise _Refused("too-many-items", f"{len(items)} messages; at most {MAX_ITEMS} fit in one batch")
        return [_checked(item, known) for item in items], []
    except _FAILURES:
        return _one_by_one(body, known, message.content_type.startswith(NDJSON))


def encode(message: DeviceMessage) -> bytes:
    """The message as its sender could have written it: what quarantine keeps, and what a replay decodes again."""
    shown: dict[str, Any] = {"device": message.device}
    if message.at is not None:
        shown["at"] = datetime.fromtimestamp(message.at // MICROSECONDS, UTC).replace(microsecond=message.at % MICROSECONDS)
    shown["values"] = message.values
    if message.location is not None:
        shown["location"] = message.location
    return msgspec.json.encode(shown)


def _one_by_one(body: bytes, known: str | None, lines: bool) -> tuple[list[DeviceMessage], list[Undecodable]]:
    """The slow way round: every item is judged on its own."""
    good: list[DeviceMessage] = []
    bad: list[Undecodable] = []
    count = -1
    try:
        for count, raw in enumerate(_pieces(body, lines)):
            if count == MAX_ITEMS:
                raise _Refused("too-many-items", f"more than {MAX_ITEMS} messages in one batch")
            try:
                if may_be_marked(raw) and is_marked(msgspec.json.decode(raw)):
                    bad.append(Undecodable(STATE_SECRET, "refused at the door", b"", known or _device_in(raw)))
                    continue
                good.append(_checked(_one.decode(raw), known))
            except _FAILURES as failure:
                reason, detail = _explain(failure, raw)
                bad.append(Undecodable(reason, detail, raw, known or _device_in(raw)))
        if count < 0:
            raise _Refused("no-messages", "the batch is empty")
    except _FAILURES as failure:
        reason, detail = _explain(failure, body)
        return [], [Undecodable(reason, detail, body, known)]
    return good, bad


def _pieces(body: bytes, lines: bool) -> Iterator[bytes]:
    """The body cut into items, each with its own text."""
    text = body.lstrip()
    if lines or (text[:1] == b"{" and b"\n" in text.rstrip() and _first_line_is_whole(text)):
        yield from (line for line in (part.strip() for part in body.split(b"\n")) if line)
    elif text[:1] == b"[":
        try:
            for raw in _raws.decode(body):
                yield bytes(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield from _cut(body)
    else:
        yield body


def _first_line_is_whole(text: bytes) -> bool:
    try:
        msgspec.json.decode(text.split(b"\n", 1)[0])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def _cut(body: bytes) -> Iterator[bytes]:
    """The elements of an array that is not JSON throughout (a bare NaN, a stray byte), cut at its top-level commas.

    Strings and brackets are followed, so one bad element does not shift the others. Raises _Refused when the brackets
    do not close, or when there are more than anybody needs: then nothing can be told apart.
    """
    depth, start, quoted = 0, 0, False
    for count, token in enumerate(re.finditer(rb'\\.|["\[\]{},]', body)):
        if count > MAX_MARKS:
            raise _Refused("not-json", "the array is broken, and too long to look for where")
        mark = token.group()
        if quoted or mark[:1] == b"\\":
            quoted = quoted and mark != b'"'
        elif mark == b'"':
            quoted = True
        elif mark in b"[{":
            depth += 1
            start = token.end() if depth == 1 else start
        elif mark == b"," and depth == 1:
            yield body[start : token.start()].strip()
            start = token.end()
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                if piece := body[start : token.start()].strip():
                    yield piece
                return
    raise _Refused("not-json", "the array does not end")


def _checked(item: _Item, known: str | None) -> DeviceMessage:
    device = item.device
    if device is None:
        if known is None:
            raise _Refused("no-device", 'say which device sent it: "device": "<id>"')
        device = known
    elif known is not None and device != known:
        raise _Refused("other-device", f"the door says {known!r}, the message says {device[:80]!r}")
    if DEVICE_ID.fullmatch(device) is None:
        raise _Refused("bad-device", f"{device[:80]!r}: letters without accents, digits, _ and -, at most 64")
    values = item.values
    if not 0 < len(values) <= MAX_VALUES:
        if not values:
            raise _Refused("no-values", '"values" is empty')
        raise _Refused("too-many-values", f"{len(values)} values; at most {MAX_VALUES}")
    for key, value in values.items():
        if len(key) > MAX_KEY:
            raise _Refused("too-long", f"key {key[:40]!r}… has {len(key)} letters; at most {MAX_KEY}")
        if value.__class__ is not float:
            _check_value(key, value)
    place = item.location
    if place is not None and not (-180 <= place[0] <= 180 and -90 <= place[1] <= 90):
        raise _Refused("bad-shape", "location is [longitude, latitude] in degrees")
    return DeviceMessage(device, None if item.at is None else micros_of(item.at), values, place)


def _check_value(key: str, value: Any, depth: int = 0, room: int = MAX_PARTS) -> int:
    """Refuse what nobody can mean; returns how many more parts the value may have."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise _Refused("too-long", f"the text of {key!r} has {len(value)} letters; at most {MAX_TEXT}")
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise _Refused("bad-number", f"{key!r} does not fit in 64 bits")
    elif isinstance(value, dict | list):
        if depth == MAX_DEPTH:
            raise _Refused("too-deep", f"{key!r} is nested more than {MAX_DEPTH} deep")
        room -= len(value)
        if room < 0:
            raise _Refused("too-long", f"{key!r} has more than {MAX_PARTS} parts")
        for inner in value.values() if isinstance(value, dict) else value:
            room = _check_value(key, inner, depth + 1, room)
    return room


def micros_of(at: datetime | int | float) -> int:
    """µs UTC of an aware time, epoch seconds (below 1e11) or epoch milliseconds (below 1e14). Raises ValueError."""
    seconds = at.timestamp() if isinstance(at, datetime) else at if abs(at) < 1e11 else at / 1000
    if not 0 <= seconds < 1e11 and not isinstance(at, datetime):
        raise _Refused("bad-time", f"{at} is neither epoch seconds nor epoch milliseconds")
    if seconds < 0:
        raise _Refused("bad-time", "the time lies before 1970")
    return round(seconds * MICROSECONDS)


def _device_in(raw: bytes) -> str | None:
    """The device id a broken item names, as far as it can be read."""
    found = re.search(rb'"device"\s*:\s*"([A-Za-z0-9_-]{1,64})"', raw)
    return found.group(1).decode() if found else None


def _explain(failure: Exception, raw: bytes) -> tuple[str, str]:
    """A reason and words for whatever went wrong."""
    if isinstance(failure, _Refused):
        return failure.reason, failure.detail
    words = str(failure)
    if isinstance(failure, RecursionError):
        return "too-deep", "nested too deeply to be read"
    if isinstance(failure, UnicodeDecodeError) or "utf-8" in words.lower():
        return "not-utf8", words
    if isinstance(failure, msgspec.ValidationError):
        if "timezone" in words:
            return "naive-time", 'write the offset: "2026-05-14T11:07:24+07:00" or "…Z"'
        if "$.at" in words:
            return "bad-time", words
        return ("bad-number", words) if "out of range" in words.lower() else ("bad-shape", words)
    if re.search(rb"[:,\[]\s*-?(NaN|Infinity|nan|inf)", raw):
        return "bad-number", "NaN and Infinity are not JSON; leave the value out or send null"
    return ("bad-number", words) if "out of range" in words.lower() else ("not-json", words)
