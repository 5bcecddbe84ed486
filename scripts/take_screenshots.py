"""Takes the pictures in docs/screens: each page, phone and desk, both languages, and once in the dark.

The pages of work are taken from a city with a demo neighbourhood, where there is some; all others from the first city.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, StorageState, sync_playwright

from dothi.testing.browser import ARGUMENTS, CHROMIUM, come_in

OUT = Path(__file__).resolve().parent.parent / "docs" / "screens"
PAGES = {
    "operations": "/",
    "past": "/?at=2026-05-21T02:00:00Z&span=7d",
    "air": "/air?ward=00004",
    "devices": "/devices",
    "lobby": "/devices/lobby",
    "quarantine": "/devices/quarantine",
    "wards": "/wards",
    "ward": "/wards/00070?span=7d",
    "data": "/data",
    "sql": "/data/sql",
    "forecasts": "/forecasts",
    "runs": "/runs",
    "api": "/docs",
    "wall": "/wall",
    "sign-in": "/sign-in",
    "account": "/account",
    "people": "/people",
    "audit": "/audit",
    "personal": "/personal",
}
# Pages of work by their address, or by the words by which the demo's page of what to try leads there.
WORK = {
    "demo": "/demo",
    "incidents": "/incidents",
    "incident": "Sự việc từ cảnh báo",
    "answered": "Đã trả lời, có ảnh trước và sau",
    "duplicates": "Hai phản ánh có thể là một",
    "mine": "/mine",
    "shift": "/incidents/shift",
    "load": "/incidents/load",
    "alerts": "/alerts",
    "rule": "Thử một quy tắc",
    "commands": "/commands",
    "report": "/report",
    "follow": "Đã trả lời, có ảnh trước và sau: chấm điểm",
    "reports": "/reports",
    "review": "/reports/review",
    "ratings": "/reports/ratings",
}
SIZES = {"phone": (390, 844), "desk": (1440, 900)}
SIZES_OF = {"wall": {"wall": (1920, 1080)}}  # what is not looked at on a phone or a desk
# Who looks at it: the operator, unless it is another's page; nobody yet at the page to sign in.
SEEN_BY = {"demo": "", "report": "", "follow": "", "reports": "", "ratings": "", "mine": "ward_officer", "load": "leader"}
SEEN_BY |= {"answered": "ward_officer", "sign-in": "", "people": "administrator", "audit": "auditor", "personal": "steward"}
# Language, and whether dark: few, because all of them stay in the repository.
VIEWS = (("vi", False), ("en", False), ("en", True))
SETTLE = 7000  # milliseconds for map and stream
WITH_MAP = ("operations", "past", "ward", "wall")


def shoot(
    browser: Browser, signed: StorageState | None, base: str, name: str, path: str, size: str, language: str, dark: bool
) -> Path:
    """One picture, as somebody who is signed in or as a stranger; JPEG, because hundreds of them live in the repository."""
    width, height = sizes_of(name)[size]
    if name == "wall":  # it is dark whatever the machine prefers, unless its address says otherwise
        path += f"?theme={'dark' if dark else 'light'}"
    page = browser.new_page(
        viewport={"width": width, "height": height},
        locale=language,
        color_scheme="dark" if dark else "light",
        storage_state=signed,
    )
    page.goto(base + path + ("&" if "?" in path else "?") + f"lang={language}", wait_until="load")
    page.wait_for_timeout(SETTLE if name in WITH_MAP else 500)
    target = OUT / _file(name, size, language, dark)
    page.screenshot(path=target, type="jpeg", quality=72)
    page.close()
    return target


def _file(name: str, size: str, language: str, dark: bool) -> str:
    return f"{name}-{size}-{language}{'-dark' if dark else ''}.jpg"


def sizes_of(name: str) -> dict[str, tuple[int, int]]:
    """In which sizes a page is shown."""
    return SIZES_OF.get(name, SIZES)


def main(base: str, demo: str) -> None:
    """Take them from the cities at ``base`` and ``demo``; of one that is "-" the pictures stay as they are."""
    OUT.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        if base != "-":
            take(browser, base, PAGES)
        if demo != "-":
            take(browser, demo, {name: _found(browser, demo, page) for name, page in WORK.items()})
        browser.close()
    (OUT / "README.md").write_text(contents(), encoding="utf-8")


def take(browser: Browser, base: str, pages: dict[str, str]) -> None:
    """Every one of ``pages`` of the city at ``base``, in each size, language and light."""
    signed = {role: _signed_in(browser, base, role) for role in {SEEN_BY.get(name, "operator") for name in pages} if role}
    for name, path in pages.items():
        seen = signed.get(SEEN_BY.get(name, "operator"))
        for size in sizes_of(name):
            for language, dark in VIEWS:
                print(shoot(browser, seen, base, name, path, size, language, dark).name)


def _found(browser: Browser, base: str, page: str) -> str:
    """The address of a page of work."""
    if page.startswith("/"):
        return page
    opened = browser.new_page(locale="vi")
    opened.goto(f"{base}/demo")
    stops = opened.locator(".demo-stops .button")
    told = [(one.inner_text(), one.get_attribute("value") or one.get_attribute("href") or "") for one in stops.all()]
    opened.close()
    # The shortest: what a citizen sees is told in more words than what an official sees of it.
    return min((one for one in told if one[0].startswith(page)), key=lambda one: len(one[0]))[1]


def _signed_in(browser: Browser, base: str, role: str) -> StorageState:
    page = browser.new_page()
    come_in(page, base, role)
    state = page.context.storage_state()
    page.context.close()
    return state


def contents() -> str:
    """The page that shows them all, a table a page."""
    said = "Taken by `make docs` in real Chromium: pages of work from a demo neighbourhood, all others from a replay city."
    lines = ["# Every page in pictures", "", said, ""]
    for name, path in (PAGES | WORK).items():
        where = f" (`{path}`)" if path.startswith("/") else ""
        lines += [f"## {name}{where}", "", "| | vi | en | en, dark |", "|---|---|---|---|"]
        for size in sizes_of(name):
            lines.append(" | ".join([f"| {size}", *(f"![]({_file(name, size, *view)})" for view in VIEWS)]) + " |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    main(given.get(1, "http://127.0.0.1:8080"), given.get(2, "http://127.0.0.1:8081"))
