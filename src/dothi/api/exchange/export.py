"""The whole city, or a part of it, into a folder of open formats: of one moment, and under its name only when complete."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dothi.access.policy import Clearance, Person, Reach, Thing, may, reach
from dothi.api.exchange import entities, layout, records
from dothi.api.exchange.forecasts import write_forecasts
from dothi.api.exchange.layout import Manifest, Progress, Source, moment_text
from dothi.api.exchange.readings import DAY, Span, Statements, series_of, shown_by, stage, written
from dothi.api.exchange.shown import write_shown
from dothi.data.classified import OF_ENTITY, Classified
from dothi.data.document import read_document
from dothi.data.restoring import KeptEntity
from dothi.model.clock import from_micros, to_micros
from dothi.model.entity import LOCATION
from dothi.model.problem import Problem, bad_request
from dothi.model.schema import EntityType
from dothi.store.audit import last_seal
from dothi.store.connection import Connection, Database
from dothi.store.delta import LakeFile
from dothi.store.files import FolderFiles

if TYPE_CHECKING:
    import polars as pl

_PAGE = 500
_TRIES = 20
_PROVIDER = "https://smartdatamodels.org/dataProvider"
_ENTITIES = (
    "SELECT e.num, e.id, n.iri, e.clearance, e.ward, e.owner, e.created_at, e.modified_at, e.deleted_at, e.more_types, "
    "e.scopes, e.expires_at, e.doc "
    "FROM entity e JOIN name n ON n.id = e.type WHERE e.num > ? AND {reached} ORDER BY e.num LIMIT ?"
)
_LIVE = (
    "SELECT s.entity, a.iri, d.iri, s.unit, l.observed_at, l.number, l.other, l.grade, l.reasons, l.origin "
    "FROM series s JOIN live l ON l.series_id = s.id JOIN name a ON a.id = s.attribute LEFT JOIN name d ON d.id = s.dataset "
    "WHERE s.entity > ? AND s.entity <= ? AND l.hidden = 0 AND l.observed_at IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class About:
    """What the manifest says of the city: ``city`` its code, id and names, ``sources`` whom to thank besides the providers
    that entities name. ``moment`` is its time now, ``written_at`` the machine's, both aware UTC; ``types`` are its types.
    """

    tenant: str
    city: dict[str, str]
    sources: Sequence[str]
    moment: datetime
    written_at: datetime
    types: Sequence[EntityType]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part is wanted: readings observed in [``start``, ``end``) (aware UTC), entity types by name or IRI; all if None.

    Of a part by type neither the audit log nor the records that belong to no type leave.
    """

    start: datetime | None = None
    end: datetime | None = None
    datasets: Sequence[str] | None = None


@dataclass(slots=True)
class _Taken:
    """What has been written so far."""

    names: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    providers: Counter[str] = field(default_factory=Counter)
    withheld: int = 0
    audit_head: str = ""
    replay: str | None = None


