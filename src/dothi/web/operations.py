"""The operations page: what is wrong, where, how bad. Complete without a script; the map and the stream mount over it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import may
from dothi.access.routes import person_of
from dothi.model.moment import Moment
from dothi.model.problem import Problem
from dothi.model.text import fold
from dothi.platform.platform import Platform
from dothi.platform.sector import MapPoint
from dothi.ui import formats
from dothi.ui.language import language_of, translator
from dothi.ui.moments import address_of, moment_of, typed_moment, written
from dothi.ui.page import render
from dothi.web import moments, view, words
from dothi.web.incidents.feed import queue_look
from dothi.web.incidents.show import Show
from dothi.web.panel import panel_context


class Operations:
    """Serves ``/``. Its address holds every choice: ``list`` (incidents, or stations), ``q``, ``ward``, ``order``,
    ``state``, ``layers``, ``chosen``, ``map``, and the moment that is looked at: ``at``, ``known``, ``span`` (of the bar).
    """

    def __init__(self, platform: Platform) -> None:
        self.platform, self._show = platform, Show(platform)

    def page(self, request: Request) -> Response:
        """The page, with the list filtered and the drawer open as the address says, now or at a past moment.

        ``day`` and ``time`` (the form of the time bar) and ``way`` (to the exceedance before or after) lead to an address
        with ``at``. Raises Problem 400 for a wrong moment.
        """
        platform, person, language = self.platform, person_of(request), language_of(request)
        query = request.query_params
        asked = view.chosen_layers(platform, query.get("layers"))
        if "day" in query:
            return _to(request, address_of(typed_moment(query, platform)))
        moment = moment_of(request, platform)
        if "way" in query:
            way = moments.way_of(query["way"])
            found = moments.over_the_limit(platform, person, language, asked, moment, way)
            return _to(request, {"missed": way} if found is None else address_of(found))
        state = query.get("state", "all")
        wanted = view.ListFilter(
            query.get("q", "")[:100], query.get("ward", ""), next((one for one in view.STATES if one == state), "all")
        )
        points = [point for layer in asked for point in view.points(platform, person, language, layer, None, moment)]
        names = view.ward_names(platform)
        rows = [point for point in points if wanted.keeps(point, names.get(point.ward or "", ""))]
        rows.sort(key=lambda point: (-point.rank, fold(point.title)))
        urn = query.get("chosen", "")
        works = may(person, "incident.read")
        incident = works and urn.startswith("SV-")
        return render(
            request,
            platform,
            "dothi.web:operations.html",
            q=wanted.text,
            wanted=wanted,
            layers=list(view.layers(platform).values()),
            chosen_layers=asked,
            rows=rows[: view.LIST_LIMIT],
            total=len(rows),
            counts=view.counts(points),
            wards=[ward for ward in names.items() if any(point.ward == ward[0] for point in points)],
            ward_names=names,
            tiles=view.tiles(platform, person, language, moment),
            moment=moment,
            bar=(bar := moments.bar(platform, person, language, asked, moment, query.get("span", ""))),
            bar_data=msgspec.json.encode(bar).decode(),
            local=(platform.clock.now() if moment is None else moment.at).astimezone(formats.city_zone()),
            address=written,
            spans=_spans(language),
            note=_note(language, moment, bar, points, query.get("missed", "")),
            chosen=urn,
            drawer=panel_context(platform, person, language, urn, moment) if urn and not incident else None,
            work_drawer=self._incident(request, urn) if incident else None,
            work=queue_look(platform, person, language, query) if works else None,
            listing="incidents" if works and query.get("list") != "stations" else "stations",
            state_words=partial(words.state_words, language=language),
            link=lambda **changes: _link(request, changes),
            work_to=lambda code: _link(request, {"chosen": code}),
            island_words=msgspec.json.encode(_words(language)).decode(),
            bounds=",".join(f"{edge:.5f}" for edge in platform.city.bounds),
        )

    def _incident(self, request: Request, code: str) -> dict[str, Any] | None:
        """The chosen incident for the drawer; None if there is none that the asker may know of."""
        try:
            return self._show.drawer(request, code)
        except Problem as problem:
            if problem.status != 404:
                raise
            return None


def _to(request: Request, changes: dict[str, str]) -> Response:
    """The same page at another moment, without the fields that asked for it."""
    gone = dict.fromkeys(("day", "time", "way", "missed"))
    return RedirectResponse(_link(request, {**gone, **changes}), 303)


def _spans(language: str) -> list[tuple[str, str]]:
    _ = translator(language)
    return [("24h", _("24 giờ")), ("7d", _("7 ngày")), ("30d", _("30 ngày"))]


def _note(language: str, moment: Moment | None, bar: moments.Bar, points: Sequence[MapPoint], missed: str) -> str:
    """What must be said about the moment that is seen: nothing was recorded, heard or exceeded."""
    words = _words(language)
    if missed in ("back", "on"):
        return words[f"missed_{missed}"]
    if moment is None or any(point.freshness != "silent" for point in points):
        return ""
    if bar.began is None or moment.at < bar.began:
        return words["before_record"].replace("{time}", formats.daytime(bar.began, language) if bar.began else "–")
    return words["unheard"] if moment.known == "then" else words["unmeasured"]


def _link(request: Request, changes: dict[str, str | None]) -> str:
    """The address of this page with some choices changed; None or an empty value removes one."""
    url = request.url.remove_query_params([name for name, value in changes.items() if not value])
    url = url.include_query_params(**{name: value for name, value in changes.items() if value})
    return f"{url.path}?{url.query}" if url.query else url.path


def _words(language: str) -> dict[str, str]:
    """The words the islands say, so that they have no catalogue of their own."""
    _ = translator(language)
    return {
        "live": _("Đang nhận số liệu"),
        "tally": _("{total} trạm · {attention} cần chú ý · {silent} mất tín hiệu"),
        "lost": _("Mất kết nối từ {time}"),
        "lost_help": _("Số liệu đang đứng yên; trang tự nối lại."),
        "map_failed": _("Không tải được bản đồ; danh sách vẫn dùng được."),
        "map": _("Bản đồ"),
        "map_fingers": _("Dùng hai ngón tay để di chuyển bản đồ"),
        "map_wheel": _("Giữ Ctrl và cuộn để thu phóng bản đồ"),
        "map_wheel_mac": _("Giữ ⌘ và cuộn để thu phóng bản đồ"),
        "map_preparing": _("Đang chuẩn bị nền bản đồ"),
        "panel_failed": _("Không tải được chi tiết; bản đồ và danh sách vẫn dùng được."),
        "retry": _("Thử lại"),
        "shown": _("{shown} trong {total}"),
        "more": _("và {count} nữa; lọc để thu hẹp"),
        "group": _("{count} trạm, cao nhất {label}"),
        "group_work": _("{count} điểm, trước hết: {title}"),
        "work_failed": _("Không tải được hàng đợi sự việc; trang tự thử lại."),
        "away": _("cách {distance}"),
        "no_place": _("Trình duyệt không cho biết vị trí."),
        "late": _("chậm cập nhật"),
        "silent": _("mất tín hiệu"),
        "value": _("giá trị"),
        "no_data": _("không có số đo"),
        "now": _("bây giờ"),
        "play": _("Phát (phím cách)"),
        "pause": _("Dừng (phím cách)"),
        "moment_loading": _("Đang tải {time}"),
        "moment_failed": _("Không tải được {time}; trang vẫn giữ {kept}."),
        "ahead": _("Thời điểm này chưa tới"),
        "before_record": _("Chưa có dữ liệu: số đo đầu tiên của thành phố là lúc {time}."),
        "unheard": _("Lúc đó thành phố chưa nhận được số đo mới nào; số đo của lúc đó, nếu có, tới sau."),
        "unmeasured": _("Vào thời điểm này không trạm nào có số đo mới."),
        "search_failed": _("Không tìm được lúc này; thử lại sau ít giây."),
        "missed_back": _("Không có lần vượt ngưỡng nào trước đó."),
        "missed_on": _("Không có lần vượt ngưỡng nào sau đó."),
    }
