"""The doors of citizens: report, follow, rate, look at what was released; and the officials' page to release it."""

import asyncio
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from dothi.access.limits import Limit, Limits, neighbourhood
from dothi.access.requests import address_of
from dothi.access.routes import page, person_of
from dothi.model.problem import Problem
from dothi.services.citizens import codes, open311, said
from dothi.services.citizens.contact import CONSENT
from dothi.services.citizens.forms import Fields, fields_of, photos_of
from dothi.services.citizens.mailing import MailDoor
from dothi.services.citizens.place import Asked, Place, place_of
from dothi.services.citizens.public import PublicPages
from dothi.services.citizens.review import ReviewPages
from dothi.services.citizens.service import Received, Reports, Sent
from dothi.services.citizens.told import Told
from dothi.services.citizens.words import PACKAGE, PACKAGES, complains, line_of, text_of
from dothi.ui import assets
from dothi.ui.language import language_of, translator
from dothi.ui.page import render

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

SHORTEST = 10  # letters of a report without a photo
GUESSES = Limit(0.2, 30.0)
"""Codes that are nobody's, from one address: more than people mistype, too few to find one of 2^60."""
JOINS = Limit(0.2, 30.0)
"""How often one address says "me too": a street behind one mobile network may, a robot not for long."""
_READ_AT_A_TIME = 8  # forms with photos, each up to 16 MB of memory; those that come in meanwhile wait on the disk
_PRIVATE = {"cache-control": "no-store"}


def routes(platform: "Platform") -> Sequence[BaseRoute]:
    """Everything the citizens' sector serves."""
    reports, mail = Reports(platform), MailDoor(Told(platform))
    pages, public, review, post = ReportPages(reports, mail), PublicPages(reports), ReviewPages(reports), ("POST",)
    return [
        page("/report", pages.form, action="report.read", name="report"),
        page("/report", pages.send, action="report.send", methods=post, name="report-send", files=True),
        page("/report/same", pages.same, action="report.send", methods=post, name="report-same"),
        page("/report/find", pages.find, action="report.read", name="report-find"),
        page("/report/worker.js", _worker, action="report.read", name="report-worker"),
        page("/report/mail", mail.page, action="report.read", name="report-mail"),
        page("/report/mail", mail.decide, action="report.send", methods=post, name="report-mail-decide"),
        page("/report/citizens.css", _style, action="report.read", name="report-style"),
        *(
            page(f"/report/{{code}}{path}", door, action=action, methods=methods, name=name, files=files, untold="code")
            for path, door, action, methods, name, files in (
                ("", pages.follow, "report.read", ("GET",), "report-follow", False),
                ("/rate", pages.rate, "report.send", post, "report-rate", False),
                ("/reopen", pages.reopen, "report.send", post, "report-reopen", False),
                ("/photos", pages.photos, "report.send", post, "report-photos", True),
                ("/forget", pages.forget, "report.send", post, "report-forget", False),
            )
        ),
        page("/reports", public.index, action="report.read", name="reports"),
        page("/reports.csv", public.table, action="report.read", name="reports-table"),
        page("/reports.geojson", public.places, action="report.read", name="reports-places"),
        page("/reports.atom", public.atom, action="report.read", name="reports-feed"),
        page("/reports/ratings", public.ratings, action="report.read", name="report-ratings"),
        page("/reports/ratings.csv", public.ratings_table, action="report.read", name="report-ratings-table"),
        page("/reports/photos/{number}", public.photo, action="report.read", name="report-photo"),
        page("/reports/review", review.index, action="incident.write", name="report-review"),
        page("/reports/review/photos/{number}", review.photo, action="incident.write", name="report-review-photo"),
        page("/reports/review/{report}", review.decide, action="incident.write", methods=post, name="report-decide"),
        page("/reports/{incident}", public.one, action="report.read", name="report-one"),
        *open311.routes(platform),
    ]


