"""Writes docs/reference/settings.md from the code, so that it cannot differ from it. `--check` only compares."""

import sys
from pathlib import Path

from dothi.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "settings.md"


def settings_page() -> str:
    """The reference of all settings as Markdown."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = "none" if default is None else f"`{default}`" if str(default) else "empty"
        rows.append(f"| `DOTHI_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(
        (
            "# Settings",
            "",
            "Read from the environment at start. Every one has a default that runs on one machine. Written from",
            "`src/dothi/settings.py` by `make docs`.",
            "",
            "| variable | default | what it is |",
            "|---|---|---|",
            *rows,
            "",
        )
    )


def main(check: bool) -> int:
    """Write the page, or with ``check`` return 1 if it is out of date."""
    if check:
        return int(PAGE.read_text(encoding="utf-8") != settings_page())
    PAGE.write_text(settings_page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
