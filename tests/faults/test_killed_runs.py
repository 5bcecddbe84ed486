"""kill -9 of the city in the middle of a run: the worker goes too, the run says why, and the schedule asks again."""

import subprocess
import sys
from pathlib import Path

from city_with_a_nap import hourly_nap
from fault_world import is_gone

from dothi.access.policy import SYSTEM
from dothi.testing.city import running_city, wait_until


def test_a_city_that_is_killed_in_the_middle_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "no-data").mkdir()
    script = Path(__file__).with_name("city_with_a_nap.py")
    with (tmp_path / "log").open("wb") as log:
        city = subprocess.Popen([sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert city.stdout is not None
        said = next((line.split() for line in city.stdout if line.startswith("napping")), None)
        assert said is not None, (tmp_path / "log").read_text()[-2000:]
        run_id, worker = said[1], int(said[2])
        assert not is_gone(worker)
    finally:
        city.kill()
        city.wait()
    wait_until(lambda: is_gone(worker), "the worker ends with its city")
    with running_city(tmp_path, data=tmp_path / "no-data") as again:
        runs = again.platform.runs
        runs.register(hourly_nap(0.01))
        cut = runs.get(SYSTEM, run_id)
        assert cut is not None
        assert (cut.state, cut.error) == ("failed", "city-stopped")
        wait_until(lambda: runs.list(SYSTEM, process="test.hourly-nap", state="done")[1] == 1, "it runs again")
