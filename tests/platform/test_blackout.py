"""Parts of a photo are black for everybody and nothing of them is left; who works on the incident sees it as it is."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from incidents_world import EAST, OPERATOR, WEST, World, play
from PIL import Image

from dothi.access.policy import STRANGER
from dothi.access.uploads import WHOLE, Box, Kind, blacked_out, safe_picture
from dothi.model.problem import Problem
from dothi.platform.incidents.photos import MOST_BOXES

KINDS: dict[Kind, str] = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
EDGES = st.integers(0, WHOLE - 1)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    left, top = draw(EDGES), draw(EDGES)
    return Box(left, top, draw(st.integers(1, WHOLE - left)), draw(st.integers(1, WHOLE - top)))


def photo_of(kind: Kind = "image/jpeg", width: int = 400, height: int = 300) -> bytes:
    """Red all over, with a secret green square in its upper left."""
    drawn, written = Image.new("RGB", (width, height), "red"), io.BytesIO()
    drawn.paste("lime", (40, 30, 120, 90))
    drawn.save(written, KINDS[kind])
    return safe_picture(written.getvalue()).body


def test_every_kind_of_picture_is_black_there_and_as_it_was_elsewhere() -> None:
    for kind, form in KINDS.items():
        drawn = blacked_out(photo_of(kind), kind, [Box(100, 100, 200, 200)])
        with Image.open(io.BytesIO(drawn.body)) as picture:
            assert (picture.format, picture.size, (drawn.width, drawn.height)) == (form, (400, 300), (400, 300))
            plain = picture.convert("RGB")
            # JPEG mixes the colour of neighbouring dots: a little red at the edges, nothing of the green.
            assert all(max(plain.getpixel((x, y))) < 24 for x in range(56, 104) for y in range(46, 74)), kind
            assert all(plain.getpixel((x, y))[1] < 60 for x in range(40, 120) for y in range(30, 90)), kind
            red, green, blue = plain.getpixel((200, 200))
            assert red > 230 and green < 24 and blue < 24


def test_the_same_picture_comes_of_it_whatever_was_hidden() -> None:
    found = set()
    for hidden in ("lime", "white", "blue"):
        drawn, written = Image.new("RGB", (200, 100), "red"), io.BytesIO()
        drawn.paste(hidden, (20, 10, 60, 30))
        drawn.save(written, "PNG")
        found.add(blacked_out(safe_picture(written.getvalue()).body, "image/png", [Box(100, 100, 200, 200)]).body)
    assert len(found) == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(boxes(), min_size=1, max_size=4), st.integers(1, 60), st.integers(1, 60))
def test_a_part_is_never_smaller_than_it_was_asked_for(parts: list[Box], width: int, height: int) -> None:
    written = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(written, "PNG")
    drawn = blacked_out(written.getvalue(), "image/png", parts)
    with Image.open(io.BytesIO(drawn.body)) as opened:
        picture = opened.convert("RGB")
    for box in parts:
        for x in range(width):
            for y in range(height):
                across = box.left * width < (x + 1) * WHOLE and x * WHOLE < (box.left + box.width) * width
                down = box.top * height < (y + 1) * WHOLE and y * WHOLE < (box.top + box.height) * height
                assert not (across and down) or picture.getpixel((x, y)) == (0, 0, 0)


def files(world: World) -> set[str]:
    return {path.name for path in (world.database.folder / "files").rglob("*") if path.is_file()}


@pytest.mark.usefixtures("homes")
def test_everybody_sees_another_picture_and_who_works_on_it_the_photo(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one, photos = await world.opened(), world.incidents.photos
        photo = await photos.add(WEST, one.code, photo_of(), "before")
        hidden = await photos.black_out(WEST, photo.number, [Box(100, 100, 200, 200)], ())
        assert hidden.boxes == (Box(100, 100, 200, 200),) and not hidden.released
        assert photos.read(WEST, photo.number).hash == photo.hash
        with pytest.raises(Problem):
            photos.read(STRANGER, photo.number)
        await photos.release(OPERATOR, photo.number)
        full, small = photos.read(STRANGER, photo.number), photos.read(STRANGER, photo.number, "small")
        assert (full.hash, small.hash) == (hidden.shown, hidden.shown_small)
        assert photos.read(WEST, photo.number, public=True) == full
        for picture in (full, small):
            with Image.open(io.BytesIO(picture.body)) as opened:
                assert max(opened.convert("RGB").getpixel((80, 60))) < 24
        assert len(files(world)) == 4
        more = [Box(100, 100, 200, 200), Box(0, 500, 1000, 500)]
        with pytest.raises(Problem) as second:
            await photos.black_out(OPERATOR, photo.number, more[1:], ())
        assert second.value.code == "changed-meanwhile"
        wider = await photos.black_out(OPERATOR, photo.number, more, more[:1])
        assert wider.released and photos.read(STRANGER, photo.number).hash == wider.shown != hidden.shown
        assert files(world) == {photo.hash, photo.small, wider.shown, wider.shown_small}
        assert await photos.black_out(OPERATOR, photo.number, more, ()) == wider  # sent twice
        less = await photos.black_out(OPERATOR, photo.number, more[1:], more)
        assert not less.released, "more of it would be seen than what somebody released"
        await photos.release(OPERATOR, photo.number)
        bare = await photos.black_out(OPERATOR, photo.number, (), more[1:])
        assert (bare.boxes, bare.released) == ((), False), "somebody looks at it again before it is public as it is"
        assert files(world) == {photo.hash, photo.small}
        acts = [line.act for line in world.incidents.timeline(OPERATOR, one.code)]
        assert acts == ["open", "photo", "black_out", "release_photo", "black_out", "black_out", "release_photo", "uncover"]
        audited = [act for (act,) in world.rows("SELECT action FROM audit ORDER BY seq")]
        assert audited.count("incident.black_out") == 3 and audited[-1] == "incident.uncover"
        await photos.black_out(OPERATOR, photo.number, more, ())
        await photos.remove(OPERATOR, photo.number)
        assert files(world) == set()

    play(tmp_path, scene)


@pytest.mark.usefixtures("homes")
def test_what_is_no_part_and_who_may_not_are_refused(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one, photos = await world.opened(), world.incidents.photos
        photo = await photos.add(WEST, one.code, photo_of(), "before")
        wrong = [[Box(0, 0, 0, 5)], [Box(-1, 0, 5, 5)], [Box(990, 0, 11, 5)], [Box(0, 990, 5, 11)]]
        for parts in [*wrong, [Box(0, 0, 1, number) for number in range(1, MOST_BOXES + 2)]]:
            with pytest.raises(Problem) as refused:
                await photos.black_out(OPERATOR, photo.number, parts, ())
            assert refused.value.status == 400
        for person in (EAST, STRANGER):
            with pytest.raises(Problem) as stranger:
                await photos.black_out(person, photo.number, [Box(0, 0, 5, 5)], ())
            assert stranger.value.status == 404
        assert len(files(world)) == 2
        (world.database.folder / "files" / photo.hash[:2] / photo.hash).unlink()
        with pytest.raises(Problem) as lost:
            await photos.black_out(OPERATOR, photo.number, [Box(0, 0, 5, 5)], ())
        assert lost.value.status == 404

    play(tmp_path, scene)
