"""A feed from Open-Meteo for any sector: modelled values at the cells of a grid, once an hour, as a polite guest."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from dothi.access.policy import SYSTEM, Clearance
from dothi.data.batch import Batch, EntityChange, Quarantined
from dothi.data.context import EntityQuery
from dothi.devices.fetch import Failure, FetchFailed, Patience, Source
from dothi.devices.open_meteo import Cell, Unexpected, Variable, cells, messages, question, read_answer
from dothi.devices.registry import DeviceSpec, MappingRule
from dothi.model.entity import Attribute, Entity
from dothi.model.reading import Origin
from dothi.model.schema import EntityType
from dothi.model.text import Text
from dothi.model.urn import urn
from dothi.platform.sector import PublicSource
from dothi.store.journal import JournalDown, JournalFull

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

LINK = "https://open-meteo.com/"
LICENCE, LICENCE_LINK = "CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"
TERMS = Text(
    "Máy chủ miễn phí chỉ dành cho mục đích phi thương mại, dưới 10.000 lượt hỏi mỗi ngày; dữ liệu theo CC BY 4.0.",
    "The free servers are for non-commercial use, fewer than 10,000 calls a day; the data is licensed CC BY 4.0.",
)
_NAME = "https://smartdatamodels.org/name"
_PROVIDER = "https://smartdatamodels.org/dataProvider"
_NDJSON = "application/x-ndjson"
_SPREAD = 600.0  # seconds after the hour within which cities ask
_CHUNK = 500
_KEPT_BODY = 65_536
_FAILURES: dict[Failure, Text] = {
    "no-network": Text("không có mạng", "no network"),
    "too-slow": Text("nguồn trả lời quá chậm", "the source answers too slowly"),
    "too-many": Text("đã quá giới hạn miễn phí của nguồn", "the source's free limit is used up"),
    "refused": Text("nguồn từ chối", "the source refuses"),
    "redirected": Text("nguồn dẫn sang nơi khác, không đi theo", "the source leads elsewhere, which is not followed"),
    "too-large": Text("nguồn trả lời dài quá mức", "the source's answer is too large"),
}
_UNEXPECTED = Text(
    "nguồn trả lời khác tài liệu, đã giữ ở trang cách ly", "the source answered unlike its documents; see quarantine"
)
_RECEIVED = Text("đã nhận số liệu", "data received")
_REPLAY = Text(
    "thành phố phát lại không hỏi nguồn của hiện tại", "a replayed city does not ask a source that speaks of the present"
)
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Model:
    """What a sector takes from Open-Meteo: where, which variables, and as which entity type (its attributes by key).

    ``id`` names feed and devices; ``name`` is what a cell is called; ``provider`` says whom to thank.
    """

    id: str
    server: str
    path: str
    variables: tuple[Variable, ...]
    kind: EntityType
    name: str
    provider: str
    title: Text
    mapping: dict[str, MappingRule] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """The task that asks."""
        return f"feed:{self.id}"


def source_of(model: Model) -> PublicSource:
    """The source as the pages list it."""
    return PublicSource(model.title, model.provider, LINK, LICENCE, LICENCE_LINK, TERMS, "DOTHI_OPEN_METEO", model.task)


def wanted(platform: "Platform") -> bool:
    """True if the city is to ask Open-Meteo."""
    return platform.settings.open_meteo != "off"


class OpenMeteo:
    """The feed of one model. ``pause`` waits (tests need not)."""

    def __init__(self, model: Model, pause: Pause = asyncio.sleep) -> None:
        self.id, self._model, self._pause = model.id, model, pause
        self._tag: str | None = None

    async def run(self, platform: "Platform") -> None:
        """Ask and feed the journal until cancelled; in a replaying city say why not, and end."""
        if platform.replay is not None:
            platform.tasks.note(self._model.task, _REPLAY)
            return
        chosen = platform.settings.open_meteo
        source = Source(self._model.server) if chosen == "on" else Source(chosen, named=(chosen,))
        patience = Patience(f"{platform.tenant} {self.id}")
        places = cells(platform.city.wards)
        try:
            await self._register(platform, places)
            while True:
                wait, said = await self._ask(platform, source, places, patience)
                platform.tasks.note(self._model.task, said, platform.clock.now() + timedelta(seconds=wait))
                await self._pause(wait)
        finally:
            await source.close()

    async def _ask(
        self, platform: "Platform", source: Source, places: Sequence[Cell], patience: Patience
    ) -> tuple[float, Text]:
        """One question; returns how long to wait for the next, and how it went."""
        body = None
        try:
            found = await source.get(question(self._model.path, places, self._model.variables), self._tag)
            body = found.body
            now = platform.clock.now()
            if body is not None:
                answers = read_answer(body, places, self._model.variables)
                lines = [
                    line
                    for place, hours in zip(places, answers, strict=True)
                    for line in messages(self._device(place), hours, now)
                ]
                for start in range(0, len(lines), _CHUNK):
                    await self._append(platform, b"\n".join(lines[start : start + _CHUNK]))
                self._tag = found.tag
        except FetchFailed as failed:
            return patience.after_failure(failed.retry_after), _FAILURES[failed.failure]
        except Unexpected as unexpected:
            await self._hold(platform, body or b"", str(unexpected))
            return patience.after_failure(), _UNEXPECTED
        next_hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return patience.after_success((next_hour - now).total_seconds(), _SPREAD), _RECEIVED

    def _device(self, place: Cell) -> str:
        return f"{self.id}-{place.id}"

    async def _register(self, platform: "Platform", places: Sequence[Cell]) -> None:
        """Admit a device for each cell that nobody decided about, and open what it reports on to the public."""
        specs = [self._spec(platform, place) for place in places if platform.devices.lookup(self._device(place)) is None]
        await platform.devices.register_many(SYSTEM, specs)
        ids = tuple(spec.entity_id for spec in specs if spec.entity_id is not None)
        if not ids:
            return
        query = EntityQuery(type=self._model.kind.iri, ids=ids, attributes=(_PROVIDER,), limit=len(ids))
        page = await asyncio.to_thread(platform.context.query, SYSTEM, query)
        said = {_PROVIDER: [Attribute("Property", self._model.provider)]}
        changes = [
            EntityChange("merge", Entity(one.id, self._model.kind.iri, said), Clearance.PUBLIC)
            for one in page.entities
            if one.first(_PROVIDER) is None
        ]
        if changes:
            batch = Batch(SYSTEM, self.id, f"{self.id}-{uuid4().hex}", platform.clock.now(), entities=changes)
            await platform.writer.write(batch)

    def _spec(self, platform: "Platform", place: Cell) -> DeviceSpec:
        device = self._device(place)
        return DeviceSpec(
            id=device,
            entity_id=urn(self._model.kind.name, platform.city.slug, device),
            entity_type=self._model.kind.iri,
            name=f"{self._model.name} quanh {place.near}",
            owner="Open-Meteo",
            cadence_s=3_600.0,
            longitude=place.longitude,
            latitude=place.latitude,
            mapping=self._model.mapping,
        )

    async def _append(self, platform: "Platform", body: bytes) -> None:
        while True:
            try:
                await platform.journal.append(
                    body,
                    source="open-meteo",
                    device=None,
                    content_type=_NDJSON,
                    correlation=f"{self.id}-{uuid4().hex}",
                    origin=Origin.MODELLED,
                )
                return
            except (JournalFull, JournalDown) as refusal:
                await self._pause(refusal.retry_after or 1)

    async def _hold(self, platform: "Platform", body: bytes, why: str) -> None:
        """Put an answer nobody understands aside, once however often it comes."""
        held = Quarantined("open-meteo", None, "unexpected-answer", why, body[:_KEPT_BODY], correlation=self.id)
        await platform.writer.write(Batch(SYSTEM, self.id, self.id, platform.clock.now(), quarantine=[held]))
