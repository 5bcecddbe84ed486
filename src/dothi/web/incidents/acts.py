"""What people do to one incident, as forms send it; the second of two is shown the difference, nothing is overwritten."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import get_args

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.routes import person_of
from dothi.model.problem import Problem, bad_request
from dothi.model.promise import Urgency
from dothi.platform.incidents import acts
from dothi.platform.incidents.flow import TABLE
from dothi.platform.incidents.model import ChangedMeanwhile
from dothi.platform.platform import Platform
from dothi.ui import formats
from dothi.ui.language import language_of
from dothi.ui.page import render
from dothi.web.incidents import look, telling
from dothi.web.incidents.queue import point_of
from dothi.web.incidents.show import Show

_LATE = 120  # seconds between doing and sending from which the timeline says so


class Acts:
    """Serves ``POST /incidents/{code}/act``: fields ``act`` (a tag), ``version`` (that was looked at), what the act needs,
    ``once`` (what is sent twice is done once) and ``back`` (where to go then). Asked for JSON, it answers in JSON.
    """

    def __init__(self, platform: Platform, show: Show) -> None:
        self.platform, self._show = platform, show

    async def do(self, request: Request) -> Response:
        """Do one act. Raises Problem 403, 404; for people 400 and 409 come back as pages."""
        form = await request.form()
        code, person = request.path_params["code"], person_of(request)
        machine = wants_json(request)
        once = text(form, "once")[:64]
        try:
            act = act_of(form)
            done = await self.platform.incidents.act(
                person,
                code,
                act,
                version=_number(form, "version"),
                once=once,
                correlation=request.state.correlation,
            )
            late = sent_late(form, self.platform, language_of(request))
            if late:
                await self.platform.incidents.note(code, *late, once=once and f"late {person.id} {once}")
        except ChangedMeanwhile as problem:
            if machine:
                raise
            return self._changed(request, form, problem)
        except Problem as problem:
            if machine or problem.status not in (400, 409):
                raise
            return self._show.refused(request, problem)
        if machine:
            told = {"code": done.code, "state": done.state, "version": done.version}
            return Response(msgspec.json.encode(told), media_type="application/json")
        return RedirectResponse(back_of(form, f"/incidents/{code}"), 303)

    def _changed(self, request: Request, form: FormData, problem: ChangedMeanwhile) -> Response:
        """What somebody else did meanwhile, beside what was going to be done: to be sent again, or let be."""
        language, tag = language_of(request), text(form, "act")
        rule = TABLE.get(tag)
        possible = tag in self.platform.incidents.possible(person_of(request), problem.now)
        kept = [
            (name, value)
            for name, value in form.multi_items()
            if isinstance(value, str) and name not in ("csrf_token", "version")
        ]
        return render(
            request,
            self.platform,
            "dothi.web.incidents:changed.html",
            status_code=409,
            row=look.row_of(self.platform, problem.now, language),
            differences=telling.differences(self.platform, problem.differences, language),
            act_words=rule.title.in_language(language) if rule else tag,
            kept=kept,
            said=[value for name, value in kept if name in ("reason", "text", "note", "title") and value],
            possible=possible,
        )


def wants_json(request: Request) -> bool:
    """True for a script that reads the answer itself."""
    return request.headers.get("accept", "").startswith("application/json")


def back_of(form: FormData, otherwise: str) -> str:
    """Where a form leads to: a page of this city, or ``otherwise``."""
    back = text(form, "back")
    return back if back.startswith("/") and not back.startswith(("//", "/\\")) else otherwise


def sent_late(form: FormData, platform: Platform, language: str) -> tuple[str, str] | None:
    """What the timeline says of an act that was done without a line and sent when there was one; None if it came at once."""
    made = _moment(text(form, "made_at"))
    now = platform.accounts.clock.now()
    if made is None or not _LATE <= (now - made).total_seconds() < 86_400 * 7:
        return None
    at = formats.daytime(made, "vi")
    return f"Làm lúc {at} khi mất mạng, nay mới gửi được.", f"Done at {at} without a line, sent only now."


def text(form: FormData, name: str) -> str:
    """A field of a form as text."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _number(form: FormData, name: str) -> int:
    told = text(form, name)
    return int(told) if told.isdecimal() and len(told) < 10 else -1


