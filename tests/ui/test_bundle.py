"""The bundle: built only when its sources change, self-contained, small where citizens load it."""

import gzip
import importlib.util
import json
import re
import types
from pathlib import Path

import pytest

from dothi.ui import assets

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def build_ui() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("build_ui", ROOT / "scripts" / "build_ui.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_fingerprint_sees_contents_and_names_and_nothing_else(build_ui: types.ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "src" / "a.ts"
    source.parent.mkdir()
    source.write_text("1")
    first = build_ui.fingerprint(tmp_path)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "b.js").write_text("2")
    assert build_ui.fingerprint(tmp_path) == first
    source.write_text("2")
    second = build_ui.fingerprint(tmp_path)
    source.rename(source.with_name("c.ts"))
    assert len({first, second, build_ui.fingerprint(tmp_path)}) == 3


def test_the_bundle_is_up_to_date_and_a_second_build_does_nothing(build_ui: types.ModuleType) -> None:
    assert build_ui.build() is False, "build it first: python scripts/build_ui.py"


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((ROOT / "src/dothi/ui/islands/package-lock.json").read_text("utf-8"))
    assert [name for name, one in lock["packages"].items() if "resolved" in one] == []
    assert all("integrity" in one for name, one in lock["packages"].items() if name)


def test_styles_load_nothing_from_elsewhere() -> None:
    sheets = list((assets.DIST / "assets").glob("*.css"))
    assert sheets
    for sheet in sheets:
        for address in re.findall(r"url\(([^)]*)\)", sheet.read_text("utf-8")):
            assert address.strip("'\"").startswith(("/static/", "data:", "#")), address


def test_fonts_are_the_two_weights_in_two_subsets() -> None:
    names = sorted(re.sub(r"-[\w-]{8}\.woff2$", "", path.name) for path in (assets.DIST / "assets").glob("*.woff2"))
    expected = [f"be-vietnam-pro-{subset}-{weight}-normal" for subset in ("latin", "vietnamese") for weight in (400, 600)]
    assert names == expected


def test_what_a_citizen_loads_leaves_room_for_the_page() -> None:
    sheet = assets.asset("src/base.css")
    assert sheet is not None
    style = len(gzip.compress((assets.DIST / sheet.removeprefix("/static/")).read_bytes()))
    fonts = sum(path.stat().st_size for path in (assets.DIST / "assets").glob("*.woff2"))
    assert style + fonts < 80_000


def test_a_script_entry_brings_the_styles_of_its_chunks() -> None:
    assert len(assets.styles("src/operations.ts")) >= 2
    for entry in ("operations", "wall", "wards", "incidents", "mine"):
        assert assets.styles(f"src/{entry}.ts")[-1].startswith(f"/static/assets/{entry}-"), (
            "its own overrules what it shares"
        )
    assert assets.asset("src/nowhere.ts") is None
