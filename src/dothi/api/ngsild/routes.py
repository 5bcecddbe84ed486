"""Every NGSI-LD door, put together: each part lists its own."""

from starlette.routing import BaseRoute

from dothi.access.routes import Page
from dothi.api.ngsild import (
    attributes,
    batch,
    context_doors,
    discovery,
    identity,
    provision,
    purge,
    query,
    retrieve,
    temporal,
    temporal_provision,
)
from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.door import ROOT, Doors
from dothi.api.ngsild.subscriptions import doors as subscriptions

_PARTS = (
    subscriptions,
    retrieve,
    query,
    discovery,
    provision,
    attributes,
    batch,
    purge,
    temporal,
    temporal_provision,
    context_doors,
    identity,
)


def routes(broker: Broker) -> list[BaseRoute]:
    """What stands under ``/ngsi-ld/v1`` as one route with all its doors, and what the standard does not place there."""
    found = [route for part in _PARTS for route in part.routes(broker)]
    below = [one for one in found if isinstance(one, Page) and one.path.startswith(ROOT)]
    return [Doors(below), *(one for one in found if one not in below)]
