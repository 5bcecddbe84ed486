"""One running city with citizens for all tests of a worker."""

from collections.abc import Iterator

import httpx
import pytest
from citizens_world import Citizen

from dothi.testing.city import RunningCity, running_city
from folder_world import shared


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> RunningCity:
    """A city where citizens report."""
    return shared(__file__, running_city(tmp_path_factory.mktemp("citizens"), sectors="citizens"))


@pytest.fixture
def citizen(city: RunningCity) -> Iterator[Citizen]:
    """Somebody with a telephone."""
    somebody = Citizen(city)
    with somebody.client:
        yield somebody


@pytest.fixture
def official(city: RunningCity) -> Iterator[httpx.Client]:
    """The city's operator at the same pages."""
    headers = city.operator | {"accept": "text/html", "accept-language": "vi"}
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=headers) as client:
        yield client
