"""The page of subscriptions: who is told what, whether it arrives, what waits, and the ways out when it does not."""

import re
from collections.abc import Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.routes import person_of
from dothi.model.problem import Problem, bad_request
from dothi.platform.platform import Platform
from dothi.platform.subscribing import DeadLetter, SubscriptionState
from dothi.ui.formats import number
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web.devices import link, page_number

PAGE = 50
_LETTERS = 20  # of what was given up, so many are shown
_GRAVE = {"failed": 0, "paused": 1, "active": 2, "expired": 3}


class SubscriptionPages:
    """Serves ``/data/subscriptions``, its table, and what is decided there."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def index(self, request: Request) -> Response:
        """All subscriptions, those in trouble first, a page of them; of what was given up, the newest."""
        language, page, states = language_of(request), page_number(request), self._states(request)
        rows = states[(page - 1) * PAGE : page * PAGE]
        return render(
            request,
            self.platform,
            "dothi.web:subscriptions.html",
            rows=rows,
            page=page,
            size=PAGE,
            total=len(states),
            link=partial(link, request),
            letters={one.id: self._letters(request, one) for one in rows if one.dead},
            owner=self._owner,
            state_words=partial(_state_words, language=language),
            error_words=partial(_error_words, language=language),
            held_words=partial(_held_words, language=language),
            notice=_notice(request.query_params.get("done", ""), language),
        )

    def table(self, request: Request) -> Response:
        """The same as CSV."""
        head = (
            "id",
            "tenant",
            "owner",
            "about",
            "endpoint",
            "status",
            "held",
            "sent",
            "failed",
            "lastSuccess",
            "lastFailure",
        )
        rows = (
            (
                one.id,
                one.tenant,
                one.owner,
                " ".join(one.about),
                one.endpoint,
                one.status,
                one.held,
                one.times_sent,
                one.times_failed,
                one.last_success and one.last_success.isoformat(),
                one.last_failure and one.last_failure.isoformat(),
                one.last_error,
                one.waiting,
                one.dead,
            )
            for one in self._states(request)
        )
        return csv_response("subscriptions", (*head, "lastError", "waiting", "dead"), rows)

    async def decide(self, request: Request) -> Response:
        """Pause or resume a subscription, or send its dead letters again. Raises Problem 400, 403, 404, 409."""
        form = await request.form()
        person, id_, act = person_of(request), str(form.get("id", "")), form.get("act")
        desk = self.platform.subscriptions.of(str(form.get("tenant", "")))
        correlation = request.state.correlation
        if act == "resend":
            count = await desk.resend(person, id_, correlation=correlation)
            return RedirectResponse(f"/data/subscriptions?done=resent:{count}", 303)
        if act == "pause":
            await desk.pause(person, id_, correlation=correlation)
        elif act == "resume":
            await desk.resume(person, id_, correlation=correlation)
        else:
            raise bad_request("That is nothing one can do here.", "Choose pause, resume or resend.")
        return RedirectResponse(f"/data/subscriptions?done={act}", 303)

    def _states(self, request: Request) -> list[SubscriptionState]:
        found = self.platform.subscriptions.states(person_of(request))
        return sorted(found, key=lambda one: (_GRAVE.get(one.status, 0), -one.dead, one.created_at))

    def _letters(self, request: Request, one: SubscriptionState) -> Sequence[DeadLetter]:
        """The newest that was given up; nothing of a subscription that went meanwhile."""
        try:
            return self.platform.subscriptions.of(one.tenant).dead(person_of(request), one.id, _LETTERS)
        except Problem:
            return ()

    def _owner(self, account_id: str) -> str:
        """What the owner of a subscription is called."""
        account = self.platform.accounts.account(account_id)
        return account_id if account is None else account.name


def _state_words(one: SubscriptionState, language: str) -> str:
    _ = translator(language)
    words = {
        "active": _("gửi được") if one.last_success else _("chưa có gì để gửi"),
        "failed": _("không gửi được"),
        "paused": _("tạm dừng"),
        "expired": _("đã hết hạn"),
    }
    return words[one.status]


def _error_words(error: str, language: str) -> str:
    """Why a receiver did not take what was sent; empty where only English says it."""
    _ = translator(language)
    if error == "nothing listens at this address":
        return _("Không có chương trình nào nhận ở địa chỉ này.")
    if error == "the receiver hung up before it answered":
        return _("Nơi nhận ngắt kết nối trước khi trả lời.")
    if found := re.fullmatch(r"answered ([0-9]{3})", error):
        return _("Nơi nhận trả lời {status}.").format(status=found[1])
    if found := re.fullmatch(r"no answer within ([0-9.e+-]+) s", error):
        return _("Nơi nhận không trả lời trong {seconds} giây.").format(seconds=number(float(found[1]), language))
    if found := re.fullmatch(r"(\S+) is not a public address", error):
        return _("{host} không phải địa chỉ công khai.").format(host=found[1])
    if found := re.fullmatch(r"the name (\S+) is not known.*", error, re.DOTALL):
        return _("Không tìm thấy địa chỉ của tên {host}.").format(host=found[1])
    return ""


def _held_words(held: str, language: str) -> str:
    """Why the city paused it by itself."""
    _ = translator(language)
    words = {
        "owner-gone": _("Dừng vì tài khoản của người đăng ký không còn hoạt động."),
        "owner-lost-rights": _("Dừng vì người đăng ký không còn quyền nhận tin."),
        "key-ended": _("Dừng vì khóa đã dùng để đăng ký không còn hiệu lực."),
        "secret-lost": _("Dừng vì không đọc được thông tin xác thực với bên nhận; chủ đăng ký cần gửi lại receiverInfo."),
    }
    return words.get(held, "")


def _notice(done: str, language: str) -> str:
    _ = translator(language)
    what, _colon, count = done.partition(":")
    if what == "resent" and count.isdecimal():
        return _("Đang gửi lại {count} thông báo.").format(count=count[:9])
    return {
        "pause": _("Đã tạm dừng. Thông báo mới không gửi; thông báo đang chờ được giữ lại."),
        "resume": _("Đã gửi tiếp, thông báo đang chờ trước."),
    }.get(what, "")
