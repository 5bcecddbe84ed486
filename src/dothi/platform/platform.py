"""The running city: what the composition root opened, handed to sectors, doors and pages."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from dothi.model.city import City
from dothi.model.clock import Clock
from dothi.model.schema import EntityType
from dothi.platform.commands.service import Commands
from dothi.platform.forecasts import Forecasts
from dothi.platform.incidents.service import Incidents
from dothi.platform.invented import Invented
from dothi.platform.memo import Memo
from dothi.platform.messages import Messages
from dothi.platform.metrics import Metrics
from dothi.platform.rules.service import Rules
from dothi.platform.runs import Runs
from dothi.platform.sector import Sector
from dothi.platform.subscribing import Subscribing
from dothi.platform.tasks import Supervisor
from dothi.platform.telling.service import Telling
from dothi.platform.watch import Watch
from dothi.settings import Settings

if TYPE_CHECKING:
    from dothi.access.accounts import Accounts
    from dothi.access.arrivals import Provider
    from dothi.access.demo import DemoPeople
    from dothi.access.identity import Identity
    from dothi.access.keys import Keys
    from dothi.access.personal.service import Personal
    from dothi.access.tokens import Tokens
    from dothi.data.context import Context
    from dothi.data.dispatch import Dispatcher
    from dothi.data.history import History
    from dothi.data.ingest import Ingest
    from dothi.data.quarantine import Quarantine
    from dothi.data.retention import Retention
    from dothi.data.sql.questions import Questions
    from dothi.data.sql.saved import SavedQueries
    from dothi.data.stored import Bookkeeper
    from dothi.data.writer import Writer
    from dothi.devices.door import DeviceDoor
    from dothi.devices.registry import Registry
    from dothi.platform.auditing import Auditing
    from dothi.store.database import Database
    from dothi.store.journal import Journal
    from dothi.store.lake import Lake


@dataclass(frozen=True, slots=True)
class ReplayInfo:
    """The city is a replay of recorded data: its first and last moment (aware UTC) and city seconds per real second.

    ``drill`` names the drill it is for, if it is one; what happens then may be invented.
    """

    start: datetime
    end: datetime
    speed: float
    drill: str = ""


class BaseLayers(Protocol):
    """The map's own ground, prepared once: gzip-compressed GeoJSON by layer, and whom to thank for it."""

    @property
    def attribution(self) -> str:
        """Who made the data, as their licences want it said."""
        ...

    def layer(self, name: str) -> bytes | None:
        """The layer ``wards``, ``roads-main``, ``roads-minor`` or ``water``; None if this city has none."""
        ...


@dataclass(slots=True)
class Platform:
    """One running city. ``types`` maps an entity type's IRI to it; ``replay`` is None in a city that lives now.

    ``simulated`` is True when what is measured is made up; ``basemap`` is None until its preparation is done.
    ``provider`` is where people may sign in elsewhere, if the settings name one.
    """

    settings: Settings
    tenant: str
    city: City
    clock: Clock
    types: dict[str, EntityType]
    database: "Database"
    journal: "Journal"
    writer: "Writer"
    context: "Context"
    history: "History"
    retention: "Retention"
    stored: "Bookkeeper"
    personal: "Personal"
    devices: "Registry"
    device_door: "DeviceDoor"
    quarantine: "Quarantine"
    auditing: "Auditing"
    questions: "Questions"
    saved_queries: "SavedQueries"
    ingest: "Ingest"
    dispatcher: "Dispatcher"
    sectors: tuple[Sector, ...]
    replay: ReplayInfo | None
    simulated: bool
    watch: Watch
    accounts: "Accounts"
    demo: "DemoPeople"
    identity: "Identity"
    keys: "Keys"
    tokens: "Tokens"
    provider: "Provider | None"
    basemap: BaseLayers | None = None
    metrics: Metrics = field(default_factory=Metrics)
    memo: Memo = field(default_factory=Memo)
    tasks: Supervisor = field(default_factory=Supervisor)
    forecasts: Forecasts = field(init=False)
    invented: Invented = field(init=False)
    messages: Messages = field(init=False)
    incidents: Incidents = field(init=False)
    commands: Commands = field(init=False)
    rules: Rules = field(init=False)
    telling: Telling = field(init=False)
    runs: Runs = field(init=False)  # made last: processes are handed the platform
    subscriptions: Subscribing = field(init=False)

    @property
    def lake(self) -> "Lake":
        """What was sealed."""
        return self.database.lake
