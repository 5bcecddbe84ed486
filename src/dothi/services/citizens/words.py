"""What strangers write, made fit to keep; and how moments and time left are said on the citizens' pages."""

import unicodedata
from datetime import datetime, timedelta

from dothi.model.text import fold, nfc
from dothi.ui import formats
from dothi.ui.language import HOME_PACKAGES

PACKAGE = "dothi.services.citizens"
PACKAGES = (*HOME_PACKAGES, PACKAGE)
LONGEST_TEXT, LONGEST_LINE = 2_000, 200  # letters
_COMPLAINTS = ("khiếu nại", "tố cáo")
_COMPLAINTS_BLIND = ("khieu nai", "denunciation")  # "to cao" without accents is a tall building as well


def text_of(said: object, most: int = LONGEST_TEXT) -> str:
    """What was written, in NFC, without letters that steer (control, bidirectional overrides), cut at ``most`` letters.

    Zero-width joiners stay: some languages write with them. Three empty lines and more become one.
    """
    if not isinstance(said, str):
        return ""
    # Bounded before it is looked at: normalising may triple a text.
    kept = "".join(letter for letter in nfc(said[: most * 4].replace("\r\n", "\n")) if letter == "\n" or _said(letter))
    lines = [" ".join(line.split()) for line in kept.split("\n")]
    shown = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
    return "\n".join(shown).strip()[:most].strip()


def line_of(said: object, most: int = LONGEST_LINE) -> str:
    """``text_of``, on one line."""
    return " ".join(text_of(said, most).split())


def complains(text: str) -> bool:
    """True of words that speak of a complaint or a denunciation by law, which take another way (Luật Khiếu nại, Tố cáo)."""
    small = text.lower()
    return any(word in small for word in _COMPLAINTS) or any(word in fold(text) for word in _COMPLAINTS_BLIND)


def left(due: datetime, now: datetime, language: str) -> tuple[str, bool]:
    """How much time is left, or by how much it is over; and whether it is."""
    rest = due - now
    over = rest < timedelta()
    length = formats.span(abs(rest), language, 2)
    if language == "en":
        return (f"{length} overdue" if over else f"{length} left"), over
    return (f"quá hạn {length}" if over else f"còn {length}"), over


def _said(letter: str) -> bool:
    if letter == "\t":
        return True
    kind = unicodedata.category(letter)
    if kind == "Cf":
        return letter in "\u200c\u200d"
    return kind not in ("Cc", "Cs", "Co", "Cn")
