"""The rules a new city begins with in its air and weather can be watched, and their limits are the law's."""

from dothi.platform.rules.model import Compare, Window, check
from dothi.services.air import SECTOR as AIR
from dothi.services.weather import SECTOR as WEATHER


def test_the_rules_of_the_sectors_can_be_watched_and_open_kinds_that_there_are() -> None:
    for sector in (AIR, WEATHER):
        types = {one.iri: one for one in sector.entity_types}
        for rule in sector.rules:
            check(rule, types)
            assert rule.incident in {"", *(kind.id for kind in sector.incident_kinds)}
        playbooks = {one.id for one in sector.playbooks}
        assert {kind.playbook for kind in sector.incident_kinds} <= playbooks | {""}
    assert len({rule.id for sector in (AIR, WEATHER) for rule in sector.rules}) == 5


def test_the_limits_are_those_of_the_regulations() -> None:
    by_id = {rule.id: next(rule.terms()) for rule in AIR.rules}
    daily, index = by_id["air-pm25-24h"], by_id["air-index-bad"]
    # QCVN 05:2023/BTNMT from 2026 on: 45 µg/m³ as a mean of 24 hours; VN_AQI (1459/QĐ-TCMT): "Xấu" begins above 150.
    assert isinstance(daily, Window) and (daily.statistic, daily.minutes, daily.op, daily.value) == ("mean", 1_440, ">", 45)
    assert isinstance(index, Compare) and (index.op, index.value) == (">", 150)
