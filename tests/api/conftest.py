"""One running city for all tests of the doors in a worker; each test uses devices of its own."""

from collections.abc import Iterator

import httpx
import pytest

from dothi.testing.city import RunningCity, running_city
from folder_world import shared


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> RunningCity:
    """A live, simulated Hanoi."""
    return shared(__file__, running_city(tmp_path_factory.mktemp("city")))


@pytest.fixture(scope="module")
def client(city: RunningCity) -> Iterator[httpx.Client]:
    """A program that has the key of the home folder: the city's operator."""
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=city.operator) as client:
        yield client


@pytest.fixture
def stranger(city: RunningCity) -> Iterator[httpx.Client]:
    """Somebody without any credential, whose request a proxy carried."""
    headers = {"x-forwarded-for": "203.0.113.9"}
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=headers) as client:
        yield client


@pytest.fixture
def device(client: httpx.Client, request: pytest.FixtureRequest) -> str:
    """An admitted air station of this test's own, in the middle of Hanoi."""
    name = "t-" + "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in request.node.name)[:60]
    told = {"id": name, "type": "AirQualityObserved", "name": "Trạm thử", "longitude": 105.85, "latitude": 21.03}
    answer = client.post("/api/v1/devices", json=told)
    assert answer.status_code == 201, answer.text
    return name
