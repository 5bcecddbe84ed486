"""A lake that is of another time than its database, half made, or gone: it says so and answers for nothing else."""

import asyncio
import errno
import shutil
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from city_world import NOW, PM, TYPE, station, urn
from sealing_world import HOUR, SERIES, Said, SealedCity

from dothi.access.policy import SYSTEM
from dothi.cli.doctor import _lake as doctor_of_the_lake
from dothi.data.batch import EntityChange
from dothi.data.compaction import STEPS
from dothi.model.problem import Problem
from dothi.settings import Settings
from dothi.store.backup import backup, restore
from dothi.store.delta import Dictionary, Table

MINUTE = timedelta(minutes=1)
END = NOW + 30 * 24 * HOUR


def sealed(folder: Path) -> SealedCity:
    """A day is in the lake, an hour after it is not."""
    city = SealedCity(folder)
    for number in range(SERIES):
        city.say(*[Said(number, NOW + hour * HOUR, NOW + hour * HOUR, float(hour)) for hour in range(24)])
    city.clock.set(NOW + 24 * HOUR)
    asyncio.run(city.sealer.round())
    recent = NOW + 24 * HOUR
    city.say(Said(0, recent, recent, 99.0))
    return city


def values(city: SealedCity, number: int, start: Any = NOW) -> list[Any]:
    return list(city.history.series(SYSTEM, urn(number), PM, start, END).values)


def named(city: SealedCity, number: int, value: float) -> None:
    city.write(entities=[EntityChange("create", station(number))], now=city.clock.now())
    city.say(Said(number, city.clock.now(), city.clock.now(), value))


def test_what_comes_after_a_restore_gets_no_number_of_the_newer_lake(tmp_path: Path) -> None:
    city = SealedCity(tmp_path)
    city.say(Said(0, NOW, NOW, 1.0))
    copy = city.database.copy(tmp_path / "older.db")
    named(city, 7, 7.0)
    lost = city.writer.index.find(urn(7), PM)
    city.clock.set(NOW + 3 * HOUR)
    asyncio.run(city.sealer.round())
    city.close()
    for path in city.database.folder.glob("city.db*"):
        path.unlink()
    copy.rename(city.database.folder / "city.db")
    city = SealedCity(tmp_path, NOW + 3 * HOUR)
    named(city, 8, 8.0)
    assert city.writer.index.find(urn(8), PM) != lost
    for hours in (2, 30):
        city.clock.set(NOW + hours * HOUR + 3 * HOUR)
        asyncio.run(city.sealer.round())
        assert (values(city, 0), values(city, 8)) == ([1.0], [8.0])
    city.close()


def test_a_number_never_means_two_things(tmp_path: Path) -> None:
    city = sealed(tmp_path)
    lake = city.database.lake
    number = city.writer.index.find(urn(0), PM)
    assert number is not None
    assert lake.describe([(number, urn(0), PM, None, "GQ", "https://example.org/Other")]) == {number: TYPE}
    for entity, attribute, dataset in ((urn(5), PM, None), (urn(0), TYPE, None), (urn(0), PM, "urn:x")):
        with pytest.raises(Problem, match=f"Series {number} is {urn(0)}") as caught:
            lake.describe([(number, entity, attribute, dataset, None, TYPE)])
        assert caught.value.code == "lake-of-another-database"
    city.close()


@pytest.mark.parametrize("name", ["readings/Station", "series"])
def test_a_kill_while_a_table_is_made_leaves_the_lake_as_it_was(tmp_path: Path, name: str) -> None:
    city = SealedCity(tmp_path)
    city.say(Said(0, NOW, NOW, 1.0))
    (city.database.lake.folder / name / "_delta_log").mkdir(parents=True)
    (city.database.lake.folder / "readings" / "Tree" / "_delta_log").mkdir(parents=True)
    city.restart()
    assert values(city, 0) == [1.0]
    assert city.database.lake.tidy() == 0
    city.clock.set(NOW + 3 * HOUR)
    asyncio.run(city.sealer.round())
    assert city.database.lake.types() == [TYPE]
    assert values(city, 0) == [1.0]
    city.close()


