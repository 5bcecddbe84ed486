"""Every NGSI-LD door, put together: each part lists its own."""

from starlette.routing import BaseRoute

from dothi.access.routes import Page
from dothi.api.ngsild import identity
from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.contexts import doors as contexts
from dothi.api.ngsild.door import ROOT, Doors
from dothi.api.ngsild.querying import discovery, map_doors, query, retrieve
from dothi.api.ngsild.subscriptions import doors as subscriptions
from dothi.api.ngsild.temporal import consumption as past
from dothi.api.ngsild.temporal import provision as past_provision
from dothi.api.ngsild.tenants import Tenants
from dothi.api.ngsild.writing import attributes, batch, provision, purge

_PARTS = (
    subscriptions,
    retrieve,
    query,
    discovery,
    map_doors,
    provision,
    attributes,
    batch,
    purge,
    past,
    past_provision,
    contexts,
    identity,
)


def routes(broker: Broker) -> list[BaseRoute]:
    """What stands under ``/ngsi-ld/v1`` as one route with all its doors, and what the standard does not place there."""
    found = _pages(broker)
    below = [one for one in found if isinstance(one, Page) and one.path.startswith(ROOT)]
    tenants = Tenants(broker.platform, lambda other: Doors([one for one in _pages(other) if isinstance(one, Page)]))
    broker.platform.tasks.start("tenants", tenants.run)
    return [Doors(below, tenants), *(one for one in found if one not in below)]


def _pages(broker: Broker) -> list[BaseRoute]:
    return [route for part in _PARTS for route in part.routes(broker)]
