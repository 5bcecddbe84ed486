"""Photos of an incident: taken in, shown to who may see it, released to everybody by a person."""

from typing import get_args

import msgspec
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.routes import person_of
from dothi.model.problem import Problem, bad_request
from dothi.platform.incidents.photos import Phase, Size
from dothi.platform.platform import Platform
from dothi.ui.language import language_of
from dothi.web.incidents.acts import back_of, sent_late, text, wants_json
from dothi.web.incidents.show import Show


class PhotoPages:
    """Serves ``/incidents/{code}/photos`` and each photo below it (``size=small`` for lists)."""

    def __init__(self, platform: Platform, show: Show) -> None:
        self.platform, self._show = platform, show

    async def add(self, request: Request) -> Response:
        """Take one in: the field ``photo``, and ``phase``. Raises Problem 403, 404; what is wrong with it comes back
        as a page, as JSON for who asks for it.
        """
        form = await request.form()
        code, sent, machine = request.path_params["code"], form.get("photo"), wants_json(request)
        phase = next((one for one in get_args(Phase) if one == text(form, "phase") and one != "report"), None)
        try:
            if phase is None or not isinstance(sent, UploadFile):
                raise bad_request("There is no photo.", "Choose a picture and say when it was taken.")
            photo = await self.platform.incidents.photos.add(
                person_of(request), code, await sent.read(), phase, correlation=request.state.correlation
            )
        except Problem as problem:
            if machine or problem.status not in (400, 409, 413, 415):
                raise
            return self._show.refused(request, problem)
        late = sent_late(form, self.platform, language_of(request))
        if late:
            await self.platform.incidents.note(code, *late, once=f"late photo {photo.number}")
        if machine:
            told = {"code": code, "photo": photo.number}
            return Response(msgspec.json.encode(told), media_type="application/json")
        return RedirectResponse(back_of(form, f"/incidents/{code}#photos"), 303)

    def read(self, request: Request) -> Response:
        """The picture itself, or as everybody sees it (``public=1``). Raises Problem 404."""
        query, number = request.query_params, request.path_params["number"]
        size: Size = "small" if query.get("size") == "small" else "full"
        public = query.get("public") == "1"
        picture = self.platform.incidents.photos.read(person_of(request), number, size, public=public)
        # A photo that is withdrawn must be gone from the next look on: the browser asks each time.
        headers = {"cache-control": "private, no-cache", "etag": f'"{picture.hash}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(picture.body, media_type=picture.media, headers=headers)

    async def decide(self, request: Request) -> Response:
        """Release it to everybody, take that back, or take it out: ``do`` is release, withdraw or remove, ``back`` where to
        go then. Raises 400, 403, 404.
        """
        form = await request.form()
        photos, person, number = self.platform.incidents.photos, person_of(request), request.path_params["number"]
        match text(form, "do"):
            case "release":
                await photos.release(person, number, correlation=request.state.correlation)
            case "withdraw":
                await photos.withdraw(person, number, correlation=request.state.correlation)
            case "remove":
                await photos.remove(person, number, correlation=request.state.correlation)
            case _:
                raise bad_request("That is nothing one can do to a photo.", "Choose release, withdraw or remove.")
        return RedirectResponse(back_of(form, f"/incidents/{request.path_params['code']}#photos"), 303)