@pytest.mark.parametrize(("owner", "method"), [(Table, "make"), (Dictionary, "_write")])
def test_a_kill_between_table_and_dictionary_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    city = SealedCity(tmp_path)
    city.say(Said(0, NOW, NOW, 1.0))
    city.clock.set(NOW + 3 * HOUR)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(owner, method, killed)
        city.sealer._database.lake.describe([(1, urn(0), PM, None, None, TYPE)])
    city.restart()
    assert values(city, 0) == [1.0]
    asyncio.run(city.sealer.round())
    assert values(city, 0) == [1.0]
    assert [one.rows for one in city.database.lake.figures()] == [1]
    city.close()


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("readings/Station", "table of https://example.org/Station is gone|table Station is gone"),
        ("series", "list of series is gone"),
        (".", "list of series is gone"),
    ],
)
@pytest.mark.parametrize("again", [False, True], ids=["running", "restarted"])
def test_what_is_gone_is_said_and_what_is_recent_answers(tmp_path: Path, part: str, words: str, again: bool) -> None:
    city = sealed(tmp_path)
    assert len(values(city, 0)) == 25
    shutil.rmtree(city.database.lake.folder / part)
    if again:
        city.close()
        city = SealedCity(tmp_path, NOW + 24 * HOUR, city.oracle)
    lake = city.database.lake
    asked: list[Callable[[], object]] = [
        lambda: lake.files(TYPE, 0, 2**62) if part == "readings/Station" else lake.types(),
        lambda: list(city.history.rows(SYSTEM, NOW, END, type=TYPE)),
        lambda: list(lake.damages()),
        lake.figures,
    ]
    for ask in asked:
        with pytest.raises(Problem, match=words) as caught:
            ask()
        assert (caught.value.status, caught.value.code) == (503, "lake-damaged")
    now = city.clock.now()
    city.say(Said(0, now + HOUR, now + HOUR, 100.0))
    assert values(city, 0, now) == [99.0, 100.0]
    city.clock.advance(2 * HOUR)
    with pytest.raises(Problem, match=words):  # nothing is sealed into a new lake over the old one
        asyncio.run(city.sealer.round())
    city.close()


def test_backups_of_a_lake_that_is_compacted_and_tidied_meanwhile_come_back_whole(tmp_path: Path) -> None:
    city = sealed(tmp_path / "home")
    days = sorted({file.day for file in city.database.lake.files(TYPE, 0, 2**62)})
    stop, failed = threading.Event(), list[BaseException]()

    def busy() -> None:
        number = 0
        try:
            while not stop.wait(0.05):  # who wants the lock gets a chance
                number += 1
                city.say(Said(0, NOW + HOUR, NOW + 25 * HOUR + number * MINUTE, float(number)))
                for day in days:
                    STEPS["compact"](city.database, day)
                city.database.lake.tidy(timedelta(0))
        except BaseException as error:
            failed.append(error)

    worker = threading.Thread(target=busy)
    worker.start()
    archives = [backup(city.database, tmp_path / f"{number}.tar.gz") for number in range(3)]
    stop.set()
    worker.join()
    city.close()
    assert not failed
    for number, archive in enumerate(archives):
        restore(archive, tmp_path / f"back{number}", "hanoi")
        back = SealedCity(tmp_path / f"back{number}", NOW + 24 * HOUR)
        assert list(back.database.lake.damages()) == []
        frames = list(back.history.rows(SYSTEM, NOW, END, type=TYPE))
        assert sum(len(frame) for frame in frames) == 24 * SERIES + 1
        back.close()


def test_a_backup_onto_another_disk_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    city = sealed(tmp_path / "home")

    def refused(*_: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    archive = backup(city.database, tmp_path / "city.tar.gz")
    city.close()
    restore(archive, tmp_path / "back", "hanoi")
    back = SealedCity(tmp_path / "back", NOW + 24 * HOUR)
    assert len(values(back, 0)) == 25
    back.close()


def test_the_doctor_misses_a_lake_that_is_gone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, data=None)
    assert doctor_of_the_lake(settings).verdict == "ok"
    city = sealed(tmp_path)
    city.close()
    assert "all whole" in doctor_of_the_lake(settings).words
    shutil.rmtree(city.database.lake.folder)
    found = doctor_of_the_lake(settings)
    assert (found.verdict, "list of series is gone" in found.words, "backup" in found.advice) == ("note", True, True)


def test_a_city_without_readings_has_lost_nothing(tmp_path: Path) -> None:
    city = SealedCity(tmp_path, NOW + 24 * HOUR)
    asyncio.run(city.sealer.round())
    city.restart()
    assert (city.database.lake.types(), city.database.lake.figures(), values(city, 0)) == ([], [], [])
    city.close()
