"""The weather sector: temperature, humidity, rain, wind and pressure as a model sees them, if the city asks for it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dothi.model.text import Text
from dothi.platform.open_meteo import OpenMeteo, wanted
from dothi.platform.sector import Feed, MapLayer, Sector
from dothi.services.weather import rules, view
from dothi.services.weather.model import MODEL, SOURCE, WEATHER_FORECAST, WeatherForecast

if TYPE_CHECKING:
    from dothi.platform.platform import Platform


def feeds(platform: "Platform") -> Sequence[Feed]:
    """The feed from Open-Meteo, in a city that wants it."""
    return (OpenMeteo(MODEL),) if wanted(platform) else ()


SECTOR = Sector(
    id="weather",
    title=Text("Thời tiết", "Weather"),
    agency="so-nong-nghiep-moi-truong",
    entity_types=(WeatherForecast,),
    layers=(
        MapLayer(
            "weather",
            Text("Thời tiết theo mô hình (°C)", "Modelled weather (°C)"),
            WEATHER_FORECAST,
            points=view.points,
            shown=False,
            offered=wanted,
        ),
    ),
    panel=view.panel,
    feeds=feeds,
    sources=(SOURCE,),
    incident_kinds=rules.KINDS,
    rules=rules.RULES,
    alert_categories=rules.CATEGORIES,
)
