"""What forecasts say of the next hours, for rules that look ahead."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from dothi.data.batch import FloatArray, IntArray
from dothi.platform.rules.features import FeatureKey
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

HOUR = 3_600_000_000
STALE = 24 * HOUR  # a forecast older than this says nothing of today
_AHEAD = (
    "SELECT f.series_id, {figure}(f.value) FROM forecast f WHERE f.process = ? AND f.target_at >= ? AND f.target_at < ? "
    "AND f.hindcast = 0 AND f.issued_at > ? AND f.issued_at = (SELECT max(g.issued_at) FROM forecast g "
    "WHERE g.process = f.process AND g.series_id = f.series_id AND g.issued_at <= ? AND g.hindcast = 0) GROUP BY f.series_id"
)


def foreseen(
    db: Connection, platform: "Platform", key: FeatureKey, known: Iterable[int], now: int
) -> tuple[IntArray, FloatArray]:
    """Entities (numbers) and the highest or lowest value of their newest forecast for the hours that begin from ``now`` on.

    Those of ``known`` that have none any more are among them, with NaN.
    """
    found = dict.fromkeys(known, float("nan"))
    figure = "max" if key.statistic == "max" else "min"
    for id_, (_process, target) in platform.forecasts.processes().items():
        if (target.entity_type, target.attribute) != (key.type, key.attribute):
            continue
        span = (id_, now, now + key.length * HOUR, now - STALE, now)
        rows = db.execute(_AHEAD.format(figure=figure), span).fetchall()
        found.update((platform.writer.index.owner_of(series), value) for series, value in rows)
    return np.array(list(found), np.int64), np.array(list(found.values()), np.float64)
