"""What every page must admit about its data: replayed, simulated, approximate. Said in words, never only in colour."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dothi.ui.formats import day, number
from dothi.ui.language import translator

if TYPE_CHECKING:
    from dothi.platform.platform import Platform


@dataclass(frozen=True, slots=True)
class Badge:
    """One admission: a stable ``kind``, the few words shown and the sentence behind them."""

    kind: str
    words: str
    sentence: str


def badges(platform: "Platform", language: str) -> list[Badge]:
    """The badges of this city, the gravest first; empty for a live city with real boundaries."""
    _ = translator(language)
    found = []
    if platform.replay is not None:
        replay = platform.replay
        sentence = _("Phát lại số đo thật từ {start} đến {end}, nhanh gấp {speed} lần. Giờ trên trang là giờ của dữ liệu.")
        found.append(
            Badge(
                "replay",
                _("PHÁT LẠI"),
                sentence.format(
                    start=day(replay.start, language),
                    end=day(replay.end, language),
                    speed=number(replay.speed, language),
                ),
            )
        )
    if platform.simulated:
        found.append(Badge("simulated", _("dữ liệu mô phỏng"), _("Số đo do máy sinh ra để thử, không phải số đo thật.")))
    if platform.city.approximate:
        found.append(
            Badge(
                "approximate",
                _("ranh giới gần đúng"),
                _("Ranh giới phường, xã được vẽ quanh tâm từng đơn vị; không dùng làm căn cứ pháp lý."),
            )
        )
    return found
