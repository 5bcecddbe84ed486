"""One running city for all tests of the pages in a worker, and pages of it in a real Chromium."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from dothi.access.sessions import COOKIE
from dothi.testing.city import PATIENCE, RunningCity, running_city, wait_until
from folder_world import shared


@contextmanager
def _city(folder: Path) -> Iterator[RunningCity]:
    with running_city(folder) as running:
        with httpx.Client(base_url=running.base_url, trust_env=False, timeout=30, headers=running.operator) as client:

            def known() -> int:
                return sum(one["label"] != "–" for one in client.get("/map/layers/air.json").json()["points"])

            wait_until(lambda: known() >= 20, "stations have an index, and the list its order")
            wait_until(lambda: client.get("/map/base/about.json").status_code == 200, "the map's ground is ready")
        yield running


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> RunningCity:
    """A live, simulated Hanoi whose stations have their first readings."""
    return shared(__file__, _city(tmp_path_factory.mktemp("city")))


@pytest.fixture
def client(city: RunningCity) -> Iterator[httpx.Client]:
    """A browser's requests without a browser, as the city's operator."""
    headers = city.operator | {"accept": "text/html,*/*", "accept-language": "vi"}
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=headers) as client:
        yield client


Opener = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, city: RunningCity) -> Iterator[Opener]:
    """Opens a page of the city as somebody with every role; fails the test if it logged an error or asked elsewhere."""
    faults: list[str] = []
    cookie = city.session()
    contexts = []

    def open_page(path: str, *, width: int = 1440, height: int = 900, locale: str = "vi", **options: object) -> Page:
        context = browser.new_context(
            base_url=city.base_url,
            viewport={"width": width, "height": height},
            locale=locale,
            reduced_motion="reduce",
            **options,  # type: ignore[arg-type]  # passed through to Playwright
        )
        context.add_cookies([{"name": COOKIE, "value": cookie, "url": city.base_url}])
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda one: faults.append(f"console: {one.text}") if one.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on(
            "request",
            lambda one: (
                None if one.url.startswith((city.base_url, "blob:", "data:")) else faults.append(f"leaves: {one.url}")
            ),
        )
        page.goto(path)
        return page

    open_page.faults = faults  # type: ignore[attr-defined]  # a test that cuts the line clears what that logs
    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
