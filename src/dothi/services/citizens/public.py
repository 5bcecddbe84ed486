"""What everybody may read: released reports as list, drawing and CSV; their photos; how answers are rated."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import STRANGER, Person, reach
from dothi.access.routes import person_of
from dothi.model.problem import Problem, not_found
from dothi.services.citizens import codes, said, store
from dothi.services.citizens.feed import MEDIA_TYPE, feed
from dothi.services.citizens.releasing import decides
from dothi.services.citizens.service import Reports
from dothi.services.citizens.store import Shown, Tally
from dothi.services.citizens.words import PACKAGE, PACKAGES
from dothi.ui import formats
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.ui.ward_picture import CityPicture, draw

PAGE, MOST_ROWS = 30, 5_000
RATED_WITHIN = timedelta(days=90)
_COMMENTS = 30
FEWEST = 5  # ratings that make a share
_LEAST = 120.0  # units of the drawing: about 15 km of Hanoi
_ROUND = 3  # digits of a degree: about 100 m
_EACH_TIME = {"cache-control": "private, no-cache", "vary": "accept-language, cookie"}
_STATES = {
    "open": ("new", "accepted", "assigned", "handling"),
    "done": ("answered", "closed"),
    "refused": ("rejected",),
    "all": ("new", "accepted", "assigned", "handling", "answered", "closed", "rejected"),
}


class PublicPages:
    """``/reports``: nothing here was not released by a person."""

    def __init__(self, reports: Reports) -> None:
        self.reports, self.platform = reports, reports.platform
        self._picture: CityPicture | None = None

    def index(self, request: Request) -> Response:
        """The list, newest first, with a drawing of where."""
        language, asked = language_of(request), _asked(request.query_params)
        _ = translator(language, PACKAGES)
        start = _number(request.query_params.get("from", "")) // PAGE * PAGE
        rows, total = self._rows(asked, PAGE, start)
        query = {name: value for name, value in asked.items() if value}

        def link(to: int) -> str:
            return urlencode(query | {"from": str(to)})

        return render(
            request,
            self.platform,
            f"{PACKAGE}:reports.html",
            state=asked["state"],
            kind=asked["kind"],
            ward=asked["ward"],
            states=[
                ("all", _("Tất cả")),
                ("open", _("Đang làm")),
                ("done", _("Đã trả lời")),
                ("refused", _("Không tiếp nhận")),
            ],
            kinds=said.kinds(self.reports.kinds, language),
            rows=[self._line(one, language) for one in rows],
            picture=self._drawing(rows) if any(one.longitude is not None for one in rows) else None,
            newer=link(start - PAGE) if start else "",
            older=link(start + PAGE) if start + PAGE < total else "",
            counted=_("{first}–{last} trong {total}").format(first=start + 1, last=start + len(rows), total=total),
            query=urlencode(query),
            bounds=",".join(f"{edge:.4f}" for edge in self.platform.city.bounds),
            filtered=query != {"state": "all"},
        )

    def table(self, request: Request) -> Response:
        """The list as CSV, the newest ``MOST_ROWS``."""
        language = language_of(request)
        _ = translator(language, PACKAGES)
        rows, _total = self._rows(_asked(request.query_params), MOST_ROWS, 0)
        head = [
            _("Mã"), _("Tên"), _("Loại việc"), _("Tình trạng"), _("Phường, xã"), _("Kinh độ"), _("Vĩ độ"), _("Mở lúc"),
            _("Trả lời lúc"), _("Nội dung"),
        ]  # fmt: skip
        cells = (
            [
                one.code,
                one.title,
                self._kind(one.kind, language),
                said.state(one.state, language),
                self._ward(one.ward),
                None if one.longitude is None else round(one.longitude, _ROUND),
                None if one.latitude is None else round(one.latitude, _ROUND),
                formats.here(one.opened_at).isoformat(timespec="seconds"),
                None if one.answered_at is None else formats.here(one.answered_at).isoformat(timespec="seconds"),
                one.text,
            ]
            for one in rows
        )
        return csv_response("phan-anh", head, cells)

    def places(self, request: Request) -> Response:
        """The list as GeoJSON (RFC 7946), the newest ``MOST_ROWS`` that have a place, rounded as everywhere."""
        language = language_of(request)
        rows, _total = self._rows(_asked(request.query_params), MOST_ROWS, 0)
        features = [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [round(one.longitude, _ROUND), round(one.latitude, _ROUND)]},
                "properties": {
                    "code": one.code,
                    "title": one.title,
                    "kind": self._kind(one.kind, language),
                    "ward": self._ward(one.ward),
                    "state": said.state(one.state, language),
                    "done": one.state in _STATES["done"],
                    "openedAt": formats.here(one.opened_at).isoformat(timespec="seconds"),
                },
            }
            for one in rows
            if one.longitude is not None and one.latitude is not None
        ]
        body = msgspec.json.encode({"type": "FeatureCollection", "features": features})
        return Response(body, media_type="application/geo+json", headers=_EACH_TIME)

    def atom(self, request: Request) -> Response:
        """The list as a feed to subscribe to, the newest ``PAGE``."""
        language, asked = language_of(request), _asked(request.query_params)
        _ = translator(language, PACKAGES)
        rows, _total = self._rows(asked, PAGE, 0)
        city = self.platform.city.title.in_language(language)
        title = " · ".join(
            filter(None, (_("Phản ánh đã công bố"), self._ward(asked["ward"]) if asked["ward"] else "", city))
        )
        told = [
            (one, f"{self._kind(one.kind, language)} · {self._ward(one.ward)} · {said.state(one.state, language)}")
            for one in rows
        ]
        base = str(request.base_url).rstrip("/")
        body = feed(base, str(request.url), title, self.platform.clock.now(), told)
        return Response(body, media_type=MEDIA_TYPE, headers=_EACH_TIME)

    def one(self, request: Request) -> Response:
        """One released report. Raises Problem 404 for any other."""
        language, code = language_of(request), request.path_params["incident"]
        _ = translator(language, PACKAGES)
        rows, _total = self._rows({"state": "all", "code": code[:40]}, 1, 0)
        if not rows:
            now = self.platform.incidents.public(code[:40]).code
            if now != code and self._rows({"state": "all", "code": now}, 1, 0)[1]:  # it was merged into another
                return RedirectResponse(f"/reports/{now}", 303)
            raise not_found("report", code[:40])
        shown, work = rows[0], self.platform.incidents.public(code)
        return render(
            request,
            self.platform,
            f"{PACKAGE}:one.html",
            code=shown.code,
            title=shown.title,
            text=shown.text,
            where=f"{self._kind(shown.kind, language)} · {said.where(self.platform, shown.ward, shown.agency, language)}",
            sent=formats.daytime(shown.opened_at, language),
            steps=said.steps(work, language),
            clock=said.clock(work, self.platform.clock.now(), language),
            answer=work.answer,
            answered="" if shown.answered_at is None else formats.daytime(shown.answered_at, language),
            photos=said.photos(self.reports, work, language),
            open=shown.state in _STATES["open"],
            decides=self._decides(person_of(request), shown.code),
            form=codes.new_form(),
        )

    def _decides(self, person: Person, code: str) -> bool:
        """Whether who looks at a released report may take it back."""
        try:
            return decides(person, self.platform.incidents.get(person, code))
        except Problem:
            return False

    async def photo(self, request: Request) -> Response:
        """A released photo, whoever asks: what is kept on the way is never one that was not, and is asked after each time.

        Raises Problem 404.
        """
        return await photo(self.reports, STRANGER, request, {"cache-control": "private, no-cache"})

    def ratings(self, request: Request) -> Response:
        """How answers are rated, by kind, agency or ward."""
        language, by = language_of(request), _by(request)
        _ = translator(language, PACKAGES)
        found = self._tallies(by)
        good = sum(one.satisfied + one.acceptable for one in found)
        total = sum(one.count for one in found)
        ways = [("kind", _("Loại việc")), ("agency", _("Đơn vị")), ("ward", _("Phường, xã"))]
        counted = _("trong {count} lượt đánh giá")
        return render(
            request,
            self.platform,
            f"{PACKAGE}:ratings.html",
            by=by,
            ways=ways,
            heading=dict(ways)[by],
            whole={"good": _share(good, total, language), "of": counted.format(count=formats.number(total, language))}
            if total >= FEWEST
            else None,
            comments=self._comments(request, language),
            rows=[
                {
                    "name": self._name(by, one.of, language),
                    "count": formats.number(one.count, language),
                    "good": _share(one.satisfied, one.count, language),
                    "fair": _share(one.acceptable, one.count, language),
                    "bad": _share(one.unsatisfied, one.count, language),
                }
                for one in found
            ],
        )

    def ratings_table(self, request: Request) -> Response:
        """The same as CSV, in counts."""
        language, by = language_of(request), _by(request)
        _ = translator(language, PACKAGES)
        head = [_("Tên"), _("Lượt"), _("Hài lòng"), _("Chấp nhận được"), _("Chưa hài lòng")]
        rows = (
            [self._name(by, one.of, language), one.count, one.satisfied, one.acceptable, one.unsatisfied]
            for one in self._tallies(by)
        )
        return csv_response(f"danh-gia-{by}", head, rows)

    def _comments(self, request: Request, language: str) -> list[dict[str, Any]]:
        """The newest comments, for those who see the incidents they are about: people may name people there."""
        reached = reach(person_of(request), "incident.read")
        if reached is None:
            return []
        with self.platform.database.reader() as db:
            found = store.comments(db, reached, _COMMENTS)
        scores = dict(said.scores(language))
        now = self.platform.clock.now()

        def about(one: store.Rating) -> str:
            return " · ".join(
                (self._kind(one.kind, language), self._ward(one.ward), formats.relative(one.at, now, language))
            )

        return [
            {"incident": one.incident, "score": scores[one.score], "text": one.comment, "about": about(one)} for one in found
        ]

    def _tallies(self, by: str) -> list[Tally]:
        since = self.platform.clock.now() - RATED_WITHIN
        with self.platform.database.reader() as db:
            return store.tallies(db, by, since)

    def _rows(self, asked: Mapping[str, str], limit: int, offset: int) -> tuple[list[Shown], int]:
        """One page of what was released; the same for everybody, so that many who ask at once cost as much as one."""

        def read() -> tuple[list[Shown], int]:
            with self.platform.database.reader() as db:
                return store.shown(
                    db,
                    states=_STATES[asked["state"]],
                    kind=asked.get("kind", ""),
                    ward=asked.get("ward", ""),
                    code=asked.get("code", ""),
                    limit=limit,
                    offset=offset,
                )

        question = ("reports", self.reports.releases.turn, *sorted(asked.items()), limit, offset)
        return self.platform.memo.answer(question, read)

    def _line(self, one: Shown, language: str) -> dict[str, str]:
        when = formats.relative(one.opened_at, self.platform.clock.now(), language)
        about = " · ".join((self._kind(one.kind, language), self._ward(one.ward), when))
        return {
            "code": one.code,
            "title": one.title,
            "about": about,
            "state": said.state(one.state, language),
            "tone": said.tone(one.state),
        }

    def _drawing(self, rows: list[Shown]) -> dict[str, Any]:
        if self._picture is None:
            self._picture = draw(self.platform.city)
        picture, points, places = self._picture, [], []
        for one in reversed(rows):  # the newest lies on top
            if one.longitude is not None and one.latitude is not None:
                x, y = picture.at(round(one.longitude, _ROUND), round(one.latitude, _ROUND))
                done = one.state in _STATES["done"]
                places.append((x, y))
                points.append({"code": one.code, "title": one.title, "x": f"{x:.1f}", "y": f"{y:.1f}", "done": done})
        box = _around(places)
        return {
            "box": " ".join(f"{edge:.1f}" for edge in box),
            "dot": f"{box[2] / 60:.1f}",
            "wards": [shape.path for shape in picture.shapes],
            "points": points,
        }

    def _kind(self, kind: str, language: str) -> str:
        return self.platform.incidents.kind(kind).title.in_language(language)

    def _ward(self, code: str) -> str:
        ward = self.platform.city.by_code.get(code)
        return ward.full_name if ward is not None else "–"

    def _name(self, by: str, of: str, language: str) -> str:
        if by == "kind":
            return self._kind(of, language)
        if by == "ward":
            return self._ward(of)
        agency = self.platform.city.agency(of)
        return agency.title.in_language(language) if agency is not None else "–"


def _around(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    """The part of the drawing (left, top, width, height) that shows every point with its surroundings, 3 to 2."""
    xs, ys = zip(*points, strict=True)
    wide = max(_LEAST, 1.3 * (max(xs) - min(xs)), 1.3 * 1.5 * (max(ys) - min(ys)))
    high = wide / 1.5
    return (min(xs) + max(xs) - wide) / 2, (min(ys) + max(ys) - high) / 2, wide, high


async def photo(reports: Reports, asker: Person, request: Request, headers: Mapping[str, str]) -> Response:
    """A photo that ``asker`` may see, as everybody sees it, whole unless ``size`` asks for the small one.

    Raises Problem 404.
    """
    number = _number(request.path_params["number"])
    small = request.query_params.get("size") == "small"
    photos = reports.platform.incidents.photos
    found = await asyncio.to_thread(partial(photos.read, asker, number, "small" if small else "full", public=True))
    named = {"etag": f'"{found.hash}"', **headers}
    if request.headers.get("if-none-match") == named["etag"]:
        return Response(status_code=304, headers=named)
    return Response(found.body, media_type=found.media, headers=named)


def _asked(query: Mapping[str, str]) -> dict[str, str]:
    state = query.get("state", "all")
    return {
        "state": state if state in _STATES else "all",
        "kind": query.get("kind", "")[:80],
        "ward": query.get("ward", "")[:10],
    }


def _by(request: Request) -> str:
    by = request.query_params.get("by", "kind")
    return by if by in ("kind", "agency", "ward") else "kind"


def _number(said: str) -> int:
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= 9 else 0


def _share(part: int, whole: int, language: str) -> str:
    return f"{formats.number(100 * part / whole, language, 0)} %" if whole >= FEWEST else "–"
