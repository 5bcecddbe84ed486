"""What personal data is made of: kinds, purposes, subjects, records, looks and requests. Values are nowhere in here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from dothi.model.problem import Problem, bad_request
from dothi.model.text import Text, nfc

Basis = Literal["consent", "law"]
LONGEST_KEEP = 36_500  # days
SHORTEST_REASON = 10  # letters
LONGEST_WORDS = 2_000
_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value tells of a person. Sensitive ones ask for more care (Law 91/2025, NĐ 356/2025)."""

    title: Text
    sensitive: bool = False


# Location, identity papers and behaviour are sensitive by law; health is treated alike here.
KINDS: dict[str, Kind] = {
    "name": Kind(Text("Họ tên", "Name")),
    "birth": Kind(Text("Ngày sinh", "Date of birth")),
    "phone": Kind(Text("Số điện thoại", "Telephone number")),
    "email": Kind(Text("Thư điện tử", "E-mail address")),
    "address": Kind(Text("Địa chỉ", "Address")),
    "picture": Kind(Text("Hình ảnh", "Picture")),
    "identity": Kind(Text("Giấy tờ tùy thân", "Identity papers"), True),
    "location": Kind(Text("Vị trí", "Location"), True),
    "behaviour": Kind(Text("Hành vi", "Behaviour"), True),
    "health": Kind(Text("Sức khỏe", "Health"), True),
    "other": Kind(Text("Khác", "Other")),
}


@dataclass(frozen=True, slots=True)
class Purpose:
    """What personal data is kept for. ``basis`` consent asks the subject first; law names the act that allows it in ``law``.

    A value is kept ``keep_days`` days from the moment it is sealed. ``agency`` answers for it; None is the city's own.
    """

    id: str
    title: Text
    why: Text
    basis: Basis
    keep_days: int
    law: str = ""
    agency: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A purpose with what is kept for it now. ``sensitive`` counts records of a sensitive kind; moments are aware UTC."""

    purpose: Purpose
    subjects: int
    records: int
    sensitive: int
    consents: int
    next_end: datetime | None


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody of whom something is kept, by a random id. ``state`` is active, erasing or erased."""

    id: str
    account: str | None
    state: str
    created_at: datetime
    erased_at: datetime | None
    records: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One sealed value, without the value. ``ended`` says why it is gone: expired, withdrawn, corrected, deleted, erased."""

    id: str
    subject: str
    purpose: str
    kind: str
    created_by: str
    created_at: datetime
    until: datetime
    ended_at: datetime | None
    ended: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What a subject agreed to, in which words, and who wrote that down."""

    subject: str
    purpose: str
    words: str
    given_at: datetime
    given_by: str
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody saw values of a subject: who, which kinds, why, when."""

    at: datetime
    person: str
    subject: str
    kinds: Sequence[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a subject asks for that somebody has to decide: erasing or correcting. ``state`` is open, done or refused."""

    id: str
    subject: str
    kind: str
    state: str
    asked_at: datetime
    asked_by: str
    answered_at: datetime | None
    answered_by: str
    answer: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value that only its key opens. ``token`` travels in its place, wherever the value would have gone."""

    token: str
    record: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A record and its value; ``readable`` is False where the key is not here (any more)."""

    record: Record
    value: Any
    readable: bool = True


OWN = "own"
"""The reason of a look at one's own data."""


def checked(purpose: Purpose) -> Purpose:
    """``purpose`` with its words in NFC. Raises Problem 400 for one that makes no sense."""
    if not _ID.fullmatch(purpose.id):
        raise bad_request(
            "A purpose's id is 2 to 63 small letters, digits and hyphens.", "Write for instance: reply-by-phone."
        )
    title, why = _words(purpose.title), _words(purpose.why)
    if not title.vi or not why.vi:
        raise bad_request("A purpose needs a title and a reason.", "Say in a sentence what the data is needed for.")
    if purpose.basis not in ("consent", "law"):
        raise bad_request("Personal data is kept by consent or by law.", "Set the basis to consent or law.")
    law = clean(purpose.law)
    if purpose.basis == "law" and not law:
        raise bad_request("Which law?", "Name the act and article that allows to keep this without consent.")
    if not 1 <= purpose.keep_days <= LONGEST_KEEP:
        raise bad_request(f"Personal data is kept from 1 to {LONGEST_KEEP} days.", "Give the shortest that will do.")
    return Purpose(purpose.id, title, why, purpose.basis, purpose.keep_days, law, clean(purpose.agency or "") or None)


def checked_reason(reason: str) -> str:
    """Why somebody looks or erases. Raises Problem 400 for less than ``SHORTEST_REASON`` letters."""
    told = clean(reason)
    if not SHORTEST_REASON <= len(told) <= LONGEST_WORDS:
        raise bad_request(
            "A reason is missing.", f"Say in {SHORTEST_REASON} letters or more why this is needed; it is kept in the log."
        )
    return told


def checked_kind(kind: str) -> str:
    """A known kind. Raises Problem 400."""
    if kind not in KINDS:
        raise bad_request(f"No kind {kind[:40]!r}.", f"Use one of: {', '.join(KINDS)}.")
    return kind


def clean(words: str) -> str:
    """Words in NFC, without blanks around them. Raises Problem 400 for letters that no database keeps."""
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in words):
        raise bad_request("These words hold something that is no letter.", "Write them in UTF-8, without null characters.")
    return nfc(words.strip())


def gone() -> Problem:
    """The problem of a value whose key is not here."""
    return Problem(410, "erased", "This can no longer be read.", "It was erased, or its time is over. Ask the person anew.")


def _words(text: Text) -> Text:
    vi, en = clean(text.vi)[:LONGEST_WORDS], clean(text.en)[:LONGEST_WORDS]
    return Text(vi, en or vi)
