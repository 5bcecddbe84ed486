"""The runs pages: what the city computes beside its readings, how it went, with what and by whose wish."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import may
from dothi.access.routes import person_of
from dothi.model.problem import not_found
from dothi.platform.platform import Platform
from dothi.platform.run_records import KEEP_BIG, KEEP_DAYS, KEEP_RUNS
from dothi.platform.runs import ASKERS, ERRORS, STATES, Run
from dothi.ui.formats import number, span
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web.devices import link, page_number

PAGE = 50
EVERYTHING = 1_000_000
SHOWN = 20_000  # letters of inputs or outputs on the page; the download has all


class RunPages:
    """Serves ``/runs``, ``/runs.csv`` and ``/runs/{run}`` with what can be done there."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def _asked(self, request: Request) -> dict[str, Any]:
        query = request.query_params
        state = query.get("state")
        return {
            "process": query.get("process") or None,
            "state": state if state in STATES else None,
            "text": query.get("q", "")[:100].strip(),
        }

    def index(self, request: Request) -> Response:
        """What can be run, with how it last went, and every run, newest first."""
        platform, person, language = self.platform, person_of(request), language_of(request)
        asked, page = self._asked(request), page_number(request)
        rows, total = platform.runs.list(person, **asked, limit=PAGE, offset=(page - 1) * PAGE)
        processes = list(platform.runs.processes.values())
        return render(
            request,
            platform,
            "dothi.web:runs.html",
            q=asked["text"],
            asked=asked,
            counts=platform.runs.counts(person),
            processes=processes,
            last={one.id: next(iter(platform.runs.list(person, process=one.id, limit=1)[0]), None) for one in processes},
            may_start=may(person, "run.start"),
            rows=rows,
            total=total,
            page=page,
            size=PAGE,
            link=partial(link, request),
            kept=(KEEP_RUNS, KEEP_DAYS, KEEP_BIG),
            **self._words(language),
        )

    def table(self, request: Request) -> Response:
        """The same list, filtered the same way, whole, as CSV."""
        rows, _total = self.platform.runs.list(person_of(request), **self._asked(request), limit=EVERYTHING)
        return csv_response("runs", _HEAD, map(_cells, rows))

    async def start(self, request: Request) -> Response:
        """Queue a run of the chosen process. Raises Problem 404 and 429."""
        form = await request.form()
        chosen = str(form.get("process", ""))
        process = self.platform.runs.processes.get(chosen)
        if process is None or not process.by_hand:
            raise not_found("process", chosen[:100])
        run = await self.platform.runs.submit(person_of(request), process.id, correlation=request.state.correlation)
        return RedirectResponse(f"/runs/{run}", 303)

    def show(self, request: Request) -> Response:
        """One run: its state, what went in, what came out. Raises Problem 404."""
        platform, person, language = self.platform, person_of(request), language_of(request)
        run = self._run(request)
        earlier = platform.runs.get(person, run.repeats) if run.repeats else None
        return render(
            request,
            platform,
            "dothi.web:run.html",
            q="",
            run=run,
            process=platform.runs.processes.get(run.process),
            earlier=earlier,
            same=_comparison(run, earlier),
            inputs=_readable(run.inputs, language),
            outputs=_readable(run.outputs, language),
            options="" if run.options == "{}" else run.options,
            may_start=may(person, "run.start"),
            may_cancel=may(person, "run.cancel"),
            kept=(KEEP_RUNS, KEEP_DAYS, KEEP_BIG),
            **self._words(language),
        )

    def download(self, request: Request) -> Response:
        """The inputs or outputs as a JSON file. Raises Problem 404 if they are not there."""
        run, part = self._run(request), request.path_params["part"]
        text = {"inputs": run.inputs, "outputs": run.outputs}.get(part)
        if not text:
            raise not_found("file", f"{part}.json")
        headers = {"content-disposition": f'attachment; filename="run-{run.id}-{part}.json"', "cache-control": "no-store"}
        return Response(text, media_type="application/json", headers=headers)

    async def cancel(self, request: Request) -> Response:
        """Cancel a run; asks once more, saying what is lost. Raises Problem 404 and 409."""
        form = await request.form()
        run = await run_in_threadpool(self._run, request)
        if form.get("sure") == "yes":
            await self.platform.runs.cancel(person_of(request), run.id, correlation=request.state.correlation)
            return RedirectResponse(f"/runs/{run.id}", 303)
        words = self._words(language_of(request))
        return await run_in_threadpool(render, request, self.platform, "dothi.web:run-cancel.html", run=run, **words)

    async def repeat(self, request: Request) -> Response:
        """Run once more with the same inputs and seed. Raises Problem 404, 409 and 429."""
        run_id = request.path_params["run"]
        again = await self.platform.runs.repeat(person_of(request), run_id, correlation=request.state.correlation)
        return RedirectResponse(f"/runs/{again}", 303)

    def _run(self, request: Request) -> Run:
        found = self.platform.runs.get(person_of(request), request.path_params["run"])
        if found is None:
            raise not_found("run", request.path_params["run"])
        return found

    def _words(self, language: str) -> dict[str, Any]:
        processes = self.platform.runs.processes

        def title(process: str) -> str:
            return processes[process].title.in_language(language) if process in processes else process

        def asker(person: str) -> str:
            return ASKERS[person].in_language(language) if person in ASKERS else person

        return {
            "title_of": title,
            "asker_words": asker,
            "state_words": partial(state_words, language=language),
            "error_words": partial(error_words, language=language),
            "advice_words": partial(advice_words, language=language),
            "took": partial(took, language=language),
        }


