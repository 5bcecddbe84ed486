"""The composition root: the only place that chooses homes, mounts sectors and decides in which order a city starts."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Scope

from dothi import __version__
from dothi.access.accounts import Accounts
from dothi.access.ahead import COMPRESSED_FROM, COMPRESSION, Ahead
from dothi.access.arrivals import provider_of
from dothi.access.demo import DemoPeople
from dothi.access.device_keys import DeviceKeys
from dothi.access.identity import Identity
from dothi.access.keys import Keys
from dothi.access.personal.service import Personal
from dothi.access.problems import problem_of, problem_response, wants_page
from dothi.access.proxies import Proxies
from dothi.access.refusals import DOOR
from dothi.access.requests import Doorkeeper, address_of
from dothi.access.routes import path_told, takes_files
from dothi.access.tokens import Tokens
from dothi.api.exchange.importing import refuse_unfinished
from dothi.api.exchange.replaying import ExportReplay, exported_period, is_export
from dothi.api.ngsild.broker import open_broker
from dothi.api.ngsild.door import Doors
from dothi.api.ngsild.subscriptions.service import Subscriptions
from dothi.api.routes import routes as api_routes
from dothi.cities import load_city
from dothi.cities.basemap import prepare_basemap
from dothi.cities.pack import read_pack
from dothi.cities.units import read_country
from dothi.data.ingest import Ingest
from dothi.data.quarantine import Quarantine
from dothi.data.sql.questions import Questions
from dothi.data.sql.saved import SavedQueries
from dothi.data.writer import Writer
from dothi.demo.neighbourhood import begin, plays, tell_past
from dothi.devices.door import DeviceDoor
from dothi.devices.registry import Registry
from dothi.model.city import City
from dothi.model.clock import Clock, ReplayClock, SystemClock
from dothi.model.problem import Problem
from dothi.platform.callers import Caller, Lines
from dothi.platform.derive import Deriver
from dothi.platform.figures import declare_metrics
from dothi.platform.forecasts import Forecasts
from dothi.platform.home import drill_period, keep_present, local_key_of, locked, replay_start, secret_of, within
from dothi.platform.memory import settle_memory
from dothi.platform.metrics import Metrics
from dothi.platform.platform import Platform, ReplayInfo
from dothi.platform.record import open_record, start_record, ward_codes
from dothi.platform.runs import Runs
from dothi.platform.scoring import Scoring
from dothi.platform.sector import Feed, Period, Sector, purposes_of
from dothi.platform.server import Server
from dothi.platform.tasks import TaskState
from dothi.platform.watch import Watch
from dothi.platform.work import open_work, start_work, types_of
from dothi.settings import Settings
from dothi.store.database import Database, migrate, open_database
from dothi.store.nats_journal import open_journal
from dothi.ui.assets import mount as bundle
from dothi.ui.errors import error_page
from dothi.web.live import TASK as LIVE
from dothi.web.routes import routes as web_routes

CHECKOUT = Path(__file__).resolve().parents[2]
DEFAULT_DATA = CHECKOUT.parent / "shared" / "data" / "hanoi"
DEFAULT_DATA_CITY = "01"
_KEEP_PRESENT_EVERY = 2.0
_PROMISED = timedelta(seconds=2 * _KEEP_PRESENT_EVERY)  # how far ahead of its present a killed replay goes on
_SWEEP_EVERY = 3600.0
_GRACE = 2  # seconds that open requests get when the city stops


def with_found_data(settings: Settings) -> Settings:
    """``settings`` with the data folder beside the checkout, if there is one, it is this city's and none was set."""
    beside = (CHECKOUT / "pyproject.toml").is_file() and DEFAULT_DATA.is_dir()
    if beside and settings.data is None and settings.city == DEFAULT_DATA_CITY:
        return settings.model_copy(update={"data": DEFAULT_DATA})
    return settings


def installed_sectors(wanted: str = "") -> tuple[Sector, ...]:
    """The sectors of the entry point group ``dothi.sectors``; ``wanted`` (ids, comma-separated) keeps only those.

    Raises Problem for an id that is not installed.
    """
    found = {point.name: point for point in entry_points(group="dothi.sectors")}
    names = [name.strip() for name in wanted.split(",") if name.strip()] or sorted(found)
    missing = [name for name in names if name not in found]
    if missing:
        raise Problem(
            400,
            "no-sector",
            f"No sector {missing[0]!r} is installed.",
            f"DOTHI_SECTORS may name: {', '.join(sorted(found))}.",
        )
    sectors = [found[name].load() for name in names]
    for name, sector in zip(names, sectors, strict=True):
        if not isinstance(sector, Sector):
            raise Problem(500, "bad-sector", f"The entry point {name!r} is no Sector.", "Mend or remove that package.")
    return tuple(sectors)


