"""Photos of incidents: drawn anew, kept once, for nobody outside until somebody released them; what anybody may know."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from incidents_world import AUDITOR, EAST, MONDAY, OPERATOR, WEST, World, picture, play
from PIL import Image

from dothi.access.policy import STRANGER, SYSTEM
from dothi.model.problem import Problem
from dothi.platform.incidents import acts
from dothi.platform.incidents.photos import MOST
from dothi.store.files import FolderFiles

pytestmark = pytest.mark.usefixtures("homes")


def test_a_disk_that_takes_no_more_is_said_and_nothing_is_half_kept(tmp_path: Path) -> None:
    full = tmp_path / "files"
    full.write_bytes(b"")  # no folder can be made here, as none can on a full disk
    with pytest.raises(Problem) as caught:
        FolderFiles(full).put(b"one")
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (503, "no-room", 60)

    async def scene(world: World) -> None:
        one = await world.opened()
        kept = world.database.folder / "files"
        kept.rmdir()
        kept.write_bytes(b"")
        with pytest.raises(Problem) as refused:
            await world.incidents.photos.add(OPERATOR, one.code, picture(), "before")
        assert refused.value.code == "no-room"
        assert world.incidents.get(OPERATOR, one.code) == one

    play(tmp_path, scene)


def test_files_are_kept_once_by_what_they_contain_for_the_citys_user_only(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path / "files")
    name = files.put(b"one")
    assert (files.put(b"one"), files.get(name), files.get("0" * 64)) == (name, b"one", None)
    kept = [path for path in (tmp_path / "files").rglob("*") if path.is_file()]
    assert [path.name for path in kept] == [name]
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "files", kept[0])] == ["0o700", "0o600"]
    files.delete(name)
    files.delete(name)
    assert files.get(name) is None
    with pytest.raises(ValueError, match="SHA-256"):
        files.get("../../secret")


def test_what_a_killed_city_left_is_swept_away(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        photo = await world.incidents.photos.add(OPERATOR, (await world.opened()).code, picture(), "before")
        folder = world.database.folder / "files"
        known = {path for path in folder.rglob("*") if path.is_file()}
        of_no_row = FolderFiles(folder).put(b"a picture whose row was never written")
        half = folder / of_no_row[:2] / ".half-written"
        half.write_bytes(b"half of")
        strange = folder / "readme"
        strange.write_bytes(b"of somebody else")
        await world.incidents.photos.sweep()
        assert {path for path in folder.rglob("*") if path.is_file()} == known | {strange}
        assert world.incidents.photos.read(OPERATOR, photo.number).media == "image/jpeg"

    play(tmp_path, scene)


def test_a_half_written_file_is_named_as_what_is_tidied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_descriptor: int) -> None:
        left.extend(path.name for path in tmp_path.rglob("*") if path.is_file())
        FolderFiles(tmp_path / "files").tidy()
        left.extend(path.name for path in tmp_path.rglob("*") if path.is_file())
        raise OSError(5, "killed")

    left = list[str]()
    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(Problem):
        FolderFiles(tmp_path / "files").put(b"one")
    assert len(left) == 1, "it was there while it was written, and tidied away"


def test_a_photo_is_drawn_anew_and_kept_once(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened()
        photos = world.incidents.photos
        first = await photos.add(WEST, one.code, picture(), "before", taken_at=MONDAY - timedelta(minutes=3))
        assert (first.phase, first.width, first.height, first.person) == ("before", 900, 450, "chi")
        assert (first.taken_at, first.released) == (MONDAY - timedelta(minutes=3), False)
        assert await photos.add(WEST, one.code, picture(), "before") == first
        second = await photos.add(OPERATOR, one.code, picture("blue"), "after")
        assert photos.of(AUDITOR, one.code) == [first, second]
        found = world.incidents.get(OPERATOR, one.code)
        assert (found.photos, found.version) == (2, 1)
        full, small = photos.read(WEST, first.number), photos.read(WEST, first.number, "small")
        assert (full.media, full.hash, small.media) == ("image/jpeg", first.hash, "image/jpeg")
        assert Image.open(io.BytesIO(small.body)).size == (480, 240)
        assert b"Nha lam" not in full.body + small.body
        assert [line.act for line in world.incidents.timeline(OPERATOR, one.code)] == ["open", "photo", "photo"]

    play(tmp_path, scene)


def test_who_may_not_see_an_incident_sees_a_photo_only_once_it_is_released(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened()
        photos = world.incidents.photos
        photo = await photos.add(SYSTEM, one.code, picture(), "report", report="PA-1")
        for person in (STRANGER, EAST):
            with pytest.raises(Problem) as hidden:
                photos.read(person, photo.number)
            assert hidden.value.status == 404
        for person, status in ((EAST, 404), (AUDITOR, 403), (STRANGER, 403)):
            with pytest.raises(Problem) as refused:
                await photos.release(person, photo.number)
            assert refused.value.status == status
        assert world.incidents.public(one.code).photos == ()
        world.later(minutes=1)
        released = await photos.release(OPERATOR, photo.number)
        assert (released.released_at, released.released_by) == (MONDAY + timedelta(minutes=1), "an")
        assert photos.read(STRANGER, photo.number).hash == photo.hash
        assert world.incidents.public(one.code).photos == (photo.number,)
        assert not (await photos.withdraw(OPERATOR, photo.number)).released
        with pytest.raises(Problem):
            photos.read(STRANGER, photo.number)
        assert [act for (act,) in world.rows("SELECT action FROM audit ORDER BY seq")][1:] == [
            "incident.photo",
            "incident.release_photo",
            "incident.withdraw_photo",
        ]

    play(tmp_path, scene)


def test_a_removed_photo_is_gone_but_not_from_another_incident(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one, other = await world.opened(), await world.opened()
        photos = world.incidents.photos
        mine = await photos.add(OPERATOR, one.code, picture(), "before")
        same = await photos.add(OPERATOR, other.code, picture(), "before")
        await photos.release(OPERATOR, mine.number)
        await photos.remove(OPERATOR, mine.number)
        with pytest.raises(Problem):
            photos.read(OPERATOR, mine.number)
        assert photos.read(OPERATOR, same.number).hash == mine.hash
        await photos.remove(OPERATOR, same.number)
        folder = world.database.folder / "files"
        assert [path for path in folder.rglob("*") if path.is_file()] == []
        assert world.incidents.get(OPERATOR, one.code).photos == 0
        assert (await photos.add(OPERATOR, one.code, picture(), "after")).number > same.number

    play(tmp_path, scene)


def test_what_is_no_picture_or_one_too_many_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(world: World) -> None:
        one = await world.opened()
        photos = world.incidents.photos
        with pytest.raises(Problem) as wrong:
            await photos.add(OPERATOR, one.code, b"<svg onload=alert(1)>", "before")
        assert wrong.value.status == 415
        monkeypatch.setattr("dothi.platform.incidents.photos.MOST", 1)
        await photos.add(OPERATOR, one.code, picture(), "before")
        with pytest.raises(Problem) as full:
            await photos.add(OPERATOR, one.code, picture("blue"), "before")
        assert full.value.status == 409
        assert len([path for path in (world.database.folder / "files").rglob("*") if path.is_file()]) == 2

    assert MOST > 1
    play(tmp_path, scene)


def test_an_answer_needs_proof_where_its_kind_says_so(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.acts(await world.opened(), acts.Accept(), acts.Start())
        other = await world.opened()
        foreign = await world.incidents.photos.add(OPERATOR, other.code, picture("blue"), "proof")
        for proof in ((), (foreign.number,), (9999,)):
            with pytest.raises(Problem) as refused:
                await world.act(one, acts.Answer("Đã dọn", proof))
            assert refused.value.status == 400
        shown = await world.incidents.photos.add(OPERATOR, one.code, picture(), "after")
        one = await world.act(one, acts.Answer("Đã dọn", (shown.number,)))
        assert (one.state, one.proof) == ("answered", (shown.number,))

    play(tmp_path, scene)


def test_photos_go_where_the_reports_go(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened(links=(("report", "PA-1"), ("report", "PA-2")))
        two = await world.opened(links=(("report", "PA-3"),))
        photos = world.incidents.photos
        for report, colour in (("PA-1", "red"), ("PA-2", "blue")):
            await photos.add(SYSTEM, one.code, picture(colour), "report", report=report)
        await world.act(one, acts.Merge(two.code))
        assert [photo.report for photo in photos.of(OPERATOR, two.code)] == ["PA-1", "PA-2"]
        two = await world.act(world.incidents.get(OPERATOR, two.code), acts.Split("Khác", ("PA-2",)))
        three = next(link.ref for link in world.incidents.links(OPERATOR, two.code) if link.kind == "incident")
        assert [photo.report for photo in photos.of(OPERATOR, two.code)] == ["PA-1"]
        assert [photo.report for photo in photos.of(OPERATOR, three)] == ["PA-2"]

    play(tmp_path, scene)


def test_anybody_may_know_the_steps_the_answer_and_nobodys_name(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("noise", origin="report")
        told = world.incidents.public(one.code)
        assert [step.at for step in told.steps] == [None] * 4
        assert (told.state, told.due_at, told.reason) == ("new", world.incidents.get(OPERATOR, one.code).due_at, "")
        world.later(minutes=10)
        accepted = world.clock.now()
        one = await world.acts(one, acts.Accept())
        world.later(minutes=10)
        one = await world.acts(one, acts.Start(), acts.Comment("bí mật"), acts.Answer("Đã nhắc quán"))
        told = world.incidents.public(one.code)
        started = world.clock.now()
        assert [step.at for step in told.steps] == [accepted, started, started, started]
        assert (told.answer, told.ward, told.agency) == ("Đã nhắc quán", "00001", "water")
        assert "an'" not in repr(told)
        assert "bí mật" not in repr(told)
        one = await world.act(one, acts.Reopen("Vẫn ồn"))
        told = world.incidents.public(one.code)
        assert ([step.at for step in told.steps], told.answer) == ([accepted, None, None, None], "")
        one = await world.act(one, acts.Reject("Quán đã đóng cửa"))
        assert world.incidents.public(one.code).reason == "Quán đã đóng cửa"
        other = await world.opened()
        third = await world.opened()
        await world.act(other, acts.Merge(third.code))
        assert world.incidents.public(other.code).code == third.code
        with pytest.raises(Problem):
            world.incidents.public("SV-0000-0000")

    play(tmp_path, scene)


def test_what_is_given_back_has_its_later_steps_before_it(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        def taken(code: str) -> list[bool]:
            return [step.at is not None for step in world.incidents.public(code).steps]

        one = await world.acts(await world.opened("noise"), acts.Accept(), acts.Assign(ward="00001"), acts.Start())
        assert taken(one.code) == [True, True, True, False]
        one = await world.act(one, acts.Return("Không phải việc của phường"))
        assert taken(one.code) == [True, False, False, False]
        world.later(minutes=5)
        again = world.clock.now()
        one = await world.act(one, acts.Assign(agency="env"))
        assert world.incidents.public(one.code).steps[1].at == again
        one = await world.acts(one, acts.Start(), acts.Answer("Đã nhắc"))
        assert taken(one.code) == [True] * 4
        one = await world.acts(one, acts.Reopen("Lại ồn"), acts.Assign(ward="00001"))
        assert taken(one.code) == [True, True, False, False]

    play(tmp_path, scene)
