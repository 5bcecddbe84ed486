"""How the command line talks to a running city: over HTTP, like any other program."""

import ssl
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import msgspec

from dothi.access.local_key import operator_headers
from dothi.data.sql.answer import Refused
from dothi.model.problem import Problem
from dothi.model.reason import HEADER
from dothi.settings import Settings

_TIMEOUT = 30.0
_LONG = 90.0  # longer than the city lets any request take


class Client:
    """A running city's API. Every call raises Problem: 503 if no city answers, else what the city answered.

    Whoever can read the home folder asks as its operator; ``why`` is what the audit log keeps as the reason.
    """

    def __init__(self, settings: Settings, why: str = "") -> None:
        self.url = address_of(settings)
        # The city is on this machine: a proxy set for the outside world must not come between.
        self._open = build_opener(ProxyHandler({}), HTTPSHandler(context=_own_certificate(settings))).open
        self._headers = operator_headers(settings.home) | ({HEADER: quote(why)} if why else {})

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at ``path``."""
        asked = urlencode({name: value for name, value in query.items() if value is not None})
        return self._ask("GET", f"{path}?{asked}" if asked else path, None)

    def health(self) -> dict[str, Any]:
        """What the city says of itself, also when it does not work."""
        try:
            return dict(self.get("/health"))
        except _Unwell as unwell:
            return unwell.health

    def post(self, path: str, body: Any) -> Any:
        """What the city answers to ``body``, sent as JSON."""
        return self.send(path, msgspec.json.encode(body), "application/json")

    def send(self, path: str, body: bytes, content_type: str, correlation: str | None = None) -> Any:
        """What the city answers to ``body`` as it is; ``correlation`` is the id under which its logs will speak of it."""
        return self._ask("POST", path, body, content_type, correlation)

    def fetch(self, path: str, body: Any) -> bytes:
        """What the city answers to ``body``, sent as JSON, as it is: a file, perhaps."""
        return self._bytes("POST", path, msgspec.json.encode(body), "application/json", None, "*/*", _LONG)

    def download(self, path: str) -> bytes:
        """The file at ``path``."""
        return self._bytes("GET", path, None, "", None, "*/*", _LONG)

    def _ask(
        self, method: str, path: str, body: bytes | None, content_type: str = "", correlation: str | None = None
    ) -> Any:
        try:
            return msgspec.json.decode(self._bytes(method, path, body, content_type, correlation))
        except msgspec.DecodeError as error:
            raise self._silent() from error

    def _bytes(
        self,
        method: str,
        path: str,
        body: bytes | None,
        content_type: str,
        correlation: str | None,
        accept: str = "application/json",
        timeout: float = _TIMEOUT,
    ) -> bytes:
        headers = {"Accept": accept} | self._headers | ({"Content-Type": content_type} if body is not None else {})
        if correlation is not None:
            headers["X-Request-ID"] = correlation
        request = Request(self.url + path, body, headers, method=method)  # noqa: S310 - always http, see address_of
        try:
            with self._open(request, timeout=timeout) as answer:
                return bytes(answer.read())
        except HTTPError as error:
            told = _decoded(error)
            if path == "/health" and "works" in told:
                raise _Unwell(told) from error
            raise _problem(error, told) from error
        except (URLError, OSError) as error:
            raise self._silent() from error

    def _silent(self) -> Problem:
        return Problem(503, "no-city", f"No city answers at {self.url}.", "Start one with: dothi run")


def address_of(settings: Settings) -> str:
    """Where the city of this home listens: as it wrote down itself, else as it is set."""
    try:
        return str(msgspec.json.decode((settings.home / "address").read_bytes())["url"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        return f"{'http' if settings.tls is None else 'https'}://{host}:{settings.port}"


def _own_certificate(settings: Settings) -> ssl.SSLContext | None:
    """Trust the city's own certificate, whoever signed it and whatever it is called: we know it by its file."""
    if settings.tls is None:
        return None
    context = ssl.create_default_context(cafile=str(settings.tls[0]))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def write_address(home: Path, url: str, mqtt_port: int) -> Path:
    """Write down where the city listens, for the other commands. Returns the file."""
    path = home / "address"
    path.write_bytes(msgspec.json.encode({"url": url, "mqtt": mqtt_port}))
    return path


class _Unwell(Exception):  # noqa: N818 - not an error: a city that says it does not work
    def __init__(self, health: dict[str, Any]) -> None:
        super().__init__("unwell")
        self.health = health


def _decoded(error: HTTPError) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(error.read())
    except (msgspec.DecodeError, OSError):
        return {}
    return told if isinstance(told, dict) else {}


def _problem(error: HTTPError, told: dict[str, Any]) -> Problem:
    if "title" not in told:
        return Problem(error.code, f"http-{error.code}", f"The city answered {error.code} {error.reason}.")
    retry = error.headers.get("Retry-After", "")
    code = str(told.get("type", "")).rsplit(":", 1)[-1]
    wait = int(retry) if retry.isdigit() else None
    place = told.get("position")
    return Refused(error.code, code, str(told["title"]), str(told.get("detail", "")), place, wait)
