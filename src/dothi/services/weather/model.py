"""What the weather sector knows about: the WeatherForecast type, and what of Open-Meteo becomes which attribute of it.

The bounds are plausibility limits of ours: wider than anything ever recorded in Viet Nam.
"""

from dothi.devices.open_meteo import Variable
from dothi.devices.registry import MappingRule
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.platform.open_meteo import Model, source_of

NAMESPACE = "https://smartdatamodels.org/dataModel.Weather/"
WEATHER_FORECAST = NAMESPACE + "WeatherForecast"


def iri(name: str) -> str:
    """The expanded name of an attribute of WeatherForecast."""
    return NAMESPACE + name


def _quantity(name: str, title: Text, unit: str, minimum: float, maximum: float, decimals: int = 1) -> AttributeType:
    return AttributeType(name, iri(name), title, unit=unit, minimum=minimum, maximum=maximum, decimals=decimals)


WeatherForecast = EntityType(
    "WeatherForecast",
    WEATHER_FORECAST,
    Text("Thời tiết theo mô hình", "Modelled weather"),
    (
        _quantity("temperature", Text("Nhiệt độ", "Temperature"), "CEL", -20.0, 55.0),
        _quantity("precipitation", Text("Mưa trong giờ trước", "Rain of the hour before"), "MMT", 0.0, 400.0),
        _quantity("relativeHumidity", Text("Độ ẩm", "Relative humidity"), "P1", 0.0, 100.0, 0),
        _quantity("windSpeed", Text("Tốc độ gió", "Wind speed"), "MTS", 0.0, 100.0),
        _quantity("windDirection", Text("Hướng gió (từ hướng)", "Wind direction (from)"), "DD", 0.0, 360.0, 0),
        _quantity("atmosphericPressure", Text("Khí áp mực biển", "Pressure at sea level"), "A97", 850.0, 1100.0, 0),
        AttributeType("forecast", iri("forecast"), Text("Các giờ tới", "The hours ahead"), value="json"),
    ),
    standard="https://github.com/smart-data-models/dataModel.Weather/tree/master/WeatherForecast",
)
_VARIABLES = (
    Variable("temperature_2m", "temperature", "°C"),
    Variable("precipitation", "precipitation", "mm"),
    Variable("relative_humidity_2m", "relativeHumidity", "%"),
    Variable("wind_speed_10m", "windSpeed", "m/s"),
    Variable("wind_direction_10m", "windDirection", "°"),
    Variable("pressure_msl", "atmosphericPressure", "hPa"),
)
MODEL = Model(
    "open-meteo-weather",
    "https://api.open-meteo.com",
    "/v1/forecast",
    _VARIABLES,
    WeatherForecast,
    "Ô mô hình thời tiết",
    "Open-Meteo (mô hình thời tiết toàn cầu)",
    Text("mô hình thời tiết qua Open-Meteo", "weather models by Open-Meteo"),
    {one.name: MappingRule(one.iri) for one in WeatherForecast.attributes},
)
SOURCE = source_of(MODEL)
