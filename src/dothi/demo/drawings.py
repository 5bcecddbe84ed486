"""Pictures for invented work, drawn here: nobody's street, nobody's face, the same every time."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Scene = Literal["rubbish", "tree", "hole", "signal", "stall"]
_SIZE = (960, 720)
_HORIZON, _KERB = 380, 470
_SKY, _FAR, _PAVEMENT, _ROAD, _LINE = "#cfe3ee", "#d9d3c7", "#e4e0d8", "#66727e", "#f3f1ec"
_LEAF, _TRUNK, _DARK, _RED, _AMBER, _JADE = "#5f8f5a", "#7a5c42", "#16202a", "#d4351c", "#c77700", "#0b7a6b"
_WALLS = ("#e8d9b5", "#d8c3a5", "#cbd5c0", "#e2c9c0", "#d5d0e0")


def drawn(scene: Scene, *, mended: bool) -> bytes:
    """A street with what is wrong there, or as it is once that is ``mended``: a JPEG picture of 960 by 720 pixels."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", _SIZE, _SKY)
    pen = ImageDraw.Draw(picture)
    _street(pen)
    _SCENES[scene](pen, mended)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=86)
    return written.getvalue()


def _street(pen: "ImageDraw") -> None:
    """Houses, a pavement and a road."""
    wide, high = _SIZE
    for number in range(6):
        left, top = number * 170 - 20, 130 + number * 53 % 90
        pen.rectangle((left, top, left + 160, _HORIZON), fill=_WALLS[number % len(_WALLS)])
        for row in range(3):
            for column in range(2):
                x, y = left + 25 + column * 65, top + 30 + row * 70
                pen.rectangle((x, y, x + 40, y + 42), fill="#8fa7b5", outline=_DARK)
    pen.rectangle((0, _HORIZON, wide, _KERB), fill=_PAVEMENT)
    for x in range(0, wide, 60):
        pen.line((x, _HORIZON, x - 30, _KERB), fill=_FAR, width=2)
    pen.rectangle((0, _KERB, wide, _KERB + 14), fill=_FAR)
    pen.rectangle((0, _KERB + 14, wide, high), fill=_ROAD)
    for x in range(40, wide, 200):
        pen.rectangle((x, 600, x + 110, 612), fill=_LINE)


def _rubbish(pen: "ImageDraw", mended: bool) -> None:
    if mended:
        pen.rectangle((430, 330, 500, 440), fill=_JADE, outline=_DARK, width=3)  # a bin, closed
        pen.rectangle((422, 318, 508, 334), fill=_JADE, outline=_DARK, width=3)
        return
    bags = ((330, 380), (400, 350), (470, 385), (540, 360), (600, 395), (430, 410), (520, 415))
    for number, (x, y) in enumerate(bags):
        shade = ("#3b4652", "#55616d", "#2f6f66", "#8a7a5a")[number % 4]
        pen.ellipse((x, y, x + 105, y + 88), fill=shade, outline=_DARK, width=2)
        pen.polygon(((x + 44, y + 6), (x + 62, y + 6), (x + 53, y - 20)), fill=shade, outline=_DARK)
    for x in range(310, 720, 34):
        pen.rectangle((x, 470 + x % 23, x + 18, 482 + x % 23), fill=("#e8d9b5", "#c77700", "#fbfaf7")[x % 3])


def _tree(pen: "ImageDraw", mended: bool) -> None:
    if mended:
        pen.ellipse((430, 420, 490, 448), fill="#b08a63", outline=_TRUNK, width=4)  # a clean stump
        return
    pen.polygon(((440, 430), (470, 452), (860, 640), (846, 602)), fill=_TRUNK, outline=_DARK)
    for x, y in ((600, 470), (680, 500), (760, 545), (820, 590), (640, 560), (730, 620)):
        pen.ellipse((x, y, x + 150, y + 110), fill=_LEAF, outline="#3f6b3c", width=3)


def _hole(pen: "ImageDraw", mended: bool) -> None:
    if mended:
        pen.ellipse((380, 530, 600, 610), fill="#59656f", outline="#4c5a67", width=3)  # fresh asphalt, or a new cover
        for x in range(410, 580, 28):
            pen.line((x, 545, x, 596), fill="#4c5a67", width=4)
        return
    pen.ellipse((370, 520, 620, 620), fill="#46515c", outline=_DARK, width=4)
    pen.ellipse((400, 540, 590, 606), fill=_DARK)
    pen.line((660, 600, 700, 480), fill=_TRUNK, width=10)  # a branch that somebody put up as a warning
    pen.ellipse((680, 450, 740, 500), fill=_LEAF)


def _signal(pen: "ImageDraw", mended: bool) -> None:
    pen.rectangle((474, 150, 488, _KERB), fill="#4c5a67")
    pen.rounded_rectangle((440, 60, 522, 250), 12, fill=_DARK)
    for number, colour in enumerate((_RED, _AMBER, _JADE)):
        on = mended and number == 2
        pen.ellipse((456, 74 + number * 58, 506, 124 + number * 58), fill=colour if on else "#3b4652")


def _stall(pen: "ImageDraw", mended: bool) -> None:
    if mended:
        return
    for left, colour in ((220, _RED), (470, _AMBER)):
        pen.polygon(((left, 340), (left + 200, 340), (left + 230, 290), (left - 30, 290)), fill=colour, outline=_DARK)
        pen.rectangle((left, 395, left + 200, _KERB - 6), fill="#d8c3a5", outline=_DARK, width=3)
        for x in (left + 4, left + 190):
            pen.rectangle((x, 340, x + 8, 400), fill="#4c5a67")
        for x in range(left + 12, left + 180, 42):
            pen.ellipse((x, 368, x + 32, 398), fill=_LEAF, outline=_DARK)


_SCENES: dict[Scene, Callable[["ImageDraw", bool], None]] = {
    "rubbish": _rubbish,
    "tree": _tree,
    "hole": _hole,
    "signal": _signal,
    "stall": _stall,
}
