"""What was ended stays ended: after a kill between two steps, and after an older backup is put back."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from personal_world import AUDITOR, NOW, STEWARD, WHY, WORDS, World

from dothi.access.personal import reading
from dothi.access.personal.keys import FILE
from dothi.access.personal.service import Personal
from dothi.model.problem import Problem
from dothi.store.backup import backup, restore


class Killed(BaseException):
    """Stands for the machine going away."""


@pytest.mark.parametrize("at", ["before", "keys", "database"])
def test_an_erasure_cut_short_is_finished_by_the_next_sweep(
    tmp_path: Path, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    subject = world.agreed()
    token = world.phone(subject).token
    run, count = world.writer.run, 0

    async def dies(*given: object, **more: object) -> object:
        nonlocal count
        count += 1
        if count == 2 and at == "database":
            raise Killed
        return await run(*given, **more)  # type: ignore[arg-type]  # passed on as it came

    def no_keys(*_: object) -> None:
        raise Killed

    if at == "before":
        monkeypatch.setattr(world.personal, "_forget", no_keys)
    elif at == "keys":
        monkeypatch.setattr(world.personal.keys, "erase", no_keys)
    else:
        monkeypatch.setattr(world.writer, "run", dies)
    with pytest.raises(Killed):
        world.do(world.personal.erase(STEWARD, subject, WHY))
    monkeypatch.undo()
    world.writer.close()
    world.open()
    assert world.do(world.personal.subject(AUDITOR, subject)).state == "erasing"
    world.do(world.personal.sweep())
    assert world.do(world.personal.subject(AUDITOR, subject)).state == "erased"
    with pytest.raises(Problem, match="no longer be read"):
        world.do(world.personal.open(STEWARD, token, WHY))
    with pytest.raises(Problem, match="no longer be read"):
        world.do(world.personal.consent(STEWARD, subject, "reply", WORDS))
    world.close()


def test_a_clock_set_years_ahead_destroys_nothing_for_a_day(tmp_path: Path) -> None:
    world, seconds = World(tmp_path), [1_000.0]
    try:
        personal = Personal(world.database, world.writer, world.clock, tmp_path, lambda: seconds[0])
        assert world.do(personal.believes()), "the first look knows of none before"
        kept = world.phone(world.agreed())
        world.clock.set(NOW + timedelta(days=3_650))
        assert not world.do(personal.believes())
        world.do(personal.sweep(expire=False))
        seconds[0] += 3_600
        assert not world.do(personal.believes())
        world.clock.set(NOW + timedelta(hours=1))
        assert world.do(personal.believes()), "the clock was put right"
        assert kept.record in personal.keys.find([kept.record])
        world.clock.set(NOW + timedelta(days=40))
        assert not world.do(personal.believes()), "a city that stood still waits a day"
        seconds[0] += 86_400
        assert world.do(personal.believes())
        world.do(personal.sweep())
        assert personal.keys.find([kept.record]) == {}
        personal.keys.close()
    finally:
        world.close()


def test_what_people_wrote_about_the_erased_is_emptied(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        subject = world.do(world.personal.enrol(STEWARD))
        told = "Ông Nguyễn Văn Bình đồng ý để thành phố gọi lại."
        world.do(world.personal.consent(STEWARD, subject, "reply", told))
        world.phone(subject)
        world.do(world.personal.look(STEWARD, subject, "Gọi ông Bình hỏi địa điểm"))
        world.do(world.personal.erase(STEWARD, subject, WHY))
        with world.database.reader() as db:
            tables = ("personal_subject", "personal_record", "personal_consent", "personal_look", "personal_request")
            rows = [db.execute(f"SELECT * FROM {name}").fetchall() for name in tables]  # noqa: S608 - ours
        assert subject in str(rows) and "Bình" not in str(rows)
    finally:
        world.close()


def test_a_withdrawal_cut_short_is_finished_by_the_next_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    subject = world.agreed()
    sealed = world.phone(subject)

    def no_keys(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(world.personal.keys, "destroy", no_keys)
    with pytest.raises(Killed):
        world.do(world.personal.withdraw(STEWARD, subject, "reply"))
    monkeypatch.undo()
    assert world.do(world.personal.look(STEWARD, subject, WHY)) == []
    world.do(world.personal.sweep())
    assert world.personal.keys.find([sealed.record]) == {}
    world.close()


def test_an_older_backup_brings_back_neither_the_erased_nor_what_was_withdrawn(tmp_path: Path) -> None:
    home = tmp_path / "home"
    world = World(home)
    erased, withdrawn, kept = world.agreed("p-citizen"), world.agreed(), world.agreed()
    tokens = {
        subject: world.phone(subject, f"0900 00{number}").token for number, subject in enumerate((erased, withdrawn, kept))
    }
    archive = backup(world.database, tmp_path / "before.tar.gz")
    world.do(world.personal.erase(STEWARD, erased, WHY))
    world.do(world.personal.withdraw(STEWARD, withdrawn, "reply"))
    world.close()
    restore(archive, home, "hanoi", overwrite=True)
    assert (home / FILE).is_file(), "the keys are not the tenant's: a restore leaves them alone"
    world = _reopened(home)
    assert world.do(world.personal.subject(AUDITOR, erased)).state == "active", "as the backup knows it"
    for subject in (erased, withdrawn):
        with pytest.raises(Problem, match="no longer be read"):
            world.do(world.personal.open(STEWARD, tokens[subject], WHY))
        assert [one.readable for one in world.do(world.personal.look(STEWARD, subject, WHY))] == [False]
    world.do(world.personal.sweep())
    again = world.do(world.personal.subject(AUDITOR, erased))
    assert (again.state, again.account, again.records) == ("erased", None, 0)
    (consent,) = world.do(world.personal.read(lambda db: reading.consents(db, withdrawn)))
    assert consent.withdrawn_at is not None
    with pytest.raises(Problem, match="has not agreed"):
        world.phone(withdrawn)
    assert world.do(world.personal.open(STEWARD, tokens[kept], WHY)) == "0900 002"
    world.close()


def _reopened(home: Path) -> World:
    return World(home)


def test_two_seal_and_erase_at_once_leave_nothing_readable(tmp_path: Path) -> None:
    world = World(tmp_path)
    subject = world.agreed()

    async def race() -> list[object]:
        sealing = [world.personal.seal(STEWARD, subject, "reply", "phone", str(number)) for number in range(8)]
        return list(await asyncio.gather(*sealing, world.personal.erase(STEWARD, subject, WHY), return_exceptions=True))

    done = asyncio.run(race())
    assert all(not isinstance(one, BaseException) or (isinstance(one, Problem) and one.status == 410) for one in done)
    world.do(world.personal.sweep())
    with world.database.reader() as db:
        records = [row[0] for row in db.execute("SELECT id FROM personal_record")]
        assert db.execute("SELECT count(*) FROM personal_record WHERE token IS NOT NULL").fetchone()[0] == 0
    assert world.personal.keys.find(records) == {}
    world.close()
