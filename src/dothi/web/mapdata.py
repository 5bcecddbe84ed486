"""What the map draws: the city's own ground as prepared GeoJSON, and each layer's points and areas."""

import gzip
import hashlib

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.routes import person_of
from dothi.model.problem import Problem, not_found
from dothi.platform.platform import BaseLayers, Platform
from dothi.ui.language import language_of
from dothi.web import view

GROUND = ("wards", "roads-main", "roads-minor", "water")
_NOTHING = gzip.compress(b'{"type":"FeatureCollection","features":[]}', mtime=0)


class MapData:
    """Serves ``/map/base/{name}.json`` and ``/map/layers/{layer}.json``."""

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
        """All points, areas and hours of one layer, as JSON. Raises Problem 404."""
        layer = view.layers(self.platform).get(request.path_params["layer"])
        if layer is None:
            raise not_found("layer", request.path_params["layer"])
        person, language = person_of(request), language_of(request)
        found = {
            "points": view.points(self.platform, person, language, layer),
            "areas": view.areas(self.platform, person, language, layer),
            "at": self.platform.clock.now(),
        }
        return _json(msgspec.json.encode(found))


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})
