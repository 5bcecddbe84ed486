"""Which incidents may be the same trouble: near in place and time, alike in words without accents, of one kind.

A proposal for people, who decide. Each of the four says how alike two are, from 0 to 1; the weights are ours.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dothi.access.policy import Reach
from dothi.model.ground import metres_apart
from dothi.model.text import fold
from dothi.platform.incidents import store
from dothi.platform.incidents.model import Draft, Incident, Near, Question
from dothi.store.connection import Connection

WITHIN_METRES = 500.0
WITHIN = timedelta(hours=72)
LIKELY = 0.5
MOST = 5
_PLACE, _WORDS, _TIME, _KIND = 0.4, 0.25, 0.2, 0.15
_SOME_WORDS = 0.15  # of what both say: less is a street's name or a particle
_ONE_SPOT = 100.0  # metres
_CANDIDATES = 200
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Likely:
    """An incident that may be the same: ``score`` from ``LIKELY`` to 1, ``metres`` away (None: one of them has no point),
    opened ``apart`` from it.
    """

    incident: Incident
    score: float
    metres: float | None
    apart: timedelta


def likely(db: Connection, about: Incident | Draft, at: datetime, reached: Reach) -> list[Likely]:
    """What may be the same as ``about`` (a draft is of ``at``) among what is worked on: at most ``MOST``, the likeliest
    first.
    """
    own = about.code if isinstance(about, Incident) else ""
    moment = about.opened_at if isinstance(about, Incident) else at
    question = Question(since=moment - WITHIN, order="newest", limit=_CANDIDATES)
    if about.longitude is not None and about.latitude is not None:
        near = replace(question, near=Near(about.longitude, about.latitude, WITHIN_METRES))
        found = list(store.search(db, near, reached, "", at).incidents)
    else:
        found = list(store.search(db, replace(question, ward=about.ward), reached, "", at).incidents)
    judged = (_judged(about, moment, other) for other in found if other.code != own and other.opened_at - moment <= WITHIN)
    return sorted((one for one in judged if one.score >= LIKELY), key=lambda one: (-one.score, one.incident.code))[:MOST]


def alike(one: str, other: str) -> float:
    """The share of words that two texts have in common, blind to accents and case: 1 for the same words, 0 for none."""
    words, others = (frozenset(_WORD.findall(fold(text))) for text in (one, other))
    return len(words & others) / len(words | others) if words and others else 0.0


def _judged(about: Incident | Draft, moment: datetime, other: Incident) -> Likely:
    metres = None
    here, there = _point(about), _point(other)
    if here is not None and there is not None:
        metres = metres_apart(*here, *there)
        place = max(0.0, 1 - metres / WITHIN_METRES)
    else:
        place = 0.5 if about.ward and about.ward == other.ward else 0.0
    apart = abs(other.opened_at - moment)
    words = alike(_words(about), _words(other))
    one_spot = about.kind == other.kind and metres is not None and metres <= _ONE_SPOT
    if words < _SOME_WORDS and not one_spot:  # a pothole under bad air is not the bad air, nor a tree an open manhole
        return Likely(other, 0.0, metres, apart)
    score = _PLACE * place + _WORDS * words + _TIME * (1 - apart / WITHIN) + _KIND * (about.kind == other.kind)
    return Likely(other, round(score, 3), metres, apart)


def _point(one: Incident | Draft) -> tuple[float, float] | None:
    return None if one.longitude is None or one.latitude is None else (one.longitude, one.latitude)


def _words(about: Incident | Draft) -> str:
    title = about.title.vi if about.title is not None else ""
    return f"{title} {about.text} {about.address}"
