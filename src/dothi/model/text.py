"""Vietnamese text: one normal form at every door, one folded twin for search and sorting."""

import unicodedata
from dataclasses import dataclass

# The crossed D is a letter of its own in Unicode: no normal form takes it apart.
_CROSSED = str.maketrans("Đđ", "Dd")


def nfc(text: str) -> str:
    """Unicode NFC (Unicode Standard Annex 15): the form in which all text is kept."""
    return unicodedata.normalize("NFC", text)


def plain(text: str) -> str:
    """``text`` without accents, letters otherwise as they are: 'Đống Đa' → 'Dong Da', as English texts print it."""
    parted = unicodedata.normalize("NFD", text).translate(_CROSSED)
    return "".join(letter for letter in parted if not unicodedata.combining(letter))


def fold(text: str) -> str:
    """The accent-blind, lower-case twin of ``text``: 'Đống Đa' and 'dong da' fold to the same string."""
    return plain(text.lower())


@dataclass(frozen=True, slots=True)
class Text:
    """Words in both languages of the product; Vietnamese is the first."""

    vi: str
    en: str

    def in_language(self, language: str) -> str:
        """The words in ``language`` ('vi' or 'en'); anything else reads Vietnamese."""
        return self.en if language == "en" else self.vi
