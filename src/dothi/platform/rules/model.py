"""What a rule is: plain data that a form edits, a table keeps in versions and the engine compiles."""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Literal, TypeGuard

import msgspec

from dothi.model.problem import Problem
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text

Op = Literal[">", ">=", "<", "<=", "=", "!="]
TextOp = Literal["contains", "begins", "in"]
Bound = Literal["clock", "sunrise", "sunset"]
Statistic = Literal["mean", "min", "max", "sum", "count"]
DAY_MINUTES = 1_440
LONGEST = 31 * DAY_MINUTES
MOST_TERMS, MOST_PLACES = 40, 1_000
LONGEST_TITLE, LONGEST_NOTE, LONGEST_NAME = 150, 1_000, 500  # letters; a ward's name goes behind a title
MOST_TEXTS = 50
_BESIDE_SUN = 240
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class _Term(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="is"):
    """One statement about one entity. ``negated`` turns it round; of what is not known neither it nor its opposite holds."""

    negated: bool = False


class Compare(_Term, frozen=True, kw_only=True, tag="compare"):
    """The newest value of ``attribute`` (IRI): a number, a text, yes or no. A rule that fires goes on until ``clear`` is
    passed.

    A text is equal to another, or ``contains`` it or ``begins`` with it (whether in capitals or not), or is ``in`` several.
    With ``than``, another attribute (IRI) of the same thing, a number is compared with that one's newest value and ``value``
    more; ``clear`` then takes the place of ``value``.
    """

    attribute: str
    op: Op | TextOp
    value: float | bool | str | tuple[str, ...]
    clear: float | None = None
    than: str = ""


class Change(_Term, frozen=True, kw_only=True, tag="change"):
    """How much ``attribute`` grew over the last ``minutes``: its newest value less the oldest within them."""

    attribute: str
    minutes: float
    op: Op
    value: float
    clear: float | None = None


class Window(_Term, frozen=True, kw_only=True, tag="window"):
    """A figure of the readings of the last ``minutes``.

    With fewer than ``least`` of them, or if the oldest lies less than the share ``spans`` of that time back, it is unknown.
    """

    attribute: str
    statistic: Statistic
    minutes: float
    op: Op
    value: float
    clear: float | None = None
    least: int = 1
    spans: float = 0.0


class Silence(_Term, frozen=True, kw_only=True, tag="silence"):
    """Nothing was heard of ``attribute`` ("": of any) for ``minutes``. What was never heard is not silent."""

    minutes: float
    attribute: str = ""


class Ahead(_Term, frozen=True, kw_only=True, tag="ahead"):
    """Some hour of the newest forecast of ``attribute`` within the next ``hours`` is beyond ``value``."""

    attribute: str
    hours: int
    op: Literal[">", ">=", "<", "<="]
    value: float
    clear: float | None = None


class Schedule(_Term, frozen=True, kw_only=True, tag="schedule"):
    """Days (0 is Monday) and hours of the city's zone: ``start`` ≤ minute of the day < ``end``; past midnight if ``end`` is
    not later, and then by the day on which it began. A bound ``by`` the sun is so many minutes after it rises or sets
    (negative: before), at most four hours.
    """

    days: tuple[int, ...] = EVERY_DAY
    start: int = 0
    end: int = DAY_MINUTES
    start_by: Bound = "clock"
    end_by: Bound = "clock"

    def holds(self, weekday: int, minute: int, sun: tuple[int, int]) -> bool:
        """True at ``minute`` of a day of the week, on which the sun rises and sets at the minutes ``sun``."""
        start, end = _bound(self.start, self.start_by, sun), _bound(self.end, self.end_by, sun)
        if start < end:
            inside = weekday in self.days and start <= minute < end
        else:
            inside = (weekday in self.days and minute >= start) or ((weekday - 1) % 7 in self.days and minute < end)
        return inside != self.negated


def _bound(minutes: int, by: Bound, sun: tuple[int, int]) -> int:
    if by == "clock":
        return minutes
    return min(DAY_MINUTES, max(0, sun[by == "sunset"] + minutes))


Measured = Compare | Change | Window | Ahead
Term = Compare | Change | Window | Silence | Ahead | Schedule


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which entities of the type: those of these wards (codes) and those named (URNs); all of them if neither names any."""

    wards: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()


class Needs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many entities of one ward, each at some moment of the last ``minutes``, before an alert of the ward is raised."""

    count: int
    minutes: float = 0.0


