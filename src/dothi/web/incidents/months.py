"""What months brought: how much, of which kinds, in which wards, how late, and on a map where it comes back."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from starlette.requests import Request
from starlette.responses import Response

from dothi.access.routes import person_of
from dothi.platform.incidents.months import Months
from dothi.platform.platform import Platform
from dothi.ui.formats import span
from dothi.ui.language import language_of
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.ui.ward_picture import WIDTH, CityPicture, draw
from dothi.web.incidents import look
from dothi.web.incidents.queue import choices

_WARDS = 12  # shown one by one; all of them are on the map and in the file
_CLASSES = 5  # of shade, the darkest for the ward with most


@dataclass(frozen=True, slots=True)
class Small:
    """One small chart: ``bars`` are how high (0 to 100 of the highest of all) and how many, month by month."""

    title: str
    to: str
    total: int
    bars: list[tuple[float, int]]


@dataclass(frozen=True, slots=True)
class Place:
    """A place where it comes back: ``x``, ``y`` and ``radius`` in units of the map."""

    x: float
    y: float
    radius: float
    count: int
    ward: str
    kinds: str
    to: str


class MonthPages:
    """Serves ``/incidents/months`` (``kind``, ``ward``) and the same as CSV."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    @cached_property
    def _picture(self) -> CityPicture:
        return draw(self.platform.city)

    def page(self, request: Request) -> Response:
        """Charts, map and table; complete without a script."""
        language, query = language_of(request), request.query_params
        found = self._found(request)
        whole = found.whole()
        most = max((one.opened for one in whole), default=0) or 1
        wards = dict(found.totals(2))
        return render(
            request,
            self.platform,
            "dothi.web.incidents:months.html",
            rows=[
                (
                    month,
                    one,
                    round(100 * one.opened / most, 1),
                    round(100 * one.late / most, 1),
                    _minutes(one.to_answer, language),
                )
                for month, one in zip(found.months, whole, strict=True)
            ],
            total=sum(one.opened for one in whole),
            by_kind=self._small(found, 1, language),
            by_ward=self._small(found, 2, language)[:_WARDS],
            picture=self._picture,
            wide=WIDTH,
            shades={code: _shade(count, max(wards.values())) for code, count in wards.items()},
            counts=wards,
            places=self._places(found, language),
            kind=query.get("kind", ""),
            ward=query.get("ward", ""),
            asked=request.url.query,
            **choices(self.platform, person_of(request), language),
        )

    def table(self, request: Request) -> Response:
        """Every month, kind and ward that had any, in minutes."""
        head = ("month", "kind", "ward", "opened", "answered", "late", "minutesToAnswer")
        return csv_response("incident-months", head, _cells(self._found(request)))

    def _found(self, request: Request) -> Months:
        query = request.query_params
        return self.platform.incidents.months(person_of(request), query.get("kind", "")[:60], query.get("ward", "")[:20])

    def _small(self, found: Months, part: int, language: str) -> list[Small]:
        totals = [(key, total) for key, total in found.totals(part) if key]
        series = {key: found.by(part, key) for key, _ in totals}
        most = max((max(counts) for counts in series.values()), default=0) or 1
        return [
            Small(
                self.platform.incidents.kind(key).title.in_language(language)
                if part == 1
                else look.ward_words(self.platform, key),
                f"/incidents/months?{'kind' if part == 1 else 'ward'}={key}",
                total,
                [(round(100 * count / most, 1), count) for count in series[key]],
            )
            for key, total in totals
        ]

    def _places(self, found: Months, language: str) -> list[Place]:
        most = max((one.count for one in found.spots), default=1)
        kind = self.platform.incidents.kind
        places = []
        for one in found.spots:
            x, y = self._picture.at(one.longitude, one.latitude)
            radius = round(3 + 9 * (one.count / most) ** 0.5, 1)
            named = ", ".join(kind(name).title.in_language(language) for name in one.kinds)
            to = f"/?map=16/{one.latitude:.5f}/{one.longitude:.5f}"
            ward = look.ward_words(self.platform, one.ward)
            places.append(Place(round(x, 1), round(y, 1), radius, one.count, ward, named, to))
        return places


def _shade(count: int, most: int) -> int:
    return max(1, round(_CLASSES * count / most))


def _cells(found: Months) -> Iterator[tuple[object, ...]]:
    for (month, kind, ward), one in sorted(found.figures.items()):
        yield f"{month:%Y-%m}", kind, ward, one.opened, one.answered, one.late, one.to_answer


def _minutes(value: float | None, language: str) -> str:
    return "–" if value is None else span(max(60.0, value * 60), language, 2)
