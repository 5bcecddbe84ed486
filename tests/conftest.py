"""What all tests share: both homes of a database, a browser, property tests without a clock, what CI does not let skip."""

import os
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, settings

from folder_world import leave

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pydantic import SecretStr

    from dothi.testing.postgres import Cluster

# CI judges the change and not the dice: property tests draw the same examples there each time, everywhere else new ones.
settings.register_profile("dothi", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dothi"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dothi")

# What a city of a test logs names no local variables, as in a city that runs: to draw those of one fault takes seconds, in
# which the city answers nobody.
_PLAIN = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _PLAIN])

# How the skips begin that root on Debian can do without: install what is missing. Whether a container permits a mount is
# not ours to say, so "mount is not permitted" is told and passes.
AVOIDABLE = (
    "there is no `chromium`",
    "there is no PostgreSQL",
    "there is no oidc-provider",
    "there is no axe-core",
    "a file system of its own needs root and mount",
)


def avoidable(reason: str) -> bool:
    """True of a skip for a reason that would not be there on a CI machine set up as it should be."""
    on_debian = Path("/etc/debian_version").exists() and os.geteuid() == 0
    return os.environ.get("CI") == "true" and on_debian and reason.startswith(AVOIDABLE)


def _reason(report: pytest.TestReport) -> str:
    told = report.longrepr
    return str(told[2] if isinstance(told, tuple) else told).removeprefix("Skipped: ")


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Cluster]":
    """A PostgreSQL server of this worker's own."""
    from dothi.testing.postgres import MISSING, binaries, cluster  # a run without databases need not load them

    if binaries() is None:
        pytest.skip(MISSING)
    with cluster() as server:
        yield server


def _home(request: pytest.FixtureRequest) -> "Iterator[SecretStr | None]":
    from dothi.testing.homes import at

    if request.param == "sqlite":
        with at(None):
            yield None
        return
    server: Cluster = request.getfixturevalue("postgres")
    url = server.migrated()
    with at(url):
        yield url
    server.give_back(url)


HOMES = ["sqlite", "postgresql"]
homes = pytest.fixture(params=HOMES, name="homes")(_home)
"""A test that uses it runs once in each home, on a database of its own; ``dothi.testing.homes.open_city`` leads there."""
homes_of_module = pytest.fixture(params=HOMES, scope="module", name="homes_of_module")(_home)
"""The same for all tests of a module together."""


@pytest.fixture(autouse=True)
def _sqlite_unless_told(request: pytest.FixtureRequest) -> "Iterator[None]":
    """A test that asks for no home has SQLite, also beside tests of its module that share a home."""
    from dothi.testing.homes import at

    if {"homes", "homes_of_module"} & set(request.fixturenames):
        yield
        return
    with at(None):
        yield


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium. Only for a module: while Playwright is there its event loop runs, and asyncio.run refuses to."""
    from playwright.sync_api import expect, sync_playwright  # as above

    from dothi.testing.browser import ARGUMENTS, CHROMIUM
    from dothi.testing.city import PATIENCE

    if CHROMIUM is None:
        pytest.skip("there is no `chromium` here; on Debian: apt-get install chromium")
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """End what the tests of a folder shared when the next one lies elsewhere."""
    leave(nextitem.path if nextitem else None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip that CI could have avoided into a failure."""
    report = yield
    if report.skipped and avoidable(_reason(report)):
        report.longrepr = f"Skipped in CI, where it must run: {_reason(report)}"
        report.outcome = "failed"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was skipped and why."""
    skipped = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    for reason, count in skipped.items():
        terminalreporter.write_line(f"SKIPPED {count}: {reason}")
