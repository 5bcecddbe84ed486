"""Rules as the engine asks them: terms bound to features, times in µs, entities by number."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

import numpy as np

from dothi.platform.rules.features import CompiledTerm, Feature, FeatureKey, key_of, micros
from dothi.platform.rules.model import Rule, Schedule, Silence, Term


class Bound(NamedTuple):
    """A term as it is asked: a comparison, or the hours with this place among the rule's."""

    term: Term
    compiled: CompiledTerm | None
    hours: int = 0


@dataclass(slots=True)
class Compiled:
    """A rule with its times in µs and its terms bound to features; ``members`` are a ward's entities for which it holds."""

    rule: Rule
    any_of: list[list[Bound]]
    lasting: int
    clearing: int
    wards: frozenset[str]
    entities: frozenset[int] | None
    clears_apart: bool
    alone: Silence | None  # a rule of nothing but silence knows to the microsecond since when
    hours: list[Schedule]
    in_hours: tuple[bool, ...] | None = None
    members: dict[str, dict[int, int | None]] = field(default_factory=dict)  # ward → entity → when it ceased

    @property
    def simple(self) -> bool:
        """Its only term is a comparison: whether it holds is seen for a whole column at once."""
        return len(self.any_of) == 1 and len(self.any_of[0]) == 1 and self.any_of[0][0].compiled is not None

    def concerns(self, entity: int, ward: str | None) -> bool:
        """True if the rule is about this entity."""
        if self.entities is not None and entity in self.entities:
            return True
        return ward in self.wards if self.wards else self.entities is None

    def known(self) -> list[int]:
        """Entities of which something is known that the rule compares."""
        known = [bound.compiled.feature.known for terms in self.any_of for bound in terms if bound.compiled is not None]
        return [int(one) for one in np.unique(np.concatenate(known))] if known else []

    def measured(self, entity: int) -> tuple[float | None, Term | None, float | None]:
        """What to tell when it fires: the value of the first comparison that holds, or did until now, the comparison, and
        its threshold if that is a number.
        """
        listed = [(bound.term, bound.compiled) for terms in self.any_of for bound in terms if bound.compiled is not None]
        for term, one in sorted(listed, key=lambda pair: not pair[1].holds(entity, False)):
            value = one.feature.value_of(entity)
            if isinstance(term, Silence):
                value /= micros(1.0)  # told in minutes
            return (None if value != value else value), term, one.feature.limit_of(term, entity)
        return None, None, None


def compiled(
    place: int, rule: Rule, features: Mapping[FeatureKey, Feature], number_of: Callable[[str], int | None]
) -> Compiled:
    """Rule number ``place``, its terms noted with their features; ``number_of`` gives an entity's number by URN."""

    def bind(term: Term) -> Bound:
        key = key_of(term, rule.entity_type)
        if key is None:
            return Bound(term, None, next(hours))
        return Bound(term, features[key].term(place, term))

    terms, hours = list(rule.terms()), count()
    alone = terms[0] if len(terms) == 1 and isinstance(terms[0], Silence) and not terms[0].negated else None
    numbers = (number_of(urn) for urn in rule.where.entities)
    return Compiled(
        rule,
        [[bind(term) for term in among] for among in rule.any_of],
        micros(rule.for_minutes),
        micros(rule.clear_minutes),
        frozenset(rule.where.wards),
        frozenset(one for one in numbers if one is not None) if rule.where.entities else None,
        any(getattr(term, "clear", None) is not None for term in terms),
        alone,
        [term for term in terms if isinstance(term, Schedule)],
    )
