"""The doors for people: every page of the platform itself. Sectors add their own."""

from starlette.routing import BaseRoute

from dothi.access.routes import page
from dothi.platform.platform import Platform
from dothi.web.live import Live
from dothi.web.mapdata import MapData
from dothi.web.operations import Operations
from dothi.web.panel import Panels


def routes(platform: Platform) -> list[BaseRoute]:
    """Every route of the web floor, each with the action it performs."""
    ground, panels = MapData(platform), Panels(platform)
    return [
        page("/", Operations(platform).page, action="operations.read"),
        page("/live", Live(platform).stream, action="operations.read"),
        page("/map/base/{name}.json", ground.base, action="city.read"),
        page("/map/layers/{layer}.json", ground.layer, action="entity.read"),
        page("/panel/{urn}/history.csv", panels.table, action="history.read"),
        page("/panel/{urn}", panels.fragment, action="operations.read"),
    ]
