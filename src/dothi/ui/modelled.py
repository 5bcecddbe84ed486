"""How values of a model look on the map and in the drawer: never like measurements, and always with whom to thank."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dothi.access.policy import Person
from dothi.data.context import EntityQuery
from dothi.model.clock import from_micros
from dothi.model.entity import Attribute, Entity
from dothi.model.moment import Moment
from dothi.model.schema import AttributeType, EntityType
from dothi.model.unit import UNITS
from dothi.platform.sector import Chart, Freshness, MapPoint, Panel
from dothi.ui import formats

if TYPE_CHECKING:
    from dothi.platform.open_meteo import Model
    from dothi.platform.platform import Platform

# Neutral, so that no official scale of colours is taken for it; light figures on slate, as no measured marker has them.
COLOUR, INK = "#5b6b7a", "#ffffff"
_LATE, _SILENT = timedelta(hours=2), timedelta(hours=4)
_LAST = -10.0  # behind everything measured in lists
_MOST = 1_000
_NAME = "https://smartdatamodels.org/name"
Values = Mapping[str, Any]


def points(
    platform: "Platform",
    asker: Person,
    model: "Model",
    language: str,
    label: Callable[[Values, str], str],
    ids: Sequence[str] | None = None,
    moment: Moment | None = None,
) -> list[MapPoint]:
    """The cells of ``model`` as markers, now or at ``moment``; ``label`` makes a few characters of the values by key."""
    if ids is not None and not ids:
        return []
    iris = {variable.key: _kind(model.kind, variable.key).iri for variable in model.variables}
    asked = (_NAME, *iris.values())
    now = platform.clock.now() if moment is None else moment.at
    if moment is None:
        query = EntityQuery(type=model.kind.iri, ids=tuple(ids or ()), attributes=asked, limit=_MOST)
        table = platform.context.table(asker, query)
    else:
        table = platform.history.at(asker, moment, type=model.kind.iri, urns=ids, attributes=asked)
    found = []
    for row, place in enumerate(table.points):
        if place is None:
            continue
        heard = [told for iri in iris.values() if (told := table.observed_at[iri][row]) is not None]
        at = from_micros(max(heard)) if heard else None
        values = {key: table.values[iri][row] for key, iri in iris.items()}
        found.append(
            MapPoint(
                table.ids[row],
                *place,
                str(table.values[_NAME][row] or table.ids[row]),
                label(values, language),
                COLOUR,
                INK,
                f"{_said(model, language)} · {formats.hour(at, language) if at is not None else '–'}",
                table.wards[row],
                _freshness(now, at),
                0,
                _LAST,
            )
        )
    return found


def panel(
    platform: "Platform",
    model: "Model",
    language: str,
    entity: Entity,
    label: Callable[[Values, str], str],
    ahead: Callable[[Values, str], tuple[tuple[str, str], ...]],
    moment: Moment | None = None,
) -> Panel:
    """The drawer of one cell: its values, the hours ahead in words (``ahead`` of the columns by key), charts, and whom to
    thank. Values are modelled, and it says so first."""
    name = entity.first(_NAME)
    ward = platform.city.by_code.get(entity.ward or "")
    kinds = [(variable.key, _kind(model.kind, variable.key)) for variable in model.variables]
    told = [(kind, value) for _, kind in kinds if (value := entity.first(kind.iri)) is not None]
    values = {key: value.value for key, kind in kinds if (value := entity.first(kind.iri)) is not None}
    now = platform.clock.now() if moment is None else moment.at
    forecast = entity.first(_kind(model.kind, "forecast").iri)
    fresh = forecast is not None and forecast.observed_at is not None and now - forecast.observed_at < _LATE
    return Panel(
        str(name.value) if name is not None else entity.id,
        " · ".join([*([ward.full_name] if ward is not None else []), _said(model, language)]),
        badge=label(values, language),
        badge_colour=COLOUR,
        badge_ink=INK,
        headline="Values of a model, not measured here"
        if language == "en"
        else "Giá trị của mô hình, không phải số đo tại chỗ",
        facts=(
            *((kind.title.in_language(language), _value(kind, value, language)) for kind, value in told),
            *(
                ahead(forecast.value, language)
                if fresh and forecast is not None and isinstance(forecast.value, dict)
                else ()
            ),
        ),
        charts=tuple(
            Chart(kind.iri, kind.title.in_language(language), UNITS[kind.unit].symbol if kind.unit in UNITS else "")
            for kind, _ in told[:3]
        ),
        method=_thanks(model, language),
    )


def numbers(values: Values, key: str, count: int) -> list[float]:
    """The numbers of the next ``count`` hours of one column of a forecast."""
    column = values.get(key)
    return [one for one in column[:count] if isinstance(one, int | float)] if isinstance(column, list) else []


def _kind(kind: EntityType, name: str) -> AttributeType:
    found = kind.attribute(name)
    if found is None:
        raise KeyError(name)
    return found


def _value(kind: AttributeType, value: Attribute, language: str) -> str:
    unit = UNITS.get(value.unit or kind.unit or "")
    said = formats.number(value.value, language, kind.decimals) if isinstance(value.value, int | float) else str(value.value)
    when = f" · {formats.hour(value.observed_at, language)}" if value.observed_at is not None else ""
    return f"{said} {unit.symbol if unit else ''}".strip() + when


def _said(model: "Model", language: str) -> str:
    return f"{model.title.in_language(language)}"


def _thanks(model: "Model", language: str) -> str:
    if language == "en":
        return f"{model.provider} (open-meteo.com), CC BY 4.0, unchanged values at the nearest point of the model's grid."
    return f"{model.provider} (open-meteo.com), CC BY 4.0, giữ nguyên giá trị ở điểm lưới gần nhất của mô hình."


def _freshness(now: datetime, at: datetime | None) -> Freshness:
    if at is None or now - at > _SILENT:
        return "silent"
    return "late" if now - at > _LATE else "fresh"
