"""The work of an operations centre, opened with the city: rules, incidents, commands, and what goes on by itself."""

from dothi.platform.commands.service import Commands
from dothi.platform.incidents.service import Incidents
from dothi.platform.platform import Platform
from dothi.platform.rules.service import Rules


def open_work(platform: Platform) -> None:
    """Give ``platform`` what people work with."""
    platform.incidents = Incidents(platform)
    platform.commands = Commands(platform, [one for sector in platform.sectors for one in sector.commands])
    platform.rules = Rules(platform)


def start_work(platform: Platform) -> None:
    """Begin what goes on by itself; call it before anything is dispatched."""
    platform.commands.start()
    platform.rules.start()
    platform.tasks.start("incidents", platform.incidents.run)
