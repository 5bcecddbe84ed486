"""Order in the streets at a glance: what people reported of it that is still open."""

from typing import TYPE_CHECKING

from dothi.access.policy import Person, Thing, may
from dothi.model.moment import Moment
from dothi.platform.incidents.model import Question
from dothi.platform.sector import Tile
from dothi.ui import formats

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

ORDER = "report-order"


def tile(platform: "Platform", asker: Person, language: str, moment: Moment | None = None) -> Tile:
    """How many reports about order in the streets are open now; of the past nothing is counted."""
    english = language == "en"
    if moment is not None:
        return Tile(None, "", missing="Only counted now" if english else "Chỉ đếm lúc này")
    if not may(asker, "incident.read", Thing()):
        return Tile(None, "", missing="For those who see all reports" if english else "Dành cho người xem mọi phản ánh")
    found = platform.incidents.find(asker, Question(kind=ORDER, limit=1))
    said = ("open report" if found.total == 1 else "open reports") if english else "phản ánh đang mở"
    if found.overdue:
        said += f" · {found.overdue} overdue" if english else f" · {found.overdue} quá hạn"
    return Tile(formats.number(found.total, language), said, severity=2 if found.overdue else 0)
