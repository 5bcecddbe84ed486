"""Pictures people send: known by their content, bounded, drawn anew, without a word of where and with what they were taken.

What a file calls itself counts for nothing (OWASP ASVS 5.0, 5.2). Decoding and writing the pixels again leaves behind EXIF,
GPS and whatever else was put beside or behind them; the orientation EXIF told of is applied first.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dothi.model.problem import Problem

if TYPE_CHECKING:
    from PIL import Image

LARGEST = 8 * 1024 * 1024  # bytes
MOST_PIXELS = 40_000_000
LONGEST_SIDE = 4_096  # pixels, of what is kept
Kind = Literal["image/jpeg", "image/png", "image/webp"]
_QUALITY = 85
_FORMATS: dict[Kind, str] = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is safe to keep and to show: its bytes, media type, and size in pixels."""

    body: bytes
    kind: Kind
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture from its upper left corner, in thousandths of the picture's width and height."""

    left: int
    top: int
    width: int
    height: int

    def holds(self, other: "Box") -> bool:
        """True if all of ``other`` lies in it."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.left + self.width >= other.left + other.width
            and self.top + self.height >= other.top + other.height
        )


WHOLE = 1_000  # thousandths


def kind_of(body: bytes) -> Kind | None:
    """The media type that the first bytes show; None for anything but JPEG, PNG and WebP."""
    if body[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if body[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    return None


def safe_picture(body: bytes) -> Picture:
    """The picture in ``body``, drawn anew: upright, in RGB, its longest side at most ``LONGEST_SIDE``, without metadata.

    It takes up to a second: call it off the event loop. Raises Problem 413 for too many bytes or pixels, 415 for what is no
    JPEG, PNG or WebP picture, 400 for one that is damaged.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(body) > LARGEST:
        raise Problem(413, "too-large", f"The picture has more than {LARGEST // 1024**2} MB.", "Send a smaller one.")
    kind = kind_of(body)
    if kind is None:
        raise Problem(415, "no-picture", "This is no picture that is understood here.", "Send JPEG, PNG or WebP.")
    try:
        with Image.open(io.BytesIO(body), formats=[_FORMATS[kind]]) as opened:
            # Looked at before a pixel is decoded: the header alone says what it would become.
            if opened.width * opened.height > MOST_PIXELS:
                raise _too_many_pixels()
            upright = ImageOps.exif_transpose(opened)
            upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            plain = Image.new("RGBA" if upright.mode in ("RGBA", "LA", "PA", "P") else "RGB", upright.size)
            plain.paste(upright.convert(plain.mode))
    except Image.DecompressionBombError:
        raise _too_many_pixels() from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise Problem(400, "damaged-picture", "The picture is damaged.", "Take it again, or send another.") from error
    return _written(plain.convert("RGB") if kind == "image/jpeg" else plain, kind)


def blacked_out(body: bytes, kind: Kind, boxes: Iterable[Box]) -> Picture:
    """A picture that ``safe_picture`` drew, with parts of it black, each rounded up to whole pixels.

    They are filled before anything is written: nothing of what was there is left in the new bytes. It takes up to a second:
    call it off the event loop.
    """
    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(body), formats=[_FORMATS[kind]]) as opened:
        plain = opened.convert("RGBA" if opened.mode == "RGBA" else "RGB")
    drawing, (width, height) = ImageDraw.Draw(plain), plain.size
    for box in boxes:
        left, top = box.left * width // WHOLE, box.top * height // WHOLE
        right, bottom = -(-(box.left + box.width) * width // WHOLE), -(-(box.top + box.height) * height // WHOLE)
        drawing.rectangle((left, top, right - 1, bottom - 1), fill="black")
    return _written(plain, kind)


def _written(plain: "Image.Image", kind: Kind) -> Picture:
    written = io.BytesIO()
    plain.save(written, _FORMATS[kind], **({} if kind == "image/png" else {"quality": _QUALITY}))
    return Picture(written.getvalue(), kind, plain.width, plain.height)


def _too_many_pixels() -> Problem:
    return Problem(
        413, "too-large", f"The picture has more than {MOST_PIXELS // 10**6} million pixels.", "Send a smaller one."
    )