def _moment(told: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(told.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


def local(form: FormData, name: str) -> datetime | None:
    """A moment as a field of a page gives it: in the city's zone. Raises Problem 400."""
    told = text(form, name)
    if not told:
        return None
    try:
        return datetime.fromisoformat(told[:19]).replace(tzinfo=formats.city_zone()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_request("That is no moment.", "Choose a day and a time.") from None


def _unit(form: FormData) -> acts.Assign:
    """Whom a form assigns to: ``unit`` is "agency:ID" or "ward:CODE", ``assignee`` an account."""
    kind, _colon, unit = text(form, "unit").partition(":")
    return acts.Assign(
        agency=unit if kind == "agency" else "", ward=unit if kind == "ward" else "", assignee=text(form, "assignee")
    )


def _rank(form: FormData) -> acts.Rank:
    urgency = next((one for one in get_args(Urgency) if one == text(form, "urgency")), None)
    if urgency is None:
        raise bad_request("There is no such urgency.", "Choose one of the list.")
    return acts.Rank(_number(form, "severity"), urgency)


def _move(form: FormData) -> acts.Move:
    longitude, latitude = point_of({"point": text(form, "point")})
    if longitude is None or latitude is None:
        raise bad_request("There is no point.", "Write it as maps copy it: 21.0285, 105.8542.")
    return acts.Move(longitude, latitude, text(form, "address"))


def _proof(form: FormData) -> tuple[int, ...]:
    told = (str(one) for one in form.getlist("proof"))
    return tuple(int(one) for one in told if one.isdecimal() and len(one) < 10)


_READ: dict[str, Callable[[FormData], acts.Act]] = {
    "accept": lambda form: acts.Accept(),
    "reject": lambda form: acts.Reject(text(form, "reason")),
    "assign": _unit,
    "delegate": lambda form: acts.Delegate(text(form, "assignee")),
    "return": lambda form: acts.Return(text(form, "reason")),
    "start": lambda form: acts.Start(),
    "arrive": lambda form: acts.Arrive(),
    "ask_help": lambda form: acts.AskHelp(text(form, "unit").rpartition(":")[2], text(form, "note")),
    "escalate": lambda form: acts.Escalate(text(form, "reason")),
    "pause": lambda form: acts.Pause(text(form, "reason"), local(form, "until")),
    "resume": lambda form: acts.Resume(),
    "answer": lambda form: acts.Answer(text(form, "text"), _proof(form)),
    "close": lambda form: acts.Close(),
    "reopen": lambda form: acts.Reopen(text(form, "reason")),
    "reclassify": lambda form: acts.Reclassify(text(form, "kind")),
    "rank": _rank,
    "move": _move,
    "retitle": lambda form: acts.Retitle(text(form, "title"), text(form, "text")),
    "merge": lambda form: acts.Merge(text(form, "into").upper()),
    "split": lambda form: acts.Split(text(form, "title"), tuple(map(str, form.getlist("report")))),
    "comment": lambda form: acts.Comment(text(form, "text")),
    "add_task": lambda form: acts.AddTask(text(form, "text"), text(form, "assignee"), local(form, "due_at")),
    "do_task": lambda form: acts.DoTask(_number(form, "task")),
    "do_step": lambda form: acts.DoStep(_number(form, "step"), text(form, "note")),
    "tie": lambda form: acts.Tie("page", text(form, "ref")),
}


def act_of(form: FormData) -> acts.Act:
    """The act that a form describes. Raises Problem 400."""
    read = _READ.get(text(form, "act"))
    if read is None:
        raise bad_request("That is nothing one can do here.", "Use a button of the page.")
    return read(form)
