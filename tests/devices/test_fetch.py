"""A guest's manners: bounded answers, nowhere it was not invited, and patience. From a real server on this machine."""

import asyncio
import socket
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from dothi.devices.fetch import FIRST_WAIT, LONGEST_WAIT, Fetched, FetchFailed, Patience, Source
from dothi.testing.open_meteo import FakeOpenMeteo, fake_open_meteo

NOW = datetime(2026, 5, 14, 4, tzinfo=UTC)


def fetch(fake: FakeOpenMeteo, tag: str | None = None, **bounds: Any) -> Fetched:
    async def ask() -> Fetched:
        source = Source(fake.url, named=(fake.url,), **bounds)
        try:
            return await source.get("/x", tag)
        finally:
            await source.close()

    return asyncio.run(ask())


def test_an_answer_comes_with_its_tag_and_nothing_new_is_nothing() -> None:
    with fake_open_meteo(NOW) as fake:
        fake.body, fake.headers = b"{}", {"etag": '"7"'}
        assert fetch(fake) == Fetched(b"{}", '"7"')
        fake.status, fake.body = 304, b""
        assert fetch(fake, '"7"') == Fetched(None)


@pytest.mark.parametrize(
    ("status", "headers", "failure", "wait"),
    [
        (302, {"location": "http://169.254.169.254/"}, "redirected", None),
        (429, {"retry-after": "120"}, "too-many", 120.0),
        (400, {}, "refused", None),
        (503, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, "refused", None),
    ],
)
def test_what_is_no_answer_says_why(status: int, headers: dict[str, str], failure: str, wait: float | None) -> None:
    with fake_open_meteo(NOW) as fake:
        fake.status, fake.headers, fake.body = status, headers, b'{"error":true,"reason":"x"}'
        with pytest.raises(FetchFailed) as failed:
            fetch(fake)
        assert (failed.value.failure, failed.value.retry_after) == (failure, wait)
        assert fake.asked == ["/x"]  # it did not go where it was sent


def test_an_answer_without_end_is_cut_off() -> None:
    with fake_open_meteo(NOW) as fake:
        fake.body = b" " * 100_000
        with pytest.raises(FetchFailed, match="too-large"):
            fetch(fake, largest=50_000)


def test_a_server_that_says_nothing_is_too_slow_and_none_is_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        deaf = FakeOpenMeteo(NOW)
        deaf.url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(FetchFailed, match="too-slow"):
            fetch(deaf, longest=0.2)
    with pytest.raises(FetchFailed, match="no-network"):
        fetch(deaf)


def test_patience_doubles_to_an_hour_and_is_the_same_for_the_same_seed() -> None:
    waits = [Patience("hanoi").after_failure() for _ in range(2)]
    assert waits[0] == waits[1]
    assert waits[0] != Patience("phu-tho").after_failure()
    patient = Patience("hanoi")
    grown = [patient.after_failure() for _ in range(12)]
    assert 0.8 * FIRST_WAIT <= grown[0] <= 1.2 * FIRST_WAIT
    assert all(later > earlier * 1.3 for earlier, later in pairwise(grown[:5]))
    assert all(0.8 * LONGEST_WAIT <= wait <= 1.2 * LONGEST_WAIT for wait in grown[7:])
    assert patient.after_failure(20_000.0) == 20_000.0
    assert patient.after_failure(1e9) == 86_400.0
    assert 100.0 <= patient.after_success(100.0, 60.0) <= 160.0
    assert patient.after_failure() <= 1.2 * FIRST_WAIT
