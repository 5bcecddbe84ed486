"""The quarantine page: what could not be taken, why, and the two ways out: send again or drop for good.

Changes that were recorded but that a handler failed to take (parked ones) stand above them, when there are any.
"""

from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import Person
from dothi.access.routes import person_of
from dothi.data.quarantine import MAX_AT_ONCE, REASONS
from dothi.model.problem import bad_request
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web.devices import link, notice_words, page_number, spoken
from dothi.web.lobby import raw

PAGE = 25
MOST = 5_000  # rows of a table


class QuarantinePages:
    """Serves ``/devices/quarantine``, ``/devices/quarantine.csv`` and what is decided there."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def index(self, request: Request) -> Response:
        """Reasons with their counts, and the newest rows with their raw text."""
        person, language, page = person_of(request), language_of(request), page_number(request)
        quarantine = self.platform.quarantine
        reason = _reason(request.query_params.get("reason"))
        rows, total = quarantine.list(person, reason, PAGE, (page - 1) * PAGE)
        return render(
            request,
            self.platform,
            "dothi.web:quarantine.html",
            reason=reason,
            counts=quarantine.counts(person),
            rows=[(row, raw(quarantine.get(person, row.id)[1])) for row in rows],
            total=total,
            page=page,
            size=PAGE,
            most=MAX_AT_ONCE,
            turned_away=quarantine.turned_away,
            senders=list(quarantine.senders(person).items())[:5],
            parked=self.platform.dispatcher.parked(person),
            handler_words=partial(_handler_words, self.platform, language=language),
            error_words=partial(_error_words, language=language),
            notice=notice_words(request.query_params.get("done", ""), language),
            reason_title=partial(_title, language=language),
            link=partial(link, request),
            **spoken(language),
        )

    def table(self, request: Request) -> Response:
        """The same rows, of one reason or of all, as CSV with the beginning of their text; the newest ``MOST`` of them."""
        person, reason = person_of(request), _reason(request.query_params.get("reason"))
        rows, _total = self.platform.quarantine.list(person, reason, MOST, 0)
        head = ("id", "at", "source", "device", "reason", "detail", "size", "contentType", "correlation", "body")
        return csv_response(
            "quarantine",
            head,
            (
                (
                    row.id,
                    row.at.isoformat(),
                    row.source,
                    row.device,
                    row.reason,
                    row.detail,
                    row.size,
                    row.content_type,
                    row.correlation,
                    raw(self.platform.quarantine.get(person, row.id)[1]),
                )
                for row in rows
            ),
        )

    async def decide(self, request: Request) -> Response:
        """Replay or discard the chosen rows; discarding asks once more, saying how many. Raises Problem 400."""
        person = person_of(request)
        form = await request.form()
        act = form.get("act")
        reason = _reason(str(form.get("reason", "")) or None)
        chosen = [*map(str, form.getlist("id")), *str(form.get("ids", "")).split(",")]
        ids = [int(text) for text in chosen if text.isdecimal() and len(text) < 19]
        if form.get("scope") == "all":
            ids = await run_in_threadpool(self._every, person, reason)
        back = f"/devices/quarantine?reason={reason}&" if reason else "/devices/quarantine?"
        if not ids:
            return RedirectResponse(f"{back}done=none", 303)
        if act == "replay":
            result = await self.platform.quarantine.replay(person, ids)
            return RedirectResponse(f"{back}done=replayed:{len(result.replayed)}", 303)
        if act == "discard" and form.get("sure") == "yes":
            dropped = await self.platform.quarantine.discard(person, ids)
            return RedirectResponse(f"{back}done=discarded:{len(dropped)}", 303)
        if act == "discard":
            return await run_in_threadpool(
                render, request, self.platform, "dothi.web:discard.html", ids=ids, reason=reason, back=back.rstrip("?&")
            )
        raise bad_request("That is nothing one can do here.", "Choose replay or discard.")

    async def resend(self, request: Request) -> Response:
        """Tell a handler once more what it failed on. Raises Problem 403."""
        form = await request.form()
        ids = [int(text) for text in map(str, form.getlist("id")) if text.isdecimal() and len(text) < 19]
        taken = await self.platform.dispatcher.resend(person_of(request), ids)
        done = f"resent:{len(taken)}" if len(taken) == len(ids) else f"parked:{len(ids) - len(taken)}"
        return RedirectResponse(f"/devices/quarantine?done={done}", 303)

    def _every(self, person: Person, reason: str | None) -> list[int]:
        return [row.id for row in self.platform.quarantine.list(person, reason, MAX_AT_ONCE)[0]]


def _reason(asked: str | None) -> str | None:
    return asked if asked in REASONS else None


def _title(reason: str, language: str) -> str:
    return REASONS[reason].in_language(language) if reason in REASONS else reason


def _handler_words(platform: Platform, handler: str, language: str) -> str:
    """Whose work a handler does: the sector's whose derivation it runs."""
    _ = translator(language)
    if handler == "ngsild":
        return _("Đăng ký nhận tin")
    for sector in platform.sectors:
        if any(handler == f"derive:{one.id}" for one in sector.derivations):
            return _("Tính toán của ngành {sector}").format(sector=sector.title.in_language(language))
    return _("Phần xử lý không còn trong thành phố này")


def _error_words(error: str, language: str) -> str:
    """What kind of failure it was; the error itself is shown beside these words."""
    _ = translator(language)
    kind = error.partition(":")[0]
    if kind == "TimeoutError":
        return _("Làm không kịp trong thời gian cho phép")
    if kind in ("OSError", "ConnectionError", "ConnectionRefusedError", "ConnectionResetError", "Unavailable"):
        return _("Không tới được nơi cần đọc hoặc ghi")
    return _("Lỗi trong phần xử lý")
