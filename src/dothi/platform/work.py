"""The work of an operations centre, opened with the city: rules, incidents, commands, and what goes on by itself."""

from collections.abc import Iterable

from dothi.model.schema import EntityType
from dothi.platform.commands.service import Commands
from dothi.platform.destroying import kept_of
from dothi.platform.incidents.service import Incidents
from dothi.platform.invented import Invented
from dothi.platform.messages import Messages
from dothi.platform.platform import Platform
from dothi.platform.rules.publishing import Alert
from dothi.platform.rules.service import Rules
from dothi.platform.sector import Sector
from dothi.platform.telling.service import Telling


def types_of(sectors: Iterable[Sector]) -> list[EntityType]:
    """What a city with these sectors knows of: their types, and that of the alerts it publishes itself."""
    return [*(one for sector in sectors for one in sector.entity_types), Alert]


def open_work(platform: Platform) -> None:
    """Give ``platform`` what people work with."""
    platform.invented = Invented(platform)
    platform.messages = Messages(platform)
    platform.incidents = Incidents(platform)
    platform.commands = Commands(platform, [one for sector in platform.sectors for one in sector.commands])
    platform.rules = Rules(platform)
    platform.telling = Telling(platform, platform.accounts.clock)
    for kept in kept_of(platform):
        platform.retention.keep(kept)


def start_work(platform: Platform) -> None:
    """Begin what goes on by itself; call it before anything is dispatched."""
    platform.commands.start()
    platform.rules.start()
    platform.tasks.start("incidents", platform.incidents.run)
    platform.tasks.start("photos", lambda _: platform.incidents.photos.sweep())
    platform.tasks.start("telling", platform.telling.run)
