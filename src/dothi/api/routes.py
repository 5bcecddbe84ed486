"""Every door for machines, in the order in which they are looked up: the hot ones first."""

from starlette.routing import BaseRoute

from dothi.api import docs, health, oauth
from dothi.api.ngsild import routes as ngsild
from dothi.api.ngsild.subscriptions.service import broker_of
from dothi.api.v1 import (
    account_keys,
    accounts,
    alerts,
    city,
    commands,
    demo,
    device_keys,
    devices,
    entities,
    exports,
    forecasts,
    incidents,
    kinds,
    messages,
    personal,
    photos,
    quarantine,
    readings,
    runs,
    sql,
    subscriptions,
)
from dothi.platform.platform import Platform


def routes(platform: Platform) -> list[BaseRoute]:
    """The API's routes."""
    doors = readings.routes(platform) + ngsild.routes(broker_of(platform))
    for part in (city, entities, devices, device_keys, quarantine, exports, forecasts, runs, sql, accounts, account_keys):
        doors += part.router(platform).routes
    for part in (personal, subscriptions, incidents, kinds, photos, commands, alerts, messages, demo):
        doors += part.router(platform).routes
    doors += health.routes(platform) + oauth.routes(platform)
    return doors + docs.routes(platform)
