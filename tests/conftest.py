"""What all tests share: property tests that are not timed, and a say about what was skipped, which CI does not let pass."""

import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("dothi", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dothi")

# How the skips begin that root on Debian can do without: install what is missing. Whether a container permits a mount is
# not ours to say, so "mount is not permitted" is told and passes.
AVOIDABLE = ("there is no `chromium`", "a file system of its own needs root and mount")


def avoidable(reason: str) -> bool:
    """True of a skip for a reason that would not be there on a CI machine set up as it should be."""
    on_debian = Path("/etc/debian_version").exists() and os.geteuid() == 0
    return os.environ.get("CI") == "true" and on_debian and reason.startswith(AVOIDABLE)


def _reason(report: pytest.TestReport) -> str:
    told = report.longrepr
    return str(told[2] if isinstance(told, tuple) else told).removeprefix("Skipped: ")


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
