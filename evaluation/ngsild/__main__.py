"""`python -m evaluation.ngsild CHECKOUT`: run the ETSI suite of a checkout against fresh cities and say what passed.

The checkout is only read; nothing of it becomes ours. Prints one JSON object a group (passed, total, why the others failed)
and, with --table, the tables of docs/conformance.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from evaluation.ngsild.groups import GROUPS, WITH_MQTT, GroupResult, read_results
from evaluation.ngsild.judged import judgement
from evaluation.ngsild.suite import contexts_of, opened, prepare_robot


def main(arguments: list[str] | None = None) -> int:
    """Run the groups asked for, one fresh city each. Returns 0 if every test of theirs passed, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.ngsild", description=__doc__)
    parser.add_argument("checkout", type=Path, help="folder of a checkout of the suite")
    parser.add_argument("--group", action="append", choices=list(GROUPS), help="only this group; may be given again")
    parser.add_argument("--test", default="*", help="only tests whose name matches this pattern")
    parser.add_argument("--table", action="store_true", help="print a Markdown table instead of JSON")
    parser.add_argument("--keep", type=Path, help="folder for Robot's own logs; without it they go")
    asked = parser.parse_args(arguments)
    checkout = asked.checkout.resolve()
    robot, contexts = prepare_robot(checkout), contexts_of(checkout)
    results = []
    with tempfile.TemporaryDirectory(prefix="dothi-ngsild-") as scratch:
        logs = asked.keep.resolve() if asked.keep else Path(scratch) / "logs"
        for name in asked.group or GROUPS:
            with opened(Path(scratch) / name.replace(" ", "-"), contexts, brokers=name == WITH_MQTT) as bench:
                output = logs / name.replace(" ", "-")
                bench.run(robot, checkout, GROUPS[name], output, asked.test)
            result = read_results(name, output / "output.xml")
            results.append(result)
            if not asked.table:
                print(json.dumps(result.as_line(), ensure_ascii=False), flush=True)
    if asked.table:
        print(_table(results, _commit(checkout)))
    return 0 if all(not one.failures for one in results) else 1


def _table(results: list[GroupResult], commit: str) -> str:
    rows = [f"| {one.name} | {one.passed} | {one.total} | {one.passed / max(one.total, 1):.1%} |" for one in results]
    table = [f"Suite at commit `{commit}`.", "", "| Group | Passed | Total | Share |", "|---|--:|--:|--:|", *rows]
    failed = [
        f"| {one.name} | {test.split(' ', 1)[0]} | {judgement(test) or f'not looked into yet: {why}'} |"
        for one in results
        for test, why in sorted(one.failures.items())
    ]
    if failed:
        table += ["", "| Group | Does not pass | Why |", "|---|---|---|", *failed]
    return "\n".join(table)


def _commit(checkout: Path) -> str:
    told = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return told.stdout.strip()[:12] or "unknown"


if __name__ == "__main__":
    sys.exit(main())
