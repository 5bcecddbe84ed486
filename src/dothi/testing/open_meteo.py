"""A small HTTP server that answers as Open-Meteo does, on 127.0.0.1.

Its answers are made after the documentation (https://open-meteo.com/en/docs and /en/docs/air-quality-api: the parameters,
the units, one object for one place and a list for several, ``{"error": true, "reason": …}`` with status 400); they were not
recorded from the real servers.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

HOUR = 3_600
UNITS = {
    "pm10": "μg/m³",
    "pm2_5": "μg/m³",
    "carbon_monoxide": "μg/m³",
    "nitrogen_dioxide": "μg/m³",
    "sulphur_dioxide": "μg/m³",
    "ozone": "μg/m³",
    "temperature_2m": "°C",
    "relative_humidity_2m": "%",
    "precipitation": "mm",
    "wind_speed_10m": "km/h",
    "wind_direction_10m": "°",
    "pressure_msl": "hPa",
}


def answer(query: dict[str, list[str]], now: datetime) -> Any:
    """What the real server would answer to ``query`` at ``now``, with values that tell place and hour apart."""
    latitudes, longitudes = ([float(one) for one in query[name][0].split(",")] for name in ("latitude", "longitude"))
    names = query["hourly"][0].split(",")
    unknown = [name for name in names if name not in UNITS]
    if unknown:
        return {
            "error": True,
            "reason": f"Data corrupted at path ''. Cannot initialize from invalid String value {unknown[0]}.",
        }
    under_way = int(now.timestamp()) // HOUR * HOUR
    past, ahead = int(query["past_hours"][0]), int(query["forecast_hours"][0])
    times = [under_way + hour * HOUR for hour in range(-past, ahead)]
    units = UNITS | ({"wind_speed_10m": "m/s"} if query.get("wind_speed_unit") == ["ms"] else {})
    places = []
    for number, (latitude, longitude) in enumerate(zip(latitudes, longitudes, strict=True)):
        hourly: dict[str, list[float | int | None]] = {"time": list(times)}
        for column, name in enumerate(names):
            base = 1_000 if name == "pressure_msl" else 20
            hourly[name] = [round(base + number + column / 10 + time // HOUR % 24 / 100, 2) for time in times]
        place = {
            "latitude": round(latitude * 4) / 4,
            "longitude": round(longitude * 4) / 4,
            "generationtime_ms": 0.21,
            "utc_offset_seconds": 0,
            "timezone": "GMT",
            "timezone_abbreviation": "GMT",
            "elevation": 12.0,
            **({"location_id": number} if number else {}),
            "hourly_units": {"time": "unixtime", **{name: units[name] for name in names}},
            "hourly": hourly,
        }
        places.append(place)
    return places if len(places) > 1 else places[0]


class FakeOpenMeteo:
    """The server. ``asked`` holds the paths asked for; ``status``, ``body`` and ``headers`` replace the proper answer."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.asked: list[str] = []
        self.status = 200
        self.body: bytes | None = None
        self.headers: dict[str, str] = {}
        self.url = ""

    def respond(self, path: str) -> tuple[int, bytes]:
        """Status and body of the answer to ``path``."""
        self.asked.append(path)
        if self.body is not None:
            return self.status, self.body
        told = answer(parse_qs(urlsplit(path).query), self.now)
        wrong = isinstance(told, dict) and told.get("error")
        return (400 if wrong else self.status), msgspec.json.encode(told)


@contextmanager
def fake_open_meteo(now: datetime) -> Iterator[FakeOpenMeteo]:
    """A server at a free port of 127.0.0.1 whose present is ``now`` (aware UTC)."""
    fake = FakeOpenMeteo(now)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = fake.respond(self.path)
            self.send_response(status)
            for name, value in ({"content-type": "application/json; charset=utf-8"} | fake.headers).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests need no access log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, name="open-meteo", daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
