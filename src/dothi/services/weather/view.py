"""How modelled weather is shown: markers with the temperature, a drawer with the hours ahead."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dothi.access.policy import Person
from dothi.model.entity import Entity
from dothi.model.moment import Moment
from dothi.platform.sector import MapPoint, Panel
from dothi.services.weather.model import MODEL
from dothi.ui import formats, modelled

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

_SPANS = (3, 12, 24)  # hours ahead that the drawer sums up


def points(
    platform: "Platform", asker: Person, language: str, ids: Sequence[str] | None = None, moment: Moment | None = None
) -> list[MapPoint]:
    """The cells as markers: the temperature in whole degrees Celsius."""
    return modelled.points(platform, asker, MODEL, language, _label, ids, moment)


def panel(platform: "Platform", asker: Person, language: str, entity: Entity, moment: Moment | None = None) -> Panel:
    """The drawer of one cell."""
    return modelled.panel(platform, MODEL, language, entity, _label, _ahead, moment)


def _label(values: modelled.Values, language: str) -> str:
    value = values.get("temperature")
    return f"{formats.number(value, language, 0)}°" if isinstance(value, int | float) else "–"


def _ahead(columns: modelled.Values, language: str) -> tuple[tuple[str, str], ...]:
    found = []
    for hours in _SPANS:
        warm, rain = modelled.numbers(columns, "temperature", hours), modelled.numbers(columns, "precipitation", hours)
        if len(warm) < hours or len(rain) < hours:
            continue
        low, high = (formats.number(value, language, 0) for value in (min(warm), max(warm)))
        wet = formats.number(sum(rain), language, 1)
        if language == "en":
            found.append((f"Next {hours} h", f"{low}–{high} °C, rain {wet} mm, modelled"))
        else:
            found.append((f"{hours} giờ tới", f"{low}–{high} °C, mưa {wet} mm, theo mô hình"))
    return tuple(found)
