"""One running city for the tests that go through all of its doors as all kinds of people."""

import pytest

from dothi.testing.city import RunningCity, running_city
from dothi.testing.people import Crowd
from folder_world import shared


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> RunningCity:
    """A live, simulated Hanoi."""
    return shared(__file__, running_city(tmp_path_factory.mktemp("doors")))


@pytest.fixture(scope="module")
def crowd(doors: RunningCity) -> Crowd:
    """Anybody at its doors."""
    return Crowd(doors)
