"""Names of NGSI-LD and their IRIs: one table for each @context, compiled once and kept (ETSI GS CIM 009, clause 5.5.7)."""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from dothi.api.ngsild.contexts.bundled import CORE_URL, core_terms, is_core
from dothi.api.ngsild.contexts.jsonld import Definitions, compiled, is_absolute
from dothi.api.ngsild.contexts.store import HOSTED, ContextStore, Entry, NotHere, local_id_of, not_available
from dothi.data.terms import DEFAULT_CONTEXT
from dothi.model.problem import bad_request

CITY_PATH = "/ngsi-ld/context.jsonld"
RELATION = "http://www.w3.org/ns/json-ld#context"

_MOST_MAPS = 512
_MOST_WEIGHT = 400_000  # terms in all kept tables together
_REMEMBERED = 20_000  # names that one table remembers beyond its own
_UNFIT = re.compile(r"[\x00-\x20\x7f<>\"'=;(){}|^%`\\,]")  # clause 4.6.2; what a query language needs for itself
_PREFIXES = frozenset({"ngsi-ld", "geojson"})
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w*-]+(?:\s*=\s*(?:"[^"]*"|[^\s";,]+))?)*)')


class TermMap:
    """One compiled @context, immutable. The core context's terms stand above it and cannot be redefined.

    ``link`` is the address to name in Link headers, ``document`` what stands for it as "@context" in a JSON-LD answer: as
    the client gave it, the core context added where it was missing. Either may begin with "/": then it is of this city.
    """

    __slots__ = ("_compact", "_expand", "_names", "_prefixes", "_vocab", "document", "link", "sources")

    def __init__(self, found: Definitions, link: str, document: Any) -> None:
        self.link, self.document, self.sources = link, document, frozenset(found.sources)
        core = core_terms()
        self._expand: dict[str, str] = {}
        terms: dict[str, str | None] = {**found.terms, **core}
        self._vocab = found.vocab or DEFAULT_CONTEXT
        self._prefixes = {name: iri for name in {*found.prefixes, *_PREFIXES} if (iri := terms.get(name)) is not None}
        self._names = terms
        self._compact: dict[str, str] = {}
        for name in sorted((one for one in terms if _fit(one)), key=lambda one: (len(one), one)):
            iri = terms[name]
            if iri is not None and not iri.startswith("@"):
                self._expand[name] = iri
                self._compact.setdefault(iri, name)

    @property
    def weight(self) -> int:
        """How many terms it knows beyond the core context's."""
        return len(self._names) - len(core_terms())

    def expand(self, name: str) -> str:
        """The IRI that ``name`` (of an attribute, a type, a vocabulary value) stands for; what nobody defined lives in the
        NGSI-LD default context. Raises Problem 400 for what cannot be a name, or stands for nothing in this @context.
        """
        found = self._expand.get(name)
        if found is None:
            found = self._expanded(name)
            if len(self._expand) < self.weight + _REMEMBERED:
                self._expand[name] = found
        return found

    def compact(self, iri: str) -> str:
        """The shortest name that ``expand`` turns back into ``iri``; the IRI itself if there is none (clause 5.5.7)."""
        found = self._compact.get(iri)
        if found is None:
            found = self._compacted(iri)
            if len(self._compact) < self.weight + _REMEMBERED:
                self._compact[iri] = found
        return found

    def _expanded(self, name: str) -> str:
        if not name or len(name) > 2000 or name.startswith("@") or name in ("id", "type"):
            raise _no_name(name)
        if name in self._names:
            iri = self._names[name]
            if iri is None or iri.startswith("@"):
                raise bad_request(f"{name[:80]!r} stands for nothing in this @context.", "Use another name, or mend it.")
            return iri
        prefix, colon, rest = name.partition(":")
        if colon:
            if prefix in self._prefixes and not rest.startswith("//"):
                return self._prefixes[prefix] + rest
            if is_absolute(name):
                return name
        if _UNFIT.search(name) or colon:
            raise _no_name(name)
        return self._vocab + name

    def _compacted(self, iri: str) -> str:
        rest = iri.removeprefix(self._vocab)
        if rest and rest != iri and rest not in self._names and ":" not in rest and _fit(rest) and rest[0] != "@":
            return rest
        shortest = ""
        for prefix, namespace in self._prefixes.items():
            rest = iri.removeprefix(namespace)
            if rest and rest != iri and not rest.startswith("//") and f"{prefix}:{rest}" not in self._names:
                short = f"{prefix}:{rest}"
                shortest = min(shortest or short, short, key=lambda one: (len(one), one))
        return shortest or iri


