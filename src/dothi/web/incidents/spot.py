"""What the map of a form needs on the pages of work: the city's bounds, where a thing stands now, and what it says."""

from dataclasses import dataclass

from dothi.platform.platform import Platform
from dothi.ui.language import translator


@dataclass(frozen=True, slots=True)
class Spot:
    """``bounds`` are "west,south,east,north" of the city, ``stands`` the point ("lon,lat") to correct, "" for none."""

    bounds: str
    stands: str
    words: dict[str, str]


def spot_of(platform: Platform, language: str, longitude: float | None = None, latitude: float | None = None) -> Spot:
    """The map for a point (EPSG:4326) that is to be chosen, or is to be corrected."""
    bounds = ",".join(f"{one:.4f}" for one in platform.city.bounds)
    return Spot(bounds, "" if longitude is None or latitude is None else f"{longitude:.6f},{latitude:.6f}", _words(language))


def _words(language: str) -> dict[str, str]:
    _ = translator(language)
    return {
        "chosen": _("Đã chọn điểm; tọa độ ghi ở ô bên dưới."),
        "tap": _("Chạm vào nơi có việc; kéo để chỉnh."),
        "outside": _("Điểm này nằm ngoài thành phố. Chọn lại, hoặc ghi tọa độ."),
        "refused": _("Không lấy được vị trí. Chọn trên bản đồ, hoặc ghi tọa độ."),
        "waiting": _("Đang tìm vị trí"),
        "zoom_in": _("Phóng to"),
        "zoom_out": _("Thu nhỏ"),
        "failed": _("Không tải được bản đồ. Ghi tọa độ; phần còn lại vẫn dùng được."),
    }
