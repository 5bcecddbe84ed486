"""Where programmers read about the API: the OpenAPI document and a page over it, with nothing from another host."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from dothi.access.routes import page
from dothi.model.text import Text
from dothi.platform.platform import Platform
from dothi.ui.language import language_of
from dothi.ui.page import render

_TITLE = Text("API cho lập trình viên", "API for programmers")
_ADVICE = Text("Mọi địa chỉ máy đọc được, theo OpenAPI 3.1:", "Every address a program can read, by OpenAPI 3.1:")
_COLUMNS = (Text("Phương thức", "Method"), Text("Địa chỉ", "Address"), Text("Việc", "What it does"))


def routes(platform: Platform, document: Callable[[], dict[str, Any]]) -> list[BaseRoute]:
    """``/openapi.json`` and ``/docs``; ``document`` makes the OpenAPI document when first asked for."""

    @cache
    def made() -> dict[str, Any]:
        return document()

    @cache
    def encoded() -> bytes:
        return msgspec.json.encode(made())

    async def openapi(_: Request) -> Response:
        return Response(encoded(), media_type="application/json")

    async def docs(request: Request) -> Response:
        language = language_of(request)
        listed = [
            (method.upper(), path, operation.get("summary", ""))
            for path, operations in made()["paths"].items()
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
