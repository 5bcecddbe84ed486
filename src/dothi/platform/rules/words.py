"""What rules and alerts say, in both languages: terms as sentences, values with their units."""

from collections.abc import Mapping

from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.model.unit import UNITS
from dothi.platform.rules.model import Ahead, Bound, Change, Compare, Schedule, Silence, Term, Window

OPS: dict[str, Text] = {
    ">": Text("trên", "above"),
    ">=": Text("từ", "at least"),
    "<": Text("dưới", "below"),
    "<=": Text("không quá", "at most"),
    "=": Text("bằng", "equal to"),
    "!=": Text("khác", "other than"),
}
TEXT_OPS: dict[str, Text] = {
    "contains": Text("chứa", "contains"),
    "begins": Text("bắt đầu bằng", "begins with"),
    "in": Text("là một trong", "is one of"),
}
SUN: dict[str, Text] = {"sunrise": Text("mặt trời mọc", "sunrise"), "sunset": Text("mặt trời lặn", "sunset")}
YES_NO = {True: Text("có", "yes"), False: Text("không", "no")}
STATISTICS: dict[str, Text] = {
    "mean": Text("Trung bình", "Mean"),
    "min": Text("Thấp nhất", "Lowest"),
    "max": Text("Cao nhất", "Highest"),
    "sum": Text("Tổng", "Sum"),
    "count": Text("Số lần đo", "Number of readings"),
}
DAYS = (
    Text("T2", "Mon"),
    Text("T3", "Tue"),
    Text("T4", "Wed"),
    Text("T5", "Thu"),
    Text("T6", "Fri"),
    Text("T7", "Sat"),
    Text("CN", "Sun"),
)


def number(value: float, decimals: int | None, language: str) -> str:
    """A number as it is read; with as many decimals as it needs, two at most, where none are given."""
    text = f"{value:,.{decimals}f}" if decimals is not None else f"{round(value, 2):,.12g}"
    return text.translate(str.maketrans(",.", ".,")) if language == "vi" else text


def span(minutes: float, language: str) -> str:
    """A time: "24 giờ", "90 phút", "30 giây"."""
    for size, vi, en in (
        (1_440.0, "ngày", "day"),
        (60.0, "giờ", "hour"),
        (1.0, "phút", "minute"),
        (1 / 60, "giây", "second"),
    ):
        count = round(minutes / size, 6)
        if count >= 1 and (count.is_integer() or size <= 1.0):
            if size == 1_440.0 and count == 1:
                continue  # "24 giờ" is what regulations say
            told = number(count, None, language)
            return f"{told} {vi}" if language == "vi" else f"{told} {en}{'' if count == 1 else 's'}"
    return "0"


def clock(minute: int) -> str:
    """A minute of the day: 07:30."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def condition(term: Term, kind: EntityType | None, language: str) -> str:
    """A term as a sentence: "PM2.5 trên 45 µg/m³"."""
    said = _condition(term, kind, language)
    if not term.negated:
        return said
    return f"không phải: {said}" if language == "vi" else f"not: {said}"


def _condition(term: Term, kind: EntityType | None, language: str) -> str:
    vi = language == "vi"
    if isinstance(term, Schedule):
        days = ", ".join(DAYS[day].in_language(language) for day in term.days)
        return f"{days} {_bound(term.start, term.start_by, language)}–{_bound(term.end, term.end_by, language)}"
    attribute = None if kind is None else kind.attribute(term.attribute)
    if isinstance(term, Silence):
        of = "" if not term.attribute else f" ({_title(attribute, term.attribute, language)})"
        lasted = span(term.minutes, language)
        return f"mất tín hiệu{of} từ {lasted}" if vi else f"silent{of} for {lasted}"
    title, limit = _title(attribute, term.attribute, language), _limit(term, attribute, kind, language)
    if isinstance(term, Compare):
        return f"{title} {limit}"
    if isinstance(term, Change):
        lasted = span(term.minutes, language)
        return f"{title} thay đổi trong {lasted} {limit}" if vi else f"{title} changed within {lasted} by {limit}"
    if isinstance(term, Window):
        lasted, figure = span(term.minutes, language), STATISTICS[term.statistic].in_language(language)
        return f"{figure} {lasted} của {title} {limit}" if vi else f"{figure} of {title} over {lasted} {limit}"
    return (
        f"Dự báo {title} trong {term.hours} giờ tới {limit}" if vi else f"{title} forecast {limit} within {term.hours} hours"
    )


def _bound(minutes: int, by: Bound, language: str) -> str:
    if by == "clock":
        return clock(minutes)
    name = SUN[by].in_language(language)
    return name + (f" {'+' if minutes > 0 else '−'} {span(abs(minutes), language)}" if minutes else "")


def said(
    term: Term | None,
    value: float | None,
    types: Mapping[str, EntityType],
    kind: str,
    name: str,
    limit: float | None = None,
) -> Text:
    """What an alert says: where, what was measured, and the limit it passed; ``limit`` is that of this very thing."""
    return Text(*(_said(term, value, types.get(kind), name, limit, language) for language in ("vi", "en")))


def _said(
    term: Term | None, value: float | None, kind: EntityType | None, name: str, limit: float | None, language: str
) -> str:
    if term is None or isinstance(term, Schedule):
        return name
    if value is None or isinstance(term, Silence) or term.negated:
        return f"{name}: {condition(term, kind, language)}"
    attribute = None if kind is None else kind.attribute(term.attribute)
    decimals = None if attribute is None else attribute.decimals
    if isinstance(term, Window) and term.statistic == "count":
        decimals = 0
    measured = f"{number(value, decimals, language)}{_unit(term, attribute)}"
    passed = condition(term, kind, language)
    if isinstance(term, Compare) and term.than and limit is not None:
        passed += f": {number(limit, decimals, language)}{_unit(term, attribute)}"
    return f"{name}: {measured} ({passed})"


def of_ward(count: int, ward: str, title: Text) -> Text:
    """What an alert of several entities of one ward says."""
    return Text(f"{ward}: {count} nơi cùng lúc ({title.vi})", f"{ward}: {count} places at once ({title.en})")


def _title(attribute: AttributeType | None, iri: str, language: str) -> str:
    return iri.rsplit("/", 1)[-1] if attribute is None else attribute.title.in_language(language)


def _limit(
    term: Compare | Change | Window | Ahead, attribute: AttributeType | None, kind: EntityType | None, language: str
) -> str:
    op = (OPS.get(term.op) or TEXT_OPS[term.op]).in_language(language)
    value = term.value
    if isinstance(value, bool):
        return f"{op} {YES_NO[value].in_language(language)}"
    if isinstance(value, str):
        return f"{op} “{value}”" if term.op in TEXT_OPS else f"{op} {value}"
    if isinstance(value, tuple):
        return f"{op}: {', '.join(value)}"
    amount = f"{number(abs(value), None, language)}{_unit(term, attribute)}"
    if not isinstance(term, Compare) or not term.than:
        return f"{op} {'-' if value < 0 else ''}{amount}"
    other = _title(None if kind is None else kind.attribute(term.than), term.than, language)
    return f"{op} {other}" + (f" {'+' if value > 0 else '−'} {amount}" if value else "")


def _unit(term: Term, attribute: AttributeType | None) -> str:
    if attribute is None or attribute.unit is None or (isinstance(term, Window) and term.statistic == "count"):
        return ""
    unit = UNITS.get(attribute.unit)
    return f" {unit.symbol if unit else attribute.unit}"
