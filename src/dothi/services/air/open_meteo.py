"""Modelled air from Open-Meteo (CAMS): things of their own beside the stations, and in no index, fill or forecast."""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from dothi.access.policy import Person
from dothi.devices.open_meteo import Variable
from dothi.devices.registry import MappingRule
from dothi.model.entity import Entity
from dothi.model.moment import Moment
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.platform.open_meteo import Model, source_of
from dothi.platform.sector import MapPoint, Panel
from dothi.services.air.model import NAMESPACE, POLLUTANT_TITLES, POLLUTANTS, iri
from dothi.ui import formats, modelled

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

AIR_QUALITY_FORECAST = NAMESPACE + "AirQualityForecast"
_UNIT = "μg/m³"
_NAMES = {
    "pm25": "pm2_5",
    "pm10": "pm10",
    "no2": "nitrogen_dioxide",
    "so2": "sulphur_dioxide",
    "co": "carbon_monoxide",
    "o3": "ozone",
}

AirQualityForecast = EntityType(
    "AirQualityForecast",
    AIR_QUALITY_FORECAST,
    Text("Không khí theo mô hình", "Modelled air"),
    (
        *(AttributeType(name, iri(name), POLLUTANT_TITLES[name], unit="GQ", minimum=0.0) for name in POLLUTANTS),
        AttributeType("forecast", iri("forecast"), Text("Các giờ tới", "The hours ahead"), value="json"),
    ),
    standard="https://github.com/smart-data-models/dataModel.Environment/tree/master/AirQualityForecast",
)
MODEL = Model(
    "open-meteo-air",
    "https://air-quality-api.open-meteo.com",
    "/v1/air-quality",
    tuple(Variable(there, here, _UNIT) for here, there in _NAMES.items()),
    AirQualityForecast,
    "Ô mô hình không khí",
    "CAMS (Copernicus), Open-Meteo",
    Text("mô hình CAMS qua Open-Meteo", "CAMS model by Open-Meteo"),
    {**{name: MappingRule(iri(name)) for name in POLLUTANTS}, "forecast": MappingRule(iri("forecast"))},
)
SOURCE = source_of(MODEL)
LAYER = Text("Không khí theo mô hình (PM2.5)", "Modelled air (PM2.5)")


def points(
    platform: "Platform", asker: Person, language: str, ids: Sequence[str] | None = None, moment: Moment | None = None
) -> list[MapPoint]:
    """The cells as markers: PM2.5 in µg/m³ after a sign for "about"."""
    return modelled.points(platform, asker, MODEL, language, _label, ids, moment)


def panel(platform: "Platform", asker: Person, language: str, entity: Entity, moment: Moment | None = None) -> Panel:
    """The drawer of one cell."""
    return modelled.panel(platform, MODEL, language, entity, _label, _ahead, moment)


def _label(values: modelled.Values, language: str) -> str:
    value = values.get("pm25")
    return f"≈{formats.number(value, language, 0)}" if isinstance(value, int | float) else "–"


def _ahead(columns: modelled.Values, language: str) -> tuple[tuple[str, str], ...]:
    day = modelled.numbers(columns, "pm25", 24)
    if not day:
        return ()
    mean, most = (formats.number(value, language, 0) for value in (fmean(day), max(day)))
    if language == "en":
        return (("PM2.5 over the next 24 h", f"mean {mean}, highest {most} µg/m³, modelled"),)
    return (("PM2.5 trong 24 giờ tới", f"trung bình {mean}, cao nhất {most} µg/m³, theo mô hình"),)
