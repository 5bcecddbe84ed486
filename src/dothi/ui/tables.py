"""Tables that leave as CSV: written once, so that every download opens safely and in the right letters in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.responses import Response

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_response(name: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A table as a download called ``name``.csv: RFC 4180, UTF-8 with the byte order mark that spreadsheets look for.

    Text that a spreadsheet would run as a formula gets an apostrophe before it (OWASP, CSV injection); numbers stay as
    they are, None is an empty cell.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([harmless(cell) for cell in head])
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    safe = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-" for letter in name)
    headers = {"content-disposition": f'attachment; filename="{safe}.csv"', "cache-control": "no-store"}
    return Response("\ufeff" + text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def harmless(cell: Any) -> Any:
    """A cell that no spreadsheet runs: text that would be a formula gets an apostrophe before it (OWASP, CSV injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
