"""Further tenants (ETSI GS CIM 009 v1.9.1, clauses 4.14 and 5.5.10): records of their own, reached by NGSI-LD alone.

A tenant has its own database, audit log, lake and subscriptions; nothing crosses over. Feeds, devices, pages and indicators
are the city's. Who was given the whole city is known in its further tenants too; rights over a part of it end at its border.
"""

import asyncio
import copy
import re
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import cached_property
from typing import Any, NoReturn

import structlog
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.policy import Person, may
from dothi.api.ngsild.broker import FURTHER, Broker, abroad, open_broker
from dothi.api.ngsild.door import ROOT, Doors
from dothi.api.ngsild.subscriptions.service import Subscriptions, subscriptions_of
from dothi.data.batch import Outcome, Told, read_told
from dothi.data.series import SeriesIndex
from dothi.data.writer import Writer
from dothi.model.problem import Problem, bad_request
from dothi.platform.memo import Memo
from dothi.platform.platform import Platform
from dothi.platform.record import open_record, start_record
from dothi.platform.tasks import Supervisor, TaskState
from dothi.store.audit import Act
from dothi.store.database import database_of, migrate, open_database, tenant_folder

_TRIED = frozenset({"entities", "entityOperations/create", "entityOperations/upsert", "temporal/entities"})
MOST = 32  # each holds a writer, a connection and some memory
_log = structlog.get_logger("dothi.tenants")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


class _ToWrite(Exception):  # noqa: N818 - what it says, not what went wrong
    """A request was understood and would write now."""


class _Trial(Writer):
    """A writer of nothing: whoever gets as far as it with something to write is not refused."""

    def __init__(self) -> None:
        self.index = SeriesIndex()

    async def edit(self, *told: Any, **__: Any) -> list[Outcome]:
        """What became of the changes if none of them can be read. Raises _ToWrite otherwise."""
        changes: Sequence[Told] = told[1]
        outcomes = [one for one in map(read_told, changes) if isinstance(one, Outcome)]
        if len(outcomes) < len(changes):
            raise _ToWrite
        return outcomes

    async def save(self, *_: Any, **__: Any) -> NoReturn:
        """Raises _ToWrite."""
        raise _ToWrite

    run = save


class Tenants:
    """The further tenants of a running city. ``doors`` makes the doors of a broker."""

    def __init__(self, city: Platform, doors: Callable[[Broker], Doors]) -> None:
        self._city, self._make = city, doors
        self._open: dict[str, Doors] = {}
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()

    @property
    def default(self) -> str:
        """The city's own name, which a request may leave out."""
        return self._city.tenant

    async def run(self, _: TaskState) -> None:
        """Open every tenant there is, because its subscriptions wait for nobody to ask; close them when the city stops."""
        try:
            await self._open_all()
            await asyncio.Event().wait()
        finally:
            await self._stack.aclose()

    async def doors(self, name: str, person: Person, *, creates: bool) -> Doors:
        """The doors of a tenant. One that does not exist is made if the request ``creates`` something and its sender may
        write in the whole city.

        Raises Problem 400 for a name that is none, 404 for an unknown tenant, 507 if there are too many.
        """
        found = self._open.get(name)
        if found is not None:
            return found
        if _NAME.fullmatch(name) is None:
            raise bad_request(f"{name[:80]!r} cannot name a tenant.", "Use up to 60 small letters, digits and hyphens.")
        async with self._opening:
            if name in self._open:
                return self._open[name]
            if not await asyncio.to_thread(self._exists, name):
                if not (creates and may(abroad(person), "entity.write")):
                    raise Problem(404, "unknown-tenant", f"There is no tenant {name!r} here.", f"This is {self.default!r}.")
                if len(await asyncio.to_thread(self._known)) >= MOST:
                    raise Problem(507, "too-many-tenants", f"There are {MOST} tenants already.", "Use one of them.")
                city = self._city
                act = Act(person.id, "tenant.create", name)
                await city.writer.run(person, city.clock.now(), lambda _: None, [act], action="entity.write")
            self._open[name] = await self._opened(name)
            return self._open[name]

    async def refused(self, name: str, request: Request) -> Response | None:
        """What a request that would make a tenant is refused with before it writes anything; None if it gets that far."""
        scope, person = request.scope, request.state.person
        if scope["path"].removeprefix(ROOT).strip("/") not in _TRIED or name in self._open or _NAME.fullmatch(name) is None:
            return None
        if not may(abroad(person), "entity.write") or await asyncio.to_thread(self._exists, name):
            return None
        _match, found = self._trial.matches(scope)
        request.state.person = abroad(person)
        scope.update(found)
        try:
            answer: Response = await found["endpoint"](request)
            return answer
        except _ToWrite:
            return None
        finally:
            request.state.person = person

    @cached_property
    def _trial(self) -> Doors:
        """Doors behind which nothing is written."""
        trial = copy.copy(self._city)
        trial.writer = _Trial()
        return self._make(open_broker(trial))

    async def _open_all(self) -> None:
        for name in await asyncio.to_thread(self._known):
            async with self._opening:
                if name in self._open or not await asyncio.to_thread(self._exists, name):
                    continue
                try:
                    self._open[name] = await self._opened(name)
                except Exception:  # one tenant's trouble is not the others'; it is tried again when somebody asks for it
                    _log.exception("a tenant cannot be opened", tenant=name)

    def _exists(self, name: str) -> bool:
        settings = self._city.settings
        folder = tenant_folder(settings.home, FURTHER + name)
        return folder.is_dir() and database_of(folder, settings.database).exists()

    def _known(self) -> list[str]:
        parent = tenant_folder(self._city.settings.home, self._city.tenant).parent
        return sorted(path.name.removeprefix(FURTHER) for path in parent.iterdir() if path.name.startswith(FURTHER))

    async def _opened(self, name: str) -> Doors:
        city, folder = self._city, FURTHER + name
        database = await asyncio.to_thread(open_database, city.settings.home, folder, city.settings.database)
        self._stack.callback(database.close)
        await asyncio.to_thread(migrate, database)
        record = await asyncio.to_thread(
            open_record, self._stack, database, city.city, city.clock, city.types, city.settings.home
        )
        tenant = copy.copy(city)  # what people and machines are is the city's; what is written is its own
        tenant.tenant, tenant.tasks, tenant.memo = folder, Supervisor(), Memo()
        tenant.database, tenant.writer, tenant.dispatcher = record.database, record.writer, record.dispatcher
        tenant.context, tenant.history, tenant.retention = record.context, record.history, record.retention
        tenant.stored, tenant.auditing = record.stored, record.auditing
        self._stack.push_async_callback(tenant.tasks.stop)
        broker = open_broker(tenant)
        subscriptions = Subscriptions(broker)
        tenant.subscriptions = subscriptions
        subscriptions.start()
        start_record(tenant.tasks, tenant)
        subscriptions_of(city).further[name] = subscriptions
        return self._make(broker)
