"""`make bench`: every bench in turn, one JSON object a line. Name some to run only those: python -m bench ingest live."""

import sys

from bench import exchange, homes, ingest, lake, live, past, query, runs, sealing, start

BENCHES = {
    "exchange": exchange.main,
    "ingest": ingest.main,
    "homes": homes.main,
    "lake": lake.main,
    "sealing": sealing.main,
    "sustained": sealing.sustained,
    "live": live.main,
    "past": past.main,
    "query": query.main,
    "runs": runs.main,
    "start": start.main,
}


def main(names: list[str]) -> int:
    """Run the named benches, or all. An unknown name is refused."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"There is no bench {unknown[0]!r}; there are {', '.join(BENCHES)}.", file=sys.stderr)
        return 2
    for name in names or BENCHES:
        BENCHES[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
