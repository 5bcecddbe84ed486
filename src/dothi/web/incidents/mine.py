"""The officer's own list on the phone: where do I go now, how long is left, and what I did, with or without a line."""

from dataclasses import dataclass, replace
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.policy import Person, reach
from dothi.access.routes import person_of
from dothi.platform.incidents.flow import TABLE
from dothi.platform.incidents.model import Incident, Question
from dothi.platform.incidents.photos import DONE, Photo
from dothi.platform.platform import Platform
from dothi.ui import assets
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web.incidents import look, telling
from dothi.web.incidents.ground import HEIGHT, WIDTH, Ground, PlacePicture
from dothi.web.incidents.look import Row
from dothi.web.incidents.queue import choices

MOST = 40
_WARDS = 3  # of an officer of more, the centre gives the work
_FREE = 10


@dataclass(frozen=True, slots=True)
class Card:
    """One incident of the list. ``about`` is its description, ``main`` is the act that comes next (its tag), ``before`` and
    ``after`` are its photos, ``proving`` the numbers of those that prove an answer, ``releases`` says whether whoever looks
    may let everybody see them, ``again`` why it was reopened.
    """

    row: Row
    about: str
    again: telling.Line | None
    main: str
    main_words: str
    possible: tuple[str, ...]
    before: list[Photo]
    after: list[Photo]
    proving: frozenset[int]
    picture: PlacePicture | None
    releases: bool


class Mine:
    """Serves ``/mine`` (``done=1``: what is finished) and the worker that keeps it on the phone."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self._ground = platform, Ground(platform)

    def page(self, request: Request) -> Response:
        """What is assigned to whoever asks, the first to run out first; then what their wards have for nobody yet."""
        platform, person, language = self.platform, person_of(request), language_of(request)
        done = request.query_params.get("done") == "1"
        mine = Question(mine=True, limit=MOST)
        ended = replace(mine, states=("answered", "closed"), order="newest")
        found = platform.incidents.find(person, ended if done else mine)
        other = platform.incidents.find(person, replace(mine if done else ended, limit=1)).total
        return render(
            request,
            platform,
            "dothi.web.incidents:mine.html",
            headers={"cache-control": "no-store"},
            cards=[self._card(person, one, language, drawn=number < 3) for number, one in enumerate(found.incidents)],
            total=found.total,
            done=done,
            open_count=other if done else found.total,
            done_count=found.total if done else other,
            free=[] if done else look.rows_of(platform, self._free(person), language),
            me=person.id,
            token="",
            place_width=WIDTH,
            place_height=HEIGHT,
            island_words=msgspec.json.encode(_words(language)).decode(),
            **choices(platform, person, language),
        )

    def worker(self, _: Request) -> Response:
        """The script that keeps the page on the phone. Raises Problem 404 while the bundle is not built."""
        return assets.page_worker("/mine")

    def _card(self, person: Person, one: Incident, language: str, *, drawn: bool) -> Card:
        possible = self.platform.incidents.possible(person, one)
        main = look.main_act(one, possible, person.id)
        if one.state == "handling" and one.arrived_at is None and "arrive" in possible:
            main = "arrive"
        photos = self.platform.incidents.photos.of(person, one.code)
        picture = None
        if drawn and one.longitude is not None and one.latitude is not None:
            picture = self._ground.picture(one.longitude, one.latitude)
        return Card(
            look.row_of(self.platform, one, language),
            self.platform.rules.text_of(one).in_language(language),
            telling.again(self.platform, self.platform.incidents.timeline(person, one.code), language),
            main,
            TABLE[main].title.in_language(language) if main else "",
            possible,
            [photo for photo in photos if photo.phase in ("report", "before")],
            [photo for photo in photos if photo.phase in DONE],
            self.platform.incidents.photos.proving(person, one.code),
            picture,
            any(TABLE[tag].collides for tag in possible),
        )

    def _free(self, person: Person) -> list[Incident]:
        """What lies in the wards of whoever asks and is nobody's yet."""
        reached = reach(person, "incident.write")
        wards = {ward for _most, scope in (reached.parts if reached else ()) for ward in scope.wards or ()}
        found = list[Incident]()
        for ward in sorted(wards)[:_WARDS]:
            asked = Question(states=("accepted", "assigned"), ward=ward, limit=_FREE)
            found += [one for one in self.platform.incidents.find(person, asked).incidents if not one.assignee]
        return found[:_FREE]


def _words(language: str) -> dict[str, Any]:
    _ = translator(language)
    return {
        "offline": _("Ngoại tuyến"),
        "waiting": _("{count} chờ gửi"),
        "sending": _("Đang gửi"),
        "kept": _("Đã ghi, chờ gửi"),
        "refused": _("Chưa được nhận"),
        "drop": _("Bỏ"),
        "look": _("Xem sự việc"),
        "away": _("cách bạn {distance}"),
        "no_place": _("Trình duyệt không cho biết vị trí."),
        "changed": _("Sự việc đã đổi trong lúc mất mạng; xem rồi làm lại."),
    }
