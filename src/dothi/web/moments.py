"""The time bar: its window over the record, the hours in it, and the way to the next one over the limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Literal

from dothi.access.policy import Person
from dothi.model.moment import Moment
from dothi.model.problem import Problem
from dothi.platform.platform import Platform
from dothi.platform.sector import HourCell, MapLayer
from dothi.ui import formats
from dothi.web import view

HOUR = timedelta(hours=1)
SPANS = {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}  # hours that the time bar shows
OVER = 1  # the severity from which an hour counts as one over the limit
_SETTLED = timedelta(minutes=10)  # nothing is heard any more as of a moment that lies this far back
_SEARCH = SPANS["30d"]
Way = Literal["back", "on"]


def freshness(moment: Moment | None, platform: Platform) -> str:
    """The Cache-Control of an answer about ``moment``: what was known long ago cannot change any more."""
    if moment is None:
        return "no-store"
    if moment.known == "then" and platform.clock.now() - moment.at > _SETTLED:
        return "private, max-age=3600, immutable"
    return "private, max-age=20"


@dataclass(frozen=True, slots=True)
class Label:
    """A time written under the bar: where (% of its width), the words, the moment; whether a new day begins there, and
    whether it is one of four hours of the day, which is all that a narrow bar has room for.
    """

    x: float
    words: str
    at: datetime
    day: bool
    six: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A coloured piece of the bar from ``at`` on: place and width in % of the bar's width, and what it says."""

    x: float
    width: float
    at: datetime
    label: str | None
    colour: str
    ink: str
    detail: str
    severity: int


@dataclass(frozen=True, slots=True)
class Bar:
    """The time bar's window from ``start`` to ``end`` (UTC, whole hours), and where the record begins.

    A block stands where its value was the newest there was, an hour after the hour it speaks for: what is under the playhead
    is what the map shows. Equal hours beside each other are one block where the window is longer than a day.
    """

    span: str
    start: datetime
    end: datetime
    blocks: list[Block]
    labels: list[Label]
    began: datetime | None

    def place(self, at: datetime) -> float:
        """Where a moment lies, in % of the bar's width, never outside it."""
        return round(min(max((at - self.start) / (self.end - self.start), 0.0), 1.0) * 100, 3)


def bar(
    platform: Platform, person: Person, language: str, layers: Sequence[MapLayer], moment: Moment | None, span: str
) -> Bar:
    """The window that shows ``moment``: up to now where that is in it, else with the moment at two thirds.

    A ``span`` that is none of ``SPANS`` is a day.
    """
    chosen = span if span in SPANS else "24h"
    count = SPANS[chosen]
    now = _whole(platform.clock.now()) + HOUR
    end = now
    if moment is not None and moment.at < now - HOUR * count:
        end = min(now, _whole(moment.at) + HOUR * (count // 3))
    start = end - HOUR * count
    cells = view.hours(platform, person, language, layers, None if end == now else Moment(end - HOUR), count)
    blocks = _blocks(cells, count, merge=count > SPANS["24h"])
    return Bar(chosen, start, end, blocks, _labels(start, count), platform.history.began(person))


def _blocks(cells: Sequence[HourCell], count: int, merge: bool) -> list[Block]:
    found = []
    alike = groupby(enumerate(cells), lambda pair: (pair[1].colour, pair[1].severity) if merge else pair[0])
    for _, run in alike:
        (number, first), *more = run
        worst = max((first, *(cell for _, cell in more)), key=lambda cell: int(cell.label or 0))
        x, width = (round(hours / count * 100, 3) for hours in (number, 1 + len(more)))
        found.append(Block(x, width, first.at + HOUR, worst.label, worst.colour, worst.ink, worst.detail, worst.severity))
    return found


def _labels(start: datetime, count: int) -> list[Label]:
    """Every hour of a day, every midnight of a week, every third midnight of a month, in the city's zone."""
    found, nights = [], 0
    for number in range(count):
        at = (start + HOUR * number).astimezone(formats.city_zone())
        nights += at.hour == 0
        midnight = at.hour == 0
        if count > SPANS["24h"] and (not midnight or (count > SPANS["7d"] and nights % 3 != 1)):
            continue
        x = number / count * 100
        said = f"{at:%d/%m}" if midnight else f"{at:%H}"
        found.append(Label(round(x, 3), said, at.astimezone(UTC), midnight, at.hour % 6 == 0))
    return found


def _whole(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def way_of(text: str) -> Way:
    """``back`` or ``on``. Raises Problem 400 for anything else."""
    if text == "back":
        return "back"
    if text == "on":
        return "on"
    raise Problem(400, "bad-moment", f"way={text[:20]!r} is neither back nor on.", "Give way=back or way=on.")


def over_the_limit(
    platform: Platform, person: Person, language: str, layers: Sequence[MapLayer], moment: Moment | None, way: Way
) -> Moment | None:
    """The end of the worst hour of the exceedance before or after ``moment``; None if there is none.

    An exceedance is a run of hours in each of which the city's value or a place was over the limit. The one that ``moment``
    lies in does not count. Hours are judged with what is known now, whatever knowledge the moment asks for.
    """
    now = platform.clock.now()
    last = _whole(now)  # where the last finished hour ended
    seen = last if moment is None else _whole(moment.at)
    began = platform.history.began(person) or now
    walked: list[HourCell] = []  # from the hour that is seen, outwards
    edge = seen if way == "back" else seen - HOUR
    while True:
        if way == "back":
            page = view.hours(platform, person, language, layers, Moment(edge), _SEARCH)[::-1]
            edge -= HOUR * _SEARCH
            ended = edge <= began
        else:
            count = min(_SEARCH, (last - edge) // HOUR)
            edge += HOUR * count
            page = view.hours(platform, person, language, layers, Moment(edge), count) if count else []
            ended = edge >= last
        walked += page
        run = _next_run(walked)
        if run and (run[-1] is not walked[-1] or ended):
            worst = max(run, key=lambda cell: (cell.severity, int(cell.label or 0)))
            return Moment(worst.at + HOUR, "now" if moment is None else moment.known)
        if ended or not page:
            return None


def _next_run(walked: Sequence[HourCell]) -> list[HourCell]:
    """The first run of hours over the limit after the one, if any, that the walk began in."""
    runs = [list(run) for over, run in groupby(walked, lambda cell: cell.severity >= OVER) if over]
    if runs and runs[0][0] is walked[0]:
        del runs[0]
    return runs[0] if runs else []
