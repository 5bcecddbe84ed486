"""The doors for people: every page of the platform itself. Sectors add their own."""

from starlette.routing import BaseRoute

from dothi.access.routes import page
from dothi.platform.platform import Platform
from dothi.web.account_routes import account_routes
from dothi.web.arrival import arrival_routes
from dothi.web.audit import AuditPages
from dothi.web.commands import CommandPages
from dothi.web.data import DataPages
from dothi.web.demo import DemoPages
from dothi.web.device_keys import device_key_routes
from dothi.web.devices import Devices
from dothi.web.forecasts import ForecastPages
from dothi.web.incidents.routes import incident_routes
from dothi.web.keys import key_routes
from dothi.web.layerfiles import LayerFiles
from dothi.web.live import Live
from dothi.web.lobby import LobbyPages
from dothi.web.mapdata import MapData
from dothi.web.messages import MessagePages
from dothi.web.operations import Operations
from dothi.web.panel import Panels
from dothi.web.personal_routes import personal_routes
from dothi.web.quarantine import QuarantinePages
from dothi.web.rules.routes import rule_routes
from dothi.web.runs import RunPages
from dothi.web.sources import SourcePages
from dothi.web.sql import SqlPages
from dothi.web.subscriptions import SubscriptionPages
from dothi.web.wall import Wall
from dothi.web.ward import WardPages
from dothi.web.ward_list import Wards


def routes(platform: Platform) -> list[BaseRoute]:
    """Every route of the web floor, each with the action it performs."""
    ground, panels, wall = MapData(platform), Panels(platform), Wall(platform)
    devices, lobby, quarantine = Devices(platform), LobbyPages(platform), QuarantinePages(platform)
    files, audit, subscriptions = LayerFiles(platform), AuditPages(platform), SubscriptionPages(platform)
    runs, sql, forecasts = RunPages(platform), SqlPages(platform), ForecastPages(platform)
    commands, demo = CommandPages(platform), DemoPages(platform)
    messages = MessagePages(platform)
    wards, ward, data = Wards(platform), WardPages(platform), DataPages(platform)
    return [
        *account_routes(platform),
        *key_routes(platform),
        *arrival_routes(platform),
        page("/", Operations(platform).page, action="operations.read"),
        page("/live", Live(platform).stream, action="operations.read"),
        page("/wall", wall.page, action="operations.read"),
        page("/wall/board", wall.board, action="operations.read"),
        page("/wards", wards.page, action="operations.read"),
        page("/wards.csv", wards.table, action="operations.read"),
        page("/wards.geojson", wards.geojson, action="operations.read"),
        page("/wards/{code}/history.csv", ward.history, action="history.read"),
        page("/wards/{code}.geojson", ward.geojson, action="operations.read"),
        page("/wards/{code}", ward.page, action="operations.read"),
        page("/map/base/{name}.json", ground.base, action="city.read"),
        page("/map/layers/{layer}.json", ground.layer, action="entity.read"),
        page("/map/layers/{layer}.geojson", files.geojson, action="entity.read"),
        page("/map/layers/{layer}.csv", files.table, action="entity.read"),
        page("/map/hours/{layer}.csv", files.hours, action="history.read"),
        page("/map/tiles.json", ground.tiles, action="entity.read"),
        page("/map/hours/{layer}.json", ground.hours, action="history.read"),
        page("/map/exceedance/{layer}.json", ground.exceedance, action="history.read"),
        page("/panel/{urn}/history.csv", panels.table, action="history.read"),
        page("/panel/{urn}", panels.fragment, action="operations.read"),
        page("/devices", devices.index, action="device.read"),
        page("/devices.csv", devices.table, action="device.read"),
        page("/devices/lobby.csv", lobby.table, action="device.read"),
        page("/devices/quarantine.csv", quarantine.table, action="quarantine.read"),
        page("/data/sources", SourcePages(platform).page, action="operations.read"),
        page("/devices/lobby", lobby.index, action="device.read"),
        page("/devices/lobby/{device}", lobby.form, action="device.write"),
        page("/devices/lobby/{device}/admit", lobby.admit, action="device.write", methods=("POST",)),
        page("/devices/lobby/{device}/refuse", lobby.refuse, action="device.write", methods=("POST",)),
        page("/devices/quarantine", quarantine.index, action="quarantine.read"),
        page("/devices/quarantine", quarantine.decide, action="quarantine.write", methods=("POST",)),
        page("/devices/quarantine/parked", quarantine.resend, action="operations.write", methods=("POST",)),
        page("/forecasts", forecasts.index, action="forecast.read"),
        page("/forecasts.csv", forecasts.table, action="forecast.read"),
        page("/runs", runs.index, action="run.read"),
        page("/runs", runs.start, action="run.start", methods=("POST",)),
        page("/runs.csv", runs.table, action="run.read"),
        page("/runs/{run}", runs.show, action="run.read"),
        page("/runs/{run}/cancel", runs.cancel, action="run.cancel", methods=("POST",)),
        page("/runs/{run}/repeat", runs.repeat, action="run.start", methods=("POST",)),
        page("/runs/{run}/{part}.json", runs.download, action="run.read"),
        page("/commands", commands.index, action="command.read"),
        page("/commands.csv", commands.table, action="command.read"),
        page("/commands/new", commands.form, action="command.propose"),
        page("/commands/new", commands.propose, action="command.propose", methods=("POST",)),
        page("/commands/{command}", commands.show, action="command.read"),
        page("/commands/{command}", commands.decide, action="command.read", methods=("POST",)),
        page("/audit", audit.page, action="audit.read"),
        page("/audit.csv", audit.table, action="audit.export"),
        page("/audit.zip", audit.copy, action="audit.export"),
        page("/data", data.page, action="operations.read"),
        page("/data.csv", data.table, action="operations.read"),
        page("/data/retention", data.form, action="retention.write"),
        page("/data/retention", data.change, action="retention.write", methods=("POST",)),
        page("/data/subscriptions", subscriptions.index, action="operations.read"),
        page("/data/subscriptions", subscriptions.decide, action="operations.write", methods=("POST",)),
        page("/data/subscriptions.csv", subscriptions.table, action="operations.read"),
        page("/data/sql", sql.page, action="sql.ask", methods=("GET", "POST")),
        page("/data/sql/file", sql.file, action="sql.ask", methods=("GET", "POST")),
        page("/data/sql/saved", sql.save, action="sql.save", methods=("POST",)),
        page("/data/sql/saved/{saved}/delete", sql.delete, action="sql.save", methods=("POST",)),
        page("/data/sql/saved/{saved}/restore", sql.restore, action="sql.save", methods=("POST",)),
        page("/message", messages.page, action="city.write"),
        page("/message", messages.decide, action="city.write", methods=("POST",)),
        page("/demo", demo.page, action="page.read"),
        page("/demo/remove", demo.remove, action="retention.write", methods=("POST",)),
        *personal_routes(platform),
        *device_key_routes(platform),
        *incident_routes(platform),
        *rule_routes(platform),
        page("/devices/{device}", devices.show, action="device.read"),
        page("/devices/{device}/refuse", devices.refuse, action="device.write", methods=("POST",)),
        page("/devices/{device}/restore", devices.restore, action="device.write", methods=("POST",)),
    ]
