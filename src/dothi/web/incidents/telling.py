"""What happened to an incident, in words: lines of its timeline, fields that changed, and why an act was refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dothi.model.problem import Problem
from dothi.model.severity import SEVERITIES
from dothi.platform.incidents.flow import done
from dothi.platform.incidents.model import STATES, TOLD, URGENCIES, Change, Difference, Entry
from dothi.platform.platform import Platform
from dothi.ui import formats
from dothi.ui.language import translator
from dothi.web.devices import agency_words
from dothi.web.incidents import look

_GRAVE = frozenset({"warn", "overdue", "late", "paused", "escalate", "reject", "return", "reopen"})


@dataclass(frozen=True, slots=True)
class Changed:
    """One field that changed, in words."""

    name: str
    before: str
    after: str
    who: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline. ``kind`` is human, city or grave; ``codes`` are other incidents it names."""

    at: datetime
    who: str
    what: str
    words: str
    changed: list[Changed]
    codes: list[str]
    kind: str


def lines_of(platform: Platform, entries: Sequence[Entry], language: str) -> list[Line]:
    """The timeline, newest first."""
    return [_line(platform, one, language) for one in reversed(entries)]


def again(platform: Platform, entries: Sequence[Entry], language: str) -> Line | None:
    """The line that reopened what is worked on now; None if its first answer still stands or is still to come."""
    last = next((one for one in reversed(entries) if one.act in ("reopen", "answer", "reject")), None)
    return _line(platform, last, language) if last is not None and last.act == "reopen" else None


def _line(platform: Platform, entry: Entry, language: str) -> Line:
    said = TOLD.get(entry.act) or done(entry.act)
    what = said.in_language(language) if said else entry.act
    changed = [one for one in (_changed(platform, change, language) for change in entry.changes) if one]
    kind = "grave" if entry.act in _GRAVE else "city" if entry.person == "system" else "human"
    codes = [one for one in entry.refs if one.startswith("SV-")]
    name = look.name_of(platform, entry.person, language)
    return Line(entry.at, name, what, look.said(entry.words, language), changed, codes, kind)


def _changed(platform: Platform, change: Change, language: str) -> Changed | None:
    names = _names(language)
    # What led into a state is said by the act itself.
    if change.field not in names or change.field in ("state", "text", "pause_reason", "help", "escalated"):
        return None
    before = value_words(platform, change.field, change.before, language)
    after = value_words(platform, change.field, change.after, language)
    return Changed(names[change.field], before, after)


def differences(platform: Platform, found: Iterable[Difference], language: str) -> list[Changed]:
    """What others changed meanwhile, field by field, in the order in which it happened."""
    names = _names(language) | _more_names(language)
    return [
        Changed(
            names[one.field],
            value_words(platform, one.field, one.before, language),
            value_words(platform, one.field, one.after, language),
            look.name_of(platform, one.person, language),
            one.at,
        )
        for one in found
        if one.field in names
    ]


def _names(language: str) -> dict[str, str]:
    _ = translator(language)
    return {
        "state": _("Trạng thái"),
        "severity": _("Mức độ"),
        "urgency": _("Mức khẩn"),
        "ward": _("Phường hoặc xã"),
        "agency": _("Đơn vị"),
        "assignee": _("Người làm"),
        "address": _("Địa chỉ"),
        "title": _("Tên"),
        "text": _("Mô tả"),
        "kind": _("Loại"),
        "paused_until": _("Dừng tới"),
        "pause_reason": _("Lý do dừng"),
        "help": _("Đơn vị hỗ trợ"),
        "escalated": _("Cấp đã báo"),
        "parent": _("Gộp vào"),
    }


def _more_names(language: str) -> dict[str, str]:
    _ = translator(language)
    return {
        "longitude": _("Kinh độ"),
        "latitude": _("Vĩ độ"),
        "paused_since": _("Dừng từ"),
        "arrived_at": _("Có mặt lúc"),
        "answer": _("Lời trả lời"),
        "proof": _("Ảnh chứng minh"),
        "tasks": _("Việc cần làm"),
        "steps_done": _("Bước đã xong"),
    }


def value_words(platform: Platform, field: str, value: Any, language: str) -> str:
    """The plain value of a field as people read it; an en dash for nothing."""
    _ = translator(language)
    if value in (None, "", [], ()):
        return "–"
    if field == "state":
        return STATES[value].in_language(language) if value in STATES else str(value)
    if field == "urgency":
        return URGENCIES[value].in_language(language) if value in URGENCIES else str(value)
    if field == "severity":
        return severity_words(language).get(int(value), str(value))
    if field == "kind":
        return platform.incidents.kind(str(value)).title.in_language(language)
    if field == "ward":
        return look.ward_words(platform, str(value)) or str(value)
    if field == "agency":
        return agency_words(platform, str(value), language)
    if field == "assignee":
        return look.name_of(platform, str(value), language)
    if field == "title" and isinstance(value, dict):
        return str(value.get(language) or value.get("vi", ""))
    if field == "help":
        return ", ".join(look.unit_words(platform, str(one), language) for one in value)
    if field in ("tasks", "steps_done"):
        done = sum(bool(one.get("done_at")) for one in value) if field == "tasks" else len(value)
        return _("{done} xong trong {count}").format(done=done, count=len(value)) if field == "tasks" else str(done)
    if field in ("longitude", "latitude"):
        return formats.number(float(value), language, 5)
    if field.endswith(("_at", "_since", "_until")):
        return formats.daytime(datetime.fromisoformat(str(value).replace("Z", "+00:00")), language)
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def severity_words(language: str) -> dict[int, str]:
    """How grave, the gravest first."""
    return {level: words.in_language(language) for level, words in sorted(SEVERITIES.items(), reverse=True)}


def refusal(problem: Problem, language: str) -> str:
    """What somebody can do about an act that was refused."""
    _ = translator(language)
    return {
        "not-in-this-state": _("Sự việc đã sang trạng thái khác nên không còn làm được việc này; xem việc khác bên dưới."),
        "already-done": _("Việc này đã có người làm xong."),
        "not-allowed": _("Vai trò của bạn không gồm việc này ở địa bàn hay đơn vị này."),
        "proof-needed": _("Loại sự việc này cần ảnh chứng minh khi trả lời. Thêm ảnh rồi chọn ảnh đó."),
        "new-proof-needed": _(
            "Ảnh này chụp trước khi mở lại, đã dùng cho lần trả lời chưa đạt. Thêm ảnh mới rồi chọn ảnh đó."
        ),
    }.get(problem.code, _("Chưa ghi được: có chỗ cần sửa."))
