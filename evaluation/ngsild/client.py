"""`python -m evaluation.ngsild.client`: the guide's client, a library somebody else wrote, against a fresh city.

The lines are taken from docs/guides/connect-ngsi-ld.md as they stand there. The library comes from PyPI into a throw-away
environment. Prints one JSON object.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from evaluation.ngsild.suite import opened

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "connect-ngsi-ld.md"


def main() -> int:
    """Run the guide's lines. Returns 0 if they went through."""
    text = GUIDE.read_text(encoding="utf-8")
    lines = re.search(r"<!-- client -->\n```python\n(.*?)```", text, re.DOTALL)
    library = re.search(r"pip install ([a-z]+==[0-9.]+)", text)
    if lines is None or library is None:
        raise ValueError("the guide has no client to try")
    with tempfile.TemporaryDirectory(prefix="dothi-client-") as scratch:
        folder = Path(scratch)
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", library[1]], check=True)
        with opened(folder / "city", {}) as bench:
            home = {"DOTHI_HOME": str(folder / "city" / "home"), "PORT": bench.url.rpartition(":")[2]}
            key = _key({**os.environ, **home})
            done = subprocess.run(
                [python, "-c", lines[1]], env={**os.environ, **home, "KEY": key}, capture_output=True, text=True, check=False
            )
    print(
        json.dumps(
            {"client": library[1], "passed": done.returncode == 0, "error": done.stderr[-500:] if done.returncode else ""}
        )
    )
    return done.returncode


def _key(environment: dict[str, str]) -> str:
    """A key of a system, made as the guide says."""
    dothi = str(Path(sys.executable).parent / "dothi")
    add = [dothi, "account", "add", "canh-bao-ngap", "--name", "Cảnh báo ngập", "--role", "engineer", "--system"]
    subprocess.run(add, env=environment, check=True, capture_output=True)
    issue = [dothi, "keys", "issue", "canh-bao-ngap", "--label", "trying", "--role", "engineer"]
    told = subprocess.run(issue, env=environment, check=True, capture_output=True, text=True).stdout
    return told.split()[0]


if __name__ == "__main__":
    sys.exit(main())
