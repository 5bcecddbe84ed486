"""A rule as a form without a script: one row for each term, "and" and "or" between them, read back into a rule."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from dothi.model.problem import bad_request
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text, fold, nfc
from dothi.model.unit import UNITS
from dothi.platform.rules.model import (
    DAY_MINUTES,
    EVERY_DAY,
    MOST_TERMS,
    Ahead,
    Bound,
    Change,
    Compare,
    Graver,
    Needs,
    Op,
    Rule,
    Schedule,
    Silence,
    Statistic,
    Term,
    TextOp,
    Where,
    Window,
)
from dothi.platform.rules.words import YES_NO, clock, number

Row = dict[str, str]
_FIELD = re.compile(r"r(\d{1,3})-([a-z0-9]+)")
GRAVER = (2, 3, 4)
"""Severities to which an alert may rise while it goes on."""
_KINDS: dict[type, str] = {
    Compare: "compare",
    Change: "change",
    Window: "window",
    Silence: "silence",
    Ahead: "ahead",
    Schedule: "schedule",
}


def told_of(rule: Rule) -> tuple[Row, list[Row]]:
    """A rule as the fields of the form and its rows."""
    quiet, needs = rule.quiet, rule.needs
    told = {
        "title_vi": rule.title.vi,
        "title_en": rule.title.en,
        "type": rule.entity_type,
        "for": _plain(rule.for_minutes) if rule.for_minutes else "",
        "clear": _plain(rule.clear_minutes) if rule.clear_minutes else "",
        "severity": str(rule.severity),
        "spread": str(rule.spread),
        "incident": rule.incident,
        "owner": rule.owner,
        "note": rule.note,
        "wards": ",".join(rule.where.wards),
        "entities": "\n".join(rule.where.entities),
        "quiet_start": clock(quiet.start) if quiet else "",
        "quiet_end": _end(quiet.end) if quiet else "",
        "needs_count": str(needs.count) if needs else "",
        "needs_minutes": _plain(needs.minutes) if needs and needs.minutes else "",
        **{f"graver{step.severity}": _plain(step.value) for step in rule.graver},
    }
    rows = [
        _row(term, "or" if place == 0 and group else "and")
        for group, terms in enumerate(rule.any_of)
        for place, term in enumerate(terms)
    ]
    return told, rows


def told_in(form: Mapping[str, Any], wards: Sequence[str]) -> tuple[Row, list[Row]]:
    """The same of a form that was sent; ``wards`` are those that were ticked."""
    told: Row = {}
    rows: dict[int, Row] = {}
    for name, value in form.items():
        found = _FIELD.fullmatch(name)
        if found is None:
            told[name] = nfc(str(value)).strip()
        else:
            rows.setdefault(int(found[1]), {})[found[2]] = nfc(str(value)).strip()
    told["wards"] = ",".join(wards)
    known = _KINDS.values()
    return told, [rows[place] for place in sorted(rows) if rows[place].get("is") in known][:MOST_TERMS]


def blank(kind: str) -> Row:
    """A new row of a kind. Raises Problem 400 for no kind of row."""
    if kind not in _KINDS.values():
        raise bad_request("That is no kind of condition.", "Choose one of those offered.")
    return {"is": kind, "join": "and"} | ({"days": "".join(map(str, EVERY_DAY))} if kind == "schedule" else {})


def rule_in(told: Row, rows: Sequence[Row], rule_id: str, kind: EntityType | None) -> Rule:
    """The rule a form describes, about things of a ``kind``. Raises Problem 400, in words, for what cannot be read."""
    any_of: list[list[Term]] = []
    for row in rows:
        if not any_of or row.get("join") == "or":
            any_of.append([])
        any_of[-1].append(_term(row, kind))
    quiet = None
    if told.get("quiet_start") or told.get("quiet_end"):
        quiet = Schedule(start=_minute(told.get("quiet_start", "")), end=_minute(told.get("quiet_end", ""), end=True))
    needs = None
    if told.get("needs_count"):
        needs = Needs(int(_number(told["needs_count"])), _number(told.get("needs_minutes") or "0"))
    title = told.get("title_vi", "")[:200]
    return Rule(
        id=rule_id,
        title=Text(title, told.get("title_en", "")[:200] or title),
        entity_type=told.get("type", ""),
        any_of=tuple(map(tuple, any_of)),
        where=Where(_split(told.get("wards", ""), ","), _split(told.get("entities", ""), None)),
        for_minutes=_number(told.get("for") or "0"),
        clear_minutes=_number(told.get("clear") or "0"),
        severity=int(_number(told.get("severity") or "2")),
        spread=int(_number(told.get("spread") or "1")),
        quiet=quiet,
        needs=needs,
        incident=told.get("incident", ""),
        owner=told.get("owner", ""),
        note=told.get("note", "")[:1_000],
        graver=tuple(Graver(step, _number(told[f"graver{step}"])) for step in GRAVER if told.get(f"graver{step}")),
    )


def id_for(title: str, taken: Callable[[str], bool]) -> str:
    """An id made of a title, not one that is ``taken``."""
    stem = re.sub(r"[^a-z0-9]+", "-", fold(title)).strip("-")[:56].strip("-") or "rule"
    return next(one for one in (stem if count == 1 else f"{stem}-{count}" for count in range(1, 10_000)) if not taken(one))


def attributes_of(kind: EntityType | None, language: str) -> list[tuple[str, str]]:
    """What of a type can be compared: IRI and title."""
    if kind is None:
        return []
    return [(one.iri, _with_unit(one, language)) for one in kind.attributes if one.value in ("number", "text", "boolean")]


def numbers_of(kind: EntityType | None, language: str) -> list[tuple[str, str]]:
    """What of a type can be a threshold of something else of it: IRI and title."""
    numbers = kind.attributes if kind is not None else ()
    return [(one.iri, _with_unit(one, language)) for one in numbers if one.value == "number"]


def _with_unit(one: AttributeType, language: str) -> str:
    unit = UNITS.get(one.unit or "")
    return f"{one.title.in_language(language)} ({unit.symbol})" if unit else one.title.in_language(language)


def _row(term: Term, join: str) -> Row:
    row = {"is": _KINDS[type(term)], "join": join, "not": "1" if term.negated else ""}
    if isinstance(term, Schedule):
        row["days"] = "".join(map(str, term.days))
        for name, by, minutes, told in (
            ("start", term.start_by, term.start, clock),
            ("end", term.end_by, term.end, _end),
        ):
            row |= {name: told(minutes)} if by == "clock" else {f"{name}by": by, f"{name}sun": str(minutes)}
        return row
    row["attribute"] = term.attribute
    if isinstance(term, Change | Window | Silence):
        row["minutes"] = _plain(term.minutes)
    if isinstance(term, Window):
        row |= {"statistic": term.statistic, "least": str(term.least), "spans": _plain(term.spans * 100)}
    if isinstance(term, Ahead):
        row["hours"] = str(term.hours)
    if not isinstance(term, Silence):
        row |= {"op": term.op, "value": _value(term.value)}
        row["clear"] = "" if term.clear is None else _plain(term.clear)
    if isinstance(term, Compare):
        row["than"] = term.than
    return row


def _value(value: float | bool | str | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return "; ".join(value)
    if isinstance(value, bool):
        return YES_NO[value].vi
    return value if isinstance(value, str) else _plain(value)


def _compared(row: Row, of: EntityType | None, clear: float | None) -> Compare:
    """The newest value, compared as its attribute can be."""
    attribute, op, told, than = row.get("attribute", ""), row.get("op"), row.get("value", ""), row.get("than", "")
    known = None if of is None else of.attribute(attribute)
    how: Op | TextOp = next((one for one in (*get_args(Op), *get_args(TextOp)) if one == op), ">")
    value: float | bool | str | tuple[str, ...]
    if known is not None and known.value == "text":
        value = _split(told, ";") if how == "in" else told
    elif known is not None and known.value == "boolean":
        value = _yes_or_no(told)
    else:
        value = _number(told or "0") if than else _number(told)
    return Compare(attribute=attribute, op=how, value=value, clear=clear, than=than, negated=row.get("not") == "1")


def _yes_or_no(told: str) -> bool:
    for value, words in YES_NO.items():
        if fold(told) in (fold(words.vi), fold(words.en), str(value).lower()):
            return value
    raise bad_request(f"“{told[:40]}” is neither yes nor no.", "Write có or không.")


def _term(row: Row, of: EntityType | None) -> Term:
    kind, negated, attribute = row.get("is"), row.get("not") == "1", row.get("attribute", "")
    if kind == "schedule":
        days = tuple(sorted({int(day) for day in row.get("days", "") + _ticked(row) if day in "0123456"}))
        start, start_by = _hour(row, "start")
        end, end_by = _hour(row, "end")
        return Schedule(days=days, start=start, end=end, start_by=start_by, end_by=end_by, negated=negated)
    if kind == "silence":
        return Silence(minutes=_number(row.get("minutes", "")), attribute=attribute, negated=negated)
    op: Op = next((one for one in get_args(Op) if one == row.get("op")), ">")
    clear = _number(row["clear"]) if row.get("clear") else None
    if kind == "compare":
        return _compared(row, of, clear)
    value = _number(row.get("value", ""))
    if kind == "change":
        minutes = _number(row.get("minutes", ""))
        return Change(attribute=attribute, minutes=minutes, op=op, value=value, clear=clear, negated=negated)
    if kind == "window":
        return Window(
            attribute=attribute,
            statistic=next((one for one in get_args(Statistic) if one == row.get("statistic")), "mean"),
            minutes=_number(row.get("minutes", "")),
            op=op,
            value=value,
            clear=clear,
            least=int(_number(row.get("least") or "1")),
            spans=_number(row.get("spans") or "0") / 100,
            negated=negated,
        )
    if kind == "ahead" and op in (">", ">=", "<", "<="):
        hours = int(_number(row.get("hours", "")))
        return Ahead(attribute=attribute, hours=hours, op=op, value=value, clear=clear, negated=negated)
    raise bad_request("A condition cannot be read.", "Choose how it compares: above or below for forecasts.")


def _hour(row: Row, name: str) -> tuple[int, Bound]:
    """A bound of a schedule: of the clock, or so many minutes after the sun rises or sets."""
    by: Bound = next((one for one in get_args(Bound) if one == row.get(f"{name}by")), "clock")
    if by == "clock":
        return _minute(row.get(name, ""), end=name == "end"), by
    return int(_number(row.get(f"{name}sun") or "0")), by


def _ticked(row: Row) -> str:
    return "".join(day for day in "0123456" if row.get(f"day{day}"))


def _plain(value: float) -> str:
    return number(value, None, "en").replace(",", "")


def _number(told: str) -> float:
    try:
        value = float(told.replace(",", ".").replace(" ", ""))
    except ValueError:
        value = float("nan")
    if value != value or abs(value) == float("inf"):
        raise bad_request(f"“{told[:40]}” is no number.", "Write a number, for example 45 or 37,5.")
    return value


def _minute(told: str, *, end: bool = False) -> int:
    hours, _, minutes = (told or ("24:00" if end else "00:00")).partition(":")
    if not (hours.isdecimal() and minutes[:2].isdecimal()):
        raise bad_request(f"“{told[:20]}” is no time of day.", "Write hours and minutes, for example 22:30.")
    found = int(hours) * 60 + int(minutes[:2])
    return DAY_MINUTES if end and found == 0 else found


def _end(minute: int) -> str:
    return "00:00" if minute == DAY_MINUTES else clock(minute)


def _split(told: str, by: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.strip() for one in told.split(by) if one.strip()))
