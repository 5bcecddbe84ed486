"""The wall view: is the city all right? Answered in ten seconds, from five metres, by a screen that nobody touches."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dothi.access.policy import Person
from dothi.access.routes import person_of
from dothi.model.severity import SEVERITIES
from dothi.model.text import fold
from dothi.platform.incidents.model import Question
from dothi.platform.platform import Platform
from dothi.platform.sector import MapPoint
from dothi.ui.badges import badges
from dothi.ui.formats import daytime, relative
from dothi.ui.language import LANGUAGES, language_of, translator
from dothi.ui.page import fill, render
from dothi.web import view, words
from dothi.web.incidents.feed import markers
from dothi.web.incidents.look import Row, rows_of

WORST = 3
THEMES = ("dark", "light")  # the first is what a wall shows that was told nothing
_UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer: ``severity`` 0 to 4, or -1 where nobody can say; the answer in a few words, and what it stands on."""

    severity: int
    title: str
    words: str


class Wall:
    """Serves ``/wall`` and ``/wall/board``, the part of it that changes. ``?theme=light`` for a bright room."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def page(self, request: Request) -> Response:
        """The whole wall; complete without a script, then renewed by the browser twice a minute."""
        asked = request.query_params.get("theme")
        bounds = ",".join(f"{edge:.5f}" for edge in self.platform.city.bounds)
        language = language_of(request)
        return render(
            request,
            self.platform,
            "dothi.web:wall.html",
            theme=asked if asked in THEMES else THEMES[0],
            bounds=bounds,
            island_words=msgspec.json.encode(_words(language)).decode(),
            **self._board(person_of(request), language),
        )

    def board(self, request: Request) -> Response:
        """What changes, as HTML without a frame."""
        platform, language = self.platform, language_of(request)
        context = self._board(person_of(request), language) | {
            "platform": platform,
            "city": platform.city,
            "now": platform.clock.now(),
            "badges": badges(platform, language),
            "tongues": LANGUAGES,
        }
        return HTMLResponse(fill(language, "dothi.web:wall-board.html", context), headers={"cache-control": "no-store"})

    def _board(self, person: Person, language: str) -> dict[str, Any]:
        platform = self.platform
        layers = view.chosen_layers(platform, None)
        found = [point for layer in layers for point in view.points(platform, person, language, layer)]
        tiles = view.tiles(platform, person, language)
        counts = platform.devices.counts(person)
        heard = platform.devices.last_heard(person)
        now = platform.clock.now()
        work = self._work(person, language)
        return {
            "layers": layers,
            "tiles": tiles,
            "worst": worst(found),
            "work": work,
            "work_points": markers([row.incident for row in work], language),
            "ward_names": view.ward_names(platform),
            "hours": view.hours(platform, person, language, layers),
            "verdict": verdict(tiles, found, language, work),
            "counts": counts,
            "heard": heard,
            "fresh": sum(point.freshness == "fresh" for point in found),
            "heard_words": relative(heard, now, language),
            "heard_at": daytime(heard, language) if heard else "",
            "state_words": partial(words.state_words, language=language),
        }

    def _work(self, person: Person, language: str) -> list[Row]:
        """The three gravest incidents that are worked on; of equals the one that runs out first."""
        found = self.platform.incidents.find(person, Question(order="severity", limit=WORST))
        return rows_of(self.platform, found.incidents, language)


def worst(points: list[MapPoint]) -> list[MapPoint]:
    """The three worst that speak for the present, worst first."""
    present = [point for point in points if point.freshness == "fresh" and point.rank >= 0]
    return sorted(present, key=lambda point: (-point.rank, fold(point.title)))[:WORST]


def verdict(tiles: list[view.TileView], points: list[MapPoint], language: str, work: Sequence[Row] = ()) -> Verdict:
    """The gravest of what is known, ``work`` (the gravest incident first) included. It never says that all is well where
    nothing is known or all of it is old.
    """
    _ = translator(language)
    gravest = work[0].incident.severity if work else 0
    known = [one for one in tiles if one.tile.number is not None and one.tile.number != "–"]
    if not known and not gravest:
        waiting = _("Chưa lĩnh vực nào có số liệu mới.") if points else _("Chưa có số đo nào.")
        return Verdict(_UNKNOWN, _("Chưa biết"), waiting)
    severity = max(gravest, *(one.tile.severity for one in known)) if known else gravest
    said = {
        0: _("Bình thường"),
        1: _("Cần theo dõi"),
        **{level: SEVERITIES[level].in_language(language) for level in (2, 3, 4)},
    }[severity]
    named = ", ".join(one.title.lower() for one in known if one.tile.severity == severity and severity > 0)
    if work and gravest == severity:
        named = work[0].title
    if len(known) == len(tiles):
        basis = _("Theo cả {count} lĩnh vực").format(count=len(tiles))
    else:
        basis = _("Theo {known} trong {count} lĩnh vực; các lĩnh vực khác chưa nối dữ liệu").format(
            known=len(known), count=len(tiles)
        )
    return Verdict(severity, f"{said}: {named}" if named else said, basis)


def _words(language: str) -> dict[str, str]:
    """What the island says by itself: only that the line is gone, and what the map needs."""
    _ = translator(language)
    return {
        "lost": _("Mất kết nối từ {time}"),
        "lost_verdict": _("Không biết lúc này"),
        "lost_words": _("Số liệu đứng yên từ {time}; màn hình tự nối lại"),
        "map": _("Bản đồ"),
        "map_failed": _("Không tải được bản đồ; các ô số liệu vẫn dùng được."),
        "map_preparing": _("Đang chuẩn bị nền bản đồ"),
        "group": _("{count} trạm, cao nhất {label}"),
        "late": _("chậm cập nhật"),
        "silent": _("mất tín hiệu"),
    }