class ReportPages:
    """What a stranger uses: two short forms to report, one page to follow."""

    def __init__(self, reports: Reports, mail: MailDoor) -> None:
        self.reports, self.platform, self.mail = reports, reports.platform, mail
        self._guesses, self._joins = Limits(), Limits()
        self._reading = asyncio.Semaphore(_READ_AT_A_TIME)

    def form(self, request: Request) -> Response:
        """``/report``: what and where; with both known (``kind`` and a place) the rest of the form."""
        asked, query = self._asked(request.query_params), request.query_params
        kind = line_of(query.get("kind"), 80)
        if kind in self.reports.kinds and asked.place is not None and "edit" not in query:
            return self._more(request, asked.place, _blank(kind))
        return self._begin(request, kind, asked)

    async def send(self, request: Request) -> Response:
        """A report that was filled in; what is missing is asked for again, with what was written."""
        form, language = await request.form(), language_of(request)
        _ = translator(language, PACKAGES)
        fields, asked = fields_of(form), self._asked(form)
        if asked.place is None or fields.kind not in self.reports.kinds:
            told = _("Bạn chọn loại việc và nơi trước đã.")
            if _is_script(request):
                raise Problem(400, "bad-request", told, "")
            return await asyncio.to_thread(self._begin, request, fields.kind, asked, told, 400)
        async with self._reading:
            return await self._take(request, form, fields, asked.place)

    async def _take(self, request: Request, form: FormData, fields: Fields, place: Place) -> Response:
        """Send what is complete, or show the form again with what is not."""
        language, photos = language_of(request), await photos_of(form)
        _ = translator(language, PACKAGES)
        trouble = said.trouble(fields, photos, SHORTEST, language)
        complaint = not fields.still and complains(fields.text)
        if trouble or complaint:
            again = _("Ảnh phải chọn lại.") if photos else ""
            told = f"{trouble} {again}".strip()
            if _is_script(request):
                raise Problem(400, "bad-request", trouble or _("Đây có phải khiếu nại, tố cáo?"), "")
            return await asyncio.to_thread(self._more, request, place, fields, told, complaint=complaint, status=400)
        contact = fields.contact(CONSENT.in_language(language))
        sent = Sent(fields.form, fields.kind, place, fields.text, language, photos, contact, fields.made)
        try:
            received = await self.reports.send(person_of(request), sent, correlation=request.state.correlation)
        except Problem as problem:
            told, status, retry = said.problem(problem, language), problem.status, problem.retry_after
            if _is_script(request):
                raise Problem(status, problem.code, told, "", retry_after=retry) from problem
            return await asyncio.to_thread(self._more, request, place, fields, told, status=status, retry=retry)
        if not _is_script(request):
            return _to(received)
        return Response(msgspec.json.encode({"report": received.code}), media_type="application/json", headers=_PRIVATE)

    async def same(self, request: Request) -> Response:
        """ "Me too": one more report of what is known already."""
        form = await request.form()
        self._joins.spend(JOINS, neighbourhood(address_of(request.scope)))
        received = await self.reports.same(
            person_of(request),
            line_of(form.get("form"), 40),
            line_of(form.get("incident"), 40),
            language_of(request),
            correlation=request.state.correlation,
        )
        return _to(received)

    def find(self, request: Request) -> Response:
        """To the page of a code that was typed; back, saying so, if it is nobody's."""
        typed = codes.read(request.query_params.get("code", ""))
        try:
            if typed is not None:
                self._follow(request, typed)
                return RedirectResponse(f"/report/{typed}", 303)
        except Problem as problem:
            if problem.status != 404:
                raise
        return self._begin(request, "", Asked(""), lost=True, status=404)

    def follow(self, request: Request) -> Response:
        """The page of one code; where to type it again, if it is nobody's."""
        try:
            return self._following(request, said.done(request.query_params.get("done", ""), language_of(request)))
        except Problem as problem:
            if problem.status != 404:
                raise
        return self._begin(request, "", Asked(""), lost=True, status=404)

    async def rate(self, request: Request) -> Response:
        """How good the answer is."""
        form = await request.form()
        score = line_of(form.get("score"), 1)
        comment = text_of(form.get("comment"), 1_000)

        async def work(code: str) -> str:
            number = int(score) if score in ("1", "2", "3") else 0
            await self.reports.rate(person_of(request), code, number, comment, correlation=request.state.correlation)
            return "rated"

        return await self._act(request, work)

    async def reopen(self, request: Request) -> Response:
        """The answer does not hold."""
        reason = text_of((await request.form()).get("reason"), 1_000)

        async def work(code: str) -> str:
            await self.reports.reopen(person_of(request), code, reason, correlation=request.state.correlation)
            return "reopened"

        return await self._act(request, work)

    async def photos(self, request: Request) -> Response:
        """Further photos."""
        form = await request.form()

        async def work(code: str) -> str:
            photos = await photos_of(form)
            correlation = request.state.correlation
            unread = await self.reports.add_photos(person_of(request), code, photos, correlation=correlation)
            return "unread" if unread or not photos else "photos"

        async with self._reading:
            return await self._act(request, work)

    async def forget(self, request: Request) -> Response:
        """Destroy the contact that was left."""

        async def work(code: str) -> str:
            await self.reports.forget_contact(person_of(request), code, correlation=request.state.correlation)
            return "forgotten"

        return await self._act(request, work)

    async def _act(self, request: Request, work: "said.Work") -> Response:
        """Do something with a code, then show its page: by a redirect if it worked, saying what is wrong if not."""
        code = request.path_params["code"]
        try:
            done = await work(code)
        except Problem as problem:
            if problem.status == 404:
                self._guess(request)
                raise
            told = said.problem(problem, language_of(request))
            return await asyncio.to_thread(self._following, request, "", told, problem.status)
        return RedirectResponse(f"/report/{codes.read(code)}?done={done}", 303)

    def _following(self, request: Request, told: str, trouble: str = "", status: int = 200) -> Response:
        language, code = language_of(request), codes.read(request.path_params["code"]) or ""
        found = self._follow(request, code)
        return render(
            request,
            self.platform,
            f"{PACKAGE}:follow.html",
            status_code=status,
            headers=_PRIVATE,
            code=code,
            said=told,
            trouble=trouble,
            mails=self.mail.of(found.report),
            **said.following(self.reports, found, request.query_params, language),
        )

    def _follow(self, request: Request, code: str) -> "said.Following":
        try:
            return self.reports.follow(code)
        except Problem as problem:
            if problem.status == 404:
                self._guess(request)
            raise

    def _guess(self, request: Request) -> None:
        """Count a code that is nobody's. Raises Problem 429."""
        self._guesses.spend(GUESSES, neighbourhood(address_of(request.scope)))

    def _asked(self, given: "FormData | said.Query") -> Asked:
        address, ward = given.get("address"), given.get("ward")
        return place_of(self.platform.city, address, ward, given.get("longitude"), given.get("latitude"))

    def _begin(
        self, request: Request, kind: str, asked: Asked, trouble: str = "", status: int = 200, *, lost: bool = False
    ) -> Response:
        language, city = language_of(request), self.platform.city
        west, south, east, north = city.bounds
        return render(
            request,
            self.platform,
            f"{PACKAGE}:report.html",
            status_code=status,
            kinds=said.kinds(self.reports.kinds, language),
            kind=kind,
            address=asked.address,
            choices=said.choices(asked.choices, language),
            unknown=bool(asked.address) and asked.place is None and not asked.choices,
            trouble=trouble or said.asking(asked, request.query_params, language),
            bounds=f"{west:.4f},{south:.4f},{east:.4f},{north:.4f}",
            point="" if asked.place is None or asked.place.rough else f"{asked.place.longitude},{asked.place.latitude}",
            view="" if asked.place is None else f"{asked.place.longitude},{asked.place.latitude}",
            spot_words=said.spot_words(language),
            lost=lost,
            complaint=False,
            draft_words=said.draft_words(language),
        )

    def _more(
        self,
        request: Request,
        place: Place,
        fields: Fields,
        trouble: str = "",
        *,
        complaint: bool = False,
        status: int = 200,
        retry: int | None = None,
    ) -> Response:
        language = language_of(request)
        back = {"edit": "1", "kind": fields.kind, "address": place.address}
        return render(
            request,
            self.platform,
            f"{PACKAGE}:report-more.html",
            status_code=status,
            headers=_PRIVATE | ({} if retry is None else {"retry-after": str(retry)}),
            kind=fields.kind,
            kind_title=self.reports.kinds[fields.kind].title.in_language(language),
            place=place,
            place_title=place.ward.full_name,
            back=urlencode(back),
            nearby=said.nearby(self.reports, fields.kind, place, language),
            form=fields.form or codes.new_form(),
            text=fields.text,
            name=fields.name,
            phone=fields.phone,
            mail=fields.mail,
            agree=fields.agree,
            contact_open=fields.contact_given,
            consent=CONSENT.in_language(language),
            sends_mail=self.platform.telling.configured,
            trouble=trouble,
            complaint=complaint,
            draft_words=said.draft_words(language),
        )


def _blank(kind: str) -> Fields:
    return Fields(kind, "", "", "", "", agree=False, still=False, trapped=False, form="", made=None)


def _is_script(request: Request) -> bool:
    """True for the script that sends what waited in a browser: it reads the answer itself."""
    return request.headers.get("accept", "").startswith("application/json")


def _to(received: Received) -> Response:
    query = (
        {"done": "sent"} | ({"unread": "1"} if received.unread else {}) | ({} if received.contact_kept else {"lost": "1"})
    )
    return RedirectResponse(f"/report/{received.code}?{urlencode(query)}", 303)


def _worker(_: Request) -> Response:
    """The script that keeps ``/report`` on a phone."""
    return assets.page_worker("/report")


def _style(_: Request) -> Response:
    """The few rules of style that only these pages need."""
    text = resources.files(PACKAGE).joinpath("static", "citizens.css").read_text("utf-8")
    return Response(text, media_type="text/css", headers={"cache-control": "public, max-age=3600"})
