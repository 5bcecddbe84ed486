"""The six bands of VN_AQI: official names and colours (Decision 1459/QĐ-TCMT), and what a person may do about each.

Names and RGB are the decision's. The advice is worded by us, in plain words; it is not a quotation of any authority.
"""

from dataclasses import dataclass
from math import floor

from dothi.model.text import Text

GREY, GREY_INK = "#8a98a5", "#000000"


@dataclass(frozen=True, slots=True)
class Band:
    """A band of the scale. ``ink`` is the one of black and white that reads better on ``colour`` (WCAG 2.2 contrast)."""

    key: str
    low: int
    high: int
    name: Text
    colour: str
    ink: str
    severity: int
    everyone: Text
    sensitive: Text


def contrast(one: str, other: str) -> float:
    """The WCAG 2.2 contrast ratio of two CSS colours written #rrggbb: 1 (none) to 21 (black on white)."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on ``colour``."""
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(colour, ink))


def _luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _band(key: str, span: tuple[int, int], name: Text, colour: str, severity: int, everyone: Text, sensitive: Text) -> Band:
    return Band(key, *span, name, colour, ink_on(colour), severity, everyone, sensitive)


BANDS = (
    _band(
        "good",
        (0, 50),
        Text("Tốt", "Good"),
        "#00e400",
        0,
        Text("Không khí trong lành, bạn cứ hoạt động ngoài trời như thường.", "The air is clean; be outdoors as usual."),
        Text("Không cần đề phòng gì thêm.", "No extra care is needed."),
    ),
    _band(
        "moderate",
        (51, 100),
        Text("Trung bình", "Moderate"),
        "#ffff00",
        0,
        Text("Bạn vẫn hoạt động ngoài trời bình thường.", "You can be outdoors as usual."),
        Text(
            "Trẻ nhỏ, người già, người có bệnh hô hấp hoặc tim mạch nên bớt vận động mạnh ngoài trời nếu thấy khó chịu.",
            "Children, older people and people with lung or heart disease should ease off exercise if they feel unwell.",
        ),
    ),
    _band(
        "poor",
        (101, 150),
        Text("Kém", "Poor"),
        "#ff7e00",
        1,
        Text("Bạn nên bớt vận động mạnh, kéo dài ngoài trời.", "Cut down on long, hard exercise outdoors."),
        Text(
            "Trẻ nhỏ, người già, người có bệnh hô hấp hoặc tim mạch nên ít ở ngoài trời và mang theo thuốc đang dùng.",
            "Children, older people and people with lung or heart disease should be outdoors less, with medicine at hand.",
        ),
    ),
    _band(
        "bad",
        (151, 200),
        Text("Xấu", "Bad"),
        "#ff0000",
        2,
        Text(
            "Bạn nên hạn chế ra ngoài lâu; nếu phải đi, hãy đeo khẩu trang lọc được bụi mịn.",
            "Avoid staying outdoors for long; if you must go, wear a mask that filters fine dust.",
        ),
        Text(
            "Trẻ nhỏ, người già, người có bệnh hô hấp hoặc tim mạch nên ở trong nhà, đóng cửa sổ.",
            "Children, older people and people with lung or heart disease should stay indoors with windows closed.",
        ),
    ),
    _band(
        "veryBad",
        (201, 300),
        Text("Rất xấu", "Very bad"),
        "#8f3f97",
        3,
        Text(
            "Bạn nên ở trong nhà, đóng cửa; chỉ ra ngoài khi thật cần và đeo khẩu trang lọc bụi mịn.",
            "Stay indoors with windows closed; go out only if you must, with a mask that filters fine dust.",
        ),
        Text(
            "Trẻ nhỏ, người già, người bệnh không nên ra ngoài; khó thở hay đau ngực thì gọi 115.",
            "Children, older people and the ill should not go out; with trouble breathing or chest pain call 115.",
        ),
    ),
    _band(
        "hazardous",
        (301, 500),
        Text("Nguy hại", "Hazardous"),
        "#7e0023",
        4,
        Text(
            "Mọi người nên ở trong nhà, đóng kín cửa, dừng mọi hoạt động ngoài trời.",
            "Everybody should stay indoors with windows closed and stop all activity outdoors.",
        ),
        Text(
            "Trẻ nhỏ, người già, người bệnh tuyệt đối không ra ngoài; khó thở hay đau ngực thì gọi 115 ngay.",
            "Children, older people and the ill must not go out; with trouble breathing or chest pain call 115 at once.",
        ),
    ),
)


def band_of(value: float) -> Band:
    """The band of an index 0–500 (a fraction counts as the integer it rounds to). Raises ValueError off the scale."""
    whole = floor(value + 0.5)
    if not 0 <= whole <= 500:
        raise ValueError(f"{value!r} is not on the VN_AQI scale")
    return next(band for band in BANDS if whole <= band.high)
