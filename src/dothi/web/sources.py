"""Whose data the city can take in from outside: on or off, how it stands, whom to thank, and on which terms."""

from starlette.requests import Request
from starlette.responses import Response

from dothi.platform.platform import Platform
from dothi.ui.language import language_of
from dothi.ui.page import render


class SourcePages:
    """Serves ``/data/sources``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def page(self, request: Request) -> Response:
        """Every public source that a sector knows of, asked or not."""
        states = self.platform.tasks.states
        sources = [source for sector in self.platform.sectors for source in sector.sources]
        return render(
            request,
            self.platform,
            "dothi.web:sources.html",
            sources=[(source, states.get(source.task)) for source in sources],
            city_sources=[text for text in dict.fromkeys((self.platform.city.source, self._ground())) if text],
            sentence=lambda text: _sentence(text.in_language(language_of(request))),
        )

    def _ground(self) -> str:
        return self.platform.basemap.attribution if self.platform.basemap is not None else ""


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
