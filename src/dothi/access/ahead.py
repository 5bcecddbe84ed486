"""Doors that are reached straight from the doorkeeper: what stands between it and a page costs more than their own work."""

from collections.abc import Sequence

from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

COMPRESSED_FROM = 1_000  # bytes of an answer: a smaller one fits into one packet anyway
COMPRESSION = 5


class Ahead:
    """Pure ASGI: leads a request to the one of ``routes`` that takes it, past handlers of exceptions, files and compression.

    Such a route tells in its own words what went wrong, or leaves it to the doorkeeper, and sends what ``packed`` makes of
    its answers. What none of them takes goes on to ``app``.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self.app, self.routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; lifespan and anything else passes through."""
        if scope["type"] == "http":
            for route in self.routes:
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found)
                    await route.handle(scope, receive, send)
                    return
        await self.app(scope, receive, send)


def packed(response: Response) -> ASGIApp:
    """``response`` as it is sent: compressed where it is large and the asker takes that (RFC 9110, 12.5.3)."""
    if len(response.body) < COMPRESSED_FROM:
        return response
    return GZipMiddleware(response, COMPRESSED_FROM, COMPRESSION)
