"""An answer of the record as people look at it: a table, a chart of what varies, a map of what has a place."""

from dataclasses import dataclass
from typing import Any

import msgspec

from dothi.data.sql.answer import Answer
from dothi.model.clock import from_micros
from dothi.platform.platform import Platform
from dothi.ui import formats

SHOWN = 500  # rows of the table; a chart, a map and the files have all that came back
_SERIES = 8
_BARS = 40
# Steps of one colour, light to dark, and ink for each. Not the official levels: nobody said what the numbers mean.
_STEPS = (
    ("#d7ebe6", "#16202a"),
    ("#9fd0c5", "#16202a"),
    ("#5aae9f", "#16202a"),
    ("#1f8474", "#ffffff"),
    ("#0a5148", "#ffffff"),
)
_LAST = ("#6b7780", "#ffffff")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a bar chart: how far it goes, 0 to 100."""

    label: str
    value: str
    width: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything a page shows of an answer. ``lines`` and ``map`` are JSON for the islands, "" if there is none."""

    head: list[tuple[str, bool]]  # name, and whether it stands to the right
    rows: list[list[str]]
    lines: str
    bars: list[Bar]
    map: str

    @property
    def chart(self) -> bool:
        """Whether there is anything to draw over time or by name."""
        return bool(self.lines or self.bars)


def drawing(platform: Platform, answer: Answer, language: str) -> Drawing:
    """``answer`` for a page in ``language``."""
    kinds = [column.kind for column in answer.columns]
    head = [(column.name, column.kind in ("number", "integer")) for column in answer.columns]
    rows = [[cell_words(cell, kind, language) for cell, kind in zip(row, kinds, strict=True)] for row in answer.rows[:SHOWN]]
    lines = _lines(answer, language)
    return Drawing(head, rows, lines, [] if lines else _bars(answer, language), _map(platform, answer, language))


def cell_words(cell: Any, kind: str, language: str) -> str:
    """One cell in words: moments in the city's time, numbers as the language writes them, nothing as an en dash."""
    if cell is None:
        return "–"
    if kind == "time":
        return formats.daytime(from_micros(cell), language)
    if kind == "boolean":
        return "✓" if cell else "✗"
    if kind in ("number", "integer"):
        return _number(cell, language)
    return str(cell)


def _number(value: float, language: str) -> str:
    if value != value or abs(value) == float("inf"):
        return str(value)
    if isinstance(value, int) or float(value).is_integer():
        return formats.number(value, language, 0)
    return formats.number(value, language, 4 if abs(value) < 1000 else 1).rstrip("0").rstrip(",.")


def _lines(answer: Answer, language: str) -> str:
    """Numbers over time: a line for each number, or for each value of the one text column beside it."""
    kinds = [column.kind for column in answer.columns]
    if "time" not in kinds or len(answer.rows) < 2:
        return ""
    when = kinds.index("time")
    numbers = [place for place, kind in enumerate(kinds) if kind in ("number", "integer")]
    texts = [place for place, kind in enumerate(kinds) if kind == "text" and _varies(answer, place)]
    if not numbers or len(texts) > 1:
        return ""
    found: dict[str, dict[int, float]] = {}
    for row in answer.rows:
        moment = row[when]
        if moment is None:
            continue
        for place in numbers[:1] if texts else numbers[:_SERIES]:
            name = str(row[texts[0]]) if texts else answer.columns[place].name
            if row[place] is not None and (name in found or len(found) < _SERIES):
                found.setdefault(name, {})[moment] = float(row[place])
    moments = sorted({moment for line in found.values() for moment in line})
    if len(moments) < 2:
        return ""
    told = {
        "language": language,
        "unit": answer.columns[numbers[0]].name if texts else "",
        "t": [moment / 1e6 for moment in moments],
        "series": [{"name": name, "v": [line.get(moment) for moment in moments]} for name, line in found.items()],
    }
    return _json(told)


