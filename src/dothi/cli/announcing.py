"""Who takes a city along, or brings one back, is in its audit log: written by the running city, or by us where none runs."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from dothi.cli.client import Client
from dothi.model.clock import SystemClock
from dothi.model.problem import Problem
from dothi.settings import Settings

if TYPE_CHECKING:
    from dothi.store.connection import Database


def announce(settings: Settings, database: "Database", what: str, why: str = "") -> datetime:
    """Record that ``what`` is taken along, before it is; returns the city's time. Raises Problem if it cannot be."""
    from dothi.platform.home import locked  # imports that other commands need not wait for

    try:
        with locked(settings.home):
            return record_at_rest(settings, database, "city.export", what, why)
    except Problem as problem:
        if problem.code != "home-in-use":
            raise
    answer = Client(settings, why).post("/api/v1/exports", {"what": what})
    return datetime.fromisoformat(answer["time"])


def record_at_rest(settings: Settings, database: "Database", action: str, what: str, why: str = "") -> datetime:
    """Write the act into the audit log of a locked city that does not run, at the moment it stands at; returns that."""
    from dothi.access.policy import LOCAL_OPERATOR
    from dothi.app import installed_sectors, recorded_period
    from dothi.data.writer import Writer
    from dothi.platform.home import replay_start
    from dothi.store.audit import Act
    from dothi.store.database import migrate

    migrate(database)
    period = recorded_period(settings, installed_sectors(settings.sectors))
    moment = SystemClock().now() if period is None else replay_start(database, period)[0]
    writer = Writer(database, locate=lambda _longitude, _latitude: None)
    try:
        act = Act(LOCAL_OPERATOR.id, action, database.folder.name, detail=what, why=why)
        asyncio.run(writer.run(LOCAL_OPERATOR, moment, lambda _: None, [act], action=action))
    finally:
        writer.close()
    return moment
