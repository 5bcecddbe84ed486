"""The sector contract: what a sector declares, and the plain data by which pages show it. Nothing here draws."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

from starlette.routing import BaseRoute

from dothi.access.personal.model import Purpose
from dothi.access.policy import Person
from dothi.model.entity import Entity
from dothi.model.moment import Moment
from dothi.model.schema import EntityType
from dothi.model.text import Text
from dothi.model.ward import Ward
from dothi.platform.commands.kinds import CommandKind
from dothi.platform.incidents.kinds import IncidentKind, Playbook
from dothi.platform.rules.model import Rule
from dothi.platform.telling.model import Audience

Freshness = Literal["fresh", "late", "silent"]
Bottleneck = Literal["traffic", "flooding", "environment", "order", "food"]


@dataclass(frozen=True, slots=True)
class MapPoint:
    """One marker: where, what it says in a few characters, its colour and the ink readable on it (CSS hex)."""

    id: str
    longitude: float
    latitude: float
    title: str
    label: str
    colour: str
    ink: str
    detail: str = ""
    ward: str | None = None
    freshness: Freshness = "fresh"
    severity: int = 0
    rank: float = 0.0  # the worst is the highest; lists sort by it
    doubt: str = ""  # why the value may be wrong; lists show a mark that says it


@dataclass(frozen=True, slots=True)
class MapArea:
    """One ward's fill. ``detail`` must say how the value was made when it is not measured there."""

    ward: str
    label: str
    colour: str
    ink: str
    detail: str = ""
    rank: float = 0.0  # the worst is the highest; lists sort by it


@dataclass(frozen=True, slots=True)
class Band:
    """One step of a legend: its official colour, the ink readable on it, the range it covers and what it is called."""

    colour: str
    ink: str
    label: str
    words: Text


@dataclass(frozen=True, slots=True)
class HourCell:
    """One hour of the whole city: ``at`` is the hour's start (aware UTC); ``label`` is None when nothing was heard.

    ``severity`` is that of the worst place in it, 0 when nothing was over a limit: the time bar marks and finds those hours.
    """

    at: datetime
    label: str | None = None
    colour: str = ""
    ink: str = ""
    detail: str = ""
    severity: int = 0


class PointsOf(Protocol):
    """Asks a layer for its markers: all, or those of the entities that changed."""

    def __call__(
        self, platform: Any, asker: Person, language: str, ids: Sequence[str] | None = None, moment: Moment | None = None, /
    ) -> list[MapPoint]:
        """The markers now, or as they stood at a past moment: nothing observed after it counts."""
        ...


class AreasOf(Protocol):
    """Asks a layer for its ward fills."""

    def __call__(self, platform: Any, asker: Person, language: str, moment: Moment | None = None, /) -> list[MapArea]:
        """The fills now, or as they stood at a past moment."""
        ...


class HoursOf(Protocol):
    """Asks a layer for the city's value of each hour."""

    def __call__(
        self, platform: Any, asker: Person, language: str, moment: Moment | None = None, count: int = 24, /
    ) -> list[HourCell]:
        """The last ``count`` finished hours before now, or before a past moment, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class MapLayer:
    """A switchable layer of the map: its markers, its ward fills, the hours behind the time bar, and its legend."""

    id: str
    title: Text
    entity_type: str
    points: PointsOf | None = None
    areas: AreasOf | None = None
    hours: HoursOf | None = None
    legend: tuple[Band, ...] = ()
    shown: bool = True  # from the start; else only when somebody switches it on
    offered: Callable[[Any], bool] | None = None  # asked with the platform whether this city has the layer at all


@dataclass(frozen=True, slots=True)
class Tile:
    """One bottleneck at a glance. ``number`` is already formatted; ``missing`` says what is needed when there is none."""

    number: str | None
    words: str
    severity: int = 0
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A line across a chart. ``label`` is a word or two; without an official ``colour`` (CSS hex) the line is neutral."""

    value: float
    label: str
    colour: str = ""
    ink: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of one attribute: its series comes from the history door, the dashed hours after now from the process that
    ``forecast`` names.
    """

    attribute: str
    title: str
    unit: str
    thresholds: tuple[Threshold, ...] = ()
    hours: int = 24
    forecast: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """What the drawer says about one entity, most important first."""

    title: str
    subtitle: str
    badge: str = ""
    badge_colour: str = ""
    badge_ink: str = ""
    headline: str = ""
    advice: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    charts: tuple[Chart, ...] = ()
    method: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line over time: moments (aware UTC, oldest first) and their values. ``basis`` says how they are known."""

    title: str
    unit: str
    at: tuple[datetime, ...]
    values: tuple[float, ...]
    basis: str = ""
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True, slots=True)
class Exceedance:
    """A limit that was passed: when the stretch that is judged began (aware UTC), where, what, and by how much in words."""

    at: datetime
    place: str
    what: str
    said: str


@dataclass(frozen=True, slots=True)
class WardView:
    """What a sector says about one ward: now, over time, and what passed a limit; ``start`` ≤ observed < ``end``, aware UTC.

    The panel's ``title`` names the subject, its ``subtitle`` says how the value is known: measured there, or how made.
    """

    panel: Callable[[Any, Person, str, Ward], Panel]
    history: Callable[[Any, Person, str, Ward, datetime, datetime], Curve] | None = None
    exceedances: Callable[[Any, Person, str, Ward, datetime, datetime], list[Exceedance]] | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """Whose readings a city keeps: what they are and who provides them."""

    title: str
    provider: str


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of recorded data, aware UTC: its first moment, where a replaying city's clock begins, its last moment."""

    start: datetime
    present: datetime
    end: datetime


