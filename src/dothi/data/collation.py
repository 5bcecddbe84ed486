"""Texts in the order that people expect of their language, for lists that ask for it (BCP 47, RFC 6067).

The order is that of the Unicode collation algorithm in its main levels: letters first, then their marks, then their case.
It holds for the languages named here; any other is refused rather than sorted wrongly.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from dothi.model.problem import bad_request

_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_LANGUAGES = frozenset({"und", "vi", "en", "fr", "de", "it", "pt", "nl", "id", "ms"})
# Letters of their own, right behind another one.
_LETTERS = {"đ": "d\uffff", "ø": "o\uffff", "ł": "l\uffff", "ħ": "h\uffff"}
_VIETNAMESE = {"ă": "a\uffff", "â": "a\uffff\uffff", "ê": "e\uffff", "ô": "o\uffff", "ơ": "o\uffff\uffff", "ư": "u\uffff"}
_PHONEBOOK = {"ä": "ae", "ö": "oe", "ü": "ue"}
_SPELLED = {"ß": "ss", "æ": "ae", "œ": "oe"}
# Vietnamese tones, which tell words apart only where all letters are the same.
_TONES = dict.fromkeys(map(ord, "\u0300\u0301\u0303\u0309\u0323"))


@lru_cache(maxsize=64)
def collator(tag: str | None) -> Callable[[str], object]:
    """What to sort texts by: the text itself for None (by code point), else the order of the language that ``tag`` names.

    Raises Problem 400 for a tag that is none or an order that is not known here.
    """
    if tag is None:
        return str
    parts = tag.lower().split("-")
    phonebook = parts[0] == "de" and "phonebk" in parts
    if not _TAG.fullmatch(tag) or parts[0] not in _LANGUAGES or ("co" in parts and not phonebook):
        known = ", ".join(sorted(_LANGUAGES))
        raise bad_request(f"The collation {tag[:40]!r} is not known here.", f"Use one of {known}, de-u-co-phonebk.")
    vietnamese = parts[0] == "vi"
    told = _LETTERS | _SPELLED | (_VIETNAMESE if vietnamese else {}) | (_PHONEBOOK if phonebook else {})
    spelled = str.maketrans(told)

    def key(text: str) -> tuple[tuple[tuple[int, str], ...], str, str]:
        small = text.lower()
        if vietnamese:  # only its tones come off: what is left of a letter may be a letter of its own
            toned = unicodedata.normalize("NFD", small).translate(_TONES)
            small = unicodedata.normalize("NFC", toned)
        spelt = unicodedata.normalize("NFD", unicodedata.normalize("NFC", small).translate(spelled))
        letters = "".join(char for char in spelt if not unicodedata.combining(char))
        marks = unicodedata.normalize("NFD", text.lower())
        return tuple((_class(char), char) for char in letters), marks, text.swapcase()

    return key


def _class(char: str) -> int:
    """Signs before digits before letters."""
    if char == "\uffff" or char.isalpha():
        return 2
    return 1 if char.isdigit() else 0
