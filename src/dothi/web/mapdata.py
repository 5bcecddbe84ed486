"""What the map draws: the city's own ground as prepared GeoJSON, each layer now or at a past moment, the bar's hours."""

import gzip
import hashlib

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.routes import person_of
from dothi.model.problem import Problem, not_found
from dothi.platform.platform import BaseLayers, Platform
from dothi.platform.sector import MapLayer
from dothi.ui.language import language_of
from dothi.ui.moments import moment_of
from dothi.web import moments, view

GROUND = ("wards", "roads-main", "roads-minor", "water")
_NOTHING = gzip.compress(b'{"type":"FeatureCollection","features":[]}', mtime=0)


class MapData:
    """Serves ``/map/…``: the ground, the layers, the tiles, and the hours behind the time bar.

    What changes with time takes ``at`` and ``known`` (``ui.moments.moment_of``).
    """

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._kept: dict[str, tuple[BaseLayers, bytes, str]] = {}

    def _packed(self, ground: BaseLayers, name: str) -> tuple[bytes, str]:
        """The packed layer and its entity tag; an empty layer where the city has none. Hashed once per ground."""
        kept = self._kept.get(name)
        if kept is None or kept[0] is not ground:
            body = ground.layer(name) or _NOTHING
            kept = self._kept[name] = ground, body, f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        return kept[1], kept[2]

    def base(self, request: Request) -> Response:
        """One ground layer, gzip-compressed. Raises Problem 404, or 503 while the ground is being prepared."""
        name = request.path_params["name"]
        if name not in (*GROUND, "about"):
            raise not_found("map layer", name)
        ground = self.platform.basemap
        if ground is None:
            raise Problem(503, "map-preparing", "The map is being prepared.", "Try again in a few seconds.", retry_after=2)
        if name == "about":
            return _json(msgspec.json.encode({"attribution": ground.attribution}))
        body, tag = self._packed(ground, name)
        headers = {
            "etag": tag,
            "cache-control": "private, no-cache",
            "content-encoding": "gzip",
            "vary": "accept-encoding",
        }
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        if "gzip" not in request.headers.get("accept-encoding", ""):
            body = gzip.decompress(body)
            del headers["content-encoding"]
        return Response(body, headers=headers, media_type="application/geo+json")

    def layer(self, request: Request) -> Response:
        """All points and areas of one layer, as JSON. Raises Problem 404, 400 for a wrong moment."""
        layer, moment = self._layer(request), moment_of(request, self.platform)
        person, language = person_of(request), language_of(request)
        found = {
            "points": view.points(self.platform, person, language, layer, None, moment),
            "areas": view.areas(self.platform, person, language, layer, moment),
            "at": self.platform.clock.now() if moment is None else moment.at,
        }
        return _json(msgspec.json.encode(found), moments.freshness(moment, self.platform))

    def tiles(self, request: Request) -> Response:
        """The five tiles, as JSON. Raises Problem 400 for a wrong moment."""
        moment = moment_of(request, self.platform)
        found = view.tiles(self.platform, person_of(request), language_of(request), moment)
        return _json(msgspec.json.encode(found), moments.freshness(moment, self.platform))

    def hours(self, request: Request) -> Response:
        """The time bar's window (``span``: 24h, 7d or 30d) around the moment asked for. Raises Problem 404, 400."""
        layer, moment = self._layer(request), moment_of(request, self.platform)
        span = request.query_params.get("span", "")
        found = moments.bar(self.platform, person_of(request), language_of(request), [layer], moment, span)
        return _json(msgspec.json.encode(found), "private, max-age=20")

    def exceedance(self, request: Request) -> Response:
        """Where the exceedance before (``way=back``) or after (``way=on``) a moment was worst: ``{"at": …}`` or null.

        Raises Problem 404, 400.
        """
        layer, moment = self._layer(request), moment_of(request, self.platform)
        way = moments.way_of(request.query_params.get("way", ""))
        found = moments.over_the_limit(self.platform, person_of(request), language_of(request), [layer], moment, way)
        return _json(msgspec.json.encode({"at": found.at if found else None}), "no-store")

    def _layer(self, request: Request) -> MapLayer:
        layer = view.layers(self.platform).get(request.path_params["layer"])
        if layer is None:
            raise not_found("layer", request.path_params["layer"])
        return layer


def _json(body: bytes, keep: str = "no-store") -> Response:
    headers = {"cache-control": keep, "vary": "accept-language, cookie"}
    return Response(body, media_type="application/json", headers=headers)
