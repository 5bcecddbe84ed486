"""The API's page in a real Chromium: Swagger UI draws it under the content security policy, with nothing from elsewhere."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

Opener = Callable[..., Page]

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [390, 1440])
def test_swagger_draws_every_operation_without_leaving_the_city(open_page: Opener, width: int) -> None:
    page = open_page("/docs", width=width)
    expect(page.locator("#swagger .opblock").first).to_be_visible(timeout=30_000)
    operation = page.locator("#swagger .opblock-post", has_text="/api/v1/readings").first
    seen = set[str]()
    for _ in range(120):  # Swagger UI draws of a long list what is on the screen
        seen.update(page.locator("#swagger .opblock").evaluate_all("all => all.map(one => one.id)"))
        if operation.count() and len(seen) > 25:
            break
        page.mouse.wheel(0, 400)
        page.wait_for_timeout(50)
    assert len(seen) > 25
    operation.locator("button.opblock-summary-control").click()
    expect(operation.locator(".responses-table").first).to_be_visible()