def _varies(answer: Answer, place: int) -> bool:
    return len({row[place] for row in answer.rows}) > 1


def _bars(answer: Answer, language: str) -> list[Bar]:
    """One number by name, as it comes; nothing where a number is negative or there is no name."""
    kinds = [column.kind for column in answer.columns]
    names = [place for place, kind in enumerate(kinds) if kind in ("text", "date") and _varies(answer, place)]
    numbers = [place for place, kind in enumerate(kinds) if kind in ("number", "integer")]
    if not names or not numbers:
        return []
    # A name reads better than a code, and both often stand side by side.
    name, number = max(names, key=lambda place: answer.columns[place].name.endswith("name")), numbers[0]
    rows = [row for row in answer.rows if row[number] is not None and row[number] == row[number]][:_BARS]
    highest = max((row[number] for row in rows), default=0)
    if highest <= 0 or highest == float("inf") or any(row[number] < 0 for row in rows):
        return []
    return [
        Bar(cell_words(row[name], "text", language), _number(row[number], language), round(100 * row[number] / highest, 2))
        for row in rows
    ]


def _map(platform: Platform, answer: Answer, language: str) -> str:
    """Points where there are coordinates, wards where there is a code of one; coloured by the first other number."""
    names = [column.name.lower() for column in answer.columns]
    number = next(
        (
            place
            for place, column in enumerate(answer.columns)
            if column.kind in ("number", "integer") and names[place] not in ("longitude", "latitude")
        ),
        None,
    )
    scale = _Scale([row[number] for row in answer.rows] if number is not None else [])
    points, areas = [], []
    if "longitude" in names and "latitude" in names:
        east, north = names.index("longitude"), names.index("latitude")
        title = names.index("name") if "name" in names else None
        for place, row in enumerate(answer.rows[:2_000]):
            if isinstance(row[east], (int, float)) and isinstance(row[north], (int, float)) and abs(row[north]) <= 90:
                value = row[number] if number is not None else None
                colour, ink = scale.of(value)
                label = "" if value is None else _number(value, language)
                points.append(
                    _point(place, row[east], row[north], str(row[title]) if title is not None else label, label, colour, ink)
                )
    elif "ward" in names and number is not None:
        ward, codes = names.index("ward"), platform.city.by_code
        for row in answer.rows:
            if row[ward] in codes and row[number] is not None:
                colour, ink = scale.of(row[number])
                home = codes[row[ward]]
                label = _number(row[number], language)
                areas.append({"ward": home.code, "label": label, "colour": colour, "ink": ink, "detail": home.full_name})
                points.append(_point(home.code, home.longitude, home.latitude, home.full_name, label, colour, ink))
    if not points:
        return ""
    return _json({"points": points, "areas": areas, "bounds": platform.city.bounds})


def _point(number: object, east: float, north: float, title: str, label: str, colour: str, ink: str) -> dict[str, Any]:
    return {
        "id": str(number),
        "longitude": east,
        "latitude": north,
        "title": title,
        "label": label or "•",
        "colour": colour,
        "ink": ink,
        "detail": title,
        "ward": None,
        "freshness": "fresh",
        "severity": 0,
        "rank": 0,
        "doubt": "",
    }


class _Scale:
    """Steps of one colour over what there is."""

    def __init__(self, values: list[Any]) -> None:
        usual = sorted(value for value in values if isinstance(value, (int, float)) and abs(value) < float("inf"))
        self._edges = [usual[len(usual) * step // len(_STEPS)] for step in range(1, len(_STEPS))] if usual else []

    def of(self, value: Any) -> tuple[str, str]:
        """Colour and ink of a value."""
        if not isinstance(value, (int, float)) or not self._edges:
            return _LAST
        return _STEPS[sum(value >= edge for edge in self._edges)]


def _json(told: dict[str, Any]) -> str:
    # Within a script element nothing may look like its end.
    return msgspec.json.encode(told).decode().replace("<", "\\u003c")
