"""What rules compare: one number for each entity, kept as its place among the thresholds of all rules that look at it.

A reading that stays between the same two thresholds changes nothing for any rule, whatever their number: that is found for
a whole column by one binary search, and only rules whose threshold was crossed are asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dothi.data.batch import FloatArray, IntArray
from dothi.model.text import nfc
from dothi.platform.rules.model import Ahead, Change, Compare, Rule, Silence, Statistic, Term, Window
from dothi.platform.rules.rings import Ring

UNKNOWN = -1
YES_NO = {True: "true", False: "false"}
"""Yes and no as the texts by which they are compared."""
_HIGHEST = np.iinfo(np.int32).max


class FeatureKey(NamedTuple):
    """``kind`` value, text, margin, change, window, silence or ahead, of an attribute (IRI, "" for any) of a type (IRI).

    ``beside`` is the attribute over which a margin is, or how a text is asked, as JSON.
    """

    kind: str
    type: str
    attribute: str
    length: int = 0
    statistic: Statistic = "mean"
    least: int = 1
    spans: float = 0.0
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """Places (2·i + 1 is the i-th threshold itself, 2·i what lies before it) for which a comparison is true."""

    low: int
    high: int

    def __contains__(self, place: int) -> bool:
        return self.low <= place <= self.high


@dataclass(frozen=True, slots=True)
class CompiledTerm:
    """A comparison as two ranges of places of one feature: to begin, and to go on."""

    feature: "Feature"
    fires: Range
    stays: Range
    turned: bool

    def holds(self, entity: int, going: bool) -> bool:
        """Whether it holds of an entity; of what is not known it does not."""
        place = self.feature.place_of(entity)
        return place != UNKNOWN and (place in (self.stays if going else self.fires)) != self.turned


def key_of(term: Term, kind: str) -> FeatureKey | None:
    """The feature that a term of a rule about type ``kind`` compares; None for hours."""
    if isinstance(term, Compare):
        if term.op in ("contains", "begins", "in"):
            asked = msgspec.json.encode((term.op, term.value)).decode()
            return FeatureKey("text", kind, term.attribute, beside=asked)
        if term.than:
            return FeatureKey("margin", kind, term.attribute, beside=term.than)
        return FeatureKey("value", kind, term.attribute)
    if isinstance(term, Change):
        return FeatureKey("change", kind, term.attribute, micros(term.minutes))
    if isinstance(term, Window):
        return FeatureKey("window", kind, term.attribute, micros(term.minutes), term.statistic, term.least, term.spans)
    if isinstance(term, Silence):
        return FeatureKey("silence", kind, term.attribute)
    if isinstance(term, Ahead):
        return FeatureKey("ahead", kind, term.attribute, term.hours, "max" if term.op[0] == ">" else "min")
    return None


def micros(minutes: float) -> int:
    """Minutes in µs."""
    return round(minutes * 60_000_000)


@dataclass(slots=True)
class Feature:
    """One number or text of every entity, and which rules' thresholds lie where.

    Of a text that is asked something the number is 1 if that is so, else 0; ``sides`` are both numbers of a margin.
    """

    key: FeatureKey
    breaks: FloatArray = field(default_factory=lambda: np.empty(0))
    texts: dict[str, int] = field(default_factory=dict)
    ring: Ring | None = None
    values: FloatArray = field(default_factory=lambda: np.full(1024, np.nan))
    sides: tuple[FloatArray, FloatArray] = field(default_factory=lambda: (np.empty(0), np.empty(0)))
    _places: NDArray[np.int32] = field(default_factory=lambda: np.full(1024, UNKNOWN, np.int32))
    _flips: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    _rules: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    _low: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    _high: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    _turned: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    _noted: list[tuple[int, int]] = field(default_factory=list)
    _terms: list[tuple[int, Range, bool]] = field(default_factory=list)

    def place_of(self, entity: int) -> int:
        """Where an entity's value lies."""
        return int(self._places[entity]) if entity < len(self._places) else UNKNOWN

    def places_of(self, values: FloatArray) -> NDArray[np.int32]:
        """Where values lie; NaN lies nowhere."""
        places = np.searchsorted(self.breaks, values, "left") + np.searchsorted(self.breaks, values, "right")
        return np.where(np.isnan(values), UNKNOWN, places).astype(np.int32)

    def places_of_texts(self, texts: Sequence[str | None]) -> NDArray[np.int32]:
        """The same of texts."""
        found = (UNKNOWN if text is None else self.texts.get(text, 0) for text in texts)
        return np.fromiter(found, np.int32, len(texts))

    def asked(self, texts: Sequence[str | None] | None, count: int) -> FloatArray:
        """Whether what is asked is so of each of ``count`` values: 1 or 0; NaN of what is no text."""
        if texts is None:
            return np.full(count, np.nan)
        test = _test(self.key.beside)
        answers = {text: float("nan") if text is None else float(test(text)) for text in set(texts)}
        return np.fromiter((answers[text] for text in texts), np.float64, count)

    def margin(self, entities: IntArray, numbers: FloatArray, *, over: bool) -> FloatArray:
        """New numbers of one side (``over``: of what is compared with): by how much the one is above the other now."""
        highest = int(entities.max(initial=0))
        if highest >= len(self.sides[0]):
            more = np.full(highest + 1 + highest // 2 - len(self.sides[0]), np.nan)
            self.sides = np.append(self.sides[0], more), np.append(self.sides[1], more)
        self.sides[over][entities] = numbers
        return self.sides[0][entities] - self.sides[1][entities]

    def term(self, rule: int, term: Term) -> CompiledTerm:
        """A term of rule number ``rule`` over this feature, whose thresholds are known."""
        if isinstance(term, Silence):
            fires = stays = self._range(">=", micros(term.minutes))
        else:
            assert isinstance(term, Compare | Change | Window | Ahead)  # noqa: S101 - others have no feature
            fires = stays = self._range(*_limit(term))
            if term.clear is not None:
                stays = self._range(term.op, term.clear)
        turned = term.negated != (not isinstance(term, Silence) and term.op == "!=")
        flips = {one for among in (fires, stays) for one in (among.low, among.high + 1)}
        # Where nothing was known nothing held: what is told first may make anything true that is turned round.
        self._noted += ((flip, rule) for flip in (flips | {0} if turned else flips))
        self._terms.append((rule, fires, turned))
        return CompiledTerm(self, fires, stays, turned)

    @property
    def known(self) -> IntArray:
        """The entities of which a value is known."""
        return np.flatnonzero(self._places != UNKNOWN)

    def value_of(self, entity: int) -> float:
        """An entity's number; NaN where there is none, and of a text."""
        values = self.sides[0] if self.key.kind == "margin" else self.values
        return float(values[entity]) if entity < len(values) and self.key.kind != "text" else float("nan")

    def limit_of(self, term: Term, entity: int) -> float | None:
        """The threshold that ``term`` has for an entity; None where it is no number."""
        value = getattr(term, "value", None)
        if isinstance(value, bool | str | tuple) or value is None:
            return None
        return float(self.sides[1][entity] + value) if self.key.kind == "margin" else float(value)

    def bounds(self, rules: IntArray) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
        """Of rules that have one term: the lowest and highest place for which it holds, and whether it is turned round."""
        return self._low[rules], self._high[rules], self._turned[rules]

    def seal(self, rules: int) -> None:
        """All terms of ``rules`` rules are known."""
        self._low, self._high = np.zeros(rules, np.int64), np.zeros(rules, np.int64)
        self._turned = np.zeros(rules, np.bool_)
        for rule, fires, turned in self._terms:
            self._low[rule], self._high[rule], self._turned[rule] = fires.low, fires.high, turned
        noted = np.array(sorted(set(self._noted)), np.int64).reshape(-1, 2)
        self._flips, self._rules = noted[:, 0].copy(), noted[:, 1].copy()
        self._noted = []

    def move(self, entities: IntArray, places: NDArray[np.int32], values: FloatArray) -> tuple[IntArray, IntArray]:
        """New values of entities: (row, rule) for every rule with a threshold between the old and the new."""
        highest = int(entities.max(initial=0))
        if highest >= len(self._places):
            more = highest + 1 + highest // 2 - len(self._places)
            self._places = np.append(self._places, np.full(more, UNKNOWN, np.int32))
            self.values = np.append(self.values, np.full(more, np.nan))
        old = self._places[entities]
        self._places[entities], self.values[entities] = places, values
        rows = np.flatnonzero(old != places)
        if not len(rows):
            return rows, rows
        was, now = old[rows], places[rows]
        first = np.searchsorted(self._flips, np.minimum(was, now), "right")
        counts = np.searchsorted(self._flips, np.maximum(was, now), "right") - first
        ends = np.cumsum(counts)
        within = np.arange(int(ends[-1])) - np.repeat(ends - counts, counts)
        return np.repeat(rows, counts), self._rules[np.repeat(first, counts) + within]

    def _range(self, op: str, value: float | str) -> Range:
        at = self.texts[value] if isinstance(value, str) else 2 * int(np.searchsorted(self.breaks, value)) + 1
        if op in ("=", "!="):
            return Range(at, at)
        beyond = at if op.endswith("=") else at + (1 if op[0] == ">" else -1)
        return Range(beyond, int(_HIGHEST) - 1) if op[0] == ">" else Range(0, beyond)


def _limit(term: Compare | Change | Window | Ahead) -> tuple[str, float | str]:
    """How a term compares its feature, and with what."""
    if term.op in ("contains", "begins", "in"):
        return ">", 0.5
    assert not isinstance(term.value, tuple)  # noqa: S101 - narrows a type: several texts are asked by "in"
    return term.op, YES_NO[term.value] if isinstance(term.value, bool) else term.value


def _test(asked: str) -> Callable[[str], bool]:
    op, wanted = msgspec.json.decode(asked)
    if op == "in":
        return set(wanted).__contains__
    said = nfc(wanted).casefold()
    if op == "contains":
        return lambda text: said in nfc(text).casefold()
    return lambda text: nfc(text).casefold().startswith(said)


def features_of(rules: Sequence[Rule]) -> dict[FeatureKey, Feature]:
    """Every feature that ``rules`` compare, with all their thresholds; rings are shared by those of one length."""
    found: dict[FeatureKey, Feature] = {}
    numbers: dict[FeatureKey, set[float]] = {}
    texts: dict[FeatureKey, set[str]] = {}
    rings: dict[tuple[str, str, int], Ring] = {}
    for rule in rules:
        for term in rule.terms():
            key = key_of(term, rule.entity_type)
            if key is None:
                continue
            feature = found.setdefault(key, Feature(key))
            if key.kind in ("change", "window"):
                feature.ring = rings.setdefault((key.type, key.attribute, key.length), Ring(key.length))
            if isinstance(term, Silence):
                numbers.setdefault(key, set()).add(float(micros(term.minutes)))
            elif isinstance(term, Compare | Change | Window | Ahead):
                for value in (_limit(term)[1], term.clear):
                    if isinstance(value, str):
                        texts.setdefault(key, set()).add(value)
                    elif value is not None:
                        numbers.setdefault(key, set()).add(float(value))
    for key, feature in found.items():
        feature.breaks = np.array(sorted(numbers.get(key, ())))
        feature.texts = {text: 2 * place + 1 for place, text in enumerate(sorted(texts.get(key, ())))}
    return found
