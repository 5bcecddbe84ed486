"""A city whose hours are sealed step by step, and an oracle that keeps everything it was told in a list."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from city_world import NOW, PM, TYPE, City, urn

from dothi.access.policy import SYSTEM
from dothi.data.batch import ReadingRow
from dothi.data.compaction import STEPS, Step
from dothi.data.retention import Retention
from dothi.data.sealing import Sealer
from dothi.model.clock import to_micros
from dothi.model.moment import Moment
from dothi.model.reading import Origin
from dothi.model.schema import EntityType
from dothi.model.text import Text
from dothi.testing.clock import FixedClock

SERIES = 3
STATION = EntityType("Station", TYPE, Text("Trạm", "Station"), ())
HOUR = timedelta(hours=1)


@dataclass
class Said:
    """One statement: a value, or None that withdraws."""

    number: int
    at: datetime
    heard: datetime
    value: float | None


@dataclass
class Oracle:
    """Everything that was said, in the order in which it was told first."""

    said: list[Said] = field(default_factory=list)

    def told(self, one: Said) -> None:
        if one not in self.said:
            self.said.append(one)

    def standing(self, number: int, heard_by: datetime | None = None) -> dict[datetime, float]:
        """What stands of a series by moment: of each the value heard last; told later, where two were heard at once."""
        newest: dict[datetime, Said] = {}
        for one in self.said:
            if one.number == number and (heard_by is None or one.heard <= heard_by):
                before = newest.get(one.at)
                if before is None or one.heard >= before.heard:
                    newest[one.at] = one
        return {at: one.value for at, one in newest.items() if one.value is not None}


class SealedCity(City):
    """A city with a clock and a sealer; ``restart`` is what a kill leaves."""

    def __init__(self, home: Path, start: datetime = NOW, oracle: Oracle | None = None) -> None:
        super().__init__(home, SERIES)
        self.clock = FixedClock(start)
        self.oracle = oracle or Oracle()
        self.sealer = self._sealer()

    def restart(self) -> None:
        self.reopen()
        self.sealer = self._sealer()

    def _sealer(self) -> Sealer:
        self.retention = Retention(self.database, self.writer, self.clock, {TYPE: STATION})
        return Sealer(self.database, self.writer, self.clock, self.retention, self._apart)

    async def _apart(self, step: Step, arguments: tuple[int, ...]) -> None:
        STEPS[step](self.database, *arguments)

    def say(self, *said: Said) -> None:
        rows = [
            ReadingRow(
                urn(one.number),
                PM,
                one.at,
                one.value,
                Origin.MEASURED,
                received_at=one.heard,
                withdrawn=one.value is None,
            )
            for one in said
        ]
        self.write(*rows, now=self.clock.now())
        for one in said:
            self.oracle.told(one)

    def check(self, heard_by: datetime | None, start: datetime, end: datetime) -> None:
        """Every question of History answers as the oracle does."""
        numbers = range(SERIES)
        told = {number: self.oracle.standing(number, heard_by) for number in numbers}
        within = {number: {at: value for at, value in told[number].items() if start <= at < end} for number in numbers}
        for number in numbers:
            rows = self.history.series(SYSTEM, urn(number), PM, start, end, heard_by=heard_by)
            assert dict(zip(rows.observed_at, rows.values, strict=True)) == micros(within[number])
            assert rows.observed_at == sorted(set(rows.observed_at)), "each moment once, in order"
            rows = self.history.series(SYSTEM, urn(number), PM, start, end, heard_by=heard_by, limit=3)
            assert rows.observed_at == sorted(micros(within[number]))[-3:] and rows.more == (len(within[number]) > 3)
        found = [frame.select("entity", "observed_at", "number").rows() for frame in self._rows(start, end, heard_by)]
        listed = [row for frame in found for row in frame]
        wanted = {(urn(n), at, value) for n in numbers for at, value in micros(within[n]).items()}
        assert len(listed) == len(wanted) and set(listed) == wanted
        frame = self.history.windows(
            SYSTEM, PM, start, end, every=HOUR, functions=("count", "sum", "last"), type=TYPE, heard_by=heard_by
        ).frame
        assert frame["count"].sum() == len(wanted)
        assert frame["sum"].sum() == sum(value for _, _, value in wanted)
        hours = self.history.hourly(SYSTEM, [urn(n) for n in numbers], PM, start, end, heard_by=heard_by)
        assert {u: len(means) for u, means in hours.items()} == {
            urn(n): len({at.replace(minute=0) for at in within[n]}) for n in numbers if within[n]
        }

    def check_moment(self, moment: Moment) -> None:
        table = self.history.at(SYSTEM, moment, type=TYPE, attributes=(PM,), lookback=timedelta(days=3))
        for number in range(SERIES):
            told = self.oracle.standing(number, moment.heard_by)
            seen = [at for at in told if moment.at - timedelta(days=3) < at <= moment.at]
            assert table.values[PM][number] == (told[max(seen)] if seen else None)

    def check_live(self) -> None:
        for number in range(SERIES):
            told, live = self.oracle.standing(number), self.live(number)
            assert (live.observed_at, live.value) == (max(told), told[max(told)]) if told and live else not told and not live

    def _rows(self, start: datetime, end: datetime, heard_by: datetime | None) -> Any:
        return self.history.rows(SYSTEM, start, end, type=TYPE, heard_by=heard_by)


def micros(told: dict[datetime, float]) -> dict[int, float]:
    return {to_micros(at): value for at, value in told.items()}
