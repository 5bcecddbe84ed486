"""The home folder: one process at a time, a secret that stays, a replay that goes on where it stood."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dothi.access.local_key import LOCAL_KEY, operator_headers
from dothi.access.policy import SYSTEM
from dothi.data.writer import Writer
from dothi.model.clock import Anchor, ReplayClock
from dothi.model.problem import Problem
from dothi.platform.home import keep_present, local_key_of, locked, replay_start, secret_of
from dothi.platform.sector import Period
from dothi.store.audit import Act
from dothi.store.database import migrate, open_database
from dothi.testing.clock import FixedClock


def test_the_local_key_stays_and_is_its_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert operator_headers(home) == {}
    key = local_key_of(home)
    assert key == local_key_of(home)
    assert operator_headers(home) == {"Authorization": f"Bearer {key}"}
    path = home / LOCAL_KEY
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("cut off")
    path.chmod(0o644)
    other = local_key_of(home)
    assert other != key and len(other) == 43
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_home_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    with locked(home):
        assert home.stat().st_mode & 0o077 == 0, "the record is its owner's alone"
        with pytest.raises(Problem, match=r"process \d+\) already runs") as second, locked(home):
            raise AssertionError("unreachable")
        assert second.value.code == "home-in-use"
    with locked(home):
        pass


def test_a_home_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(Problem, match="DOTHI_HOME") as found, locked(blocked / "home"):
        raise AssertionError("unreachable")
    assert found.value.code == "home-not-writable"
    with pytest.raises(Problem, match="DOTHI_HOME"):
        secret_of(blocked / "home")


def test_the_secret_stays_and_is_the_owners_alone(tmp_path: Path) -> None:
    first = secret_of(tmp_path / "home")
    assert len(first) == 32
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0
    assert secret_of(tmp_path / "home") == first
    assert (tmp_path / "home" / "secret").stat().st_mode & 0o077 == 0
    assert secret_of(tmp_path / "other") != first


def test_a_replay_goes_on_where_it_stood(tmp_path: Path) -> None:
    start = datetime(2026, 5, 14, tzinfo=UTC)
    period = Period(start, start + timedelta(days=7), start + timedelta(days=14))
    database = open_database(tmp_path, "hanoi-replay")
    migrate(database)
    assert replay_start(database, period) == (period.present, [])
    writer = Writer(database, locate=lambda *_: None)
    stood = start + timedelta(days=9, hours=3)
    machine = FixedClock(datetime(2030, 1, 1, tzinfo=UTC))

    def clock(moment: datetime, earlier: Sequence[Anchor] = ()) -> ReplayClock:
        return ReplayClock(moment, 60.0, period.end, machine.now, earlier)

    first = clock(stood)
    asyncio.run(keep_present(writer, first))
    assert replay_start(database, period) == (stood, list(first.anchors))
    asyncio.run(keep_present(writer, first, timedelta(seconds=10)))
    assert replay_start(database, period)[0] == stood + timedelta(minutes=10)  # killed: never before what was shown
    committed = stood + timedelta(minutes=11)
    asyncio.run(writer.run(SYSTEM, committed, lambda _: None, [Act("system", "entity.write", "thing", "done")]))
    assert replay_start(database, period)[0] == committed  # the promise could not be kept in time: a commit counts too
    asyncio.run(keep_present(writer, first, timedelta(days=30)))
    assert replay_start(database, period)[0] == period.end
    earlier: Sequence[Anchor] = ()
    for number in range(105):
        machine.advance(timedelta(seconds=1))
        asyncio.run(keep_present(writer, clock(stood + timedelta(minutes=number), earlier)))
        earlier = replay_start(database, period)[1]
    assert len(earlier) == 100
    assert [one.machine for one in earlier] == sorted((one.machine for one in earlier), reverse=True)
    other = Period(start + timedelta(days=30), start + timedelta(days=31), start + timedelta(days=32))
    assert replay_start(database, other) == (other.present, [])  # another recording: what was kept means nothing there
    writer.close()
    database.close()
