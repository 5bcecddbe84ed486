"""Finds places by what people type: blind to accents, with or without the kind, by today's names and the former ones."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dothi.model.text import fold, nfc
from dothi.model.ward import Former, Ward

_WORD = re.compile(r"[^\W_]+")
_KINDS = {
    "phuong": ("phuong", "p", "ward"),
    "xa": ("xa", "x", "commune"),
    "dac khu": ("dac khu", "dk", "special zone"),
    "thi tran": ("thi tran", "tt", "township"),
}
_EXACT, _STARTS, _WORD_STARTS, _CONTAINS, _KIND_ONLY = range(5)


@dataclass(frozen=True, slots=True)
class Found:
    """A ward that was looked for. ``former`` is the old commune whose name matched; it went in ``whole`` or in part, and was
    in ``district``.

    ``exact`` says that the whole name was typed, not a part of it.
    """

    ward: Ward
    former: str | None = None
    whole: bool = True
    exact: bool = field(default=False, compare=False)
    district: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: str
    name: str  # folded, words parted by one space
    shown: str  # as written, lower case, for preferring what matches with its accents
    found: Found


def words(text: str) -> str:
    """``text`` folded, its words parted by single spaces: 'P. Văn Miếu–Quốc Tử Giám' → 'p van mieu quoc tu giam'."""
    return " ".join(_WORD.findall(fold(text)))


class Gazetteer:
    """The names of a city's wards and of the communes they were made from."""

    def __init__(self, wards: Sequence[Ward], former: Sequence[Former] = ()) -> None:
        by_code = {ward.code: ward for ward in wards}
        self._entries = [
            _Entry(words(ward.kind), name, nfc(f"{ward.kind} {spelling}").lower(), Found(ward))
            for ward in wards
            for spelling in dict.fromkeys((ward.name, ward.name_en or ward.name))
            if (name := words(spelling))
        ]
        for old in former:
            if old.ward in by_code:
                kind, name = _split(words(old.name))
                found = Found(by_code[old.ward], old.name, old.whole, district=old.district)
                self._entries.append(_Entry(kind, name, nfc(old.name).lower(), found))

    def find(self, text: str, limit: int = 20) -> list[Found]:
        """The wards that match, best first, each once: whole names, then beginnings, then words, then parts of words;
        today's names before former ones, and what matches with its accents before what does not."""
        wanted = words(text)
        if not wanted:
            return []
        asked = [("", wanted), *_readings(wanted)]
        typed = nfc(text).lower().strip()
        best: dict[str, tuple[tuple[object, ...], Found]] = {}
        for entry in self._entries:
            scores = [score for kind, name in asked if (score := _score(entry, kind, name)) is not None]
            if not scores:
                continue
            found, code = entry.found, entry.found.ward.code
            rank = (
                min(scores),
                typed not in entry.shown,
                found.former is not None,
                not found.whole,
                len(entry.name),
                entry.name,
                code,
            )
            if code not in best or rank < best[code][0]:
                best[code] = (rank, found)
        return [
            replace(found, exact=rank[0] == _EXACT)
            for rank, found in sorted(best.values(), key=lambda item: item[0])[:limit]
        ]


def _split(name: str) -> tuple[str, str]:
    """A folded full name as (kind, name); the kind is empty if it is none we know ('thi xa', 'thi tran' …)."""
    for kind in _KINDS:
        if name.startswith(kind + " "):
            return kind, name[len(kind) + 1 :]
    return "", name


def _readings(wanted: str) -> list[tuple[str, str]]:
    """(kind, name) for every way in which the beginning or the end of the folded query can be read as a kind."""
    found = []
    for kind, spellings in _KINDS.items():
        for spelling in spellings:
            if wanted == spelling:
                found.append((kind, ""))
            elif wanted.startswith(spelling + " "):
                found.append((kind, wanted[len(spelling) + 1 :]))
            elif len(spelling) > 2 and wanted.endswith(" " + spelling):
                found.append((kind, wanted[: -len(spelling) - 1]))
    return found


def _score(entry: _Entry, kind: str, name: str) -> int | None:
    if kind and kind != entry.kind:
        return None
    if not name:
        return _KIND_ONLY if entry.found.former is None else None
    if entry.name == name:
        return _EXACT
    if entry.name.startswith(name):
        return _STARTS
    if f" {name}" in entry.name:
        return _WORD_STARTS
    return _CONTAINS if name in entry.name else None
