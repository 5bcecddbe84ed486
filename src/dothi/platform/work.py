"""The work of an operations centre, opened with the city: incidents, commands to devices, and what goes on by itself."""

from dothi.platform.commands.service import Commands
from dothi.platform.incidents.service import Incidents
from dothi.platform.platform import Platform


def open_work(platform: Platform) -> None:
    """Give ``platform`` what people work with."""
    platform.incidents = Incidents(platform)
    platform.commands = Commands(platform, [one for sector in platform.sectors for one in sector.commands])


def start_work(platform: Platform) -> None:
    """Begin what goes on by itself; call it before anything is dispatched."""
    platform.commands.start()
    platform.tasks.start("incidents", platform.incidents.run)
