"""Hears at the door why somebody does what they do: from a request's header, or from a field of a form."""

from collections.abc import Iterable
from urllib.parse import unquote

from starlette.datastructures import FormData

from dothi.model.reason import HEADER, WHY
from dothi.model.text import nfc

FIELD = "because"
"""The field of a form that holds it."""
LONGEST = 500  # letters that are kept
_HEADER = HEADER.lower().encode()


def hear_header(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Keep the reason in ``headers`` for the acts of this request; none if there is none."""
    for name, value in headers:
        if name == _HEADER:
            WHY.set(_one_line(unquote(value.decode("latin-1"), errors="replace")))
            return
    WHY.set("")


def hear_form(form: FormData) -> None:
    """Keep the reason that stands in a form, if one does."""
    told = form.get(FIELD)
    if isinstance(told, str) and told.strip():
        WHY.set(_one_line(told))


def _one_line(told: str) -> str:
    return nfc(" ".join(told.split()))[:LONGEST]
