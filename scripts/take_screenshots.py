"""Takes the pictures in docs/screens from a running city: each page, phone and desk, light and dark, both languages."""

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
SIZES = {"phone": (390, 844), "desk": (1440, 900)}
SIZES_OF = {"wall": {"wall": (1920, 1080)}}  # what is not looked at on a phone or a desk
# Who looks at it: the operator, unless it is another's page; nobody yet at the page to sign in.
SEEN_BY = {"sign-in": "", "people": "administrator", "audit": "auditor", "personal": "steward"}
SETTLE = 7000  # milliseconds for map and stream
WITH_MAP = ("operations", "past", "ward", "wall")


def shoot(
    browser: Browser, signed: StorageState | None, base: str, name: str, path: str, size: str, language: str, dark: bool
) -> Path:
    """One picture, as somebody who is signed in or as a stranger; JPEG, because a hundred of them live in the repository."""
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
    target = OUT / f"{name}-{size}-{language}{'-dark' if dark else ''}.jpg"
    page.screenshot(path=target, type="jpeg", quality=78)
    page.close()
    return target


def sizes_of(name: str) -> dict[str, tuple[int, int]]:
    """In which sizes a page is shown."""
    return SIZES_OF.get(name, SIZES)


def main(base: str) -> None:
    """Take them all from the city at ``base``, e.g. http://127.0.0.1:8080."""
    OUT.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        signed = {role: _signed_in(browser, base, role) for role in {"operator", *SEEN_BY.values()} if role}
        for name, path in PAGES.items():
            seen = signed.get(SEEN_BY.get(name, "operator"))
            for size in sizes_of(name):
                for language, dark in (("vi", False), ("vi", True), ("en", False), ("en", True)):
                    print(shoot(browser, seen, base, name, path, size, language, dark).name)
        browser.close()
    (OUT / "README.md").write_text(contents(), encoding="utf-8")


def _signed_in(browser: Browser, base: str, role: str) -> StorageState:
    page = browser.new_page()
    come_in(page, base, role)
    state = page.context.storage_state()
    page.context.close()
    return state


def contents() -> str:
    """The page that shows them all, a table a page."""
    lines = ["# Every page in pictures", "", "Taken by `make docs` from a replay city in real Chromium.", ""]
    for name, path in PAGES.items():
        lines += [f"## {name} (`{path}`)", "", "| | light | dark |", "|---|---|---|"]
        for size in sizes_of(name):
            for language in ("vi", "en"):
                lines.append(
                    f"| {size}, {language} | ![]({name}-{size}-{language}.jpg) | ![]({name}-{size}-{language}-dark.jpg) |"
                )
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
