"""Made-up air: the same every time, possible at every moment, and spread over the city."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.model.city import Ward
from dothi.services.air.feeds import MAPPING
from dothi.services.air.model import AirQualityObserved
from dothi.services.air.simulated import simulated_stations, simulated_values

WARDS = [
    Ward(f"{number:05}", f"Số {number}", "phường", 105.7 + 0.01 * (number % 9), 20.9 + 0.02 * (number // 9))
    for number in range(90)
]
DAY = datetime(2026, 5, 20, tzinfo=UTC)


def test_stations_are_spread_and_the_same_every_time() -> None:
    made = simulated_stations(WARDS)
    assert made == simulated_stations(WARDS)
    assert len({one.device for one in made}) == len(made) == 30
    south = [one for one in made if one.ward.latitude < 20.99]
    assert 10 <= len(south) <= 20
    assert len(simulated_stations(WARDS[:4])) == 4
    assert simulated_stations([]) == []


@settings(max_examples=50)
@given(st.integers(0, 29), st.integers(0, 60 * 24 * 365))
def test_every_value_is_possible_and_repeatable(number: int, minute: int) -> None:
    station, at = simulated_stations(WARDS)[number], DAY + timedelta(minutes=minute)
    values = simulated_values(station, at)
    assert values == simulated_values(station, at)
    assert set(values) == set(MAPPING)
    for key, value in values.items():
        kind = AirQualityObserved.attribute(MAPPING[key].attribute)
        assert kind is not None and kind.minimum is not None and kind.maximum is not None
        assert value["unit"] == kind.unit
        assert kind.minimum <= float(value["value"]) <= kind.maximum


def test_the_evening_rush_is_dustier_than_the_afternoon_and_ozone_follows_the_sun() -> None:
    station = simulated_stations(WARDS)[0]

    def mean(key: str, hour_in_hanoi: int) -> float:
        start = DAY + timedelta(hours=hour_in_hanoi - 7)
        minutes = [simulated_values(station, start + timedelta(minutes=one))[key]["value"] for one in range(60)]
        return sum(float(value) for value in minutes) / 60

    assert mean("pm25", 18) > 1.2 * mean("pm25", 13)
    assert mean("o3", 12) > 2 * mean("o3", 22)
