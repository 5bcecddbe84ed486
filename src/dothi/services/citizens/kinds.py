"""What people may report: the groups of Decision 1207/QĐ-UBND, and whatever kinds other sectors take reports of."""

from collections.abc import Iterable

from dothi.model.text import Text
from dothi.platform.incidents.kinds import IncidentKind

KINDS = (
    IncidentKind(
        "report-traffic",
        Text("Giao thông", "Traffic and roads"),
        agency="so-xay-dung",
        citizens=True,
        hint=Text("Ổ gà, đèn tín hiệu hỏng, biển báo, ùn tắc", "Potholes, broken signals, signs, jams"),
    ),
    IncidentKind(
        "report-environment",
        Text("Môi trường", "Environment"),
        citizens=True,
        hint=Text("Rác chưa thu gom, đốt rác, nước thải, tiếng ồn", "Rubbish, burning, sewage, noise"),
    ),
    IncidentKind(
        "report-safety",
        Text("An toàn", "Safety"),
        severity=3,
        urgency="urgent",
        citizens=True,
        hint=Text("Mất nắp cống, dây điện sà thấp, cây sắp đổ", "Open manholes, hanging wires, trees about to fall"),
    ),
    IncidentKind(
        "report-construction",
        Text("Xây dựng", "Construction"),
        agency="so-xay-dung",
        citizens=True,
        hint=Text("Xây trái phép, rơi vãi vật liệu, hố đào không rào", "Illegal building, spilt material, open pits"),
    ),
    IncidentKind(
        "report-order",
        Text("Trật tự đô thị", "Urban order"),
        citizens=True,
        hint=Text("Lấn chiếm vỉa hè, đỗ xe sai, quảng cáo trái phép", "Blocked pavements, wrong parking, illegal posters"),
    ),
    IncidentKind(
        "report-other",
        Text("Việc khác", "Something else"),
        citizens=True,
        hint=Text("Không thuộc các nhóm trên", "None of the above"),
    ),
)


def offered(kinds: Iterable[IncidentKind]) -> dict[str, IncidentKind]:
    """Every kind that people may report now, by id: those of other sectors and the city's own first, what fits nothing else
    last."""
    every = [one for one in kinds if one.citizens and not one.retired]
    own = {kind.id for kind in KINDS}
    return {kind.id: kind for kind in sorted(every, key=lambda one: one.id in own)}
