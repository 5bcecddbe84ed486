"""``dothi run`` as a process: it says where it is, survives a kill, and stops when told."""

import resource
import subprocess
import sys
from pathlib import Path

import httpx

from dothi.testing.city import start_city_process, wait_until

FIRST = "/sign-in/link?token="


def test_it_says_what_it_runs_survives_a_kill_and_stops_though_a_browser_listens(tmp_path: Path) -> None:
    with start_city_process(tmp_path) as city:
        said = city.log.read_text(encoding="utf-8")
        assert f"Hà Nội: {city.base_url}" in said
        assert "simulated data, approximate boundaries" in said
        wait_until(lambda: FIRST in city.log.read_text(encoding="utf-8"), "the first administrator's link is printed")
        told = {"id": "survivor", "type": "AirQualityObserved"}
        asked = {"headers": city.operator, "trust_env": False, "timeout": 60}
        assert httpx.post(f"{city.base_url}/api/v1/devices", json=told, **asked).status_code == 201
        city.kill()
        city.restart()
        assert httpx.get(f"{city.base_url}/api/v1/devices/survivor", **asked).status_code == 200
        with httpx.stream("GET", f"{city.base_url}/live", **asked) as stream:
            assert stream.status_code == 200
            assert next(stream.iter_lines()).startswith("retry:")
            assert city.terminate() == 0
        assert not (city.home / "address").exists()
        said = city.log.read_text(encoding="utf-8")
        assert "Traceback" not in said
        assert said.count(FIRST) == 1, "once, not at every start"


def test_a_city_takes_as_many_connections_as_the_system_lets_it() -> None:
    asked = """
import resource
from dothi.cli.run import _allow_connections
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
_allow_connections()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True)
    soft, hard = map(int, told.stdout.split())
    assert soft == (min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536)
