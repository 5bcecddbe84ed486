"""What an @context means: JSON-LD 1.1 contexts compiled into one table of terms, as far as names of NGSI-LD need it.

Names of types and attributes, vocabulary values and nothing else are expanded, so a whole JSON-LD processor would only cost
time. Followed: the context processing of "JSON-LD 1.1 Processing Algorithms and API" (clauses 4.1 and 4.2) for arrays,
remote contexts, ``@import``, prefixes, ``@vocab``, ``@base`` of relative addresses, term definitions and null. Scoped
contexts are refused (ETSI GS CIM 009, clause 5.5.7).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from dothi.model.problem import Problem, bad_request

MOST_TERMS = 20_000
"""Terms of one @context, its remote ones included."""
MOST_REMOTE = 32
"""Remote contexts that one @context may name, those that they name included."""

_DEEPEST = 8
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_KEYWORD = re.compile(r"@[A-Za-z]+")
_GEN_DELIMS = (":", "/", "?", "#", "[", "]", "@")
_IN_CONTEXT = frozenset({"@base", "@direction", "@import", "@language", "@propagate", "@protected", "@version", "@vocab"})
_KEYWORDS = frozenset({"@id", "@type", "@value", "@graph", "@json", "@none"})
_IN_TERM = frozenset({"@id", "@type", "@container", "@language", "@direction", "@prefix", "@protected", "@index", "@nest"})

Load = Callable[[str], Any]
"""Gives the value of "@context" of the document at a URL. Raises Problem where there is none."""


@dataclass(slots=True)
class Definitions:
    """What a chain of contexts defines: IRIs by term (None where a term was unmade), terms that may stand as a prefix."""

    terms: dict[str, str | None] = field(default_factory=dict)
    prefixes: set[str] = field(default_factory=set)
    vocab: str | None = None
    sources: set[str] = field(default_factory=set)
    core: bool = False  # the core context is named in it

    def expand(self, name: str, *, vocab: bool = True) -> str | None:
        """The IRI or keyword that ``name`` stands for; None where it means nothing here."""
        if name in self.terms:
            return self.terms[name]
        if ":" in name:
            prefix, _, rest = name.partition(":")
            if not rest.startswith("//") and prefix in self.prefixes:
                return f"{self.terms[prefix]}{rest}"
            return name if _ABSOLUTE.fullmatch(name) else None
        return self.vocab + name if vocab and self.vocab is not None else None


def is_absolute(name: str) -> bool:
    """True for an IRI with a scheme."""
    return _ABSOLUTE.fullmatch(name) is not None


def compiled(context: Any, load: Load, is_core: Callable[[str], bool]) -> Definitions:
    """What ``context`` (the value of an "@context" member) defines; ``is_core`` tells the core context by its URL.

    The core context's own terms are not in it: whoever reads names lays them over it, for they cannot be changed.
    Raises Problem 400 for what is no context, and whatever ``load`` raises.
    """
    found = Definitions()
    _Compiler(found, load, is_core).take(context, "", ())
    return found


class _Compiler:
    def __init__(self, found: Definitions, load: Load, is_core: Callable[[str], bool]) -> None:
        self._found, self._load, self._is_core = found, load, is_core
        self._loaded = 0

    def take(self, context: Any, base: str, chain: tuple[str, ...]) -> None:
        if context is None:
            self._found.terms.clear()
            self._found.prefixes.clear()
            self._found.vocab = None
        elif isinstance(context, str):
            self._remote(urljoin(base, context), chain)
        elif isinstance(context, list):
            for one in context:
                if isinstance(one, list):
                    raise _invalid("an array stands within an array")
                self.take(one, base, chain)
        elif isinstance(context, dict):
            self._define_all(context, base, chain)
        else:
            raise _invalid("it is neither an address nor an object nor an array of them")

    def _fetched(self, url: str, chain: tuple[str, ...]) -> Any:
        if url in chain:
            raise _invalid(f"{url} names itself")
        self._loaded += 1
        if len(chain) >= _DEEPEST or self._loaded > MOST_REMOTE:
            raise _invalid("it names too many others")
        if not is_absolute(url) and not url.startswith("/"):  # one of this city itself
            raise _invalid(f"{url[:200]!r} is no address")
        self._found.sources.add(url)
        return self._load(url)

    def _remote(self, url: str, chain: tuple[str, ...]) -> None:
        if self._is_core(url):
            self._found.core = True
        else:
            self.take(self._fetched(url, chain), url, (*chain, url))

    def _define_all(self, context: dict[str, Any], base: str, chain: tuple[str, ...]) -> None:
        if len(context) > MOST_TERMS:
            raise _too_many()
        if "@import" in context:
            if not isinstance(context["@import"], str):
                raise _invalid("@import is no address")
            url = urljoin(base, context["@import"])
            imported = self._fetched(url, chain)
            if not isinstance(imported, dict) or "@import" in imported:
                raise _invalid(f"{url} cannot be imported")
            context = {**imported, **{key: value for key, value in context.items() if key != "@import"}}
        if "@vocab" in context:
            self._found.vocab = self._vocab(context["@vocab"])
        defined: dict[str, bool] = {}
        for term in context:
            if term not in _IN_CONTEXT:
                self._define(term, context, defined)
        if len(self._found.terms) > MOST_TERMS:
            raise _too_many()

    def _vocab(self, value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            raise _invalid("@vocab is no IRI")
        whole = (self._found.vocab or "") + value if ":" not in value else self._found.expand(value, vocab=False)
        if whole is None:
            raise _invalid("@vocab is no IRI")
        return whole or None

    def _define(self, term: str, context: dict[str, Any], defined: dict[str, bool]) -> None:
        if term in defined:
            if not defined[term]:
                raise _invalid(f"the term {term[:80]!r} is defined by itself")
            return
        if not term or term == "@type" or _KEYWORD.fullmatch(term):
            if term == "@type" or not term:
                raise _invalid(f"{term!r} is no term")
            return  # JSON-LD keeps such words for later versions and passes them over
        defined[term] = False
        value = context[term]
        simple = isinstance(value, str)
        told = {"@id": value} if simple or value is None else value
        if not isinstance(told, dict):
            raise _invalid(f"the term {term[:80]!r} is defined by neither text nor object")
        self._found.prefixes.discard(term)
        self._found.terms.pop(term, None)
        iri = self._iri(term, told, context, defined)
        defined[term] = True
        if iri is None and "@id" not in told and "@reverse" not in told:
            return  # no @vocab gives it a meaning either: the core context's own will
        self._found.terms[term] = iri
        prefix = told.get("@prefix", simple and iri is not None and iri.endswith(_GEN_DELIMS))
        if prefix is True and iri is not None and ":" not in term and "/" not in term:
            self._found.prefixes.add(term)

    def _iri(self, term: str, told: dict[str, Any], context: dict[str, Any], defined: dict[str, bool]) -> str | None:
        if "@context" in told:
            raise _invalid(f"the term {term[:80]!r} has a context of its own, which NGSI-LD does not allow")
        if "@reverse" in told:
            return None
        if not told.keys() <= _IN_TERM:
            raise _invalid(f"the term {term[:80]!r} is defined with a word that JSON-LD does not have")
        name = told.get("@id", term)
        if name is None or name == term:
            return None if name is None else self._named(term, context, defined, itself=True)
        if isinstance(name, str) and name.startswith("@"):
            return name if name in _KEYWORDS else None
        iri = self._named(name, context, defined) if isinstance(name, str) else None
        if iri is None:
            raise _invalid(f"the term {term[:80]!r} stands for no IRI")
        return iri

    def _named(self, name: str, context: dict[str, Any], defined: dict[str, bool], *, itself: bool = False) -> str | None:
        """The IRI of a name in a definition; terms of the same context that it needs are defined first."""
        if not itself and name in context and name not in _IN_CONTEXT:
            self._define(name, context, defined)
        prefix, colon, rest = name.partition(":")
        if colon and not rest.startswith("//") and prefix in context and prefix not in _IN_CONTEXT:
            self._define(prefix, context, defined)
        return self._found.expand(name)


def _too_many() -> Problem:
    return _invalid(f"it has more than {MOST_TERMS} terms")


def _invalid(why: str) -> Problem:
    return bad_request(f"The @context cannot be used: {why}.", "Mend it; JSON-LD 1.1 says what a context may hold.")
