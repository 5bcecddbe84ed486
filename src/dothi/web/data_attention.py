"""What a steward must look at first: data that is late, doubtful, held back, or soon without room."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dothi.access.policy import Person, may
from dothi.data.sql.examples import DOUBTFUL as DOUBTFUL_READINGS
from dothi.data.stored import Stored
from dothi.model.clock import from_micros
from dothi.platform.platform import Platform
from dothi.ui.formats import daytime, number, span
from dothi.ui.language import translator
from dothi.web.sql import question_link

if TYPE_CHECKING:
    from dothi.web.data import Group

DOUBTFUL = 0.05  # of a day's readings
BEHIND = timedelta(hours=3)  # of the city's time: sealing waits five minutes after the end of an hour
_TASKS = ("sealing", "stored")


@dataclass(frozen=True, slots=True)
class Point:
    """One thing to look at: how grave (1 to 3), what, why it matters or since when, and where it is dealt with."""

    severity: int
    what: str
    why: str
    link: str = ""


def attention(
    platform: Platform,
    person: Person,
    language: str,
    stored: Stored | None,
    groups: "list[Group]",
    quality: list[tuple[str, list[tuple[str, float]]]],
) -> list[Point]:
    """Everything that asks for a look, the gravest first; empty when all is heard in time and nothing is doubtful.

    ``quality`` gives each dataset's title and the shares of its grades.
    """
    found = [
        *_clock(platform, language),
        *_tasks(platform, language),
        *_devices(groups, language),
        *_held(platform, person, language),
    ]
    _ = translator(language)
    asked = question_link(DOUBTFUL_READINGS.sql, DOUBTFUL_READINGS.view) if may(person, "sql.ask") else ""
    for title, shares in quality:
        doubtful = sum(share for grade, share in shares if grade != "good")
        if doubtful >= DOUBTFUL:
            share = number(100 * doubtful, language, 1)
            found.append(
                Point(
                    2,
                    _("{title}: {share} % số đo nghi ngờ hoặc hỏng").format(title=title, share=share),
                    _("trong 24 giờ qua"),
                    asked,
                )
            )
    if stored is not None and stored.marks.sealed_until and stored.at - from_micros(stored.marks.sealed_until) > BEHIND:
        sealed = from_micros(stored.marks.sealed_until)
        behind = span(stored.at - sealed, language)
        found.append(
            Point(
                1,
                _("Niêm phong chậm {span}").format(span=behind),
                _("đã vào kho đến {time}; số đo vẫn được giữ").format(time=daytime(sealed, language)),
            )
        )
    return sorted(found, key=lambda one: -one.severity)


def _clock(platform: Platform, language: str) -> list[Point]:
    leap = platform.watch.leap
    if leap is None:
        return []
    _ = translator(language)
    ahead = leap.by > timedelta()
    what = _("Đồng hồ của máy nhảy tới {span}") if ahead else _("Đồng hồ của máy lùi lại {span}")
    why = _("lúc {time}; hạn, cảnh báo và giờ của số đo quanh lúc đó có thể sai: kiểm tra đồng bộ giờ của máy")
    return [Point(3, what.format(span=span(abs(leap.by), language, 2)), why.format(time=daytime(leap.to, language)))]


def _tasks(platform: Platform, language: str) -> list[Point]:
    _ = translator(language)
    said = {
        "sealing": _("Niêm phong vào kho dữ liệu đang lỗi"),
        "stored": _("Thống kê dữ liệu đang lỗi; số liệu dưới đây có thể cũ"),
    }
    states = (platform.tasks.states.get(name) for name in _TASKS)
    return [Point(3, said[one.name], one.last_error) for one in states if one is not None and one.state == "waiting"]


def _devices(groups: "list[Group]", language: str) -> list[Point]:
    _ = translator(language)
    found = []
    for state, severity, words in (
        ("silent", 3, _("{count} thiết bị mất tín hiệu")),
        ("late", 2, _("{count} thiết bị chậm cập nhật")),
        ("never", 1, _("{count} thiết bị chưa gửi lần nào")),
    ):
        per_group = [(one.counts[state], one) for one in groups if one.counts.get(state)]
        if per_group:
            total = number(sum(count for count, _one in per_group), language)
            owners = [
                f"{one.kind}{f' ({one.owner})' if one.owner else ''}: {number(count, language)}" for count, one in per_group
            ]
            found.append(Point(severity, words.format(count=total), "; ".join(owners[:4]), f"/devices?state={state}"))
    return found


def _held(platform: Platform, person: Person, language: str) -> list[Point]:
    _ = translator(language)
    found = []
    page = "/devices/quarantine" if may(person, "quarantine.read") else ""
    held = sum(platform.quarantine.counts(person).values())
    if held:
        found.append(
            Point(
                2,
                _("{count} bản tin bị cách ly").format(count=number(held, language)),
                _("chưa thành số đo; xem lý do, sửa rồi gửi lại"),
                page,
            )
        )
    parked = len(platform.dispatcher.parked(person))
    if parked:
        found.append(
            Point(
                2,
                _("{count} thay đổi chưa xử lý được").format(count=number(parked, language)),
                _("tính toán sau đó có thể thiếu"),
                page,
            )
        )
    states = platform.subscriptions.states(person)
    failing = sum(one.status == "failed" for one in states)
    dead = sum(one.dead for one in states)
    if failing or dead:
        found.append(
            Point(
                2,
                _("{count} đăng ký nhận tin không gửi được").format(count=number(failing, language))
                if failing
                else _("{count} thông báo đã dừng gửi").format(count=number(dead, language)),
                _("thông báo được giữ lại; xem nơi nhận rồi gửi lại"),
                "/data/subscriptions",
            )
        )
    waiting = platform.devices.counts(person)["lobby"]
    if waiting:
        found.append(
            Point(
                1,
                _("{count} thiết bị chờ duyệt").format(count=number(waiting, language)),
                _("số đo của chúng chưa được ghi"),
                "/devices/lobby",
            )
        )
    return found
