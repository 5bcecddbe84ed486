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
    expect(page.locator("#swagger .opblock").nth(25)).to_be_attached(timeout=30_000)  # drawn a few at a time
    operation = page.locator("#operations-readings-post_api_v1_readings, .opblock-post", has_text="/api/v1/readings").first
    operation.locator("button.opblock-summary-control").click()
    expect(operation.locator(".responses-table").first).to_be_visible()
