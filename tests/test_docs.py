"""The docs say what is true: settings, file names and the commands of the README."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_setting_is_documented_as_it_is() -> None:
    done = subprocess.run([sys.executable, "scripts/write_reference.py", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run `make docs`: docs/reference/settings.md is out of date"


def test_every_relative_link_in_the_docs_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("README.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        if "node_modules" not in page.parts
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_readmes_name_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("README.md", "README.vi.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"`?make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8")))
        assert named - {"docs"} <= targets, page
        assert named, page


def test_no_dependency_without_a_reason() -> None:
    listed = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text().split("dependencies = [")[1].split("]\n")[0]
    for name in re.findall(r'"([a-z0-9-]+)', project):
        assert name in listed, f"docs/dependencies.md does not say why {name} is here"
