"""The API's page in a real Chromium: Swagger UI draws it under the content security policy, with nothing from elsewhere."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from dothi.testing.city import wait_until

Opener = Callable[..., Page]

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [390, 1440])
def test_swagger_draws_every_operation_without_leaving_the_city(open_page: Opener, width: int) -> None:
    page = open_page("/docs", width=width)
    expect(page.locator("#swagger .opblock").first).to_be_visible()
    operation = page.locator("#swagger .opblock-post", has_text="/api/v1/readings").first
    seen = set[str]()

    def found() -> bool:  # Swagger UI draws of a long list what is on the screen
        seen.update(page.locator("#swagger .opblock").evaluate_all("all => all.map(one => one.id)"))
        if operation.count() and len(seen) > 25:
            return True
        ends = page.evaluate("innerHeight + scrollY >= document.documentElement.scrollHeight - 2")
        page.mouse.wheel(0, -1_000_000 if ends else 400)
        page.wait_for_timeout(50)
        return False

    wait_until(found, "every operation was drawn, the one that is sought too")
    operation.locator("button.opblock-summary-control").click()
    expect(operation.locator(".responses-table").first).to_be_visible()
