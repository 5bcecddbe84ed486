"""A large morning: 1,000 open incidents, 200 browsers, 50 reports a second; nothing may be lost, pages stay quick."""

import json
import urllib.request

from bench.harness import RunningCity, city, generator, report
from bench.load_incidents import PROXY

OPEN, STREAMS = 1_000, 200
REPORTS, PAGES = 50, 20  # a second
SECONDS = 20
KINDS = ("report-traffic", "report-environment", "report-order")


def main() -> None:
    """Every figure of incidents."""
    with city(DOTHI_TRUSTED_PROXY=PROXY) as running:
        _fill(running)
        told = generator("bench.load_incidents", running.port, running.home, SECONDS, REPORTS, PAGES, STREAMS)
        sent = told.pop("sent")
        for name, times in told.items():
            what = "a report is taken" if name == "report" else f"the page of {name}"
            report(f"{what}, p95, under load", times["p95"], "ms", target=300, lower_is_better=True)
        report("reports not kept", sent["reports"] - sent["taken"], "reports", target=0, lower_is_better=True)
        report("browsers that missed an incident", sent["deaf"], "browsers", target=0, lower_is_better=True)


def _fill(running: RunningCity) -> None:
    """The incidents that are open before it begins."""
    for number in range(OPEN):
        told = {
            "kind": KINDS[number % len(KINDS)],
            "title": f"Việc số {number}",
            "longitude": 105.70 + 0.25 * (number % 40) / 40,
            "latitude": 20.95 + 0.12 * (number // 40) / 25,
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{running.port}/api/v1/incidents",
            json.dumps(told).encode(),
            running.operator | {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()


if __name__ == "__main__":
    main()
