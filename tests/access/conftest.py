"""One running city for the tests that go through all of its doors as all kinds of people."""

from collections.abc import Iterator

import pytest

from dothi.testing.city import RunningCity, running_city
from dothi.testing.people import Crowd


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A live, simulated Hanoi."""
    with running_city(tmp_path_factory.mktemp("doors")) as running:
        yield running


@pytest.fixture(scope="session")
def crowd(doors: RunningCity) -> Crowd:
    """Anybody at its doors."""
    return Crowd(doors)
