"""What went wrong with a question, in words for whoever asked it: DuckDB's errors without its inner advice."""

import re
from typing import TYPE_CHECKING, Any

import msgspec

from dothi.data.sql.answer import Refusal, Refused
from dothi.data.sql.grammar import letter_at
from dothi.model.problem import Problem

if TYPE_CHECKING:
    from dothi.data.sql.answer import Limits

_PLACE = re.compile(r"\n\s*LINE (\d+):")
_MISSING = re.compile(r"^(Binder|Catalog|Parser|Conversion|Invalid Input|Out of Range|Permission|IO) Error: ")
_BY_KIND = {
    "ParserException": (400, "sql-syntax", "Mend the text at the place shown."),
    "SyntaxException": (400, "sql-syntax", "Mend the text at the place shown."),
    "BinderException": (400, "sql-names", "The catalogue lists every table with its columns."),
    "CatalogException": (400, "sql-names", "The catalogue lists every table with its columns."),
    "ConversionException": (400, "sql-value", "TRY_CAST gives an empty value where a text is no number."),
    "OutOfRangeException": (400, "sql-value", "Use smaller numbers, or CAST to DOUBLE first."),
    "TypeMismatchException": (400, "sql-value", "CAST one side to the type of the other."),
}


def refusal_of(error: BaseException, text: str, limits: "Limits", before: int = 0) -> Refusal:
    """What to tell the asker of ``text``; ``before`` bytes stood before it where the error counts its place."""
    if isinstance(error, Problem):
        return Refusal(error.status, error.code, error.title, error.detail, getattr(error, "position", None))
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "OutOfMemoryException":
        return too_much_memory(limits)
    message, place = _told(str(error))
    if kind == "IOException":
        return Refusal(503, "lake-damaged", message, "Ask for other days, or restore this file from a backup.")
    status, code, advice = _BY_KIND.get(kind, (400, "sql-failed", "Change the question and ask again."))
    position = None if place is None or place < before else letter_at(text, place - before)
    return Refusal(status, code, message, advice, position)


def too_much_memory(limits: "Limits") -> Refusal:
    """The refusal of a question that needs more memory than it gets."""
    return Refusal(
        400,
        "sql-memory",
        f"The question needs more memory than one may take ({limits.memory} MB).",
        "Ask for fewer days or columns, aggregate earlier, or order fewer rows.",
    )


def too_long(limits: "Limits") -> Refused:
    """The problem of a question that does not end."""
    return Refused(
        408,
        "sql-too-long",
        f"The question took longer than {limits.seconds:g} seconds and was stopped.",
        "Bound the time (observed_at), name fewer things, or join on fewer rows.",
    )


def too_large(limits: "Limits") -> Refused:
    """The problem of an answer that is too large to send."""
    return Refused(
        400,
        "sql-too-large",
        f"The answer is larger than {limits.answer} MB.",
        "Select fewer columns or rows, or shorten long texts.",
    )


def _told(text: str) -> tuple[str, int | None]:
    """The one sentence of an error, and the byte at which it happened."""
    _head, brace, rest = text.partition("{")
    place: int | None = None
    if brace and '"exception_message"' in rest:
        told: dict[str, Any] = msgspec.json.decode(brace + rest)
        text = str(told["exception_message"])
        place = int(told["position"]) if "position" in told else None
    else:
        text = _MISSING.sub("", text)
    text = _PLACE.split(text)[0]
    return " ".join(text.partition("\n\n")[0].split()), place