class TileOf(Protocol):
    """Asks a sector for its bottleneck at a glance."""

    def __call__(self, platform: Any, asker: Person, language: str, moment: Moment | None = None, /) -> Tile:
        """The tile now, or as it stood at a past moment."""
        ...


class PanelOf(Protocol):
    """Asks a sector what the drawer says about one of its entities."""

    def __call__(
        self, platform: Any, asker: Person, language: str, entity: Entity, moment: Moment | None = None, /
    ) -> Panel:
        """What is said now, or at a past moment: ``entity`` then holds the values of that moment."""
        ...


class Feed(Protocol):
    """A source of readings that a sector brings along (a replayed file, a simulation)."""

    id: str

    async def run(self, platform: Any) -> None:
        """Feed the journal until cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class PublicSource:
    """Somebody's data that a sector can take in, whom to thank and on which terms; ``task`` asks if ``setting`` lets it."""

    title: Text
    provider: str
    link: str
    licence: str
    licence_link: str
    terms: Text
    setting: str
    task: str


@dataclass(frozen=True, slots=True)
class Derivation:
    """A value computed from others: called after commit with the entities of ``entity_type`` that changed.

    Its results are written through ``apply`` with origin *modelled*. ``every`` bounds how often one entity is recomputed,
    in city time.
    """

    id: str
    entity_type: str
    compute: Callable[[Any, Sequence[str]], Awaitable[None]]
    every: timedelta = timedelta(minutes=1)


class RunContext(Protocol):
    """What a running process may ask of its surroundings; it lives in a process of its own, without the city."""

    seed: int

    def progress(self, fraction: float) -> None:
        """Say how far the run is, from 0 to 1. Call it as often as you like: five a second are passed on."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """What a process forecasts: hourly means of one attribute of every entity of a type, kept in ``platform.forecasts``.

    ``believable`` says of an hourly mean whether it may count as what came. Where a city begins with a past of at least
    ``hindcast_after``, forecasts are made for it afterwards, one every ``hindcast_every``: the process is then started with
    the options ``from`` and ``to`` (ISO 8601, the first and last issue) and ``every_hours``, and may only use what was
    observed before each issue.
    """

    entity_type: str
    attribute: str
    believable: Callable[[float], bool]
    hindcast_after: timedelta = timedelta(days=2)
    hindcast_every: timedelta = timedelta(hours=5)  # comes by every hour of the day


@dataclass(frozen=True, slots=True)
class Process:
    """A computation that takes long: pure, seeded, run in a process of its own and kept as a Run.

    ``run(inputs, context)`` is a function of a module (it is named to the other process, not sent); ``inputs`` and what it
    returns are JSON values. ``gather(platform, options)`` turns what was asked for (``options``, JSON, empty for a scheduled
    run) into inputs; it reads history as of the city's clock. ``keep(platform, run_id, inputs, outputs)`` writes results
    back, modelled, through the one writer. ``every`` schedules it in city time; ``time_limit`` is of the machine's time.
    ``by_hand`` says whether people find it among what they may start; ``target`` what it forecasts, if it does.
    """

    id: str
    title: Text
    version: str
    run: Callable[[Any, RunContext], Any]
    gather: Callable[[Any, dict[str, Any]], Awaitable[Any]]
    keep: Callable[[Any, str, Any, Any], Awaitable[None]] | None = None
    every: timedelta | None = None
    time_limit: timedelta = timedelta(minutes=2)
    purpose: Text | None = None
    by_hand: bool = True
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class AlertCategory:
    """What an alert about a type or an attribute (IRI) is called in the words of the Smart Data Models' ``Alert``."""

    of: str
    category: str
    sub_category: str = ""


@dataclass(frozen=True, slots=True)
class Sector:
    """A sector of the city, readable in a screenful. Third parties add theirs by the entry point ``dothi.sectors``.

    ``recorded`` says which period a folder with real data (``DOTHI_DATA``) covers for this sector, None if it has none.
    ``simulates`` is True if its feeds make values up in a city that replays nothing. ``purposes`` are what it keeps personal
    data for; a new city begins with them, and what its stewards change stays (Law 91/2025: no data without a purpose).
    """

    id: str
    title: Text
    agency: str
    entity_types: tuple[EntityType, ...]
    bottleneck: Bottleneck | None = None
    tile: TileOf | None = None
    layers: tuple[MapLayer, ...] = ()
    panel: PanelOf | None = None
    ward: WardView | None = None
    credits: Callable[[Any, Person, str], Sequence[Credit]] | None = None
    derivations: tuple[Derivation, ...] = ()
    processes: tuple[Process, ...] = ()
    feeds: Callable[[Any], Sequence[Feed]] | None = None
    simulates: bool = False
    recorded: Callable[[Path], Period | None] | None = None
    pages: Callable[[Any], Sequence[BaseRoute]] | None = None
    sources: tuple[PublicSource, ...] = ()
    links: tuple[tuple[str, Text], ...] = field(default_factory=tuple)  # (path, words) for the rail
    purposes: tuple[Purpose, ...] = ()
    incident_kinds: tuple[IncidentKind, ...] = ()
    playbooks: tuple[Playbook, ...] = ()
    rules: tuple[Rule, ...] = ()  # those a new city begins with; what its people change stays
    alert_categories: tuple[AlertCategory, ...] = ()
    commands: tuple[CommandKind, ...] = ()
    tells: Callable[[Any], Audience] | None = None  # people outside who asked to hear what becomes of incidents


def purposes_of(sectors: Iterable[Sector]) -> list[Purpose]:
    """What ``sectors`` keep personal data for, each answered for by its own agency unless it names another."""
    return [replace(one, agency=one.agency or sector.agency) for sector in sectors for one in sector.purposes]
