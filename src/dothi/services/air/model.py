"""What the air sector knows about: the AirQualityObserved type and how far a value of it may be believed.

The limits are plausibility limits of ours, not official figures: wide enough that the worst Vietnamese smog, a fire next to
the station or a heat wave passes, narrow enough that a broken sensor or a wrong unit does not. README.md says how each was
chosen.
"""

from datetime import timedelta

from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text

NAMESPACE = "https://smartdatamodels.org/dataModel.Environment/"
AIR_QUALITY_OBSERVED = NAMESPACE + "AirQualityObserved"
NAME = "https://smartdatamodels.org/name"
PROVIDER = "https://smartdatamodels.org/dataProvider"
INDEX, LEVEL, DOMINANT = (NAMESPACE + name for name in ("airQualityIndex", "airQualityLevel", "dominantPollutant"))

POLLUTANTS = ("pm25", "pm10", "no2", "so2", "co", "o3")
POLLUTANT_NAMES = {"pm25": "PM2.5", "pm10": "PM10", "no2": "NO₂", "so2": "SO₂", "co": "CO", "o3": "O₃"}
POLLUTANT_TITLES = {
    "pm25": Text("Bụi mịn PM2.5", "Fine particles PM2.5"),
    "pm10": Text("Bụi PM10", "Particles PM10"),
    "no2": Text("Nitơ điôxít NO₂", "Nitrogen dioxide NO₂"),
    "so2": Text("Lưu huỳnh điôxít SO₂", "Sulphur dioxide SO₂"),
    "co": Text("Cacbon mônôxít CO", "Carbon monoxide CO"),
    "o3": Text("Ôzôn O₃", "Ozone O₃"),
}


def iri(name: str) -> str:
    """The expanded name of an attribute of AirQualityObserved."""
    return NAMESPACE + name


def _gas(name: str, maximum: float, change: float) -> AttributeType:
    return AttributeType(
        name,
        iri(name),
        POLLUTANT_TITLES[name],
        unit="GQ",
        minimum=0.0,
        maximum=maximum,
        max_change_per_hour=change,
        stuck_after=timedelta(hours=24),
    )


AirQualityObserved = EntityType(
    "AirQualityObserved",
    AIR_QUALITY_OBSERVED,
    Text("Trạm quan trắc không khí", "Air quality station"),
    (
        _gas("pm25", 2_000.0, 300.0),
        _gas("pm10", 5_000.0, 600.0),
        _gas("no2", 5_000.0, 300.0),
        _gas("so2", 5_000.0, 500.0),
        _gas("co", 200_000.0, 15_000.0),
        _gas("o3", 2_000.0, 200.0),
        AttributeType(
            "temperature",
            iri("temperature"),
            Text("Nhiệt độ", "Temperature"),
            unit="CEL",
            minimum=-10.0,
            maximum=55.0,
            max_change_per_hour=15.0,
            stuck_after=timedelta(hours=24),
        ),
        AttributeType(
            "relativeHumidity",
            iri("relativeHumidity"),
            Text("Độ ẩm", "Relative humidity"),
            unit="P1",
            minimum=0.0,
            maximum=100.0,
            max_change_per_hour=50.0,
            stuck_after=timedelta(hours=48),
            decimals=0,
        ),
        AttributeType(
            "airQualityIndex",
            INDEX,
            Text("Chỉ số chất lượng không khí VN_AQI", "Air quality index VN_AQI"),
            minimum=0.0,
            maximum=500.0,
            decimals=0,
            speaks_for=timedelta(hours=1),
        ),
        AttributeType(
            "airQualityLevel",
            LEVEL,
            Text("Mức chất lượng không khí", "Air quality level"),
            value="text",
            speaks_for=timedelta(hours=1),
        ),
        AttributeType(
            "dominantPollutant",
            DOMINANT,
            Text("Chất chiếm ưu thế", "Dominant pollutant"),
            value="text",
            speaks_for=timedelta(hours=1),
        ),
    ),
    standard="https://github.com/smart-data-models/dataModel.Environment/tree/master/AirQualityObserved",
)
