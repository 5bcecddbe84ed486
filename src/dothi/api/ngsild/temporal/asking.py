"""What somebody asks of the past: the temporal query and how its answer is to look (ETSI GS CIM 009 v1.8.1, clause 4.11)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from dothi.api.ngsild.checks import moment
from dothi.api.ngsild.door import Asked
from dothi.api.ngsild.languages import wanted
from dothi.api.ngsild.negotiation import listed, whole
from dothi.api.ngsild.problems import invalid_request
from dothi.api.ngsild.projection import WHOLE, Projection, read_projection
from dothi.data.evolved import BEGINNING, TimeProperty, Window
from dothi.data.periods import WHOLE_TIME, Period, read_methods, read_period
from dothi.data.trail import EVER
from dothi.model.clock import to_micros
from dothi.model.problem import bad_request

Format = Literal["normalized", "temporalValues", "aggregatedValues"]
TEMPORAL_PARAMETERS = frozenset(
    {"timerel", "timeAt", "endTimeAt", "timeproperty", "lastN", "aggrMethods", "aggrPeriodDuration"}
    | {"format", "options", "lang", "attrs", "pick", "omit", "datasetId"}
)
"""The URL parameters ``read_temporal`` reads."""

_FORMATS = {
    "normalized": "normalized",
    "temporalValues": "temporalValues",
    "simplified": "temporalValues",
    "aggregatedValues": "aggregatedValues",
}
_RELATIONS = ("before", "after", "between")
_MOST_LAST = 1_000_000


@dataclass(frozen=True, slots=True)
class Temporal:
    """A temporal question. ``start`` and ``end`` are the bounds as they were told (µs), None where there is none; ``last``
    is lastN; ``figures`` and ``period`` are those of aggregated values. ``datasets`` None is all ("@none" the default one).
    """

    window: Window
    start: int | None = None
    end: int | None = None
    last: int | None = None
    format: Format = "normalized"
    sys_attrs: bool = False
    languages: tuple[str, ...] = ()
    projection: Projection = WHOLE
    datasets: frozenset[str] | None = None
    figures: tuple[str, ...] = ()
    period: Period = WHOLE_TIME


def read_temporal(asked: Asked, params: Mapping[str, str], *, needed: bool) -> Temporal:
    """The question that ``params`` ask; ``needed`` says that it must be bounded in time. Raises Problem 400."""
    window, start, end = _window(params, needed)
    chosen, sys_attrs = _format(params.get("format"), listed(params.get("options")))
    last = params.get("lastN")
    lang, datasets = params.get("lang"), listed(params.get("datasetId"))
    projection = read_projection(params.get("attrs"), params.get("pick"), params.get("omit"), asked.context)
    if projection.nested:
        raise bad_request("Linked entities have no place in a question about the past.", "Leave the braces out.")
    aggregated = chosen == "aggregatedValues"
    return Temporal(
        window,
        start,
        end,
        None if last is None else whole(last, "lastN", 0, _MOST_LAST, least=1),
        chosen,
        sys_attrs,
        wanted(lang) if lang else (),
        projection,
        frozenset(datasets) if datasets else None,
        read_methods(listed(params.get("aggrMethods"))) if aggregated else (),
        read_period(params["aggrPeriodDuration"]) if aggregated and "aggrPeriodDuration" in params else WHOLE_TIME,
    )


def params_of_body(body: Mapping[str, Any], params: Mapping[str, str]) -> dict[str, str]:
    """``params`` with what a body's temporalQ and aggrParams say, as if it stood in the address (clauses 5.2.21, 5.2.44).

    Raises Problem 400.
    """
    told = body.get("temporalQ")
    if not isinstance(told, dict):
        raise bad_request("The query has no temporalQ.", 'Write {"timerel": "after", "timeAt": "2026-11-21T00:00:00Z"}.')
    figures = body.get("aggrParams", {})
    if not isinstance(figures, dict):
        raise bad_request("aggrParams must be an object.")
    found = dict(params)
    for name in ("timerel", "timeAt", "endTimeAt", "timeproperty"):
        if name in told:
            if not isinstance(told[name], str):
                raise bad_request(f"{name} must be text.")
            found[name] = told[name]
    if "lastN" in told:
        if isinstance(told["lastN"], bool) or not isinstance(told["lastN"], int):
            raise bad_request("lastN must be a whole number.", f"From 1 to {_MOST_LAST}.")
        found["lastN"] = str(told["lastN"])
    for one in (told, figures):
        methods, period = one.get("aggrMethods"), one.get("aggrPeriodDuration")
        if methods is not None:
            several = methods if isinstance(methods, list) else [methods]
            if not all(isinstance(name, str) for name in several):
                raise bad_request("aggrMethods must be names.")
            found["aggrMethods"] = ",".join(several)
        if period is not None:
            if not isinstance(period, str):
                raise bad_request("aggrPeriodDuration must be text.", "Write it like PT1H.")
            read_period(period)
            found["aggrPeriodDuration"] = period
    if "aggrMethods" in found and not {"format", "options"} & params.keys():
        found["format"] = "aggregatedValues"
    return found


def _window(params: Mapping[str, str], needed: bool) -> tuple[Window, int | None, int | None]:
    relation, at, end = (params.get(name) for name in ("timerel", "timeAt", "endTimeAt"))
    by = params.get("timeproperty", "observedAt")
    if by not in get_args(TimeProperty):
        raise bad_request(f"timeproperty cannot be {by[:40]!r}.", f"Known: {', '.join(get_args(TimeProperty))}.")
    chosen = cast("TimeProperty", by)
    if relation is None:
        if needed or at is not None or end is not None:
            raise bad_request("The query is not bounded in time.", "Give timerel and timeAt.")
        return Window(by=chosen), None, None
    if relation not in _RELATIONS:
        raise bad_request(f"timerel cannot be {relation[:40]!r}.", f"Known: {', '.join(_RELATIONS)}.")
    if not at:
        raise bad_request("timerel needs timeAt.", "Give it like 2026-11-21T08:30:00Z.")
    start = to_micros(moment(at, "timeAt"))
    if relation == "before":
        return Window(BEGINNING, start, chosen, bounded=True), start, None
    if relation == "after":
        return Window(start, EVER, chosen, bounded=True), start, None
    if not end:
        raise bad_request("timerel=between needs endTimeAt.", "Give it like 2026-11-21T08:30:00Z.")
    last = to_micros(moment(end, "endTimeAt"))
    return Window(start, last, chosen, bounded=True), start, last


def _format(asked_format: str | None, options: tuple[str, ...]) -> tuple[Format, bool]:
    for one in options:
        if one not in _FORMATS and one != "sysAttrs":
            raise invalid_request(f"The option {one[:40]!r} is not known here.", f"Known: {', '.join(_FORMATS)}, sysAttrs.")
    if asked_format is not None and asked_format not in _FORMATS:
        raise invalid_request(f"The format {asked_format[:40]!r} is not known here.", f"Known: {', '.join(_FORMATS)}.")
    chosen = {_FORMATS[one] for one in options if one in _FORMATS}
    if asked_format is None and len(chosen) > 1:
        raise bad_request("options names two formats.", "Name one.")
    found = _FORMATS[asked_format] if asked_format is not None else min(chosen, default="normalized")
    return cast("Format", found), "sysAttrs" in options
