"""`make bench`: every bench in turn, one JSON object a line. Name some to run only those: python -m bench ingest live.

Each runs in a process of its own: Linux counts what a parent had resident into the peak of its children.
"""

import subprocess
import sys

from bench import (
    access,
    audit,
    exchange,
    homes,
    incidents,
    ingest,
    lake,
    live,
    ngsild,
    past,
    query,
    rules,
    runs,
    sealing,
    start,
)

BENCHES = {
    "access": access.main,
    "audit": audit.main,
    "exchange": exchange.main,
    "incidents": incidents.main,
    "ingest": ingest.main,
    "homes": homes.main,
    "lake": lake.main,
    "sealing": sealing.main,
    "sustained": sealing.sustained,
    "live": live.main,
    "ngsild": ngsild.main,
    "past": past.main,
    "query": query.main,
    "rules": rules.main,
    "runs": runs.main,
    "start": start.main,
}


def main(names: list[str]) -> int:
    """Run the named benches, or all; returns 1 if one failed, 2 for an unknown name."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"There is no bench {unknown[0]!r}; there are {', '.join(BENCHES)}.", file=sys.stderr)
        return 2
    if len(names) == 1:
        BENCHES[names[0]]()
        return 0
    ends = [subprocess.run([sys.executable, "-m", "bench", name]).returncode for name in names or BENCHES]
    return min(1, sum(map(bool, ends)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
