"""docs/reference/devices.md says what the code does: its examples are read by the code, its bounds are the code's."""

import json
import re
from pathlib import Path

import msgspec

from dothi.devices import lobby, payload, registry
from dothi.devices.files import FileMapping, check_mapping
from dothi.devices.payload import decode
from dothi.store.journal import Message

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "devices.md").read_text(encoding="utf-8")


def test_the_examples_are_read() -> None:
    message, *mappings = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    good, bad = decode(Message("http", None, message.encode(), "application/json", 0, "c"))
    assert (len(good), bad) == (1, [])
    assert good[0].location is not None
    assert len(mappings) == 2
    for one in mappings:
        check_mapping(msgspec.json.decode(one, type=FileMapping))
    for body in re.findall(r"-[md] '(\{.*?\})'\n", PAGE):
        json.loads(body)
        assert decode(Message("mqtt", "a", body.encode(), "application/json", 0, "c"))[1] == []


def test_every_reason_is_explained() -> None:
    named = set(re.findall(r"`([a-z0-9-]+)`", PAGE.split("| reason |")[1].split("\n\n")[0]))
    assert named == set(payload.REASONS)


def test_every_field_of_a_mapping_is_explained() -> None:
    table = PAGE.split("| field | what |\n|---|---|\n")[1].split("\n\n")[0]
    named = set(re.findall(r"`([a-z_]+)`", "".join(line.split("|")[1] + line.split("|")[2] for line in table.splitlines())))
    assert set(FileMapping.__struct_fields__) <= named


def test_the_bounds_are_the_codes() -> None:
    assert (payload.MAX_VALUES, payload.MAX_KEY, payload.MAX_TEXT, payload.MAX_DEPTH) == (200, 128, 10_000, 16)
    assert (payload.MAX_ITEMS, lobby.MAX_WAITING, lobby.MAX_BODY) == (10_000, 10_000, 16_384)
    assert (registry.LATE_AFTER, registry.SILENT_AFTER) == (1.5, 3.0)
    for words in ("1 to 200 keys", "up to 128 letters", "up to 10,000 letters", "16 deep", "1.5 cadences", "10,000 unknown"):
        assert words in PAGE
