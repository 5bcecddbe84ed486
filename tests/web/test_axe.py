"""No page has a serious fault of accessibility: axe looks at what a role is offered, on desk and phone, light and dark."""

from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from doors_world import live_in, walk
from incident_world import OPERATOR
from playwright.sync_api import Browser, Page

from dothi.access.sessions import COOKIE
from dothi.platform.incidents.model import Question
from dothi.testing.city import RunningCity

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
AXE = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
# Swagger UI is not ours to mend; whoever cannot use it reads the same at /openapi.json.
FOREIGN = ("/docs",)
# A page stands still when its islands are there, and the list and the map of those that have them.
STILL = """() => !document.querySelector(':not(:defined)')
  && !document.querySelector('dt-operations:not([data-ready])')"""
LOOK = """async () => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame)  // colours follow the scheme
  const runOnly = {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']}
  const found = await axe.run(document, {runOnly, resultTypes: ['violations']})
  const serious = found.violations.filter(one => ['serious', 'critical'].includes(one.impact))
  // Pins lie where things are (an exception that WCAG 2.5.8 itself makes); the list beside the map has the same doors.
  const pin = node => document.querySelector(node.target[0])?.closest('[data-part=map]')
  for (const one of serious) if (one.id === 'target-size') one.nodes = one.nodes.filter(node => !pin(node))
  const where = node => `${node.target} ${[...node.any, ...node.all, ...node.none][0]?.message ?? ''}`
  return serious.filter(one => one.nodes.length).map(one => `${one.id}: ${one.nodes.slice(0, 3).map(where).join(' | ')}`)
}"""
DESK, PHONE = (1440, 900), (390, 844)
# Each page on both screens and in both schemes; every second page is looked at the other way round.
LOOKS = ((DESK, "light"), (PHONE, "dark")), ((DESK, "dark"), (PHONE, "light"))
# All four looks at every page take twice as long and are for the long run.
ROLES = ["operator", "ward_officer", "stranger"]
EVERY = pytest.param(True, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])


class Shape(HTMLParser):
    """What a page's main part is made of, whatever it says: two pages of one shape have the same faults."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.parts: set[tuple[str, ...]] = set()
        self._main = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a kind of element."""
        self._main = self._main or tag == "main"
        if self._main:
            told = dict(attrs)
            said = (told.get(name) or "" for name in ("class", "type", "role", "aria-current"))
            self.parts.add((tag, *said, str("aria-label" in told)))

    def handle_endtag(self, tag: str) -> None:
        """What comes after the main part is everywhere the same."""
        self._main = self._main and tag != "main"


def pages(city: RunningCity, role: str, report: str) -> Iterator[tuple[str, frozenset[tuple[str, ...]]]]:
    """Address and shape of the whole pages that ``role`` is offered; what scripts fetch comes with them."""
    found = city.platform.incidents.find(OPERATOR, Question(kind="test-smog", states=("handling",)))
    drawer = f"/?chosen={found.incidents[0].code}"
    for step in walk(city, role, report, *([drawer] if role != "stranger" else [])):
        whole = step.shown and step.answer.text.lstrip()[:9].lower() == "<!doctype"
        if whole and not step.address.startswith(FOREIGN):
            yield step.address, frozenset(Shape(step.answer.text).parts)


def looked_at(page: Page, looks: Iterable[tuple[tuple[int, int], str]]) -> Iterator[str]:
    """What axe finds on the page that is open, in a window as high as the page: no bar lies over what could be scrolled."""
    for (width, height), scheme in looks:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its two words
        page.set_viewport_size({"width": width, "height": height})
        seen = height
        while seen < (whole := page.evaluate("document.documentElement.scrollHeight")):  # charts come when they are in sight
            page.set_viewport_size({"width": width, "height": whole})
            page.evaluate("new Promise(requestAnimationFrame)")
            seen = whole
        yield from (f"{width}, {scheme}: {fault}" for fault in page.evaluate(LOOK))


@pytest.fixture(scope="module")
def report(city: RunningCity) -> str:
    """Where somebody follows a report, in the running city with one of everything."""
    return live_in(city)


@pytest.fixture
def page(browser: Browser, city: RunningCity, role: str) -> Iterator[Page]:
    """A browser's page of somebody with ``role``, with axe in it."""
    if not AXE.is_file():
        pytest.skip("there is no axe-core here: scripts/prepare_tests.py installs it with npm")
    context = browser.new_context(base_url=city.base_url, locale="vi", reduced_motion="reduce")
    context.add_init_script(path=AXE)
    if role != "stranger":
        context.add_cookies([{"name": COOKIE, "value": city.session(role), "url": city.base_url}])
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("all_looks", [False, EVERY])
def test_axe_finds_no_serious_fault(city: RunningCity, page: Page, role: str, report: str, all_looks: bool) -> None:
    known = {shape for _address, shape in pages(city, "operator", report)} if role != "operator" else set()
    faults, count = list[str](), 0
    for address, shape in pages(city, role, report):
        if shape in known:
            continue
        known.add(shape)
        looks = [*LOOKS[0], *LOOKS[1]] if all_looks else LOOKS[count % 2]
        count += 1
        # A page that was asked something (sorted, filtered) is looked at once; the drawer is a page of its own.
        asked = "?" in address and "chosen=" not in address
        page.goto(address)
        page.wait_for_function(STILL)
        faults.extend(f"{address} ({role}, {fault}" for fault in looked_at(page, looks[:1] if asked else looks))
    assert not faults, "\n".join(faults)
    assert count
