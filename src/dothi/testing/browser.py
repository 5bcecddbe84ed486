"""Debian's Chromium as tests, benches and the screenshots start it: no graphics card, silent to the outside."""

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
    "--use-gl=angle",
    "--use-angle=swiftshader",
)


def come_in(page: "Page", base: str, role: str = "operator") -> None:
    """Sign in at the city at ``base`` as its demo person of ``role``, with the button that people press."""
    page.goto(f"{base}/sign-in")
    page.click(f"button[name=role][value={role}]")
    page.wait_for_url(lambda url: "/sign-in" not in url)
