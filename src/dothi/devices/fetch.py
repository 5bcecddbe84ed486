"""Fetching a public source over HTTP as a guest should: bounded in time and size, never led elsewhere, never in a hurry."""

import asyncio
import random
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dothi import __version__
from dothi.access.outgoing import Call, NotCalled, check

if TYPE_CHECKING:
    import httpx

Failure = Literal["no-network", "too-slow", "too-many", "refused", "redirected", "too-large"]
LARGEST = 2 * 1024 * 1024
LONGEST = 60.0  # seconds for a whole answer
FIRST_WAIT, LONGEST_WAIT = 60.0, 3_600.0  # seconds between tries
_MANY = 429


class FetchFailed(Exception):  # noqa: N818 - it is an answer too: why there is none
    """There is no answer: why, in a word and in detail, and after how many seconds the source wants to be asked again."""

    def __init__(self, failure: Failure, detail: str, retry_after: float | None = None) -> None:
        super().__init__(f"{failure}: {detail}")
        self.failure, self.detail, self.retry_after = failure, detail, retry_after


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. ``body`` is None if nothing changed since the answer with the tag that was sent along."""

    body: bytes | None
    tag: str | None = None


class Source:
    """One server that is asked now and then. Close it when nobody asks any more.

    It must lie on the public internet unless ``named`` has it: the origins that the installation's own settings name.
    """

    def __init__(self, base: str, *, named: Collection[str] = (), largest: int = LARGEST, longest: float = LONGEST) -> None:
        self.base, self._named, self._largest, self._longest = base.rstrip("/"), named, largest, longest
        self._client: httpx.AsyncClient | None = None

    async def get(self, path: str, tag: str | None = None) -> Fetched:
        """What stands at ``path``; ``tag`` is that of the answer one has. Raises FetchFailed."""
        import httpx  # only a city that asks somebody pays for it

        try:
            async with asyncio.timeout(self._longest):
                call = await asyncio.to_thread(check, self.base + path, self._named)
                if self._client is None:
                    self._client = httpx.AsyncClient(
                        timeout=httpx.Timeout(20.0, connect=10.0),
                        follow_redirects=False,
                        trust_env=call.proxied,
                        headers={"accept": "application/json", "user-agent": f"dothi/{__version__}"},
                    )
                return await self._ask(self._client, call, tag)
        except NotCalled as error:
            raise FetchFailed("no-network", str(error)) from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise FetchFailed("too-slow", f"no whole answer in time ({type(error).__name__})") from error
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise FetchFailed("no-network", f"{type(error).__name__}: {error}") from error

    async def _ask(self, client: "httpx.AsyncClient", call: Call, tag: str | None) -> Fetched:
        headers = call.headers | ({"if-none-match": tag} if tag else {})
        async with client.stream("GET", call.url, headers=headers, extensions=call.extensions) as answer:
            return await self._read(answer)

    async def close(self) -> None:
        """Let the connections go."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _read(self, answer: "httpx.Response") -> Fetched:
        if answer.status_code == 304:
            return Fetched(None)
        if answer.is_redirect:
            raise FetchFailed("redirected", f"to {answer.headers.get('location', 'nowhere')[:200]}")
        body = bytearray()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > self._largest:
                raise FetchFailed("too-large", f"more than {self._largest:,} bytes")
        if answer.status_code != 200:
            wait = answer.headers.get("retry-after", "")
            detail = f"{answer.status_code} {bytes(body[:300]).decode('utf-8', 'replace')}"
            failure: Failure = "too-many" if answer.status_code == _MANY else "refused"
            raise FetchFailed(failure, detail, float(wait) if wait.isdigit() else None)
        return Fetched(bytes(body), answer.headers.get("etag"))


class Patience:
    """How long to wait after failures in a row: twice as long each time, by a fifth more or less so that cities that lost
    the network together do not come back together. ``seed`` makes it repeatable.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - spreads load, guards nothing
        self._failures = 0

    def after_failure(self, retry_after: float | None = None) -> float:
        """Seconds to wait now; no less than what the source asked for, and no more than a day."""
        wait = min(FIRST_WAIT * (1 << self._failures), LONGEST_WAIT)
        self._failures = min(self._failures + 1, 10)
        return max(wait * self._random.uniform(0.8, 1.2), min(retry_after or 0.0, 86_400.0))

    def after_success(self, until: float, spread: float) -> float:
        """Seconds to wait until the next regular question, ``until`` from now and up to ``spread`` later."""
        self._failures = 0
        return until + self._random.uniform(0.0, spread)