class Graver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Beyond ``value`` an alert is of this ``severity``: a further threshold of what its rule compares first."""

    severity: int
    value: float


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule. Its condition holds when all terms of one of ``any_of`` do: every "and", "or" and "not" can be put like that.

    It raises an alert once the condition has held for ``for_minutes`` and ends it once it has not for ``clear_minutes``.
    ``severity`` is 1 to 4. During ``quiet`` hours alerts are listed but nobody is called. ``incident`` is the id of the
    IncidentKind that an alert opens, or "". ``owner`` is an agency's id. Alerts no more than ``spread`` wards apart make one
    line: 0 keeps each ward by itself, 1 takes those that touch. While an alert goes on it grows ``graver`` by these steps,
    each beyond the one before, under the same conditions and after the same time as it was raised; it never grows milder.
    """

    id: str
    title: Text
    entity_type: str
    any_of: tuple[tuple[Term, ...], ...]
    where: Where = Where()
    for_minutes: float = 0.0
    clear_minutes: float = 0.0
    severity: int = 2
    spread: int = 1
    quiet: Schedule | None = None
    needs: Needs | None = None
    incident: str = ""
    owner: str = ""
    note: str = ""
    graver: tuple[Graver, ...] = ()

    def terms(self) -> Iterator[Term]:
        """All terms, from the first."""
        for terms in self.any_of:
            yield from terms

    @property
    def leading(self) -> "Measured | None":
        """The first comparison beyond which the rule can grow graver; None if it compares nothing that way."""
        return next((term for term in self.terms() if _grows(term)), None)

    @property
    def steps(self) -> "list[Rule]":
        """What it watches: itself, then for each step the same with the step's threshold."""
        found, leading = [self], self.leading
        if leading is not None:
            among = next(terms for terms in self.any_of if leading in terms)
            for step in self.graver:
                beyond = msgspec.structs.replace(leading, value=step.value, clear=None)
                any_of = (tuple(beyond if term is leading else term for term in among),)
                found.append(msgspec.structs.replace(self, any_of=any_of, severity=step.severity, graver=()))
        return found


def _grows(term: Term) -> TypeGuard[Measured]:
    return not isinstance(term, Silence | Schedule) and not term.negated and term.op[0] in "<>"


def known_after(rule: Rule, kind: EntityType) -> timedelta:
    """How long after what it measures a rule over ``kind`` can know it at the soonest: a value that speaks for a stretch of
    time is known when that is over.
    """

    def wait(term: Term) -> timedelta:
        if isinstance(term, Ahead):
            return timedelta(0)
        asked = (kind.attribute(getattr(term, name, "")) for name in ("attribute", "than"))
        return max((one.speaks_for for one in asked if one is not None), default=timedelta(0))

    return min(max(map(wait, among)) for among in rule.any_of)


def encode(rule: Rule) -> str:
    """The JSON that is kept."""
    return msgspec.json.encode(rule).decode()


def decode(body: str) -> Rule:
    """The rule of ``encode``. Raises msgspec.ValidationError for something else."""
    return msgspec.json.decode(body, type=Rule)


def check(rule: Rule, types: Mapping[str, EntityType]) -> None:
    """Raises Problem 400, in words for whoever writes the rule, if it cannot be watched in a city with these ``types``."""
    kind = types.get(rule.entity_type)
    if kind is None or not kind.reported:
        raise _wrong("it watches no type that this city knows", "Choose one of the city's types of things.")
    if not _ID.fullmatch(rule.id):
        raise _wrong("its id is none", "Use small letters, digits and hyphens, 64 at most.")
    if not (rule.title.vi.strip() and rule.title.en.strip()):
        raise _wrong("it has no title", "Give it one in Vietnamese and in English.")
    if max(len(rule.title.vi), len(rule.title.en)) > LONGEST_TITLE or len(rule.note) > LONGEST_NOTE:
        raise _wrong("its words are too long", f"At most {LONGEST_TITLE} letters for a title, {LONGEST_NOTE} for a note.")
    places = (*rule.where.wards, *rule.where.entities)
    if len(places) > MOST_PLACES or any(len(one) > LONGEST_NAME for one in places):
        raise _wrong("it names too many places", f"Name {MOST_PLACES} at most, or take wards for things.")
    if not rule.any_of or not all(rule.any_of):
        raise _wrong("it has no condition", "Add one condition at least.")
    if sum(map(len, rule.any_of)) > MOST_TERMS:
        raise _wrong("it has too many conditions", f"Use {MOST_TERMS} at most, or write two rules.")
    if all(isinstance(term, Schedule) for term in rule.terms()):
        raise _wrong("it only names hours", "Add a condition about what is measured.")
    if not 1 <= rule.severity <= 4:
        raise _wrong("its severity is none", "Choose one from 1 to 4.")
    if not 0 <= rule.spread <= 3:
        raise _wrong("its alerts are gathered over too many wards", "Choose 0 to 3.")
    _minutes(rule.for_minutes, 0.0)
    _minutes(rule.clear_minutes, 0.0)
    if rule.needs is not None:
        if rule.needs.count < 2:
            raise _wrong("one entity is not several", "Ask for two at least, or leave it out.")
        _minutes(rule.needs.minutes, 0.0)
    if rule.quiet is not None:
        _schedule(rule.quiet, sun=False)
    for term in rule.terms():
        _check(term, kind)
    _check_graver(rule)


