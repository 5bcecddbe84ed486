"""Sealing, compaction and leaving the recent table, broken off anywhere and in any order: nothing lost, nothing twice."""

import asyncio
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from city_world import NOW, PM, TYPE, row, urn
from hypothesis import given, settings
from hypothesis import strategies as st
from sealing_world import HOUR, Said, SealedCity

from dothi.access.policy import SYSTEM
from dothi.data.trail import DAY
from dothi.model.clock import to_micros
from dothi.model.moment import Moment
from dothi.model.reading import Grade, Reason
from dothi.testing.homes import clear_city

MINUTES = timedelta(minutes=1)
STEPS = (
    "say",
    "say",
    "say",
    "again",
    "pass",
    "begin",
    "append",
    "seal",
    "compact",
    "clear",
    "move",
    "release",
    "round",
    "kill",
)


async def work(city: SealedCity, step: str) -> None:
    """One step of sealing, or a few."""
    sealer = city.sealer
    if step == "round":
        sealer._rested.clear()
        await sealer.round()
    elif step in ("begin", "append", "seal"):
        stretch = sealer.next_stretch()
        if stretch is not None:
            await sealer.begin(stretch)
            if step != "begin":
                await sealer.append(stretch)
            if step == "seal":
                await sealer.conclude(stretch)
    elif step in ("compact", "clear"):
        sealer._rested.clear()
        for day, mark in sealer.due()[:1]:
            await sealer.compact(day)
            if step == "clear":
                assert await sealer.clear(day, mark)
    elif step == "move":
        await sealer.move_on()
    elif step == "release":
        await sealer.release()


@pytest.mark.usefixtures("homes_of_module")
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_history_answers_like_a_list_of_everything_said(data: st.DataObject) -> None:
    clear_city()
    with tempfile.TemporaryDirectory() as folder, closing(SealedCity(Path(folder), NOW)) as city:
        draw, value = data.draw, 0.0
        for step in draw(st.lists(st.sampled_from(STEPS), min_size=5, max_size=40)):
            now = city.clock.now()
            if step == "say":
                said = []
                for _ in range(draw(st.integers(1, 6))):
                    ago = draw(st.sampled_from((0, 0, 0, 1, 2, 3, 26, 50, 100, 101, 130)))
                    at = (now - ago * HOUR).replace(minute=draw(st.integers(0, 3)))
                    number, value = draw(st.integers(0, 2)), value + 1
                    known = [one for one in city.oracle.said if one.number == number and one.at == at]
                    gone = bool(known) and not any(one.value is None for one in known) and draw(st.booleans())
                    heard = now - draw(st.sampled_from((0, 0, 0, 1, 60))) * HOUR
                    one = Said(number, at, heard, None if gone else value)
                    if not any((old.number, old.at) == (number, at) for old in said):
                        said.append(one)
                city.say(*said)
            elif step == "again" and city.oracle.said:
                city.say(draw(st.sampled_from(city.oracle.said)))
            elif step == "pass":
                city.clock.advance(draw(st.sampled_from((HOUR, 5 * HOUR, 30 * HOUR, 80 * HOUR))))
            elif step == "kill":
                city.restart()
            else:
                asyncio.run(work(city, step))
        city.check_live()
        city.check(None, NOW - 400 * HOUR, NOW + 4_000 * HOUR)
        moments = sorted({one.at for one in city.oracle.said} | {one.heard for one in city.oracle.said} | {NOW})
        heard, first, last = (draw(st.sampled_from(moments)) for _ in range(3))
        city.check(heard, min(first, last), max(first, last) + MINUTES)
        for known in ("now", "then"):
            city.check_moment(Moment(last, known))


def sealed_city(folder: Path, days: int = 8) -> SealedCity:
    """Readings every six hours of all series, sealed, compacted, and only the last three days still in the recent table."""
    city = SealedCity(folder, NOW + days * 24 * HOUR)
    hours = range(0, days * 24, 6)
    city.say(
        *[Said(number, NOW + hour * HOUR, NOW + hour * HOUR, hour + number / 8) for number in range(3) for hour in hours]
    )
    asyncio.run(city.sealer.round())
    return city


@pytest.mark.usefixtures("homes")
def test_a_round_leaves_days_of_one_file_and_a_short_recent_table(tmp_path: Path) -> None:
    city = sealed_city(tmp_path)
    files = city.database.lake.files(TYPE, 0, 2**62)
    whole = [file for file in files if (file.day + 1) * DAY <= to_micros(city.clock.now())]
    assert len(whole) == len({file.day for file in whole}) == 8
    with city.database.reader() as db:
        assert db.execute("SELECT count(*) FROM dirty_day").fetchone() == (0,)
        oldest = db.execute("SELECT min(observed_at) FROM reading").fetchone()[0]
        assert oldest >= to_micros(city.clock.now()) - 4 * DAY
        assert db.execute("SELECT min(day) FROM anchor").fetchone()[0] == oldest // DAY
    city.check(None, NOW - HOUR, city.clock.now() + HOUR)
    city.check_live()
    figures = city.database.lake.figures()
    assert [(one.type, one.rows, one.days) for one in figures] == [(TYPE, 3 * 8 * 4, 8)]
    assert list(city.database.lake.damages()) == []
    city.close()


