"""Hand-over: who is on, what they leave to the next one, and that the next one has read it."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import Person, Thing, may, reach
from dothi.access.routes import person_of
from dothi.model.problem import Problem, not_found
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web.incidents import look
from dothi.web.incidents.acts import text

PAST = 10


class ShiftPages:
    """Serves ``/incidents/shift``: the centre's, or a ward's (``ward``)."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def page(self, request: Request) -> Response:
        """Who is on, the note to write or to read, and those before; for who has a part of no shift, that there is none.

        Raises Problem 403 for a ward of others, 404 for one that is none.
        """
        wards = _wards(person_of(request))
        if wards is not None and not wards and "ward" not in request.query_params:
            return render(request, self.platform, "dothi.web.incidents:shift-none.html")
        return self._page(request, None)

    async def decide(self, request: Request) -> Response:
        """Take over (``do`` take, ``after`` the shift that was seen) or hand over (``do`` hand, ``note``). Problem 403."""
        form = await request.form()
        shifts, person, ward = self.platform.incidents.shifts, person_of(request), text(form, "ward")
        try:
            if text(form, "do") == "take":
                after = text(form, "after")
                seen = int(after) if after.isdecimal() and len(after) < 10 else 0
                await shifts.take(person, ward, after=seen, correlation=request.state.correlation)
            else:
                await shifts.hand_over(person, text(form, "note"), ward, correlation=request.state.correlation)
        except Problem as problem:
            if problem.status not in (400, 409):
                raise
            return self._page(request, problem, ward)
        return RedirectResponse(f"/incidents/shift?ward={ward}" if ward else "/incidents/shift", 303)

    def _page(self, request: Request, problem: Problem | None, ward: str | None = None) -> Response:
        platform, person, language = self.platform, person_of(request), language_of(request)
        wards = _wards(person)
        if ward is None:
            ward = request.query_params.get("ward", "" if wards is None else next(iter(wards), ""))
        if ward and ward not in platform.city.by_code:
            raise not_found("ward", ward)
        shifts = platform.incidents.shifts
        now_on = shifts.current(person, ward)
        return render(
            request,
            platform,
            "dothi.web.incidents:shift.html",
            status_code=problem.status if problem else 200,
            ward=ward,
            wards={code: look.ward_words(platform, code) for code in sorted(wards or ())},
            on=now_on,
            mine=now_on is not None and now_on.person == person.id,
            draft=shifts.draft(person, ward).in_language(language),
            past=[one for one in shifts.past(person, ward, PAST) if one.taken_at is not None],
            name=lambda account: look.name_of(platform, account, language),
            fault=_fault(problem, language),
            may_write=may(person, "incident.write", Thing(ward=ward or None)),
        )


def _wards(person: Person) -> set[str] | None:
    """The wards to which whoever asks is bound; None for the whole city."""
    reached = reach(person, "incident.read")
    if reached is None or reached.covers(Thing()):
        return None
    among = {ward for _most, scope in reached.parts for ward in scope.wards or ()}
    return {ward for ward in among if reached.covers(Thing(ward=ward))}


def _fault(problem: Problem | None, language: str) -> str:
    _ = translator(language)
    if problem is None:
        return ""
    return {
        "changed-meanwhile": _("Vừa có người khác nhận ca; xem ai đang trực bên dưới."),
        "already-on": _("Ca này đang là của bạn."),
        "not-your-shift": _("Ca này không phải của bạn, nên không bàn giao được."),
    }.get(problem.code, _("Ghi lời bàn giao trước khi gửi."))