def _check_graver(rule: Rule) -> None:
    if not rule.graver:
        return
    leading = rule.leading
    if leading is None:
        raise _wrong("nothing in it can grow graver", "Compare a number by above or below, not turned round.")
    up = leading.op[0] == ">"
    severity, value = rule.severity, leading.value
    for step in rule.graver:
        assert isinstance(value, float | int)  # noqa: S101 - narrows a type: what compares by < or > was found to be a number
        beyond = math.isfinite(step.value) and (step.value > value if up else step.value < value)
        if not (severity < step.severity <= 4 and beyond):
            raise _wrong(
                "its steps do not grow graver",
                "Give each a higher severity than the one before, 4 at most, and a threshold that lies beyond it.",
            )
        severity, value = step.severity, step.value


def _check(term: Term, kind: EntityType) -> None:
    if isinstance(term, Schedule):
        _schedule(term)
        return
    if not isinstance(term, Compare | Ahead):
        _minutes(term.minutes, 1 / 60)
    if isinstance(term, Silence) and not term.attribute:
        return
    attribute = kind.attribute(term.attribute)
    if attribute is None or attribute.iri != term.attribute:
        raise _wrong(f"{kind.name} has no attribute {term.attribute!r}", "Choose one that it has.")
    if isinstance(term, Silence):
        return
    if isinstance(term, Compare) and attribute.value in ("text", "boolean"):
        _check_said(term, attribute)
        return
    if isinstance(term, Compare) and term.than:
        other = kind.attribute(term.than)
        if (
            other is None
            or other.iri != term.than
            or other is attribute
            or (other.value, other.unit) != ("number", attribute.unit)
        ):
            raise _wrong(
                f"{attribute.name} cannot be compared with {term.than!r}",
                "Choose another number of the same thing and unit.",
            )
    _check_measured(term, attribute)


def _check_said(term: Compare, attribute: AttributeType) -> None:
    if term.than or term.clear is not None:
        raise _wrong(f"{attribute.name} is no number", "Compare it with what it may be; it has no way back.")
    if attribute.value == "boolean":
        if not isinstance(term.value, bool) or term.op not in ("=", "!="):
            raise _wrong(f"{attribute.name} is yes or no", "Compare it with yes or no, by = or !=.")
        return
    several = isinstance(term.value, tuple)
    texts = term.value if isinstance(term.value, tuple) else (term.value,)
    good = several == (term.op == "in") and term.op in ("=", "!=", "contains", "begins", "in")
    if not (good and 1 <= len(texts) <= MOST_TEXTS and all(isinstance(one, str) and one for one in texts)):
        raise _wrong(
            f"{attribute.name} is a text",
            f"Ask whether it is a text or not, contains one, begins with one, or is one of several, {MOST_TEXTS} at most.",
        )


def _check_measured(term: Measured, attribute: AttributeType) -> None:
    if attribute.value != "number" or isinstance(term.value, bool | str | tuple) or term.op in ("contains", "begins", "in"):
        raise _wrong(f"{attribute.name} cannot be compared with that", "Compare a number with a number.")
    if not math.isfinite(term.value) or (term.clear is not None and not math.isfinite(term.clear)):
        raise _wrong("a threshold is no number", "Give a finite number.")
    if term.clear is not None:
        easier = {">": term.clear <= term.value, "<": term.clear >= term.value}.get(term.op[0], False)
        if term.negated or not easier:
            raise _wrong(
                "the value at which it clears is not on the way back",
                "Give one below a threshold that is exceeded, above one that is fallen short of, and none otherwise.",
            )
    if isinstance(term, Window) and not (term.least >= 1 and 0.0 <= term.spans < 1.0):
        raise _wrong("a figure needs a reading", "Ask for one reading at least, and for less than the whole time.")
    if isinstance(term, Ahead) and not 1 <= term.hours <= 240:
        raise _wrong("no forecast reaches that far", "Look 1 to 240 hours ahead.")


def _schedule(one: Schedule, *, sun: bool = True) -> None:
    start = 0 <= one.start < DAY_MINUTES if one.start_by == "clock" else abs(one.start) <= _BESIDE_SUN
    end = 0 < one.end <= DAY_MINUTES if one.end_by == "clock" else abs(one.end) <= _BESIDE_SUN
    if not (start and end and one.days and all(0 <= day < 7 for day in one.days)):
        raise _wrong(
            "its hours are none",
            "Name days and a beginning and an end within a day, or at most four hours around sunrise or sunset.",
        )
    if not sun and (one.start_by, one.end_by) != ("clock", "clock"):
        raise _wrong("its quiet hours go by the sun", "Name them by the clock: people must know when they are called.")


def _minutes(minutes: float, least: float) -> None:
    if not least <= minutes <= LONGEST:
        raise _wrong("a time is too short or too long", "Use one second at least where a time is needed, 31 days at most.")


def _wrong(why: str, advice: str) -> Problem:
    return Problem(400, "bad-rule", f"This rule cannot be used: {why}.", advice)
