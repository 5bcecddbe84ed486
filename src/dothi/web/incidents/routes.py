"""The doors of the pages of work."""

from starlette.routing import BaseRoute

from dothi.access.routes import page
from dothi.platform.platform import Platform
from dothi.web.incidents.acts import Acts
from dothi.web.incidents.blackout import BlackoutPages
from dothi.web.incidents.feed import Feed
from dothi.web.incidents.kinds import KindPages
from dothi.web.incidents.load import LoadPages
from dothi.web.incidents.mine import Mine
from dothi.web.incidents.months import MonthPages
from dothi.web.incidents.photos import PhotoPages
from dothi.web.incidents.queue import Queue
from dothi.web.incidents.shift import ShiftPages
from dothi.web.incidents.show import Show


def incident_routes(platform: Platform) -> list[BaseRoute]:
    """Every route of the pages of work, each with the action it performs."""
    queue, show = Queue(platform), Show(platform)
    acts, photos = Acts(platform, show), PhotoPages(platform, show)
    mine, load, shift, blackout = Mine(platform), LoadPages(platform), ShiftPages(platform), BlackoutPages(platform)
    kinds = KindPages(platform)
    months = MonthPages(platform)
    return [
        page("/mine", mine.page, action="incident.write"),
        page("/mine/worker.js", mine.worker, action="page.read"),
        page("/incidents", queue.page, action="incident.read"),
        page("/incidents", queue.open, action="incident.write", methods=("POST",)),
        page("/incidents.csv", queue.table, action="incident.read"),
        page("/incidents/new", queue.new, action="incident.write"),
        page("/incidents/queue", Feed(platform).fragment, action="incident.read"),
        page("/incidents/views", queue.keep, action="incident.read", methods=("POST",)),
        page("/incidents/views/{number:int}/drop", queue.drop, action="incident.read", methods=("POST",)),
        page("/incidents/load", load.page, action="incident.read"),
        page("/incidents/load.csv", load.table, action="incident.read"),
        page("/incidents/months", months.page, action="incident.read"),
        page("/incidents/months.csv", months.table, action="incident.read"),
        page("/incidents/shift", shift.page, action="incident.read"),
        page("/incidents/shift", shift.decide, action="incident.write", methods=("POST",)),
        page("/incidents/bulk", queue.many, action="incident.write", methods=("POST",)),
        page("/incidents/kinds", kinds.index, action="incident.read"),
        page("/incidents/kinds", kinds.add, action="city.write", methods=("POST",)),
        page("/incidents/kinds/new", kinds.new, action="city.write"),
        page("/incidents/kinds/{kind}", kinds.one, action="city.write"),
        page("/incidents/kinds/{kind}", kinds.change, action="city.write", methods=("POST",)),
        page("/incidents/{code}", show.page, action="incident.read"),
        page("/incidents/{code}/panel", show.panel, action="incident.read"),
        page("/incidents/{code}/photos", photos.add, action="incident.write", methods=("POST",)),
        page("/incidents/{code}/photos/{number:int}", photos.read, action="incident.read"),
        page("/incidents/{code}/photos/{number:int}", photos.decide, action="incident.write", methods=("POST",)),
        page("/incidents/{code}/photos/{number:int}/blackout", blackout.page, action="incident.write"),
        page("/incidents/{code}/photos/{number:int}/blackout", blackout.save, action="incident.write", methods=("POST",)),
        page("/incidents/{code}/act", acts.do, action="incident.write", methods=("POST",)),
    ]
