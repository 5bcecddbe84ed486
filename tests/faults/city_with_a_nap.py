"""A whole city in a process of its own, with one scheduled run that sleeps: prints where it is and who works, then waits."""

import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from dothi.access.policy import SYSTEM
from dothi.platform.sector import Process
from dothi.testing.city import running_city, wait_until
from dothi.testing.processes import NAP


def hourly_nap(seconds: float) -> Process:
    """A nap each hour by the city's clock."""

    async def gather(_platform: Any, _options: dict[str, Any]) -> Any:
        return {"seconds": seconds}

    return replace(NAP, id="test.hourly-nap", gather=gather, every=timedelta(hours=1))


def main(folder: Path) -> None:
    """Run until killed."""
    with running_city(folder, data=folder / "no-data") as city:
        city.platform.runs.register(hourly_nap(600))
        runs = city.platform.runs

        def naps() -> bool:
            return any(one.progress == 0.5 for one in runs.list(SYSTEM, state="running")[0])

        wait_until(naps, "it naps")
        found = runs.list(SYSTEM, process="test.hourly-nap")[0][0]
        sys.stdout.write(f"napping {found.id} {runs.pool.pids[0]}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
