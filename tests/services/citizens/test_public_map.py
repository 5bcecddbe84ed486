"""Where published reports are: as GeoJSON with rounded places, and on a map with streets in a real browser."""

from collections.abc import Iterator

import pytest
from citizens_world import Citizen
from playwright.sync_api import Browser, Page, expect

from dothi.access.policy import SYSTEM
from dothi.services.citizens import codes, store
from dothi.testing.city import RunningCity, wait_until

PLACE = {"longitude": "105.812345", "latitude": "21.012345", "address": ""}


def released(citizen: Citizen, title: str, **place: str) -> str:
    """The incident of a new report that an official let everybody read."""
    code = citizen.report(title, kind="report-other", **place)
    with citizen.city.platform.database.reader() as db:
        report = store.of_code(db, codes.hash_of(code))
    assert report is not None
    now = citizen.city.platform.clock.now()
    citizen.city.run(
        citizen.city.platform.writer.run(
            SYSTEM, now, lambda db: store.decide(db, report.id, SYSTEM.id, now, (title, "")), action="incident.write"
        )
    )
    return report.incident


def test_places_are_rounded_and_filtered_and_nothing_unreleased_is_there(citizen: Citizen) -> None:
    hidden = citizen.report("Việc không ai công bố", **PLACE)
    shown, rough = released(citizen, "Có điểm <b>", **PLACE), released(citizen, "Không có điểm")
    answer = citizen.client.get("/reports.geojson?kind=report-other")
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["cache-control"] == "private, no-cache"
    found = {one["properties"]["code"]: one for one in answer.json()["features"]}
    assert citizen.incident(hidden).code not in found and rough not in found
    assert found[shown]["geometry"] == {"type": "Point", "coordinates": [105.812, 21.012]}
    told = found[shown]["properties"]
    assert (told["title"], told["done"], told["state"]) == ("Có điểm <b>", False, "chờ tiếp nhận")
    assert citizen.client.get("/reports.geojson?ward=00000").json()["features"] == []
    assert f'href="/reports/{shown}"' in citizen.client.get("/reports").text  # without a script: the drawing and the list


@pytest.fixture
def page(browser: Browser, city: RunningCity) -> Iterator[Page]:
    context = browser.new_context(base_url=city.base_url, viewport={"width": 390, "height": 844}, locale="vi")
    faults, made = list[str](), context.new_page()
    made.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: faults.append(str(error)))
    yield made
    context.close()
    assert faults == []


@pytest.mark.browser
def test_a_tap_on_the_map_gives_links_to_what_is_there(page: Page, citizen: Citizen) -> None:
    wait_until(lambda: citizen.city.platform.basemap is not None, "the map's ground is ready")
    shown = released(citizen, "Cột đèn nghiêng", **PLACE)
    page.goto("/reports?kind=report-other")
    page.get_by_role("button", name="Xem trên bản đồ có đường phố").click()
    canvas = page.locator("[data-part=box] canvas")
    expect(canvas).to_be_visible()
    expect(page.locator("svg[data-part=drawing]")).to_be_hidden()
    link = page.locator("[data-part=near] a", has_text="Cột đèn nghiêng")

    def found() -> bool:
        canvas.focus()
        page.keyboard.press("Enter")  # by keyboard: what is in the middle, where the only place lies
        page.wait_for_timeout(150)
        return link.count() > 0

    wait_until(found, "the map knows its reports")
    assert link.first.get_attribute("href") == f"/reports/{shown}"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
