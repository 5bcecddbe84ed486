"""Where programmers read about the API: the OpenAPI document and a page over it, with nothing from another host."""

from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from dothi.access.routes import page
from dothi.api.openapi import document
from dothi.model.text import Text
from dothi.platform.platform import Platform
from dothi.ui.language import language_of
from dothi.ui.page import render

_TITLE = Text("API cho lập trình viên", "API for programmers")
_ADVICE = Text("Mọi địa chỉ máy đọc được, theo OpenAPI 3.1:", "Every address a program can read, by OpenAPI 3.1:")
_COLUMNS = (Text("Phương thức", "Method"), Text("Địa chỉ", "Address"), Text("Việc", "What it does"))


def routes(platform: Platform) -> list[BaseRoute]:
    """``/openapi.json`` and ``/docs``; the document is made when first asked for, sectors' own doors included."""

    @cache
    def made(app: Any) -> dict[str, Any]:
        return document(app.routes)

    @cache
    def encoded(app: Any) -> bytes:
        return msgspec.json.encode(made(app))

    async def openapi(request: Request) -> Response:
        return Response(encoded(request.app), media_type="application/json")

    async def docs(request: Request) -> Response:
        language = language_of(request)
        listed = [
            (method.upper(), path, operation.get("summary", ""))
            for path, operations in made(request.app)["paths"].items()
            for method, operation in operations.items()
        ]
        return render(
            request,
            platform,
            "dothi.api:docs.html",
            title=_TITLE.in_language(language),
            advice=_ADVICE.in_language(language),
            columns=[column.in_language(language) for column in _COLUMNS],
            operations=listed,
        )

    return [page("/openapi.json", openapi, action="page.read"), page("/docs", docs, action="page.read")]
