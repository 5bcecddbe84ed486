"""The operations page: what is wrong, where, how bad. Complete without a script; the map and the stream mount over it."""

from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.routes import person_of
from dothi.model.text import fold
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web import view, words
from dothi.web.panel import panel_context


class Operations:
    """Serves ``/``. Its address holds every choice: ``q``, ``ward``, ``state``, ``layers``, ``chosen``, ``map``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def page(self, request: Request) -> Response:
        """The page, with the list filtered and the drawer open as the address says."""
        platform, person, language = self.platform, person_of(request), language_of(request)
        query = request.query_params
        state = query.get("state", "all")
        wanted = view.ListFilter(
            query.get("q", "")[:100], query.get("ward", ""), next((one for one in view.STATES if one == state), "all")
        )
        chosen = view.chosen_layers(platform, query.get("layers"))
        found = [point for layer in chosen for point in view.points(platform, person, language, layer)]
        names = view.ward_names(platform)
        rows = [point for point in found if wanted.keeps(point, names.get(point.ward or "", ""))]
        rows.sort(key=lambda point: (-point.rank, fold(point.title)))
        urn = query.get("chosen", "")
        return render(
            request,
            platform,
            "dothi.web:operations.html",
            q=wanted.text,
            wanted=wanted,
            layers=list(view.layers(platform).values()),
            chosen_layers=chosen,
            rows=rows[: view.LIST_LIMIT],
            total=len(rows),
            counts=view.counts(found),
            wards=[ward for ward in names.items() if any(point.ward == ward[0] for point in found)],
            ward_names=names,
            tiles=view.tiles(platform, person, language),
            hours=view.hours(platform, person, language, chosen),
            chosen=urn,
            drawer=panel_context(platform, person, language, urn) if urn else None,
            state_words=partial(words.state_words, language=language),
            link=lambda **changes: _link(request, changes),
            island_words=msgspec.json.encode(_words(language)).decode(),
            bounds=",".join(f"{edge:.5f}" for edge in platform.city.bounds),
        )


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
        "none": _("Không có trạm nào khớp bộ lọc"),
        "group": _("{count} trạm, cao nhất {label}"),
        "late": _("chậm cập nhật"),
        "silent": _("mất tín hiệu"),
        "value": _("giá trị"),
        "no_data": _("không có số đo"),
    }
