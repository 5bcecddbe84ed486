"""What a new city watches in its weather: rain of the kind that has flooded Hanoi."""

from dothi.model.text import Text
from dothi.platform.incidents.kinds import IncidentKind
from dothi.platform.rules.model import Compare, Rule
from dothi.platform.sector import AlertCategory
from dothi.services.weather.model import WEATHER_FORECAST, iri

HEAVY_RAIN = "heavy-rain"
# Rain of an hour (mm) at which known points of Hanoi flood, and at which many more do (observed in 2024).
_FLOODS, _FLOODS_MORE = 50.0, 70.0

KINDS = (
    IncidentKind(HEAVY_RAIN, Text("Mưa lớn", "Heavy rain"), agency="so-xay-dung", severity=3, urgency="urgent", proof=False),
)

CATEGORIES = (AlertCategory(WEATHER_FORECAST, "weather"), AlertCategory(iri("precipitation"), "weather", "rainfall"))


def _rain(id: str, title: Text, millimetres: float, severity: int, incident: str) -> Rule:
    return Rule(
        id=id,
        title=title,
        entity_type=WEATHER_FORECAST,
        any_of=((Compare(attribute=iri("precipitation"), op=">", value=millimetres),),),
        severity=severity,
        spread=3,
        incident=incident,
        note="Theo mô hình thời tiết, không phải số đo.",
    )


RULES = (
    _rain("rain-floods", Text("Mưa có thể gây úng ngập", "Rain that may flood"), _FLOODS, 2, ""),
    _rain(
        "rain-floods-more",
        Text("Mưa rất lớn, nhiều điểm úng ngập", "Rain that floods many points"),
        _FLOODS_MORE,
        3,
        HEAVY_RAIN,
    ),
)
