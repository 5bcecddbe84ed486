"""What the citizens' pages say, worked out before a template sees it; every sentence in both languages."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from dothi.access.policy import SYSTEM
from dothi.model.city import Found
from dothi.model.problem import Problem
from dothi.platform.incidents.kinds import IncidentKind
from dothi.platform.incidents.model import Incident, PublicIncident
from dothi.platform.incidents.photos import PHASES
from dothi.services.citizens.forms import Fields
from dothi.services.citizens.place import Asked, Place
from dothi.services.citizens.service import (
    AT_ONCE,
    MOST_PHOTOS,
    SCORES,
    Following,
    Reports,
    check_photos,
)
from dothi.services.citizens.words import PACKAGES, left
from dothi.ui import formats
from dothi.ui.language import translator

Work = Callable[[str], Awaitable[str]]
Query = Mapping[str, str]
__all__ = ["Following", "Query", "Work"]
_THANKED_FOR = timedelta(hours=6)  # of the city's time: a bookmark keeps the address it was made at
_WORKED = ("new", "accepted", "assigned", "handling")


def kinds(offered: Mapping[str, IncidentKind], language: str) -> list[dict[str, str]]:
    """The kinds to choose from."""
    return [
        {
            "id": one.id,
            "title": one.title.in_language(language),
            "hint": one.hint.in_language(language) if one.hint is not None else "",
        }
        for one in offered.values()
    ]


def choices(found: Iterable[Found], language: str) -> list[dict[str, str]]:
    """The wards somebody may mean, each with the former name it was found by."""
    _ = translator(language, PACKAGES)
    former = _("Trước 01/07/2025 là {name}.")
    return [
        {
            "code": one.ward.code,
            "name": one.ward.full_name,
            "former": former.format(name=one.former) if one.former is not None else "",
        }
        for one in found
    ]


def asking(asked: Asked, query: Query, language: str) -> str:
    """What is still missing of the first half of the form; "" where nothing was asked yet."""
    _ = translator(language, PACKAGES)
    if asked.outside:
        return _("Điểm này nằm ngoài thành phố. Bạn chọn lại, hoặc ghi địa chỉ.")
    if "edit" in query or "kind" not in query:
        return ""
    if asked.choices:
        return _("Có nhiều nơi tên như vậy: bạn chọn một.")
    if asked.address and asked.place is None:
        return _("Chưa nhận ra phường, xã trong địa chỉ: bạn chọn trong danh sách.")
    return _("Bạn ghi địa chỉ, hoặc chọn điểm trên bản đồ.") if asked.place is None else _("Bạn chọn loại việc.")


def spot_words(language: str) -> dict[str, str]:
    """What the map island says."""
    _ = translator(language, PACKAGES)
    return {
        "chosen": _("Đã chọn điểm. Ghi thêm số nhà, ngõ nếu biết."),
        "tap": _("Chạm vào nơi có việc; kéo để chỉnh."),
        "outside": _("Điểm này nằm ngoài thành phố. Bạn chọn lại, hoặc ghi địa chỉ."),
        "refused": _("Không lấy được vị trí. Bạn chọn trên bản đồ, hoặc ghi địa chỉ."),
        "waiting": _("Đang tìm vị trí của bạn"),
        "zoom_in": _("Phóng to"),
        "zoom_out": _("Thu nhỏ"),
        "failed": _("Không tải được bản đồ. Bạn ghi địa chỉ; phần còn lại vẫn dùng được."),
    }


def draft_words(language: str) -> dict[str, str]:
    """What the script says of a report that waits in the browser."""
    _ = translator(language, PACKAGES)
    return {
        "waiting": _("chờ có mạng"),
        "refused": _("chưa nhận được"),
        "sent": _("đã gửi; mã theo dõi:"),
        "follow": _("Xem phản ánh"),
        "noted": _("Tôi đã ghi mã"),
        "mend": _("Sửa và gửi lại"),
        "drop": _("Bỏ"),
    }


def trouble(fields: Fields, photos: Sequence[bytes], shortest: int, language: str) -> str:
    """What must be mended before a report can be taken; "" for nothing."""
    _ = translator(language, PACKAGES)
    if fields.trapped:
        return _("Ô ẩn phải để trống. Nếu trình duyệt tự điền, bạn tắt tự điền rồi gửi lại.")
    if len(fields.text) < shortest and not photos:
        return _("Bạn viết vài lời (từ 10 chữ cái), hoặc gửi một ảnh.")
    try:
        fields.contact("")
    except ValueError:
        if not fields.agree:
            return _("Để giữ liên hệ, bạn đánh dấu đồng ý; hoặc xóa các ô liên hệ.")
        return _("Liên hệ chưa đúng: cần số điện thoại hoặc thư điện tử dùng được.")
    try:
        check_photos(photos)
    except Problem as found:
        return problem(found, language)
    return ""


def problem(found: Problem, language: str) -> str:
    """A problem of a report in words for who sent it."""
    _ = translator(language, PACKAGES)
    told = {
        "too-many": _("Mỗi lần tối đa {count} ảnh.").format(count=AT_ONCE),
        "too-large": _("Ảnh quá lớn: mỗi ảnh tối đa 8 MB."),
        "no-picture": _("Có tệp không phải ảnh. Bạn gửi ảnh JPEG, PNG hoặc WebP."),
        "too-many-reports": _("Hôm nay thành phố nhận quá nhiều phản ánh. Bạn gọi tổng đài, hoặc gửi lại sau."),
        "no-room": _("Hiện thành phố chưa nhận thêm ảnh được. Bạn gửi phản ánh không kèm ảnh."),
        "not-answered": _("Chưa có trả lời để đánh giá."),
        "too-late": _("Phản ánh này không mở lại được nữa. Bạn gửi một phản ánh mới."),
        "no-more-photos": _("Phản ánh này không nhận thêm ảnh (tối đa {count}).").format(count=MOST_PHOTOS),
        "changed-meanwhile": _("Phản ánh vừa thay đổi. Bạn xem lại rồi làm tiếp."),
        "bad-request": _("Còn thiếu hoặc chưa đúng. Bạn xem lại rồi gửi lại."),
    }
    return told.get(found.code, _("Chưa làm được. Bạn thử lại sau ít phút."))


def done(act: str, language: str) -> str:
    """What was just done, said on the page of the report."""
    _ = translator(language, PACKAGES)
    return {
        "rated": _("Cảm ơn bạn đã đánh giá."),
        "reopened": _("Đã mở lại phản ánh. Cán bộ sẽ xem lại."),
        "photos": _("Đã nhận ảnh."),
        "unread": _("Có ảnh không đọc được. Bạn gửi ảnh khác."),
        "forgotten": _("Đã xóa liên hệ của bạn."),
    }.get(act, "")


def scores(language: str) -> list[tuple[int, str]]:
    """The three ratings, the best first."""
    return [(score, words.in_language(language)) for score, words in SCORES.items()]


def steps(work: PublicIncident, language: str) -> list[dict[str, Any]]:
    """The four steps with their times; the first that is still to come is the next, while anybody works on it."""
    _ = translator(language, PACKAGES)
    told, waits = [], work.state in _WORKED
    for step in work.steps:
        following = step.at is None and waits
        waits = waits and step.at is not None
        told.append(
            {
                "title": step.title.in_language(language),
                "at": "" if step.at is None else formats.daytime(step.at, language),
                "next": following,
                "wait": _("đang chờ") if following else "–",
            }
        )
    return told


def photos(reports: Reports, work: PublicIncident, language: str) -> list[dict[str, Any]]:
    """The released photos, each with what it shows: what was reported, before, after, proof."""
    kept = reports.platform.incidents.photos.of(SYSTEM, work.code)
    return [{"number": one.number, "words": PHASES[one.phase].in_language(language)} for one in kept if one.released]


def clock(work: PublicIncident, now: datetime, language: str) -> dict[str, Any] | None:
    """What is left of the time that was promised; None where no clock runs."""
    _ = translator(language, PACKAGES)
    if work.state not in _WORKED:
        return None
    if work.paused:
        return {"words": _("Đang tạm dừng, chờ bên khác"), "late": False}
    if work.due_at is None:
        return None
    (rest, late), step = left(work.due_at, now, language), _("Hạn bước này")
    return {"words": f"{step}: {rest}", "late": late}


def where(platform: Any, ward: str, agency: str, language: str) -> str:
    """Ward and agency by name."""
    city = platform.city
    named = city.by_code.get(ward)
    owner = city.agency(agency)
    return " · ".join(
        part
        for part in (
            named.full_name if named is not None else city.title.in_language(language),
            owner.title.in_language(language) if owner is not None else "",
        )
        if part
    )


def following(reports: Reports, found: Following, query: Query, language: str) -> dict[str, Any]:
    """Everything the page of a code shows."""
    _ = translator(language, PACKAGES)
    platform, report, work = reports.platform, found.report, found.work
    now = platform.clock.now()
    until = found.reopen_until
    answered = found.incident.answered_at
    sent = _("Gửi lúc {time}").format(time=formats.daytime(report.at, language))
    open_words = _("Bạn có thể mở lại đến {time}.")
    return {
        "fresh": query.get("done") == "sent" and now - report.at < _THANKED_FOR,
        "unread": "unread" in query,
        "contact_lost": "lost" in query,
        "title": title(reports, found.incident, language),
        "where": where(platform, work.ward, work.agency, language),
        "sent": sent,
        "same": report.same,
        "steps": steps(work, language),
        "clock": clock(work, now, language),
        "reason": work.reason,
        "text": report.text,
        "photos_sent": _("Số ảnh đã gửi: {count}. Chỉ ảnh đã được xem mới công bố.").format(count=report.photos)
        if report.photos
        else "",
        "answer": work.answer,
        "answered": "" if answered is None else formats.daytime(answered, language),
        "photos": photos(reports, work, language),
        "scores": scores(language),
        "rated": found.rating.score if found.rating is not None else 0,
        "comment": found.rating.comment if found.rating is not None else "",
        "reopen": "" if until is None else open_words.format(time=formats.daytime(until, language)),
        "reopening": "",
        "more_photos": work.state in _WORKED and report.photos < MOST_PHOTOS,
        "has_contact": bool(report.subject),
    }


def title(reports: Reports, incident: Incident, language: str) -> str:
    """What an incident is called where nobody released a title: by its kind alone."""
    return reports.platform.incidents.kind(incident.kind).title.in_language(language)


def nearby(reports: Reports, kind: str, place: Place, language: str) -> list[dict[str, str]]:
    """Open reports that may be of the same trouble: kind, place and age, never words that nobody released."""
    _ = translator(language, PACKAGES)
    now = reports.platform.clock.now()
    from_here = _("cách {metres} m")
    told = []
    for one in reports.nearby(kind, place):
        named, far = title(reports, one.incident, language), one.metres
        about = [
            named if one.title else "",
            from_here.format(metres=formats.number(round(far, -1), language, 0)) if far is not None else "",
            formats.relative(one.incident.opened_at, now, language),
            state(one.incident.state, language),
        ]
        told.append({"code": one.incident.code, "title": one.title or named, "about": " · ".join(filter(None, about))})
    return told


def state(name: str, language: str) -> str:
    """A state as citizens know it."""
    _ = translator(language, PACKAGES)
    return {
        "new": _("chờ tiếp nhận"),
        "accepted": _("đã tiếp nhận"),
        "assigned": _("đã phân công"),
        "handling": _("đang xử lý"),
        "answered": _("đã trả lời"),
        "closed": _("đã xong"),
        "rejected": _("không tiếp nhận"),
        "merged": _("đã gộp"),
    }[name]


def tone(name: str) -> str:
    """The colour of a state: of work, of what is done, or none."""
    return "work" if name in _WORKED else "good" if name in ("answered", "closed") else "none"
