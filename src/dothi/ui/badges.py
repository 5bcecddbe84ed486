"""What every page must admit about its data: standing still, replayed, simulated, approximate. In words, not only colour."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dothi.ui.formats import day, number
from dothi.ui.language import translator

if TYPE_CHECKING:
    from dothi.platform.platform import Platform


@dataclass(frozen=True, slots=True)
class Badge:
    """One admission: a stable ``kind``, the few words shown, the sentence behind them, and where there is more of it."""

    kind: str
    words: str
    sentence: str
    link: str = ""


def badges(platform: "Platform", language: str) -> list[Badge]:
    """The badges of this city, the gravest first; empty for a live city with real boundaries."""
    _ = translator(language)
    found = []
    refusal = platform.watch.refusal()
    if refusal is not None:
        causes = {
            "disk-full": _("Đĩa của máy chủ gần đầy: số đo mới bị từ chối cho tới khi có chỗ."),
            "behind": _("Quá nhiều số đo đang chờ ghi: số đo mới bị từ chối cho tới khi ghi kịp."),
        }
        other = _("Nhật ký tiếp nhận không nhận thêm: số đo mới bị từ chối cho tới khi nó hoạt động lại.")
        found.append(Badge("closed", _("tạm ngừng nhận số đo"), causes.get(refusal.code, other)))
    if platform.replay is not None and platform.replay.drill:
        sentence = _("Diễn tập “{name}”: không việc nào ở đây là thật. Giờ trên trang nhanh gấp {speed} lần.")
        told = sentence.format(name=platform.replay.drill, speed=number(platform.replay.speed, language))
        found.append(Badge("drill", _("DIỄN TẬP"), told))
    elif platform.replay is not None:
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
        sentence, there = _("Số đo do máy sinh ra để thử, không phải số đo thật."), platform.invented.begun_at is not None
        found.append(Badge("simulated", _("dữ liệu mô phỏng"), sentence, "/demo" if there else ""))
    if platform.city.approximate:
        found.append(
            Badge(
                "approximate",
                _("ranh giới gần đúng"),
                _("Ranh giới phường, xã được vẽ quanh tâm từng đơn vị; không dùng làm căn cứ pháp lý."),
            )
        )
    return found
