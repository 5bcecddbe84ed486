"""An entity of each Smart Data Models type of our sectors goes in and comes out unchanged.

The shapes are the models'; the words are ours. ``python -m evaluation.ngsild.models`` does it with their own examples.
"""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

ROOT = "/ngsi-ld/v1/entities"
LD_JSON = "application/ld+json"
MODELS = "https://raw.githubusercontent.com/smart-data-models/dataModel.{}/master/context.jsonld"


def said(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **more}


def moment(text: str) -> dict[str, Any]:
    return said({"@type": "DateTime", "@value": text})


ADDRESS = said(
    {"addressCountry": "VN", "addressLocality": "Hà Nội", "streetAddress": "36 Lý Thái Tổ", "type": "PostalAddress"}
)
PLACE = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [105.854444444, 21.028511111]}}
SEEN = "2026-03-15T04:00:00Z"
ENTITIES: dict[str, tuple[str, dict[str, Any]]] = {
    "AirQualityObserved": (
        "Environment",
        {
            "address": ADDRESS,
            "location": PLACE,
            "dateObserved": moment("2026-03-15T11:00:00.00+07:00"),
            "airQualityIndex": said(112, observedAt=SEEN),
            "airQualityLevel": said("moderate"),
            "pm25": said(38.25, unitCode="GQ", observedAt=SEEN),
            "no2": said(41, unitCode="GQ"),
            "relativeHumidity": said(0.81),
            "reliability": said(0.9),
            "refPointOfInterest": {"type": "Relationship", "object": "urn:ngsi-ld:PointOfInterest:ho-guom"},
            "source": said("https://a.example/quan-trac"),
        },
    ),
    "AirQualityForecast": (
        "Environment",
        {
            "address": ADDRESS,
            "location": PLACE,
            "dataProvider": said("Trạm thử"),
            "validFrom": moment("2026-03-15T17:00:00.00Z"),
            "validTo": moment("2026-03-15T18:00:00.00Z"),
            "validity": said("2026-03-16T00:00:00+07:00/2026-03-16T01:00:00+07:00"),
            "pm10": said(55, unitCode="GQ"),
            "pm25": said(31.5, unitCode="GQ"),
            "temperature": said(24.5),
        },
    ),
    "WeatherObserved": (
        "Weather",
        {
            "address": ADDRESS,
            "location": PLACE,
            "dateObserved": moment("2026-03-15T04:00:00.00Z"),
            "atmosphericPressure": said(1012.4, observedAt=SEEN),
            "precipitation": said(0),
            "relativeHumidity": said(1),
            "temperature": said(-0.5, observedAt=SEEN, unitCode="CEL"),
            "windDirection": said(135),
            "refDevice": {"type": "Relationship", "object": "urn:ngsi-ld:Device:tram-lang"},
        },
    ),
    "WeatherForecast": (
        "Weather",
        {
            "address": ADDRESS,
            "dateIssued": moment("2026-03-15T03:40:01.00Z"),
            "dayMaximum": said({"feelsLikeTemperature": 31, "temperature": 29.5, "relativeHumidity": 0.9}),
            "dayMinimum": said({"feelsLikeTemperature": 21, "temperature": 22, "relativeHumidity": 0.6}),
            "precipitationProbability": said(0.15),
            "uVIndexMax": said(7.0),
            "validity": said("2026-03-16T00:00:00+07:00/2026-03-17T00:00:00+07:00"),
            "weatherType": said("overcast"),
            "windSpeed": said(2),
        },
    ),
}


@pytest.mark.parametrize("kind", ENTITIES)
def test_an_entity_of_a_model_comes_out_as_it_went_in(client: httpx.Client, kind: str) -> None:
    model, attributes = ENTITIES[kind]
    context, urn = MODELS.format(model), f"urn:ngsi-ld:{kind}:hanoi:2026-03-15T11:00:00"
    entity, place = {"id": urn, "type": kind, **attributes}, f"{ROOT}/{quote(urn, safe='')}"
    link = {"Link": f'<{context}>; rel="http://www.w3.org/ns/json-ld#context"; type="{LD_JSON}"'}
    made = client.post(ROOT, json={**entity, "@context": [context]}, headers={"content-type": LD_JSON})
    assert made.status_code == 201, made.text
    try:
        assert client.get(place, headers=link).json() == entity
        (found,) = client.get(ROOT, params={"type": kind, "id": urn}, headers={**link, "accept": LD_JSON}).json()
        assert found.pop("@context")[0] == context
        assert found == entity
        again = client.put(place, json=entity, headers=link)
        assert again.status_code == 204, again.text
        assert client.get(place, headers=link).json() == entity
    finally:
        assert client.delete(place).status_code == 204
