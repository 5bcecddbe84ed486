"""How numbers, dates and spans of time are written for people, in both languages, in the city's own time zone."""

from datetime import datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

_WEEKDAYS = {
    "vi": ("Thứ Hai", "Thứ Ba", "Thứ Tư", "Thứ Năm", "Thứ Sáu", "Thứ Bảy", "Chủ nhật"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_SPANS = (
    (86_400, "ngày", "day"),
    (3_600, "giờ", "hour"),
    (60, "phút", "minute"),
    (1, "giây", "second"),
)
_SIZES = ("byte", "kB", "MB", "GB", "TB")
_SWAP = str.maketrans(",.", ".,")


@cache
def city_zone() -> tzinfo:
    """Asia/Ho_Chi_Minh, the zone every time on screen is in."""
    return ZoneInfo("Asia/Ho_Chi_Minh")


def here(moment: datetime) -> datetime:
    """``moment`` on the city's clock; in the calendar's last hours, which that clock has no name for, as it is."""
    try:
        return moment.astimezone(city_zone())
    except OverflowError:
        return moment


def number(value: float | int | None, language: str = "vi", decimals: int | None = None) -> str:
    """``1234.5`` as ``1.234,5`` (vi) or ``1,234.5`` (en); an en dash for None.

    ``decimals`` fixes the digits after the mark; without it whole numbers have none and others at most two.
    """
    if value is None:
        return "–"
    if decimals is None:
        text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}".rstrip("0")
    else:
        text = f"{value:,.{decimals}f}"
    return text.translate(_SWAP) if language == "vi" else text


def size(value: float, language: str = "vi") -> str:
    """Bytes in the largest unit of which there is one: ``1,2 GB`` (decimal units, as disks are sold)."""
    unit = 0
    while value >= 999.5 and unit < len(_SIZES) - 1:
        value, unit = value / 1000, unit + 1
    return f"{number(value, language, 0 if unit == 0 or value >= 99.95 else 1)} {_SIZES[unit]}"


def day(moment: datetime, language: str = "vi") -> str:
    """``14/05/2026``: the city's date; the same in both languages, because officials read it side by side."""
    return here(moment).strftime("%d/%m/%Y")


def weekday(moment: datetime, language: str = "vi") -> str:
    """The day of the week in words."""
    return _WEEKDAYS["en" if language == "en" else "vi"][here(moment).weekday()]


def hour(moment: datetime, language: str = "vi") -> str:
    """``21:42``: the city's time of day."""
    return here(moment).strftime("%H:%M")


def daytime(moment: datetime, language: str = "vi") -> str:
    """``21:42 14/05/2026``."""
    return here(moment).strftime("%H:%M %d/%m/%Y")


def span(length: timedelta | float, language: str = "vi", parts: int = 1) -> str:
    """A length of time (timedelta or seconds) in its ``parts`` largest whole units: ``3 phút``, ``1 hour 30 minutes``."""
    seconds = max(0, int(length.total_seconds() if isinstance(length, timedelta) else length))
    found: list[str] = []
    for size, vietnamese, english in _SPANS:
        count, rest = divmod(seconds, size)
        if count and len(found) < parts:
            found.append(
                f"{count:,} {english}{'' if count == 1 else 's'}" if language == "en" else f"{number(count)} {vietnamese}"
            )
            seconds = rest
    return " ".join(found) or ("0 seconds" if language == "en" else "0 giây")


def relative(moment: datetime | None, now: datetime, language: str = "vi") -> str:
    """How long ago by the city's clock: ``vừa xong``, ``3 phút trước``; ``chưa có`` for None."""
    if moment is None:
        return "never" if language == "en" else "chưa có"
    gone = (now - moment).total_seconds()
    if gone < 60:
        return "just now" if language == "en" else "vừa xong"
    return f"{span(gone, language)} {'ago' if language == 'en' else 'trước'}"
