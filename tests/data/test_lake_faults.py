"""Everything that can break a lake: kills between any two steps, damaged and missing files, a full disk, many readers."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from city_world import NOW, PM, TYPE, urn
from sealing_world import HOUR, Said, SealedCity

from dothi.access.policy import SYSTEM
from dothi.cli.doctor import examine
from dothi.data.trail import DAY
from dothi.data.writer import Writer
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.settings import Settings
from dothi.store.backup import backup, restore
from dothi.store.lake import Lake

DAYS = 6
TARGETS: dict[str, tuple[type, str]] = {
    "mark": (Writer, "mark"),
    "run": (Writer, "run"),
    "describe": (Lake, "describe"),
    "write": (Lake, "write"),
    "append": (Lake, "append"),
    "replace": (Lake, "replace"),
    "tidy": (Lake, "tidy"),
}


class Killed(BaseException):
    """The process is no more."""


def told(city: SealedCity, days: int = DAYS) -> None:
    """Readings every four hours, corrections and withdrawals, some told late."""
    for number in range(3):
        city.say(*[Said(number, at, at, number + hour / 8) for hour in range(0, days * 24, 4) for at in [NOW + hour * HOUR]])
    city.say(*[Said(0, NOW + hour * HOUR, NOW + (hour + 2) * HOUR, hour + 0.5) for hour in range(0, days * 24, 20)])
    city.say(Said(1, NOW + 8 * HOUR, NOW + 30 * HOUR, None))


def late(city: SealedCity) -> None:
    now = city.clock.now()
    city.say(Said(2, NOW + HOUR, now, -1.0), Said(0, NOW + 4 * HOUR, now, -2.0), Said(1, NOW + 50 * HOUR, now, -3.0))


def whole(city: SealedCity) -> None:
    """Everything there, once, and nothing left to do."""
    city.sealer._rested.clear()
    asyncio.run(city.sealer.round())
    city.check(None, NOW - HOUR, NOW + 20 * 24 * HOUR)
    city.check(NOW + 40 * HOUR, NOW - HOUR, NOW + 20 * 24 * HOUR)
    city.check_live()
    with city.database.reader() as db:
        assert db.execute("SELECT (SELECT count(*) FROM dirty_day), (SELECT count(*) FROM unsealed)").fetchone() == (0, 0)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", TARGETS)
def test_a_kill_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, after: bool
) -> None:
    city = SealedCity(tmp_path, NOW + DAYS * 24 * HOUR)
    told(city)
    asyncio.run(city.retention.change(SYSTEM, TYPE, 10))
    with killing(monkeypatch, name, after) as kill_at:
        for call in (1, 2, 4):
            kill_at(call)
            with suppress(Killed):
                asyncio.run(city.sealer.round())
            city.restart()
            city.check(None, NOW - HOUR, NOW + 20 * 24 * HOUR)
            late(city)
            city.clock.advance(timedelta(hours=7))
    whole(city)
    city.clock.advance(timedelta(days=12))
    now = city.clock.now()
    city.say(*[Said(number, now, now, 1_000.0 + number) for number in range(3)])
    with killing(monkeypatch, name, after) as kill_at:
        for call in (1, 2):
            kill_at(call)
            with suppress(Killed):
                asyncio.run(city.sealer.round())
            city.restart()
    asyncio.run(city.sealer.round())
    border = (city.clock.now() - timedelta(days=10)).replace(hour=0)
    city.oracle.said = [one for one in city.oracle.said if one.at >= border]
    whole(city)
    city.close()


@contextmanager
def killing(monkeypatch: pytest.MonkeyPatch, name: str, after: bool) -> Iterator[Callable[[int], None]]:
    """Kill at some call of ``name``, before it does anything or after it has; what is yielded says at which."""
    owner, method = TARGETS[name]
    real: Callable[..., Any] = getattr(owner, method)
    left = 0

    def kill_at(call: int) -> None:
        nonlocal left
        left = call

    def due() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    def broken(*args: Any, **kwargs: Any) -> Any:
        kill = due()
        result = None if kill and not after else real(*args, **kwargs)
        if kill:
            raise Killed
        return result

    async def broken_async(*args: Any, **kwargs: Any) -> Any:
        kill = due()
        result = None if kill and not after else await real(*args, **kwargs)
        if kill:
            raise Killed
        return result

    with monkeypatch.context() as patched:
        patched.setattr(owner, method, broken_async if asyncio.iscoroutinefunction(real) else broken)
        yield kill_at


CHILD = """
import asyncio, sys
from datetime import datetime
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from sealing_world import SealedCity
city = SealedCity(Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))
print("ready", flush=True)
asyncio.run(city.sealer.round())
print("done", flush=True)
city.close()
"""


def test_a_process_that_is_killed_at_it_goes_on_where_it_was(tmp_path: Path) -> None:
    now = NOW + DAYS * 24 * HOUR
    city = SealedCity(tmp_path, now)
    told(city)
    late(city)
    city.close()
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(tmp_path), now.isoformat()]
    for wait in (0.02, 0.15, 0.4):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None and child.stdout.readline() == b"ready\n"
            threading.Timer(wait, child.send_signal, (signal.SIGKILL,)).start()
            child.stdout.read()
    city = SealedCity(tmp_path, now, city.oracle)
    city.check(None, NOW - HOUR, NOW + 20 * 24 * HOUR)
    whole(city)
    assert city.database.lake.tidy(timedelta(0)) >= 0
    files = {file.path for file in city.database.lake.files(TYPE, 0, 2**62)}
    assert set((city.database.lake.folder / "readings").rglob("part-*.parquet")) == files, "nothing half made is left"
    city.close()


@pytest.fixture
def sealed(tmp_path: Path) -> SealedCity:
    city = SealedCity(tmp_path, NOW + 9 * 24 * HOUR)
    told(city)
    asyncio.run(city.sealer.round())
    return city


def hurt(city: SealedCity, how: str) -> tuple[Path, int]:
    """Damage one file of the second day."""
    day = to_micros(NOW) // DAY + 1
    [file] = [one for one in city.database.lake.files(TYPE, 0, 2**62) if one.day == day]
    if how == "changed":
        content = bytearray(file.path.read_bytes())
        content[len(content) // 2] ^= 1
        file.path.write_bytes(content)
    elif how == "cut short":
        file.path.write_bytes(file.path.read_bytes()[:-100])
    elif how == "gone":
        file.path.unlink()
    else:
        file.path.unlink()
        file.path.parent.rmdir()
    return file.path, day


@pytest.mark.parametrize("how", ["changed", "cut short", "gone", "without its partition"])
def test_a_damaged_file_is_named_and_other_days_answer(sealed: SealedCity, tmp_path: Path, how: str) -> None:
    city = sealed
    city.check(None, NOW - HOUR, NOW + 20 * 24 * HOUR)
    path, day = hurt(city, how)
    start, end = NOW.replace(hour=0) + 24 * HOUR, NOW.replace(hour=0) + 48 * HOUR
    questions: tuple[Callable[[], Any], ...] = (
        lambda: city.history.series(SYSTEM, urn(0), PM, start, end),
        lambda: city.history.hourly(SYSTEM, [urn(0)], PM, start, end),
        lambda: list(city.history.rows(SYSTEM, start, end)),
        lambda: city.history.windows(SYSTEM, PM, start, end, every=HOUR, functions=("mean",)),
    )
    for ask in questions:
        with pytest.raises(Problem) as refused:
            ask()
        assert (refused.value.status, refused.value.code) == (503, "lake-damaged")
        assert path.name in refused.value.title and f"{start:%d/%m/%Y}" in refused.value.title
        assert "backup" in refused.value.detail
    city.check(None, end, NOW + 20 * 24 * HOUR)
    city.check(None, NOW - HOUR, start)
    assert [(one.file, one.day) for one in city.database.lake.damages()] == [(path, start.date())]
    found = next(one for one in examine(Settings(home=tmp_path, data=None, port=0, mqtt_port=0)) if one.name == "lake")
    assert path.name in found.words and "backup" in found.advice
    # The city goes on: it hears, and seals what can be sealed.
    now = city.clock.now()
    city.say(Said(0, now, now, 1.0), Said(0, start + HOUR, now, 2.0), Said(1, NOW + HOUR, now, 3.0))
    city.clock.advance(timedelta(days=1))
    city.sealer._rested.clear()
    with pytest.raises(Problem, match=path.name):
        asyncio.run(city.sealer.round())
    city.check(None, end, NOW + 20 * 24 * HOUR)
    city.check(None, NOW - HOUR, start)
    with city.database.reader() as db:
        assert db.execute("SELECT day FROM dirty_day").fetchall() == [(day,)]
    city.close()


def test_fifty_readers_see_the_right_answer_while_days_are_compacted(sealed: SealedCity) -> None:
    city = sealed
    stop, seen, failed = threading.Event(), [0], list[BaseException]()

    def read(number: int) -> None:
        try:
            while not stop.is_set():
                rows = city.history.windows(
                    SYSTEM, PM, NOW - HOUR, NOW + 60 * HOUR, every=timedelta(days=1), functions=("count",), by="city"
                )
                assert rows.frame["count"].sum() == wanted, number
                seen[0] += 1
        except BaseException as error:
            failed.append(error)

    late(city)
    within = [len([at for at in city.oracle.standing(n) if at < NOW + 60 * HOUR]) for n in range(3)]
    wanted = sum(within)
    threads = [threading.Thread(target=read, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        city.sealer._rested.clear()
        with city.database.reader() as db:
            days = [day for (day,) in db.execute("SELECT day FROM dirty_day")]
        for day in {*days, to_micros(NOW) // DAY}:
            asyncio.run(city.sealer.compact(day))
        before = seen[0]
        while seen[0] < before + 50 and not failed:
            stop.wait(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]
    city.close()


def test_a_full_disk_stops_sealing_alone_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    city = SealedCity(tmp_path, NOW + DAYS * 24 * HOUR)
    told(city)
    real, room = Lake.write, 2

    def write(*args: Any) -> Any:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args)

    monkeypatch.setattr(Lake, "write", write)
    for _ in range(2):
        room = 2
        with pytest.raises(OSError, match="No space left"):
            asyncio.run(city.sealer.round())
        left = list((city.database.lake.folder / "readings").rglob("part-*.parquet"))
        assert not left, "an attempt leaves nothing that fills the disk"
        late(city)
        city.check(None, NOW - HOUR, NOW + 20 * 24 * HOUR)
        city.check_live()
    monkeypatch.undo()
    whole(city)
    city.close()


def test_a_restore_onto_another_machine_answers_the_same(sealed: SealedCity, tmp_path: Path) -> None:
    city = sealed
    late(city)
    archive = backup(city.database, tmp_path / "city.tar.gz")
    now, oracle = city.clock.now(), city.oracle
    city.close()
    restore(archive, tmp_path / "elsewhere", "hanoi")
    other = SealedCity(tmp_path / "elsewhere", now, oracle)
    other.check(None, NOW - HOUR, NOW + 20 * 24 * HOUR)
    other.clock.advance(timedelta(days=2))
    whole(other)
    other.close()
