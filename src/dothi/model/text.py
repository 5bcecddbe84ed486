"""Vietnamese text: one normal form at every door, one folded twin for search and sorting."""

import unicodedata
from dataclasses import dataclass


def nfc(text: str) -> str:
    """Unicode NFC (Unicode Standard Annex 15): the form in which all text is kept."""
    return unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """The accent-blind, lower-case twin of ``text``: 'Đống Đa' and 'dong da' fold to the same string."""
    lowered = unicodedata.normalize("NFD", text.lower()).replace("đ", "d")
    return "".join(letter for letter in lowered if not unicodedata.combining(letter))


@dataclass(frozen=True, slots=True)
class Text:
    """Words in both languages of the product; Vietnamese is the first."""

    vi: str
    en: str

    def in_language(self, language: str) -> str:
        """The words in ``language`` ('vi' or 'en'); anything else reads Vietnamese."""
        return self.en if language == "en" else self.vi
