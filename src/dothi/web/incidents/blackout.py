"""Black out parts of a photo before everybody sees it: by numbers without a script, by mouse, finger or pen with one."""

from dataclasses import dataclass
from itertools import zip_longest
from math import ceil, floor
from typing import Any

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.routes import person_of
from dothi.access.uploads import WHOLE, Box
from dothi.model.problem import Problem, not_found
from dothi.platform.incidents.photos import MOST_BOXES, PHASES, Photo
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render

_FIELDS = ("left", "top", "width", "height")
_EMPTY_ROWS = 3  # to fill in without a script


@dataclass(frozen=True, slots=True)
class Row:
    """Four fields as they stand in the form, in percent of the picture; empty ones are none yet."""

    left: str = ""
    top: str = ""
    width: str = ""
    height: str = ""


class BlackoutPages:
    """Serves ``/incidents/{code}/photos/{number}/blackout``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def page(self, request: Request) -> Response:
        """The photo as it is with what is black, and as everybody sees it. Raises Problem 404."""
        photo = self._photo(request)
        return self._page(request, photo, [_row(box) for box in photo.boxes])

    async def save(self, request: Request) -> Response:
        """Draw what everybody sees anew. Raises Problem 403, 404; what is wrong with the numbers comes back as a page."""
        form, photo = await request.form(), self._photo(request)
        rows = _rows(form)
        try:
            boxes = [_box(row) for row in rows]
        except ValueError:
            return self._page(request, photo, rows, "numbers", 400)
        try:
            await self.platform.incidents.photos.black_out(
                person_of(request), photo.number, boxes, _known(form), correlation=request.state.correlation
            )
        except Problem as problem:
            if problem.status not in (400, 409):
                raise
            mine = rows if problem.status == 400 else [_row(box) for box in photo.boxes]
            return self._page(request, photo, mine, problem.code, problem.status)
        return RedirectResponse(f"{request.url.path}?done=1", 303)

    def _photo(self, request: Request) -> Photo:
        number = request.path_params["number"]
        photos = self.platform.incidents.photos.of(person_of(request), request.path_params["code"])
        found = next((one for one in photos if one.number == number), None)
        if found is None:
            raise not_found("photo", str(number))
        return found

    def _page(self, request: Request, photo: Photo, rows: list[Row], wrong: str = "", status: int = 200) -> Response:
        language = language_of(request)
        _ = translator(language)
        troubles = {
            "": "",
            "numbers": _("Mỗi vùng cần đủ bốn số từ 0 đến 100 (phần trăm của ảnh), rộng và cao lớn hơn 0."),
            "changed-meanwhile": _("Người khác vừa che ảnh này; dưới đây là vùng che của họ. Bạn xem lại rồi làm tiếp."),
        }
        most = _("Tối đa {count} vùng một ảnh; hãy che vùng rộng hơn.").format(count=MOST_BOXES)
        incident = self.platform.incidents.get(person_of(request), photo.incident)
        return render(
            request,
            self.platform,
            "dothi.web.incidents:blackout.html",
            status_code=status,
            headers={"cache-control": "no-store"},
            one=incident,
            photo=photo,
            phase=PHASES[photo.phase].in_language(language),
            rows=[*rows, *[Row()] * _EMPTY_ROWS],
            boxes=photo.boxes,
            whole=WHOLE,
            tens=range(10, 100, 10),
            known=msgspec.json.encode(photo.boxes).decode(),
            trouble=troubles.get(wrong, most),
            done=request.query_params.get("done") == "1" and not wrong,
            island_words=_words(language),
        )


def _rows(form: FormData) -> list[Row]:
    """The rows somebody filled in; those without any number are none."""
    columns = [[one.strip() if isinstance(one, str) else "" for one in form.getlist(name)] for name in _FIELDS]
    rows = [Row(*cells) for cells in zip_longest(*columns, fillvalue="")][: MOST_BOXES + 1]
    return [row for row in rows if row != Row()]


def _box(row: Row) -> Box:
    """The part a row means, rounded up to thousandths and cut at the picture's edges. Raises ValueError."""
    left, top, width, height = (
        float(said.replace(",", ".")) * WHOLE / 100 for said in (row.left, row.top, row.width, row.height)
    )
    if not (0 <= left < WHOLE and 0 <= top < WHOLE and 0 < width <= WHOLE and 0 < height <= WHOLE):
        raise ValueError(row)
    start, above = floor(left), floor(top)
    return Box(
        start,
        above,
        min(WHOLE, ceil(round(left + width, 6))) - start,
        min(WHOLE, ceil(round(top + height, 6))) - above,
    )


def _row(box: Box) -> Row:
    return Row(*(f"{value * 100 / WHOLE:g}" for value in (box.left, box.top, box.width, box.height)))


def _known(form: FormData) -> tuple[Box, ...]:
    """What was black when the form was made; what nobody sent was nothing."""
    said = form.get("known")
    try:
        return msgspec.json.decode(said if isinstance(said, str) else "[]", type=tuple[Box, ...])
    except msgspec.DecodeError:
        return ()


def _words(language: str) -> dict[str, Any]:
    _ = translator(language)
    return {"added": _("Đã thêm vùng che {number}."), "dropped": _("Đã bỏ vùng che {number}."), "drop": _("Bỏ vùng này")}