def recorded_period(settings: Settings, sectors: tuple[Sector, ...]) -> Period | None:
    """What the data folder holds of the past: the widest of the sectors' periods. None makes a city of today."""
    for name, folder in (("DOTHI_DATA", settings.data), ("DOTHI_RECORDING", settings.recording)):
        if folder is not None and not folder.is_dir():
            raise Problem(400, "no-data", f"There is no folder {folder}.", f"Mend {name} or leave it out.")
    folder = settings.recorded_in
    if folder is None:
        return drill_period(settings)
    periods = [found for sector in sectors if sector.recorded and (found := sector.recorded(folder))]
    if is_export(folder):
        periods.append(exported_period(folder))
    if not periods:
        return None
    first = periods[0]
    whole = Period(min(one.start for one in periods), first.present, max(one.end for one in periods))
    return within(whole, settings.replay_from, settings.replay_to)


def tenant_of(settings: Settings) -> str:
    """The tenant these settings lead to: the city's slug, with ``-replay`` where recorded data makes it another city, and
    with the name of a drill.
    """
    slug = read_pack(read_country().province(settings.city)).slug
    replays = recorded_period(settings, installed_sectors(settings.sectors)) is not None
    return f"{slug}-drill-{settings.drill}" if settings.drill else f"{slug}-replay" if replays else slug


