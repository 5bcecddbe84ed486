"""The air forecast as a process of the city: what it is given, what becomes of what it says."""

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dothi.access.policy import SYSTEM
from dothi.model.problem import bad_request
from dothi.model.text import Text
from dothi.platform.forecasts import Issued
from dothi.platform.sector import Process, Target
from dothi.services.air import forecast
from dothi.services.air.model import AIR_QUALITY_OBSERVED, iri
from dothi.services.air.process import believable, whole_hour
from dothi.services.air.stations import HOUR
from dothi.ui.formats import city_zone

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

ID = "air-forecast"
PM25 = iri("pm25")
MOST_VALUES = 400_000  # stations times hours that one run is given
MOST_ISSUES = 1_000


async def gather(platform: "Platform", options: dict[str, Any]) -> dict[str, Any]:
    """Hourly means of PM2.5 of every station up to the issue, or to the last of several for the past.

    ``options``: none for a forecast of now; ``from``, ``to`` (ISO 8601) and ``every_hours`` for issues in the past. Raises
    Problem 400 for options that make no sense.
    """
    now = whole_hour(platform.clock.now())
    issues = _issues(options, now) if options else [now]
    return await asyncio.to_thread(_inputs, platform, issues, bool(options))


def _inputs(platform: "Platform", issues: list[datetime], hindcast: bool) -> dict[str, Any]:
    stations = platform.writer.index.of_type(AIR_QUALITY_OBSERVED)
    span = int((issues[-1] - issues[0]) / HOUR)
    most = max(forecast.NEEDED, MOST_VALUES // max(1, len(stations)) - span)
    start = issues[0] - HOUR * min(forecast.PAST, most)
    # What is observed at the issue or later is not asked for: the last hour is the one that has just ended.
    found = platform.history.hourly(SYSTEM, stations, PM25, start, issues[-1])
    means = {station: believable("pm25", hours) for station, hours in found.items()}
    first = min((min(hours) for hours in means.values() if hours), default=issues[0])
    count = int((issues[-1] - first) / HOUR)
    hours = [first + HOUR * number for number in range(count)]
    return {
        "first": first.isoformat(),
        "local_hour": first.astimezone(city_zone()).hour,
        "issues": [max(0, int((one - first) / HOUR)) for one in issues],
        "hindcast": hindcast,
        "stations": {
            station: [None if (mean := known.get(hour)) is None else round(mean, 1) for hour in hours]
            for station, known in sorted(means.items())
            if known
        },
    }


def _issues(options: dict[str, Any], now: datetime) -> list[datetime]:
    try:
        first, last = (whole_hour(datetime.fromisoformat(str(options[name]))) for name in ("from", "to"))
        every = HOUR * int(options["every_hours"])
    except (KeyError, TypeError, ValueError) as error:
        raise bad_request(
            "The options of a forecast for the past are from, to and every_hours.",
            'For example {"from": "2026-05-16T00:00:00Z", "to": "2026-05-20T00:00:00Z", "every_hours": 3}.',
        ) from error
    if not (timedelta() < every and first <= last < now and (last - first) / every < MOST_ISSUES):
        raise bad_request(
            "These issues do not lie in the past, or are too many.",
            f"Let from be before to, to before this hour, and at most {MOST_ISSUES} issues between them.",
        )
    return [first + every * number for number in range(int((last - first) / every) + 1)]


async def keep(platform: "Platform", run_id: str, inputs: Any, outputs: Any) -> None:
    """Store what was said of every station, as issued at the end of the last hour it knew."""
    first = datetime.fromisoformat(inputs["first"])
    issued = [
        Issued(
            entity=one["entity"],
            issued_at=first + HOUR * one["issue"],
            method=one["method"],
            values=one["value"],
            low=one["low"],
            high=one["high"],
            persistence=one["persistence"],
            yesterday=one["yesterday"],
            hindcast=inputs["hindcast"],
        )
        for one in outputs["forecasts"]
    ]
    await platform.forecasts.store(PROCESS, run_id, issued)


PROCESS = Process(
    id=ID,
    title=Text("Dự báo bụi mịn PM2.5 trong 24 giờ tới", "PM2.5 forecast for the next 24 hours"),
    purpose=Text(
        "Mỗi giờ một lần, cho từng trạm, từ chính số đo đã có của thành phố; kèm dải 80 % và sai số so với dự báo đơn giản.",
        "Once an hour, for every station, from the city's own past; with an 80 % band and its error beside naive forecasts.",
    ),
    version="1",
    run=forecast.run,
    gather=gather,
    keep=keep,
    every=HOUR,
    time_limit=timedelta(minutes=5),
    target=Target(AIR_QUALITY_OBSERVED, PM25, lambda mean: mean > 0),
)
