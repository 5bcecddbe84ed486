"""The page on which people ask the record in SQL: question, answer, catalogue, and the questions they kept."""

from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import may
from dothi.access.presence import while_there
from dothi.access.routes import person_of
from dothi.data.sql.answer import Answer, Form, Refused
from dothi.data.sql.examples import EXAMPLES
from dothi.data.sql.saved import VIEWS, SavedQuery
from dothi.model.problem import Problem, not_found
from dothi.platform.platform import Platform
from dothi.ui.answers import answer_csv, answer_parquet
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web.answers import SHOWN, drawing

_PAGE_ROWS = 10_000
_SHORT = 1_500  # letters of a question that still fit into an address


@dataclass(frozen=True, slots=True)
class Blame:
    """What was wrong with a question: in words, in DuckDB's, and where."""

    title: str
    advice: str
    problem: Problem
    line: str = ""
    caret: str = ""
    number: int = 0


class SqlPages:
    """Serves ``/data/sql``, its files, and the questions people keep."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    async def page(self, request: Request) -> Response:
        """The page; with a question in the address or the form, or a saved one, its answer too."""
        platform, language = self.platform, language_of(request)
        asked = await _asked(request)
        saved = await run_in_threadpool(self._saved, request)
        text = asked.get("q", saved.sql if saved else "").strip()
        view = asked.get("view", saved.view if saved else "")
        answer, blame, status = None, None, 200
        if text:
            try:
                answer = await self._ask(request, text)
            except Problem as problem:
                if problem.status in (403, 499):
                    raise
                blame, status = _blame(problem, text, language), problem.status
        context = await run_in_threadpool(self._context, request, text, view, saved, answer)
        page = await run_in_threadpool(
            partial(render, request, platform, "dothi.web:sql.html", status_code=status, blame=blame, **context)
        )
        if status in (429, 503):
            page.headers["retry-after"] = "5"
        return page

    async def file(self, request: Request) -> Response:
        """The answer as a file. Raises Refused."""
        asked = await _asked(request)
        form: Form = "parquet" if asked.get("format") == "parquet" else "rows"
        answer = await self._ask(request, asked.get("q", ""), form, None)
        return answer_parquet("answer", answer) if form == "parquet" else answer_csv("answer", answer)

    async def save(self, request: Request) -> Response:
        """Keep a question, or change one that was kept. Raises Problem 400, 403, 404."""
        form, person, saved = await _asked(request), person_of(request), self.platform.saved_queries
        title, text, view = form.get("title", ""), form.get("q", ""), form.get("view") or "table"
        number = _number(form.get("saved", ""))
        if number is None or form.get("act") == "copy":
            number = await saved.save(person, title, text, view, correlation=request.state.correlation)
        else:
            await saved.change(person, number, title, text, view, correlation=request.state.correlation)
        return RedirectResponse(f"/data/sql?saved={number}&done=saved", 303)

    async def delete(self, request: Request) -> Response:
        """Delete a kept question and offer to take that back. Raises Problem 403, 404."""
        number = self._number(request)
        await self.platform.saved_queries.delete(person_of(request), number, correlation=request.state.correlation)
        return RedirectResponse(f"/data/sql?deleted={number}", 303)

    async def restore(self, request: Request) -> Response:
        """Bring a deleted question back. Raises Problem 403, 404."""
        number = self._number(request)
        await self.platform.saved_queries.restore(person_of(request), number, correlation=request.state.correlation)
        return RedirectResponse(f"/data/sql?saved={number}&done=restored", 303)

    async def _ask(self, request: Request, text: str, form: Form = "rows", rows: int | None = _PAGE_ROWS) -> Answer:
        questions, correlation = self.platform.questions, request.state.correlation
        asking = questions.ask(person_of(request), text, rows=rows, form=form, correlation=correlation)
        return await while_there(request, asking)

    def _saved(self, request: Request) -> SavedQuery | None:
        number = _number(request.query_params.get("saved", ""))
        return None if number is None else self.platform.saved_queries.get(person_of(request), number)

    def _number(self, request: Request) -> int:
        number = _number(request.path_params["saved"])
        if number is None:
            raise not_found("saved question", request.path_params["saved"])
        return number

    def _context(
        self, request: Request, text: str, view: str, saved: SavedQuery | None, answer: Answer | None
    ) -> dict[str, Any]:
        platform, person, language = self.platform, person_of(request), language_of(request)
        search = request.query_params.get("search", "")[:100].strip()
        drawn = drawing(platform, answer, language) if answer is not None else None
        offered = [
            one for one, there in (("table", True), ("chart", drawn and drawn.chart), ("map", drawn and drawn.map)) if there
        ]
        return {
            "text": text,
            "view": view if view in offered else "table",
            "views": offered,
            "saved": saved,
            "mine": saved is not None and saved.owner == person.id,
            "saves": may(person, "sql.save"),
            "answer": answer,
            "drawn": drawn,
            "shown": SHOWN,
            "tables": list(platform.questions.tables(person).values()),
            "kept": platform.saved_queries.list(person, search, 20),
            "search": search,
            "examples": [(one.title.in_language(language), question_link(one.sql, one.view)) for one in EXAMPLES],
            "link": question_link(text, view) if 0 < len(text) <= _SHORT else "",
            "notice": _notice(request.query_params.get("done", ""), language),
            "deleted": _number(request.query_params.get("deleted", "")),
            "limits": platform.questions.limits,
            "map_words": msgspec.json.encode(_map_words(language)).decode(),
        }


async def _asked(request: Request) -> dict[str, str]:
    """The fields of the form, or of the address where there is no form."""
    source = request.query_params if request.method == "GET" else await request.form()
    return {name: value.replace("\r\n", "\n") for name, value in source.items() if isinstance(value, str)}


def question_link(text: str, view: str) -> str:
    """The address at which ``text`` is asked and its answer shown as ``view``."""
    return f"/data/sql?{urlencode({'q': text} | ({'view': view} if view in VIEWS else {}))}"


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _blame(problem: Problem, text: str, language: str) -> Blame:
    title, advice = _words(problem.code, language)
    position = problem.position if isinstance(problem, Refused) else None
    if position is None:
        return Blame(title, advice, problem)
    before = text[:position]
    start = before.rfind("\n") + 1
    line = text[start:].partition("\n")[0]
    return Blame(title, advice, problem, line, " " * (position - start) + "^", before.count("\n") + 1)


def _words(code: str, language: str) -> tuple[str, str]:
    """What kind of failure it was and what to do; DuckDB's own sentence is shown beside these words."""
    _ = translator(language)
    catalogue = _("Danh mục bên cạnh có mọi bảng và cột; bấm vào tên để chèn.")
    narrower = _("Giới hạn thời gian (observed_at), lấy ít cột và ít dòng hơn.")
    return {
        "sql-syntax": (_("Câu hỏi viết chưa đúng cú pháp"), _("Sửa ở chỗ được đánh dấu rồi hỏi lại.")),
        "sql-names": (_("Có tên cột hoặc bảng không đúng"), catalogue),
        "sql-no-table": (_("Không có bảng này"), catalogue),
        "sql-only-select": (_("Ở đây chỉ hỏi được, không thay đổi được gì"), _("Hỏi bằng một câu SELECT.")),
        "sql-one-question": (_("Mỗi lần chỉ hỏi một câu"), _("Bỏ bớt, chỉ để lại một câu SELECT.")),
        "sql-function-refused": (_("Hàm này không dùng được ở đây"), _("Chỉ dùng được các hàm tính toán.")),
        "sql-value": (_("Có giá trị không đổi được sang kiểu đã yêu cầu"), _("Dùng TRY_CAST để bỏ qua giá trị như vậy.")),
        "sql-memory": (_("Câu hỏi cần quá nhiều bộ nhớ"), narrower),
        "sql-too-long": (_("Câu hỏi chạy quá lâu nên đã bị dừng"), narrower),
        "sql-too-large": (_("Câu trả lời quá lớn"), narrower),
        "sql-too-many": (_("Đang có nhiều người hỏi"), _("Chờ một lát rồi hỏi lại.")),
        "sql-busy": (_("Đang có nhiều người hỏi"), _("Chờ một lát rồi hỏi lại.")),
        "lake-damaged": (
            _("Một tệp của kho số đo bị hỏng"),
            _("Hỏi khoảng thời gian khác; báo người quản trị khôi phục tệp này."),
        ),
    }.get(code, (_("Chưa trả lời được câu hỏi này"), _("Sửa câu hỏi rồi hỏi lại.")))


def _notice(done: str, language: str) -> str:
    _ = translator(language)
    return {"saved": _("Đã lưu câu hỏi."), "restored": _("Đã khôi phục câu hỏi.")}.get(done, "")


def _map_words(language: str) -> dict[str, str]:
    _ = translator(language)
    return {
        "map": _("Bản đồ"),
        "map_preparing": _("Đang chuẩn bị nền bản đồ"),
        "map_failed": _("Không tải được bản đồ; bảng vẫn dùng được."),
        "map_wheel": _("Giữ Ctrl và cuộn để thu phóng bản đồ"),
        "map_wheel_mac": _("Giữ ⌘ và cuộn để thu phóng bản đồ"),
        "map_fingers": _("Dùng hai ngón tay để di chuyển bản đồ"),
        "group": _("{count} nơi, cao nhất {label}"),
        "value": _("giá trị"),
        "no_data": _("không có số đo"),
        "late": _("chậm cập nhật"),
        "silent": _("mất tín hiệu"),
    }
