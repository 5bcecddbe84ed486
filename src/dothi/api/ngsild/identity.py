"""Who this broker is to others (ETSI GS CIM 009 v1.9.1, clauses 5.2.40 and 5.15.1)."""

import time
from datetime import timedelta

from starlette.routing import BaseRoute

from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.door import Answer, Asked, door


def routes(broker: Broker) -> list[BaseRoute]:
    """``/ngsi-ld/v1/info/sourceIdentity``."""
    platform, began = broker.platform, time.monotonic()

    async def identity(_: Asked) -> Answer:
        """Retrieve the identity of this context source (clause 6.33.3.1)."""
        body = {
            "id": f"urn:ngsi-ld:ContextSourceIdentity:{platform.tenant}",
            "type": "ContextSourceIdentity",
            "contextSourceAlias": platform.tenant,
            "contextSourceUptime": timedelta(seconds=int(time.monotonic() - began)),  # msgspec writes ISO 8601
            "contextSourceTimeAt": platform.clock.now(),
        }
        return Answer(body=body)

    return [door(broker, "info/sourceIdentity", identity, action="city.read")]
