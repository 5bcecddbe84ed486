"""Questions about the record in SQL, for programs: the answer as JSON, CSV or Parquet, and the catalogue of tables."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.access.presence import while_there
from dothi.access.problems import problem_json
from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import SqlAsker, new_router
from dothi.data.sql.answer import Answer, Limits, Refused
from dothi.data.sql.catalogue import Table
from dothi.platform.platform import Platform
from dothi.ui.answers import PARQUET, answer_csv, answer_parquet

_MOST = Limits().rows


class Question(BaseModel):
    """One question about the record."""

    model_config = ConfigDict(extra="forbid")
    sql: str = Field(description="One SELECT, in DuckDB's SQL, over the tables of /api/v1/sql/tables.", max_length=100_000)
    rows: int = Field(1_000, ge=1, le=_MOST, description="How many rows come back at most; `more` says that some were left.")
    format: Literal["json", "csv", "parquet"] = Field("json", description="CSV has times with the city's offset.")


def router(platform: Platform) -> APIRouter:
    """``/api/v1/sql`` and ``/api/v1/sql/tables``."""
    api = new_router("sql")

    @api.post(
        "/sql",
        summary="Ask the record in SQL",
        description="Reads only, and only what the asker may see. Closing the connection stops the question.",
        responses={200: {"content": {"application/json": {}, "text/csv": {}, PARQUET: {}}}},
    )
    async def post_sql(person: SqlAsker, request: Request, question: Question) -> Response:
        asked = platform.questions.ask(
            person,
            question.sql,
            rows=question.rows,
            form="parquet" if question.format == "parquet" else "rows",
            correlation=request.state.correlation,
        )
        try:
            answer = await while_there(request, asked)
        except Refused as refused:
            place = {} if refused.position is None else {"position": refused.position}
            wait = {} if refused.retry_after is None else {"Retry-After": str(refused.retry_after)}
            return problem_json(request, refused, wait, **place)
        if question.format == "parquet":
            return answer_parquet("answer", answer)
        if question.format == "csv":
            return answer_csv("answer", answer)
        return json_response(answer_json(answer))

    @api.get("/sql/tables", summary="The tables a question may read, with what their columns mean")
    async def get_tables(person: SqlAsker) -> Response:
        return json_response({"items": [table_json(one) for one in platform.questions.tables(person).values()]})

    return api


def answer_json(answer: Answer) -> dict[str, Any]:
    """An answer as the API shows it: moments are RFC 3339 in UTC, dates ISO 8601, what JSON cannot say is null."""
    moments = [place for place, column in enumerate(answer.columns) if column.kind == "time"]
    rows = answer.rows
    if moments:
        rows = [[instant(cell) if place in moments else cell for place, cell in enumerate(row)] for row in rows]
    return {
        "columns": [{"name": column.name, "type": column.kind} for column in answer.columns],
        "rows": rows,
        "count": answer.count,
        "more": answer.more,
        "seconds": round(answer.seconds, 3),
    }


def table_json(table: Table) -> dict[str, Any]:
    """A table of the catalogue, in both languages."""
    return {
        "name": table.name,
        "means": {"vi": table.means.vi, "en": table.means.en},
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "means": {"vi": column.means.vi, "en": column.means.en},
                "unit": column.unit,
                "example": column.example,
            }
            for column in table.columns
        ],
    }
