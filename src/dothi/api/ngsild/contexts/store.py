"""The @contexts this city keeps: those it hosts, those it made of what clients sent, those it took over from elsewhere.

Kinds as in ETSI GS CIM 009, clause 5.13: Hosted, ImplicitlyCreated, Cached. What a file or a table of our own gives is
Cached too, from its first use on. Moments are aware UTC, by the city's clock.
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from dothi.access.outgoing import origin_of
from dothi.access.policy import SYSTEM, Person
from dothi.api.ngsild.contexts.bundled import CORE_URL, context_at, core_terms, is_core
from dothi.data.writer import Writer
from dothi.devices.fetch import FetchFailed, Source
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.store.audit import Act
from dothi.store.connection import Connection
from dothi.store.database import Database

HOSTED = "/ngsi-ld/v1/jsonldContexts/"
"""Where this city serves the contexts it keeps."""
LARGEST = 1024 * 1024
"""Bytes of one document."""
MOST = 1_000
"""Documents kept of one kind; of cached ones the one that was used the longest ago goes first."""

Kind = Literal["Hosted", "ImplicitlyCreated", "Cached"]
_WAIT = 10.0
_OURS = re.compile(r"(?:https?://[^/?#]+)?/ngsi-ld/v1/jsonldContexts/([0-9a-f]{32})")
_SAVE = (
    "INSERT INTO jsonld_context (id, url, kind, body, created_at) VALUES (?,?,?,?,?) "
    "ON CONFLICT (id) DO UPDATE SET body = excluded.body, created_at = excluded.created_at"
)
_DELETE = "DELETE FROM jsonld_context WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Entry:
    """One document. ``url`` is absolute, or begins with "/" where this city serves it; ``context`` is its "@context"."""

    local_id: str
    url: str
    kind: Kind
    context: Any
    created_at: datetime
    stored: bool = True


class ContextStore:
    """Every document, in memory as in the database. It is asked on the event loop or on threads; it changes on the loop."""

    def __init__(self, database: Database, writer: Writer, clock: Clock, files: Path | None, hosts: str) -> None:
        """``files`` maps addresses to local files; ``hosts`` may be asked over the network, and by default none is.

        Raises Problem 400 for a map that cannot be read.
        """
        self._writer, self._clock = writer, clock
        self._files = _mapped(files)
        self._hosts = frozenset(part.strip().lower() for part in hosts.split(",") if part.strip())
        self._entries: dict[str, Entry] = {}
        self._used: dict[str, datetime] = {}
        with database.reader() as db:
            for local_id, url, kind, body, at in db.execute("SELECT id, url, kind, body, created_at FROM jsonld_context"):
                self._entries[local_id] = Entry(local_id, url, kind, msgspec.json.decode(body), from_micros(at))

    def load(self, url: str) -> Any:
        """The "@context" of the document at ``url``, without the network.

        Raises NotHere for one that would have to be fetched, Problem 400 for one that is none, 504 for a lost file.
        """
        local_id = local_id_of(url)
        found = self._entries.get(local_id)
        if found is None:
            context = self._beside(url)
            found = self._entries[local_id] = Entry(local_id, url, "Cached", context, self._clock.now(), stored=False)
        return found.context

    def find(self, key: str) -> Entry | None:
        """The document with this address or local id; of the core context also before anybody used it."""
        found = self._entries.get(local_id_of(key)) or self._entries.get(key)
        if found is None and is_core(key):
            return Entry(local_id_of(key), key, "Cached", dict(core_terms()), self._clock.now(), stored=False)
        return found

    def listed(self, kind: Kind | None) -> list[Entry]:
        """Every document of a kind, or of all, the oldest first; the core context leads those that are cached."""
        core = [entry for entry in [self.find(CORE_URL)] if entry is not None and kind in (None, "Cached")]
        found = [one for one in list(self._entries.values()) if kind in (None, one.kind)]
        return core + sorted(found, key=lambda one: (one.created_at, one.local_id))

    def used(self, urls: Iterable[str]) -> None:
        """Note that documents were used now."""
        now = self._clock.now()
        for url in urls:
            self._used[local_id_of(url)] = now

    def used_at(self, entry: Entry) -> datetime | None:
        """When a document was last used since the city started; None if it was not."""
        return self._used.get(entry.local_id)

    async def add(self, person: Person, context: Any, correlation: str) -> Entry:
        """Host a new document. Raises Problem 403, and 507 if there are too many."""
        local_id = secrets.token_hex(16)
        entry = Entry(local_id, HOSTED + local_id, "Hosted", context, self._clock.now())
        await self._save(person, entry, Act(person.id, "context.add", local_id, correlation=correlation))
        return entry

    async def keep_implicit(self, local_id: str, context: Any) -> None:
        """Keep what a client sent as part of something that lives on. Raises Problem 507 if there are too many."""
        if local_id not in self._entries:
            entry = Entry(local_id, HOSTED + local_id, "ImplicitlyCreated", context, self._clock.now())
            await self._save(SYSTEM, entry)

    async def fetch(self, url: str) -> None:
        """Take a document over from where it lies. Raises Problem 504 if it cannot be had, 400 if it is no context."""
        try:
            parts = urlsplit(url)
            _port = parts.port
        except ValueError:
            raise not_available(url, "It is no address.") from None
        if not self._hosts & {parts.hostname or "", parts.netloc.lower()}:
            raise not_available(url, "DOTHI_CONTEXT_HOSTS names the hosts that may be asked, DOTHI_CONTEXTS files instead.")
        origin = origin_of(url)
        source = Source(origin, named=(origin,), largest=LARGEST, longest=_WAIT)
        try:
            answer = await source.get(parts._replace(scheme="", netloc="", fragment="").geturl() or "/")
        except FetchFailed as failure:
            raise not_available(url, f"It could not be fetched: {failure}.") from None
        finally:
            await source.close()
        local_id = local_id_of(url)
        entry = Entry(local_id, url, "Cached", context_of(answer.body or b"", url), self._clock.now())
        await self._save(SYSTEM, entry)

    async def reload(self, entry: Entry) -> None:
        """Read a cached document again from where it came from; it stays as it is if that fails. Raises as ``fetch``."""
        if entry.stored:
            await self.fetch(entry.url)
        elif not is_core(entry.url):
            self._entries[entry.local_id] = replace(entry, context=self._beside(entry.url), created_at=self._clock.now())

    async def delete(self, person: Person, entry: Entry, correlation: str) -> None:
        """Keep a document no longer. Raises Problem 403, 404 if it is gone meanwhile."""
        if entry.local_id not in self._entries:
            raise not_found("@context", entry.local_id)
        act = Act(person.id, "context.delete", entry.local_id, correlation=correlation)

        def work(connection: Connection) -> None:
            connection.execute(_DELETE, (entry.local_id,))

        await self._writer.run(person, self._clock.now(), work, [act], action="context.write")
        self._entries.pop(entry.local_id, None)
        self._used.pop(entry.local_id, None)

    async def _save(self, person: Person, entry: Entry, *acts: Act) -> None:
        body = msgspec.json.encode(entry.context).decode()
        if len(body) > LARGEST:
            raise Problem(413, "too-large", "The @context is too large.", f"At most {LARGEST} bytes.")
        alike = [one for one in self._entries.values() if one.stored and one.kind == entry.kind]
        gone: list[Entry] = []
        if len(alike) >= MOST and entry.local_id not in self._entries:
            if entry.kind != "Cached":
                raise Problem(507, "too-many-contexts", f"This city keeps {MOST} contexts already.", "Delete some of them.")
            gone = [min(alike, key=lambda one: self._used.get(one.local_id, one.created_at))]
        row = (entry.local_id, entry.url, entry.kind, body, to_micros(entry.created_at))

        def work(connection: Connection) -> None:
            for one in gone:
                connection.execute(_DELETE, (one.local_id,))
            connection.execute(_SAVE, row)

        await self._writer.run(person, entry.created_at, work, acts, action="context.write")
        for one in gone:
            self._entries.pop(one.local_id, None)
        self._entries[entry.local_id] = entry

    def _beside(self, url: str) -> Any:
        """What a file or a table of ours gives. Raises as ``load``."""
        path = self._files.get(url)
        if path is not None:
            try:
                return context_of(path.read_bytes(), url)
            except OSError as error:
                raise not_available(url, f"Its file cannot be read: {error.strerror}.") from None
        terms = context_at(url)
        if terms is None:
            raise NotHere(url)
        return dict(terms)


class NotHere(Exception):  # noqa: N818 - named for what it says
    """A document would have to be fetched."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


def local_id_of(url: str) -> str:
    """The id under which the document at ``url`` is kept: what ends our own addresses, else 32 hex digits made of it."""
    ours = _OURS.fullmatch(url)
    return ours.group(1) if ours else blake2b(url.encode(), digest_size=16).hexdigest()


def context_of(body: bytes, url: str) -> Any:
    """The "@context" of a document. Raises Problem 400 if it has none (clause 5.5.6)."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "@context" not in found:
        raise bad_request(f"There is no JSON-LD context at {url}.", "The document must be an object with an @context.")
    return found["@context"]


def not_available(url: str, why: str) -> Problem:
    """The problem of a remote @context that cannot be had (LdContextNotAvailable, clause 5.5.6)."""
    return Problem(504, "context-not-available", f"The @context {url[:300]} is not available.", why)


def _mapped(path: Path | None) -> dict[str, Path]:
    if path is None:
        return {}
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except OSError as error:
        raise bad_request(f"DOTHI_CONTEXTS cannot be read: {error.strerror}.", "Name a file that may be read.") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise bad_request(
            "DOTHI_CONTEXTS names no map of contexts.", f'Write {{"https://…": "file.jsonld"}}. {error}'
        ) from None
    return {url: path.parent / file for url, file in found.items()}
