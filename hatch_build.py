"""Builds the pages' bundle into the wheel, so that whoever installs Đô Thị needs no Node."""

import importlib.util
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    """Calls scripts/build_ui.py before a wheel is put together; an editable install builds by ``make`` instead."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build unless this is an editable install or DOTHI_SKIP_UI is set."""
        if version == "editable" or os.environ.get("DOTHI_SKIP_UI"):
            return
        script = Path(self.root) / "scripts" / "build_ui.py"
        spec = importlib.util.spec_from_file_location("build_ui", script)
        if spec is None or spec.loader is None:
            raise FileNotFoundError(script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.build()
