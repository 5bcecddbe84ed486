"""The list of alerts hears of what changed from the stream, long before it would look by itself."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from dothi.access.policy import SYSTEM, Clearance
from dothi.data.batch import Batch, EntityChange, ReadingRow, readings_of
from dothi.model.entity import Entity
from dothi.model.reading import Origin
from dothi.model.text import Text
from dothi.platform.rules.model import Compare, Graver, Rule
from dothi.services.weather.model import WEATHER_FORECAST, iri
from dothi.testing.city import RunningCity

CELL = "urn:ngsi-ld:WeatherForecast:hanoi:live"
SOON = 25_000  # ms; without the stream the page looks every 30 s


def _rain(city: RunningCity, millimetres: float) -> None:
    platform = city.platform
    now = platform.clock.now()
    row = ReadingRow(CELL, iri("precipitation"), now, millimetres, Origin.MODELLED)
    city.run(platform.writer.write(Batch(SYSTEM, "test", "c", now, readings_of([row]))))


def test_a_line_appears_grows_graver_and_ends_while_somebody_looks(
    city: RunningCity, open_page: Callable[..., Page]
) -> None:
    platform = city.platform
    rule = Rule(
        id="live-downpour",
        title=Text("Mưa xối trên trang", "Downpour on the page"),
        entity_type=WEATHER_FORECAST,
        any_of=((Compare(attribute=iri("precipitation"), op=">", value=20.0),),),
        severity=2,
        graver=(Graver(4, 80.0),),
    )
    cell = EntityChange("create", Entity(CELL, WEATHER_FORECAST, ward=platform.city.wards[0].code), Clearance.PUBLIC)
    city.run(platform.writer.write(Batch(SYSTEM, "test", "c", platform.clock.now(), entities=[cell])))
    city.run(platform.rules.save(SYSTEM, rule, version=0))
    page = open_page("/alerts?rule=live-downpour&state=all")
    expect(page.locator(".empty")).to_be_visible()
    _rain(city, 30.0)
    row = page.locator("tbody tr")
    expect(row).to_contain_text("30,0 mm", timeout=SOON)
    _rain(city, 90.0)
    expect(row).to_contain_text("90,0 mm", timeout=SOON)
    _rain(city, 1.0)
    expect(row).to_contain_text("Đã hết", timeout=SOON)
    city.run(platform.rules.turn(SYSTEM, "live-downpour", enabled=False))