def state_words(state: str, language: str) -> str:
    """The state of a run in a word or two."""
    _ = translator(language)
    return {
        "queued": _("đang chờ"),
        "running": _("đang chạy"),
        "done": _("xong"),
        "failed": _("lỗi"),
        "cancelled": _("đã hủy"),
        "expired": _("quá thời gian"),
    }.get(state, state)


def error_words(error: str, language: str) -> str:
    """What kind of failure it was; what else is known is shown beside these words."""
    code = error.partition(": ")[0]
    return ERRORS[code].in_language(language) if code in ERRORS else code


def advice_words(error: str, language: str) -> str:
    """What to do about a failure."""
    _ = translator(language)
    return {
        "city-stopped": _("Bắt đầu lại nếu vẫn cần; lượt chạy theo lịch tự chạy lại."),
        "time-limit": _("Thử lại khi máy rảnh hơn. Nếu vẫn vậy, phép tính cần được chia nhỏ."),
        "worker-died": _("Thường do hết bộ nhớ hoặc lỗi trong thư viện. Các lượt chạy khác không bị ảnh hưởng."),
        "process-error": _("Gửi mã lượt chạy này cho người viết phép tính; chạy lại cùng đầu vào sẽ gặp đúng lỗi này."),
        "gather-failed": _("Kiểm tra dữ liệu đầu vào đã có chưa rồi bắt đầu lại."),
        "keep-failed": _("Kết quả tính xong nhưng chưa ghi được. Kiểm tra dung lượng đĩa rồi bắt đầu lại."),
        "bad-inputs": _("Chọn phạm vi nhỏ hơn rồi bắt đầu lại."),
        "bad-outputs": _("Gửi mã lượt chạy này cho người viết phép tính."),
        "no-process": _("Cài lại ngành có phép tính này, hoặc bỏ qua."),
    }.get(error.partition(": ")[0], "")


def took(seconds: float | None, language: str) -> str:
    """How long a run took by the machine's clock: ``0,35 giây``, ``12 giây``, ``2 phút 5 giây``."""
    _ = translator(language)
    if seconds is None:
        return "–"
    if seconds < 10:
        return _("{number} giây").format(number=number(seconds, language, 2 if seconds < 1 else 1))
    return span(seconds, language, 2)


def _comparison(run: Run, earlier: Run | None) -> bool | None:
    """Whether a repeated run came to the same; None while that is not known."""
    if earlier is None or not run.outputs_digest or not earlier.outputs_digest:
        return None
    return run.outputs_digest == earlier.outputs_digest


def _readable(text: str, language: str) -> dict[str, Any] | None:
    """JSON for people: its size, its first fields in words and the text itself, indented and cut; None if there is none."""
    if not text:
        return None
    value = msgspec.json.decode(text)
    pretty = msgspec.json.format(text, indent=2)
    fields = [(key, _summary(one, language)) for key, one in value.items()] if isinstance(value, dict) else []
    size = len(text.encode())
    return {
        "size": f"{number(size, language)} B" if size < 1000 else f"{number(size / 1000, language, 1)} kB",
        "fields": fields[:40] or [("", _summary(value, language))],
        "text": pretty[:SHOWN],
        "cut": len(pretty) > SHOWN,
    }


def _summary(value: Any, language: str) -> str:
    _ = translator(language)
    match value:
        case None:
            return _("không có")
        case bool():
            return _("có") if value else _("không")
        case int() | float():
            return number(value, language)
        case str():
            return value if len(value) <= 200 else value[:200] + " …"
        case list() if value and len(value) <= 6 and all(isinstance(one, int | float | str) for one in value):
            return " · ".join(_summary(one, language) for one in value)
        case list():
            return _("danh sách {count} mục").format(count=number(len(value), language))
        case _:
            return _("nhóm {count} mục").format(count=number(len(value), language))


_HEAD = (
    "id",
    "process",
    "version",
    "seed",
    "state",
    "requestedBy",
    "requestedAt",
    "startedAt",
    "endedAt",
    "seconds",
    "progress",
    "error",
    "endedBy",
    "repeats",
    "inputsDigest",
    "outputsDigest",
)


def _cells(run: Run) -> Sequence[Any]:
    moments: Iterable[str] = (
        one.isoformat() if one is not None else "" for one in (run.requested_at, run.started_at, run.ended_at)
    )
    return (
        run.id,
        run.process,
        run.version,
        run.seed,
        run.state,
        run.requested_by,
        *moments,
        run.seconds,
        run.progress,
        run.error,
        run.ended_by,
        run.repeats,
        run.inputs_digest,
        run.outputs_digest,
    )
