"""Error pages for people: what went wrong, what still works, what to do next."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse

from dothi.access.policy import STRANGER
from dothi.access.routes import person_of
from dothi.model.problem import Problem
from dothi.ui.language import language_of, translator
from dothi.ui.page import render

if TYPE_CHECKING:
    from dothi.platform.platform import Platform


def _words(status: int, language: str, *, stranger: bool) -> tuple[str, str]:
    _ = translator(language)
    if status == 404:
        return _("Không có trang này"), _("Địa chỉ có thể đã đổi hoặc gõ nhầm. Bản đồ và danh sách vẫn dùng được.")
    if status in (401, 403) and stranger:
        return _("Cần đăng nhập"), _("Trang này dành cho người có tài khoản. Trang công khai vẫn dùng được.")
    if status in (401, 403):
        return _("Không được xem trang này"), _("Vai trò của bạn không gồm việc này. Quyền do quản trị viên giao.")
    if status == 429:
        return _("Gửi quá nhanh"), _("Chờ một lát rồi thử lại.")
    if status in (502, 503, 504):
        return _("Tạm thời chưa phục vụ được"), _("Dữ liệu đã nhận vẫn được giữ. Thử lại sau ít phút.")
    if 400 <= status < 500:
        return _("Yêu cầu chưa dùng được"), _("Xem lại dữ liệu đã gửi rồi thử lại.")
    return _("Có lỗi trong hệ thống"), _("Lỗi đã được ghi lại. Thử lại; nếu vẫn lỗi, gửi mã bên dưới cho người quản trị.")


def error_page(request: Request, platform: "Platform", problem: Problem) -> HTMLResponse:
    """``problem`` as a page in the reader's language, with the status it has and the correlation id to quote."""
    title, advice = _words(problem.status, language_of(request), stranger=person_of(request) == STRANGER)
    headers = {"retry-after": str(problem.retry_after)} if problem.retry_after is not None else None
    return render(
        request,
        platform,
        "error.html",
        status_code=problem.status,
        headers=headers,
        status=problem.status,
        title=title,
        advice=advice,
        problem=problem,
        correlation=getattr(request.state, "correlation", ""),
    )
