"""Answers of the record as files: CSV and Parquet, the same from every door."""

from starlette.responses import Response

from dothi.data.sql.answer import Answer
from dothi.model.clock import from_micros
from dothi.ui.formats import here
from dothi.ui.tables import csv_response

PARQUET = "application/vnd.apache.parquet"


def answer_csv(name: str, answer: Answer) -> Response:
    """An answer as CSV, moments in the city's time with its offset; spreadsheets run nothing of it."""
    kinds = [column.kind == "time" for column in answer.columns]
    rows = ([_moment(cell) if time else cell for cell, time in zip(row, kinds, strict=True)] for row in answer.rows)
    return csv_response(name, [column.name for column in answer.columns], rows)


def answer_parquet(name: str, answer: Answer) -> Response:
    """An answer as a Parquet file to download."""
    headers = {"content-disposition": f'attachment; filename="{name}.parquet"', "cache-control": "no-store"}
    return Response(answer.parquet or b"", media_type=PARQUET, headers=headers)


def _moment(micros: int | None) -> str | None:
    return None if micros is None else here(from_micros(micros)).isoformat()