class Contexts:
    """Every @context this city knows, compiled. Thread-safe."""

    def __init__(self, store: ContextStore, names: Mapping[str, str]) -> None:
        """``names`` are the IRIs of the city's own short names: what strangers get who name no @context."""
        self.store = store
        self._lock = threading.Lock()
        self._maps: OrderedDict[str | bytes, TermMap] = OrderedDict()
        self._inline: dict[str, TermMap] = {}
        self._weight = 0
        self.core = TermMap(Definitions(), CORE_URL, CORE_URL)
        self.own = frozenset(names.values())
        self.city_document = {"@context": [dict(names), CORE_URL]}
        self.city = TermMap(Definitions(terms=dict(names)), CITY_PATH, CITY_PATH)

    def of(self, spec: Any) -> TermMap:
        """The table of an @context (an address, an object, or an array of them), without asking the network.

        Raises Problem 504 for one that is not here, 400 for one that is not valid.
        """
        found = self._known(spec)
        if found is not None:
            return found
        try:
            return self._made(spec)
        except NotHere as missing:
            raise not_available(missing.url, "It was not fetched.") from None

    async def resolve(self, spec: Any) -> TermMap:
        """``of`` that fetches what is missing from the hosts a setting names. Raises as ``of``."""
        found = self._known(spec)
        while found is None:
            try:
                found = self._made(spec)
            except NotHere as missing:
                await self.store.fetch(missing.url)
        return found

    async def resolve_link(self, header: str | None) -> TermMap:
        """The table of the @context that a Link header names (RFC 8288; clause 6.3.5); the city's own if it names none."""
        link = linked(header)
        return self.city if link is None else await self.resolve(link)

    def inline(self, local_id: str) -> TermMap | None:
        """The table whose own address ends with ``local_id``: an @context somebody sent, while it is remembered."""
        return self._inline.get(local_id)

    async def keep(self, terms: TermMap) -> str:
        """The address of ``terms`` that stays: what came as an array or object is kept from now on (ImplicitlyCreated)."""
        local_id = terms.link.removeprefix(HOSTED)
        if local_id != terms.link and local_id in self._inline:
            await self.store.keep_implicit(local_id, terms.document)
        return terms.link

    def forget(self, entry: Entry) -> None:
        """Compile anew, when it is asked for again, whatever was made of a document that changed or went."""
        with self._lock:
            for key, one in list(self._maps.items()):
                if any(local_id_of(url) == entry.local_id for url in one.sources):
                    self._drop(key)

    def _known(self, spec: Any) -> TermMap | None:
        key = _key(spec)
        with self._lock:
            found = self._maps.get(key)
            if found is not None:
                self._maps.move_to_end(key)
                self.store.used(found.sources)
        return found

    def _made(self, spec: Any) -> TermMap:
        found = compiled(spec, self.store.load, is_core)
        self.store.used(found.sources)
        link, document = _named(spec, found.core)
        terms = TermMap(found, link, document)
        with self._lock:
            key = _key(spec)
            if key in self._maps:
                return self._maps[key]
            self._maps[key] = terms
            self._weight += terms.weight
            if link.startswith(HOSTED):
                self._inline[link.removeprefix(HOSTED)] = terms
            while len(self._maps) > 1 and (len(self._maps) > _MOST_MAPS or self._weight > _MOST_WEIGHT):
                self._drop(next(iter(self._maps)))
        return terms

    def _drop(self, key: str | bytes) -> None:
        gone = self._maps.pop(key)
        self._weight -= gone.weight
        self._inline.pop(gone.link.removeprefix(HOSTED), None)


def linked(header: str | None) -> str | None:
    """The target of the Link header's JSON-LD context; None if it has none.

    Raises Problem 400 for two of them, and for one that cannot be read: names are not guessed.
    """
    if not header:
        return None
    found = [target for target, parameters in _LINK.findall(header) if RELATION in parameters]
    if len(found) > 1:
        raise bad_request("The Link header names two JSON-LD contexts.", "Name one.")
    if not found and RELATION in header:
        raise bad_request("The Link header cannot be read.", f'Write <https://…>; rel="{RELATION}".')
    return found[0] or None if found else None


def link_header(link: str, base: str) -> str:
    """The Link header that names ``link``; ``base`` is the city's own address, for one that begins with "/"."""
    return f'<{absolute(link, base)}>; rel="{RELATION}"; type="application/ld+json"'


def absolute(document: Any, base: str) -> Any:
    """``TermMap.link`` or ``document`` with the city's own address ``base`` where it begins with "/"."""
    if isinstance(document, str):
        return base.rstrip("/") + document if document.startswith("/") else document
    return [absolute(one, base) for one in document] if isinstance(document, list) else document


def _named(spec: Any, with_core: bool) -> tuple[str, Any]:
    """How an @context is called in answers: its link and its document."""
    parts = spec if isinstance(spec, list) else [spec]
    own = [one for one in parts if not (isinstance(one, str) and is_core(one))]
    document = spec if with_core else [*parts, CORE_URL]
    if not own:
        return CORE_URL, CORE_URL
    if len(own) == 1 and isinstance(own[0], str):
        return own[0], document
    digest = blake2b(msgspec.json.encode(document, order="sorted"), digest_size=16).hexdigest()
    return HOSTED + digest, document


def _key(spec: Any) -> str | bytes:
    if isinstance(spec, str):
        return spec
    try:
        return msgspec.json.encode(spec)
    except (TypeError, ValueError, RecursionError):
        raise bad_request("The @context is none.", "It is an address, an object, or an array of them.") from None


def _fit(name: str) -> bool:
    return _UNFIT.search(name) is None


def _no_name(name: str) -> Any:
    return bad_request(f"{name[:80]!r} is no name.", "Names have letters, digits, _ - and . in them, or are IRIs.")
