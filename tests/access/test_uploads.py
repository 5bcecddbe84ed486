"""What people send as a picture: only pictures pass, and nothing but their pixels."""

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dothi.access.uploads import LONGEST_SIDE, kind_of, safe_picture
from dothi.model.problem import Problem

GPS, MAKE, ORIENTATION = 0x8825, 0x010F, 0x0112


def picture(form: str, *, size: tuple[int, int] = (40, 20), orientation: int = 1) -> bytes:
    """A picture whose left half is red, taken at a place by a camera."""
    image = Image.new("RGB", size, (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "SecretCamera", orientation
    exif.get_ifd(GPS).update({1: "N", 2: (21.0, 1.0, 40.0), 3: "E", 4: (105.0, 51.0, 8.0)})
    written = io.BytesIO()
    image.save(written, form, exif=exif, comment="taken at home" if form == "JPEG" else None)
    return written.getvalue()


@pytest.mark.parametrize(("form", "kind"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_the_pixels_stay_and_the_place_goes(form: str, kind: str) -> None:
    sent = picture(form)
    assert Image.open(io.BytesIO(sent)).getexif().get_ifd(GPS)
    kept = safe_picture(sent + b"<script>hidden behind the pixels</script>")
    shown = Image.open(io.BytesIO(kept.body))
    assert (kept.kind, kind_of(kept.body), shown.size) == (kind, kind, (40, 20))
    assert (kept.width, kept.height) == (40, 20)
    assert not shown.getexif()
    assert not shown.getexif().get_ifd(GPS)
    assert b"Secret" not in kept.body
    assert b"home" not in kept.body
    assert b"script" not in kept.body
    red, _, blue = shown.convert("RGB").crop((5, 10, 6, 11)).tobytes()
    assert red > 200 > 60 > blue


def test_a_picture_taken_sideways_stands_upright() -> None:
    kept = safe_picture(picture("JPEG", orientation=6))
    assert (kept.width, kept.height) == (20, 40)


def test_a_large_picture_is_kept_smaller() -> None:
    kept = safe_picture(picture("PNG", size=(LONGEST_SIDE * 2, 10)))
    assert (kept.width, kept.height) == (LONGEST_SIDE, 5)


def test_transparency_stays_where_the_form_knows_it() -> None:
    written = io.BytesIO()
    Image.new("LA", (4, 4), (0, 0)).save(written, "PNG")
    kept = Image.open(io.BytesIO(safe_picture(written.getvalue()).body))
    assert (kept.mode, kept.tobytes()[3]) == ("RGBA", 0)


def test_a_bomb_is_refused_by_its_header() -> None:
    """A PNG that says it is 100,000 × 100,000: 30 GB of pixels from a hundred bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    with pytest.raises(Problem) as refused:
        safe_picture(bomb)
    assert refused.value.status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
        b"%PDF-1.7",
        b"<html></html>",
        b"\x7fELF",
    ],
)
def test_what_is_no_picture_is_refused_whatever_it_is_called(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        safe_picture(body)
    assert refused.value.status == 415


def test_more_bytes_than_a_picture_needs_are_refused() -> None:
    with pytest.raises(Problem) as refused:
        safe_picture(b"\xff\xd8\xff" + bytes(8 * 1024 * 1024))
    assert refused.value.status == 413


SEEDS = [picture("JPEG"), picture("PNG"), picture("WEBP")]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of tags that are cut off
@settings(max_examples=60)
@given(st.sampled_from(SEEDS), st.data())
def test_a_damaged_picture_is_a_picture_or_a_problem(seed: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(seed) - 1))
    body = seed[:at] + data.draw(st.binary(max_size=6)) + seed[at + data.draw(st.integers(0, 40)) :]
    try:
        kept = safe_picture(body)
    except Problem as problem:
        assert problem.status in (400, 413, 415)
    else:
        assert b"Secret" not in kept.body
        assert kind_of(kept.body) == kept.kind