def export_city(
    database: Database, target: Path, asker: Person, about: About, wanted: Wanted, progress: Progress
) -> Manifest:
    """Write what ``asker`` may take along into the new folder ``target``; the city may go on running.

    Memory is bounded by a day of one type in pieces, not by the history. Raises Problem 403 if the asker may not, 409 if the
    folder exists, 400 for a dataset that is not there, 507 if the disk fills up.
    """
    reached = reach(asker, "city.export")
    if reached is None:
        raise Problem(403, "not-allowed", "This is not allowed from here.", "Ask the operator of this city.")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise Problem(409, "already-exists", f"{target} exists already.", "Choose another name, or remove it first.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with layout.room_on(target.parent), tempfile.TemporaryDirectory(prefix=".dothi-export-", dir=target.parent) as temporary:
        fresh, aside = Path(temporary) / "export", Path(temporary) / "aside"
        fresh.mkdir()
        aside.mkdir()
        audit = may(asker, "audit.export", Clearance.RESTRICTED)
        manifest = _Export(database, fresh, aside, reached, audit, about, wanted, progress).run()
        shutil.rmtree(aside)
        fresh.chmod(0o755)
        fresh.replace(target)
    return manifest


class _Export:
    def __init__(
        self,
        database: Database,
        folder: Path,
        aside: Path,
        reached: Reach,
        audit: bool,
        about: About,
        wanted: Wanted,
        progress: Progress,
    ) -> None:
        self._database, self._folder, self._aside, self._reached, self._whole_log = database, folder, aside, reached, audit
        self._about, self._wanted, self._progress = about, wanted, progress
        self._classified, self._taken = Classified(about.types), _Taken()

    def run(self) -> Manifest:
        with ExitStack() as stack:
            db, files = self._moment(stack)
            span = self._span(db)
            self._entities(db, span)
            series = series_of(db, self._reached, self._classified, span)
            written(shown_by(db, series), series).write_parquet(self._folder / layout.SERIES)
            self._taken.counts["series"] = series.height
            self._records(db)
            for _, count in write_forecasts(db, self._folder / "forecasts", series, span.start, span.end):
                self._taken.counts["forecasts"] += count
            self._progress("recent readings", 0, 1)
            staged = stage(db, self._aside, span)
        self._readings(series, Statements(self._database.lake, files, staged), span)
        write_shown(self._folder, self._taken.names, self._progress)
        return self._conclude()

    def _moment(self, stack: ExitStack) -> tuple[Connection, dict[str, list[LakeFile]]]:
        """The database and the lake's files at one moment: no seal fell between the two."""
        lake = self._database.lake
        for _ in range(_TRIES):
            before = {iri: lake.version(iri) for iri in lake.types()}
            with ExitStack() as attempt:
                db = attempt.enter_context(self._database.reader())
                db.execute("SELECT 1 FROM meta").fetchone()  # the moment of a snapshot is that of its first question
                files = {iri: lake.files(iri, -(2**62), 2**62) for iri in lake.types()}
                if {iri: lake.version(iri) for iri in lake.types()} == before:
                    stack.push(attempt.pop_all())
                    return db, files
        raise Problem(
            503, "lake-busy", "The lake is being written without a pause.", "Try again in a minute.", retry_after=60
        )

    def _span(self, db: Connection) -> Span:
        condition, values = self._reached.where(**OF_ENTITY)
        query = f"SELECT DISTINCT n.iri FROM entity e JOIN name n ON n.id = e.type WHERE {condition} ORDER BY 1"  # noqa: S608 - a condition of our own
        iris = [iri for (iri,) in db.execute(query, values)]
        self._taken.names = layout.file_names(iris)
        start, end = (None if one is None else to_micros(one) for one in (self._wanted.start, self._wanted.end))
        if self._wanted.datasets is None:
            return Span(start, end)
        by_name = {name: iri for iri, name in self._taken.names.items()} | {iri: iri for iri in iris}
        for name in self._wanted.datasets:
            if name not in by_name:
                known = ", ".join(sorted(self._taken.names.values())) or "none yet"
                raise bad_request(f"This city has no dataset {name!r}.", f"It has: {known}.")
        kept = frozenset(by_name[name] for name in self._wanted.datasets)
        self._taken.names = {iri: name for iri, name in self._taken.names.items() if iri in kept}
        return Span(start, end, kept)

    def _entities(self, db: Connection, span: Span) -> None:
        taken = self._taken
        (total,) = db.execute("SELECT count(*) FROM entity").fetchone()
        condition, values = self._reached.where(**OF_ENTITY)
        (seen,) = db.execute(f"SELECT count(*) FROM entity e WHERE {condition}", values).fetchone()  # noqa: S608 - a condition of our own
        taken.withheld = total - seen
        with (self._folder / layout.ENTITIES).open("wb") as alive, (self._folder / layout.DELETED).open("wb") as deleted:
            for done, (entity, live) in enumerate(_kept(db, self._reached, self._classified)):
                if done % _PAGE == 0:
                    self._progress("entities", done, total)
                if not span.takes(entity.type):
                    continue
                gone = entity.deleted_at is not None
                line = entities.line_of(entity, live)
                (deleted if gone else alive).write(entities.encode(line))
                taken.counts["deleted" if gone else "entities"] += 1
                provider = line.get(_PROVIDER)
                if isinstance(provider, dict) and isinstance(provider.get("value"), str):
                    taken.providers[provider["value"]] += 1

    def _records(self, db: Connection) -> None:
        if self._wanted.datasets is not None:
            return
        for record in records.RECORDS:
            self._progress(record.table.name, 0, 1)
            self._taken.counts[record.table.name] = _write_lines(
                self._folder / record.file, records.rows_of(db, record, self._reached)
            )
        self._photos(db)
        self._audit(db)
        row = db.execute("SELECT value FROM meta WHERE key = 'replay'").fetchone()
        self._taken.replay = row[0] if row else None

    def _photos(self, db: Connection) -> None:
        """The pictures of the photos that leave, each a file named by the SHA-256 of what it holds."""
        if not self._reached.covers(Thing(Clearance.RESTRICTED)):
            return
        kept = FolderFiles(self._database.folder / "files")
        rows = db.execute("SELECT hash, small, shown, shown_small FROM incident_photo WHERE removed_at IS NULL").fetchall()
        names = sorted({name for row in rows for name in row if name})
        for done, name in enumerate(names):
            self._progress(layout.PHOTOS, done, len(names))
            body = kept.get(name)  # none if the photo was removed a moment ago
            if body is not None:
                (self._folder / layout.PHOTOS).mkdir(exist_ok=True)
                (self._folder / layout.PHOTOS / name).write_bytes(body)
                self._taken.counts[layout.PHOTOS] += 1

    def _audit(self, db: Connection) -> None:
        """The log leaves whole, because a part of it proves nothing; so only with who may take all of it."""
        if not self._whole_log:
            return
        self._progress("audit", 0, 1)
        self._taken.counts["audit"] = _write_lines(self._folder / layout.AUDIT, records.acts_of(db))
        self._taken.audit_head = last_seal(db)[1].hex()

    def _readings(self, series: "pl.DataFrame", statements: Statements, span: Span) -> None:
        import polars as pl

        by_type = {iri: series.filter(pl.col("type") == iri).drop("type") for iri in series["type"].unique().to_list()}
        days = [day for day in statements.days if span.meets(day)]
        for done, day in enumerate(days):
            self._progress("readings", done, len(days))
            for iri in sorted(by_type):
                folder = self._folder / "readings" / self._taken.names[iri]
                for number, piece in enumerate(statements.pieces(day, by_type[iri], span), 1):
                    folder.mkdir(parents=True, exist_ok=True)
                    part = "" if number == 1 else f"-{number}"
                    name = f"day={from_micros(day * DAY):%Y-%m-%d}{part}.parquet"
                    written(piece, by_type[iri]).write_parquet(folder / name)
                    self._taken.counts["readings"] += piece.height

    def _conclude(self) -> Manifest:
        about, wanted, taken = self._about, self._wanted, self._taken
        guide = files("dothi.api.exchange").joinpath("readme.md").read_text(encoding="utf-8")
        (self._folder / layout.README).write_text(guide, encoding="utf-8")
        sums = {}
        listed = sorted(path for path in self._folder.rglob("*") if path.is_file())
        for done, path in enumerate(listed):
            self._progress("checksums", done, len(listed))
            sums[path.relative_to(self._folder).as_posix()] = layout.checksum(path)
        sources = [Source(said) for said in about.sources]
        sources += [Source(provider, count) for provider, count in sorted(taken.providers.items())]
        manifest = Manifest(
            layout.FORMAT,
            version("dothi"),
            about.tenant,
            about.city,
            moment_text(to_micros(about.written_at)) or "",
            moment_text(to_micros(about.moment)) or "",
            dict(sorted(taken.counts.items())),
            taken.names,
            sources,
            taken.audit_head,
            sums,
            moment_text(None if wanted.start is None else to_micros(wanted.start)),
            moment_text(None if wanted.end is None else to_micros(wanted.end)),
            None if wanted.datasets is None else sorted(taken.names.values()),
            taken.replay,
            taken.withheld,
        )
        (self._folder / layout.MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        return manifest


def _kept(db: Connection, reached: Reach, classified: Classified) -> Iterator[tuple[KeptEntity, list[entities.Shown]]]:
    """Every entity with what it shows, in the order in which they were made; a page of them in memory at a time."""
    last = 0
    condition, values = reached.where(**OF_ENTITY)
    query, hides = _ENTITIES.replace("{reached}", condition), classified.hides(reached)
    while rows := db.execute(query, (last, *values, _PAGE)).fetchall():
        live: dict[int, list[entities.Shown]] = {}
        for num, attribute, dataset, *told in db.execute(_LIVE, (last, rows[-1][0])):
            live.setdefault(num, []).append(entities.Shown(attribute, dataset, *told))
        last = rows[-1][0]
        for num, urn, type_iri, clearance, ward, owner, created, modified, deleted, *rest, text in rows:
            hidden = hides(type_iri, clearance, ward, owner) if hides else frozenset[str]()
            document = {iri: instances for iri, instances in read_document(text).items() if iri not in hidden}
            seen_in = None if LOCATION in hidden else ward
            kept = KeptEntity(urn, type_iri, Clearance(clearance), seen_in, owner, created, modified, deleted, document)
            kept.more_types, kept.scopes = (tuple(msgspec.json.decode(one)) if one else () for one in rest[:2])
            kept.expires_at = rest[2]
            yield kept, [one for one in live.get(num, []) if one.attribute not in hidden]


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with path.open("wb") as out:
        for row in rows:
            out.write(msgspec.json.encode(row) + b"\n")
            count += 1
    return count