@pytest.mark.usefixtures("homes")
def test_what_live_still_shows_is_corrected_and_withdrawn_though_its_row_has_left(tmp_path: Path) -> None:
    city = SealedCity(tmp_path)
    city.say(Said(0, NOW, NOW, 1.0), Said(0, NOW + HOUR, NOW + HOUR, 2.0), Said(1, NOW, NOW, 5.0))
    city.clock.advance(timedelta(days=9))
    asyncio.run(city.sealer.round())
    with city.database.reader() as db:
        assert db.execute("SELECT count(*) FROM reading").fetchone() == (0,)
    later = city.clock.now()
    city.say(Said(0, NOW + HOUR, NOW, 9.0))
    city.check_live()  # heard before what is shown: it is history only
    city.say(Said(0, NOW + HOUR, later, 3.0), Said(1, NOW, later, 6.0))
    city.check_live()
    city.say(Said(0, NOW + HOUR, later + HOUR, None))
    city.check_live()  # the one before it is in the lake alone
    assert city.live(0) is not None
    city.say(Said(0, NOW, later + HOUR, None))
    assert city.live(0) is None
    city.say(Said(0, NOW + HOUR, later, 3.0))
    assert city.live(0) is None, "what was withdrawn does not come back with a message told again"
    asyncio.run(city.sealer.round())
    city.check(None, NOW - HOUR, later)
    city.check(NOW + HOUR, NOW - HOUR, later)
    city.close()


@pytest.mark.usefixtures("homes")
def test_a_row_that_comes_while_its_day_leaves_stays_until_it_is_in_the_lake(tmp_path: Path) -> None:
    city = sealed_city(tmp_path)
    city.clock.advance(timedelta(days=2))

    async def leave() -> None:
        await city.sealer.move_on()
        city.say(Said(0, NOW + 5 * 24 * HOUR + MINUTES, city.clock.now(), 77.0))
        await city.sealer.release()

    asyncio.run(leave())
    city.check(None, NOW - HOUR, city.clock.now())
    asyncio.run(work(city, "round"))
    city.check(None, NOW - HOUR, city.clock.now())
    with city.database.reader() as db:
        assert db.execute("SELECT count(*) FROM unsealed").fetchone() == (0,)
    city.close()


def test_a_clock_that_steps_back_unseals_nothing(tmp_path: Path) -> None:
    city = sealed_city(tmp_path)
    city.clock.advance(timedelta(days=-4))
    now = city.clock.now()
    city.say(Said(0, now, now, 500.0), Said(1, now - HOUR, now, 501.0))
    asyncio.run(work(city, "round"))
    city.check(None, NOW - HOUR, NOW + 10 * 24 * HOUR)
    city.clock.advance(timedelta(days=5))
    asyncio.run(work(city, "round"))
    city.check(None, NOW - HOUR, NOW + 10 * 24 * HOUR)
    city.close()


def test_a_database_older_than_its_lake_doubles_nothing(tmp_path: Path) -> None:
    """As after a restore: the database is of one moment, the lake's files are of a little later."""
    city = SealedCity(tmp_path)
    city.say(*[Said(0, NOW + minute * MINUTES, NOW + minute * MINUTES, float(minute)) for minute in range(0, 300, 7)])
    city.clock.set(NOW + 3 * HOUR)
    asyncio.run(city.sealer.round())
    copy = city.database.copy(tmp_path / "older.db")
    city.clock.set(NOW + 7 * HOUR)
    asyncio.run(city.sealer.round())
    city.close()
    for path in city.database.folder.glob("city.db*"):
        path.unlink()
    copy.rename(city.database.folder / "city.db")
    city = SealedCity(tmp_path, NOW + 7 * HOUR, city.oracle)
    city.say(Said(0, NOW + 200 * MINUTES, NOW + 7 * HOUR, 1_000.0))
    for days in (0, 1, 6):
        city.clock.advance(timedelta(days=days))
        asyncio.run(work(city, "round"))
        city.check(None, NOW - HOUR, NOW + 10 * HOUR)
    city.close()


@pytest.mark.usefixtures("homes")
def test_rows_from_a_clock_that_runs_ahead_wait_for_their_hour(tmp_path: Path) -> None:
    city = sealed_city(tmp_path)
    now = city.clock.now()
    city.write(row(0, (now + 20 * HOUR - NOW) / MINUTES, 1.0, reasons=Reason.FUTURE, grade=Grade.BAD))
    asyncio.run(work(city, "round"))
    newest = max(file.last for file in city.database.lake.files(TYPE, 0, 2**62))
    assert newest < to_micros(now)
    city.clock.advance(timedelta(days=6))
    asyncio.run(work(city, "round"))
    assert len(city.history.series(SYSTEM, urn(0), PM, now + 19 * HOUR, now + 21 * HOUR)) == 1
    city.close()
