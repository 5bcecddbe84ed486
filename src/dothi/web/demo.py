"""What there is to try in a city with a demo neighbourhood: for each role the pages of its work, one press away."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.identity import from_here, signed_of
from dothi.access.routes import person_of
from dothi.model.problem import not_found
from dothi.model.text import Text
from dothi.platform.platform import Platform
from dothi.ui.language import language_of
from dothi.ui.page import render


@dataclass(frozen=True, slots=True)
class Stop:
    """Something to look at: a ``page`` by its address, or by what the story calls it."""

    words: Text
    page: str


@dataclass(frozen=True, slots=True)
class Walk:
    """What one role can try, and what its pages answer in ten seconds; ``role`` "" is anybody without an account."""

    role: str
    title: Text
    asks: Text
    stops: tuple[Stop, ...]


WALKS = (
    Walk(
        "",
        Text("Người dân", "A citizen"),
        Text("Quanh tôi có ổn không? Điều tôi báo đã tới đâu?", "Is it all right around me? What became of my report?"),
        (
            Stop(Text("Gửi một phản ánh, không cần tài khoản", "Report something, without an account"), "/report"),
            Stop(
                Text("Đã trả lời, có ảnh trước và sau: chấm điểm", "Answered, with photos before and after: rate it"),
                "rubbish:follow",
            ),
            Stop(Text("Đang xử lý: cây đổ chắn đường", "Being handled: a fallen tree"), "tree:follow"),
            Stop(Text("Không tiếp nhận, kèm lý do", "Not accepted, with the reason"), "dispute:follow"),
            Stop(Text("Phản ánh đã công bố trên bản đồ", "Published reports on the map"), "/reports"),
            Stop(Text("Người dân hài lòng đến đâu", "How content people are"), "/reports/ratings"),
        ),
    ),
    Walk(
        "operator",
        Text("Trực ban trung tâm", "Operator of the centre"),
        Text("Việc nào phải xử lý tiếp, còn bao lâu?", "What must be handled next, and how long is left?"),
        (
            Stop(Text("Nhận ca: đọc lời bàn giao", "Take over the shift: read the note"), "/incidents/shift"),
            Stop(Text("Hàng đợi sự việc, sắp theo thời gian còn lại", "The queue, by what is left"), "/incidents"),
            Stop(Text("Quá hạn tiếp nhận, đã báo cấp trên", "Overdue, escalated"), "pothole"),
            Stop(Text("Sắp hết hạn: đèn tín hiệu hỏng", "Nearly due: dead traffic lights"), "signal"),
            Stop(Text("Tạm dừng đồng hồ, kèm lý do", "Clock paused, with a reason"), "pit"),
            Stop(Text("Hai phản ánh có thể là một", "Two reports that may be one"), "manhole"),
            Stop(Text("Người dân mở lại vì chưa hài lòng", "Reopened by a citizen who was not content"), "noise"),
            Stop(Text("Cảnh báo không khí đang diễn ra", "An air alert that goes on"), "alert"),
            Stop(Text("Sự việc từ cảnh báo, quy trình làm dở", "Its incident, the playbook half done"), "smog"),
            Stop(Text("Lệnh đã được số đo chứng tỏ", "A command that a reading proved"), "verified"),
            Stop(Text("Lệnh chờ người thứ hai duyệt", "A command that waits for a second person"), "waiting"),
            Stop(Text("Phản ánh chờ công bố", "Reports to be released"), "/reports/review"),
            Stop(Text("Thử một quy tắc trên số đo đã có", "Try a rule on past readings"), "rule"),
        ),
    ),
    Walk(
        "ward_officer",
        Text("Cán bộ phường", "Ward officer"),
        Text("Bây giờ tôi đi đâu?", "Where do I go now?"),
        (
            Stop(Text("Việc của tôi, trên điện thoại", "My work, on the phone"), "/mine"),
            Stop(Text("Cây đổ: đã gộp hai phản ánh, đang xin hỗ trợ", "Fallen tree: two merged, help asked"), "tree"),
            Stop(Text("Đã trả lời, có ảnh trước và sau", "Answered, with photos before and after"), "rubbish"),
        ),
    ),
    Walk(
        "leader",
        Text("Lãnh đạo", "Leader"),
        Text("Điều gì thay đổi, vì sao? Ai đang trễ?", "What moved, and why? Who is late?"),
        (
            Stop(Text("Cả thành phố trên một bản đồ", "The whole city on one map"), "/"),
            Stop(Text("Tải công việc và trễ hạn từng đơn vị", "Load and lateness of each unit"), "/incidents/load"),
            Stop(Text("Duyệt lệnh đang chờ", "Approve the command that waits"), "waiting"),
            Stop(Text("Màn hình lớn", "The wall"), "/wall"),
        ),
    ),
)  # fmt: skip


class DemoPages:
    """Serves ``/demo``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def page(self, request: Request) -> Response:
        """What there is to try. Raises Problem 404 in a city where nothing is made up."""
        if self.platform.invented.begun_at is None:
            raise not_found("demo", self.platform.city.slug)
        language, signed = language_of(request), signed_of(request)
        told = dict(ref.partition(" ")[::2] for ref in self.platform.invented.refs("page"))
        account = None if signed is None else self.platform.accounts.account(signed.account_id)
        roles = () if account is None else tuple(one.role for one in account.granted)
        offered = self.platform.demo.roles if from_here(request.scope, request.scope["headers"]) else ()
        return render(
            request,
            self.platform,
            "dothi.web:demo.html",
            walks=[self._walk(walk, told, roles, offered, language) for walk in WALKS],
        )

    async def remove(self, request: Request) -> Response:
        """Destroy all that is made up. Raises Problem 403."""
        await self.platform.invented.remove(person_of(request), correlation=request.state.correlation)
        return RedirectResponse("/", 303)

    def _walk(
        self, walk: Walk, told: dict[str, str], roles: tuple[str, ...], offered: tuple[str, ...], language: str
    ) -> dict[str, Any]:
        """A walk with the addresses of its stops; ``role`` is whom one has to become for it, "" if nobody else."""
        stops = [(one.words.in_language(language), told.get(one.page, one.page)) for one in walk.stops]
        return {
            "title": walk.title.in_language(language),
            "asks": walk.asks.in_language(language),
            "role": walk.role if walk.role in offered and walk.role not in roles else "",
            "stops": [(words, to) for words, to in stops if to.startswith("/")],
        }