@asynccontextmanager
async def open_platform(settings: Settings, metrics: Metrics, identity: Identity) -> AsyncIterator[Platform]:
    """The running city: opened in the order in which its parts need each other, closed the other way round.

    ``identity`` learns who is known here.

    Raises Problem, in words a person can act on, if it cannot run here.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(locked(settings.home))
        sectors = installed_sectors(settings.sectors)
        period, tenant = await asyncio.to_thread(lambda: (recorded_period(settings, sectors), tenant_of(settings)))
        cache = settings.home / "cache"
        city = await asyncio.to_thread(_city_of, settings, cache)
        database = await asyncio.to_thread(open_database, settings.home, tenant, settings.database)
        stack.callback(database.close)
        await asyncio.to_thread(migrate, database)
        refuse_unfinished(database)
        clock, replay = _clock(settings, period, database)
        types = {one.iri: one for one in types_of(sectors)}
        record = open_record(stack, database, city, clock, types, settings.home)
        writer = record.writer
        questions = Questions(settings.home, tenant, settings.database, cache, city, clock, types.values(), writer)
        stack.push_async_callback(questions.close)
        if isinstance(clock, ReplayClock):
            await keep_present(writer, clock, _PROMISED)  # before anything is heard under this run
        types_of_sector = {one.id: frozenset(kind.iri for kind in one.entity_types) for one in sectors}
        secret, demo = secret_of(settings.home), settings.alone
        # People live by the machine's clock, also in a city that replays.
        accounts = Accounts(database, writer, SystemClock(), secret, types_of_sector, demo=demo)
        identity.accounts = accounts
        keys = Keys(database, writer, accounts, SystemClock(), types_of_sector)
        tokens = Tokens(keys, secret, tenant, SystemClock())
        identity.accept("bearer", tokens.of_bearer)
        personal = Personal(database, writer, SystemClock(), settings.home)
        stack.callback(personal.keys.close)
        journal = open_journal(settings, tenant)
        devices = Registry(database, city, clock, types, writer)
        device_keys = DeviceKeys(database, writer, SystemClock())
        device_door = DeviceDoor(devices, device_keys, journal, identity, clock, SystemClock())
        devices.decided = journal.expel
        journal.guard(device_door.admits)
        quarantine = Quarantine(database, journal, writer, clock)
        ingest = Ingest(journal, devices, writer, quarantine, types, clock, database)
        platform = Platform(
            settings=settings,
            tenant=tenant,
            city=city,
            clock=clock,
            types=types,
            database=database,
            journal=journal,
            writer=writer,
            context=record.context,
            history=record.history,
            retention=record.retention,
            stored=record.stored,
            personal=personal,
            devices=devices,
            device_door=device_door,
            quarantine=quarantine,
            auditing=record.auditing,
            questions=questions,
            saved_queries=SavedQueries(database, writer, clock),
            ingest=ingest,
            dispatcher=record.dispatcher,
            sectors=sectors,
            replay=replay,
            simulated=any(sector.simulates for sector in sectors) if replay is None else settings.recorded_in is None,
            watch=Watch(journal, settings.home, settings.disk_floor, lambda: ingest.figures.lag_seconds),
            accounts=accounts,
            demo=DemoPeople(accounts, city.wards[0].code if city.wards else None),
            identity=identity,
            keys=keys,
            tokens=tokens,
            provider=provider_of(settings, secret),
            metrics=metrics,
        )
        device_door.refusals = platform.auditing.refusals
        platform.forecasts = Forecasts(platform)
        open_work(platform)
        platform.runs = Runs(platform)
        for process in (one for sector in sectors for one in sector.processes):
            platform.runs.register(process)
        subscriptions = Subscriptions(open_broker(platform))
        platform.subscriptions = subscriptions
        await journal.start()
        stack.push_async_callback(journal.stop)
        stack.push_async_callback(platform.tasks.stop)
        platform.tasks.start("device-keys", lambda _: device_keys.run())
        subscriptions.start()
        if plays(platform):
            await tell_past(platform)
        start_work(platform)
        _start_tasks(platform, cache)
        begin(platform)
        await platform.watch.look()
        settle_memory()
        yield platform
        if isinstance(clock, ReplayClock):
            await keep_present(writer, clock)


@asynccontextmanager
async def open_questions(settings: Settings) -> AsyncIterator[Questions]:
    """The record of a city that does not run, to be asked in SQL. Raises Problem if there is none or the city runs."""
    async with AsyncExitStack() as stack:
        stack.enter_context(locked(settings.home))
        sectors = installed_sectors(settings.sectors)
        period, tenant = recorded_period(settings, sectors), tenant_of(settings)
        cache = settings.home / "cache"
        city = _city_of(settings, cache)
        database = open_database(settings.home, tenant, settings.database)
        stack.callback(database.close)
        if not database.exists():
            raise Problem(404, "no-city", f"There is no city in {settings.home} yet.", "Start one with: dothi run")
        migrate(database)
        clock, _replay = _clock(settings, period, database)
        writer = Writer(database, locate=ward_codes(city))
        stack.callback(writer.close)
        types = types_of(sectors)
        questions = Questions(settings.home, tenant, settings.database, cache, city, clock, types, writer)
        stack.push_async_callback(questions.close)
        yield questions


def _city_of(settings: Settings, cache: Path) -> City:
    return load_city(settings.city, settings.data, settings.boundaries, cache, settings.working_time)


def _clock(settings: Settings, period: Period | None, database: Database) -> tuple[Clock, ReplayInfo | None]:
    if period is None:
        return SystemClock(), None
    start, earlier = replay_start(database, period)
    clock = ReplayClock(start, settings.replay_speed, period.end, earlier=earlier)
    return clock, ReplayInfo(period.start, period.end, settings.replay_speed, settings.drill)


def _start_tasks(platform: Platform, cache: Path) -> None:
    """Everything that works beside the doors; what takes long reports its progress and holds nobody up."""
    tasks = platform.tasks
    declare_metrics(platform)
    for sector in platform.sectors:
        for derivation in sector.derivations:
            deriver = Deriver(platform, derivation)
            platform.dispatcher.register(f"derive:{derivation.id}", deriver.handle)
            tasks.start(f"derive:{derivation.id}", deriver.run)
    tasks.start("watch", platform.watch.run)
    tasks.start("ingest", lambda _: platform.ingest.run())
    tasks.start("accounts", partial(_sweep_accounts, platform.accounts))
    tasks.start("keys", lambda _: platform.keys.run())
    tasks.start("devices", lambda _: platform.devices.run())
    start_record(tasks, platform)
    tasks.start("personal", lambda _: platform.personal.run(purposes_of(platform.sectors)))
    tasks.start("runs", platform.runs.run)
    scoring = Scoring(platform)
    tasks.start("forecast-scores", scoring.run)
    tasks.start("forecast-past", scoring.look_back)
    tasks.start("basemap", partial(_prepare_basemap, platform, cache))
    if isinstance(platform.clock, ReplayClock):
        tasks.start("replay-clock", partial(_keep_present, platform.writer, platform.clock))
    for sector in platform.sectors:
        for feed in sector.feeds(platform) if sector.feeds else ():
            tasks.start(f"feed:{feed.id}", partial(_feed, platform, feed))
    recorded = platform.settings.recorded_in
    if recorded is not None and is_export(recorded):
        tasks.start(f"feed:{ExportReplay.id}", partial(_feed, platform, ExportReplay(recorded)))


async def _sweep_accounts(accounts: Accounts, _: TaskState) -> None:
    while True:
        await accounts.sweep()
        await asyncio.sleep(_SWEEP_EVERY)


async def _feed(platform: Platform, feed: Feed, _: TaskState) -> None:
    await feed.run(platform)


async def _prepare_basemap(platform: Platform, cache: Path, _: TaskState) -> None:
    platform.basemap = await asyncio.to_thread(prepare_basemap, platform.city, platform.settings.data, cache)


async def _keep_present(writer: Writer, clock: ReplayClock, _: TaskState) -> None:
    while True:
        await asyncio.sleep(_KEEP_PRESENT_EVERY)
        await keep_present(writer, clock, _PROMISED)


def create_app(settings: Settings) -> FastAPI:
    """The application of one city. Its lifespan opens the city, and only then its routes are known.

    ``app.state.platform`` is the running city. Raises Problem if the home folder cannot be written; the lifespan raises
    those of ``open_platform``.
    """
    metrics = Metrics()
    identity = Identity(local_key_of(settings.home), settings.open_doors)
    ahead: list[BaseRoute] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_platform(settings, metrics, identity) as platform:
            app.state.platform = platform
            doors = api_routes(platform)
            ahead.extend(one for one in doors if isinstance(one, Doors))
            app.router.routes.extend([*doors, *_people_routes(platform)])
            yield

    app = FastAPI(
        title="Đô Thị",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        # Nothing is told to a collector that the environment may name, and no request has to ask whether it does.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )

    def page(request: Request, problem: Problem) -> Response:
        return error_page(request, app.state.platform, problem)

    def refused(scope: Scope, action: str, code: str) -> None:
        state = scope["state"]
        app.state.platform.auditing.refusals.note(
            state["person"].id,
            action or DOOR,
            path_told(scope),
            code,
            source=address_of(scope),
            correlation=state["correlation"],
        )

    async def on_error(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.code == "sign-in-needed" and request.url.path == "/" and wants_page(request):
            return RedirectResponse("/sign-in?to=/", 303)  # who types the city's name has asked for nothing yet
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else None
        return problem_response(request, problem, page, headers)

    async def on_invalid(request: Request, error: Exception) -> Response:
        errors = error.errors() if isinstance(error, RequestValidationError) else []
        listed = [{"where": ".".join(map(str, one["loc"])), "what": one["msg"]} for one in errors]
        return problem_response(request, problem_of(HTTPException(422)), page, errors=listed)

    app.add_exception_handler(Problem, on_error)
    app.add_exception_handler(HTTPException, on_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=COMPRESSION)
    app.add_middleware(Ahead, routes=ahead)
    app.add_middleware(
        Doorkeeper,
        host=settings.host,
        names=settings.names,
        proxies=Proxies(settings.trusted_proxy),
        identity=identity,
        secret=secret_of(settings.home),
        page=page,
        observe=metrics.observe,
        refused=refused,
        takes_files=lambda scope: takes_files(app.router.routes, scope),
    )
    return app


def _people_routes(platform: Platform) -> list[BaseRoute]:
    pages = web_routes(platform)
    for sector in platform.sectors:
        pages += sector.pages(platform) if sector.pages else ()
    return [*pages, bundle()]


async def serve(settings: Settings, listening: socket.socket, stop: asyncio.Event, ready: Callable[[FastAPI], None]) -> None:
    """Run the city on ``listening`` until ``stop`` is set; ``ready`` is told once it serves. Raises Problem if it cannot."""
    app = create_app(settings)
    certificate, key = settings.tls or (None, None)
    async with app.router.lifespan_context(app):
        config = uvicorn.Config(
            app,
            lifespan="off",
            http=cast("type[asyncio.Protocol]", partial(Caller, lines=Lines(Proxies(settings.trusted_proxy)))),
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_GRACE,
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]), name="web")
        told = asyncio.create_task(stop.wait(), name="stop")
        started = asyncio.create_task(server.ready.wait(), name="ready")
        await asyncio.wait({serving, started}, return_when=asyncio.FIRST_COMPLETED)
        ready(app)
        await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await app.state.platform.tasks.cancel(LIVE)  # open streams would hold the stop for the whole grace
        for task in (told, started):
            task.cancel()
        await serving
