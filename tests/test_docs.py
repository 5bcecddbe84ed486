"""The docs say what is true: settings, file names, and every command and address they tell people to type."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import typer
from starlette.routing import Match

from dothi.cli import app as cli
from dothi.settings import Settings
from dothi.testing.city import RunningCity, running_city

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    page
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("README.md"))
    if "node_modules" not in page.parts
]
HOST = "http://127.0.0.1:8080"


def test_every_setting_is_documented_as_it_is() -> None:
    done = subprocess.run([sys.executable, "scripts/write_reference.py", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run `make docs`: docs/reference/settings.md is out of date"


def test_every_relative_link_in_the_docs_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
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


def _typed(page: Path) -> Iterator[list[str]]:
    """The words of every line that ``page`` tells people to type: lines of shell blocks, and code within a sentence."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [
        line
        for language, block in blocks
        if language in ("", "sh", "bash", "console")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in lines:
        try:
            words = shlex.split(line.removeprefix("$ "), comments=True)
        except ValueError:  # a sentence's code may hold half a quotation; a command cannot
            assert not re.match(r"(\S*/)?(dothi|curl) ", line), f"{page.name}: {line}"
            continue
        if words:
            yield words


def _command(words: list[str]) -> tuple[list[str], list[str]]:
    """(names of the variables set before a command, the command with what follows)."""
    place = next((place for place, word in enumerate(words) if re.match(r"[A-Z_]+=", word) is None), len(words))
    return [word.partition("=")[0] for word in words[:place]], words[place:]


def _parse(arguments: list[str]) -> None:
    """Let the real command line read ``arguments`` without running anything. Raises what it would say."""
    command: Any = typer.main.get_command(cli)
    rest = list(arguments)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    if hasattr(command, "commands") and not all(word in ("--help", "--version") for word in rest):
        raise ValueError(f"no such command: {' '.join(arguments)}")
    if not hasattr(command, "commands"):
        command.make_context(command.name, rest)


def test_every_command_in_the_docs_is_one_the_command_line_takes() -> None:
    wrong, seen = [], 0
    for page in PAGES:
        for words in _typed(page):
            _, command = _command(words)
            if not command or command[0].rsplit("/", 1)[-1] != "dothi" or "…" in command[1:2]:
                continue
            seen += 1
            try:
                _parse(command[1:])
            except Exception as error:
                wrong.append(f"{page.relative_to(ROOT)}: {shlex.join(words)}: {getattr(error, 'message', error)}")
    assert wrong == []
    assert seen >= 5


@pytest.mark.parametrize("line", ["restore city.zip --home X", "devices lost", "backup", "status now", "run --fast", "fly"])
def test_a_command_that_is_not_there_would_be_noticed(line: str) -> None:
    with pytest.raises(Exception, match=r"[Nn]o such|Missing|[Uu]nexpected"):
        _parse(line.split())


def test_every_variable_in_a_command_is_a_setting() -> None:
    known = {f"DOTHI_{name.upper()}" for name in Settings.model_fields}
    named = {name for page in PAGES for words in _typed(page) for name in _command(words)[0] if name.startswith("DOTHI_")}
    assert {name.removesuffix("_FILE") for name in named} <= known  # a secret may stand in a file
    assert "DOTHI_CITY" in named


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    with running_city(tmp_path_factory.mktemp("city")) as running:
        yield running


def _template(city: RunningCity, method: str, path: str) -> str | None:
    """The template of the route that serves this request, None where none does."""
    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    for route in city.app.routes:
        if route.matches(scope)[0] == Match.FULL:
            return str(getattr(route, "path", path))
    return None


def _requests() -> Iterator[tuple[str, str, str, str | None]]:
    """(page, method, address, body) of every curl, every `POST /path` and every link to the running city."""
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        for words in _typed(page):
            if words[0] == "curl":
                body = next((words[place + 1] for place, word in enumerate(words) if word in ("-d", "--data")), None)
                method = words[words.index("-X") + 1] if "-X" in words else "GET" if body is None else "POST"
                yield name, method, next(word for word in words if word.startswith("http")), body
            elif words[0] in ("GET", "POST", "PUT", "PATCH", "DELETE") and words[1:2] and words[1].startswith("/"):
                yield name, words[0], HOST + re.sub(r"[{}<>]", "", words[1]), None
        for address in re.findall(rf"<({HOST}[^>]*)>", page.read_text(encoding="utf-8")):
            yield name, "GET", address, None


def test_every_address_in_the_docs_is_served(city: RunningCity) -> None:
    paths = httpx.get(f"{city.base_url}/openapi.json", trust_env=False, timeout=60).json()["paths"]
    wrong, seen = [], 0
    for page, method, address, body in _requests():
        if not address.startswith(HOST):
            continue
        seen += 1
        asked = urlsplit(address)
        template = _template(city, method, asked.path or "/")
        if template is None:
            wrong.append(f"{page}: {method} {address}: no such door")
            continue
        told = paths.get(template, {}).get(method.lower(), {})
        known = {one["name"] for one in told.get("parameters", ()) if one["in"] == "query"}
        unknown = {name for name, _ in parse_qsl(asked.query, keep_blank_values=True)} - known
        if template in paths and unknown:
            wrong.append(f"{page}: {method} {address}: no parameter {', '.join(sorted(unknown))}")
        if body is not None:
            json.loads(body)
    assert wrong == []
    assert seen >= 10
    assert _template(city, "POST", "/api/v1/nowhere") is None
    assert _template(city, "POST", "/api/v1/entities") is None


def test_the_guides_in_vietnamese_name_what_is_on_the_screens() -> None:
    """What stands in bold is a page or a button, as its template says it, or a lead-in that ends with a full stop."""
    sources = [*(ROOT / "src" / "dothi").rglob("*.html"), *(ROOT / "src" / "dothi").rglob("*.py")]
    screens = "".join(one.read_text(encoding="utf-8") for one in sources if "node_modules" not in one.parts)
    guides = sorted((ROOT / "docs" / "guides").glob("*.vi.md"))
    named = [
        (guide.name, word.strip(" …?"))
        for guide in guides
        for bold in re.findall(r"\*\*([^*]+)\*\*", guide.read_text(encoding="utf-8"))
        for word in bold.replace("\n", " ").split(" → ")
        if not word.endswith(".")
    ]
    assert len(named) > 40
    assert [one for one in named if one[1] not in screens] == []
