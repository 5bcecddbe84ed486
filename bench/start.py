"""How long a newcomer waits: the start of a city that was installed, the pages, and what they weigh."""

import contextlib
import gzip
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench.harness import ROOT, city, free_port, report
from dothi.testing.browser import ARGUMENTS, CHROMIUM, come_in


def weight_kb(browser_page_url: str) -> tuple[float, float]:
    """(kB over the wire, ms until interactive) of a page in Chromium at phone size, cold cache."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 390, "height": 844})
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        sizes: list[float] = []
        session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        page.goto(browser_page_url, wait_until="load")
        page.wait_for_load_state("networkidle")
        interactive = float(page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive"))
        browser.close()
    return sum(sizes) / 1000, interactive


def operations_ms(base: str) -> float:
    """Milliseconds until the operations page's map and list answer somebody who is signed in, at desk size."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        come_in(page, base)
        began = time.perf_counter()
        page.goto(f"{base}/", wait_until="commit")
        page.wait_for_selector("[data-ready]", timeout=30_000, state="attached")
        took = (time.perf_counter() - began) * 1000
        browser.close()
    return took


def cold_run_s() -> float:
    """Seconds from `make run` in an empty clone with an empty home and empty caches until the first page answers."""
    with tempfile.TemporaryDirectory(prefix="dothi-bench-") as folder:
        clone, port = Path(folder) / "dothi", free_port()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        (Path(folder) / "home").mkdir()
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("DOTHI_")},
            "HOME": f"{folder}/home",
            "PIP_NO_CACHE_DIR": "1",
            "DOTHI_PORT": str(port),
            "DOTHI_MQTT_PORT": str(free_port()),
        }
        environment.pop("VIRTUAL_ENV", None)
        npmrc = Path.home() / ".npmrc"
        if npmrc.is_file():
            shutil.copy(npmrc, Path(folder) / "home")
        began = time.perf_counter()
        process = subprocess.Popen(
            ["make", "run"], cwd=clone, env=environment, start_new_session=True, stdout=subprocess.DEVNULL
        )
        try:
            while time.perf_counter() - began < 600 and process.poll() is None:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/air", timeout=5):
                    return time.perf_counter() - began
                time.sleep(0.2)
            raise RuntimeError("make run did not serve a page")
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def main() -> None:
    """Cold and warm start, page weights, time to interactive."""
    report("cold make run to first page", cold_run_s(), "s", target=240, lower_is_better=True)
    began = time.perf_counter()
    with city() as running:
        report("warm start to health", time.perf_counter() - began, "s", target=10, lower_is_better=True)
        base = f"http://127.0.0.1:{running.port}"
        with urllib.request.urlopen(urllib.request.Request(f"{base}/", headers=running.operator)) as answer:
            page = answer.read()
        report("operations page, HTML gzipped", len(gzip.compress(page)) / 1000, "kB", target=100, lower_is_better=True)
        weight, interactive = weight_kb(f"{base}/air")
        report("public page over the wire", weight, "kB", target=100, lower_is_better=True)
        report("public page interactive", interactive, "ms", target=2000, lower_is_better=True)
        report("operations page interactive", operations_ms(base), "ms", target=2000, lower_is_better=True)
