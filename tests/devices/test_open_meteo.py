"""What Open-Meteo is asked, and answers read strictly. The answers are made after its documentation, not recorded."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from dothi.devices.open_meteo import MOST_CELLS, Cell, Unexpected, Variable, cells, messages, question, read_answer
from dothi.model.ward import Ward
from dothi.testing.open_meteo import answer

NOW = datetime(2026, 5, 14, 4, 20, tzinfo=UTC)
PLACES = [Cell("2100-10575", "Phường Ba Đình", 105.83, 21.03), Cell("2125-10575", "Xã Sóc Sơn", 105.8, 21.25)]
VARIABLES = (Variable("pm2_5", "pm25", "μg/m³"), Variable("ozone", "o3", "μg/m³"))


def asked(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query)


def told(**changes: Any) -> Any:
    found = answer(asked(question("/v1/air-quality", PLACES, VARIABLES)), NOW)
    found[1] |= changes
    return found


def test_all_places_are_asked_for_at_once_in_universal_time() -> None:
    path = question("/v1/air-quality", PLACES, VARIABLES)
    assert path.startswith("/v1/air-quality?latitude=21.03,21.25&longitude=105.83,105.8&hourly=pm2_5,ozone&")
    assert asked(path)["timeformat"] == ["unixtime"]
    assert asked(path)["timezone"] == ["GMT"]
    assert "wind_speed_unit" not in asked(path)
    assert asked(question("/", PLACES, [Variable("wind_speed_10m", "windSpeed", "m/s")]))["wind_speed_unit"] == ["ms"]


def test_an_answer_becomes_the_hours_so_far_and_the_day_ahead() -> None:
    hours = read_answer(msgspec.json.encode(told()), PLACES, VARIABLES)
    assert [len(one.times) for one in hours] == [49, 49]
    lines = [msgspec.json.decode(line) for line in messages("d", hours[1], NOW)]
    assert [lines[0]["at"], lines[-1]["at"]] == ["2026-05-13T04:00:00Z", "2026-05-14T04:00:00Z"]
    assert lines[0]["values"] == {"pm25": 21.04, "o3": 21.14}
    assert all("forecast" not in line["values"] for line in lines[:-1])
    ahead = lines[-1]["values"]["forecast"]
    assert (ahead["from"], ahead["step"], len(ahead["pm25"]), ahead["pm25"][0]) == ("2026-05-14T05:00:00Z", 3600, 24, 21.05)


def test_one_place_is_answered_without_a_list_and_gaps_stay_gaps() -> None:
    found = answer(asked(question("/", PLACES[:1], VARIABLES)), NOW)
    assert isinstance(found, dict)
    found["hourly"]["pm2_5"][24] = None
    found["hourly"]["ozone"][3] = found["hourly"]["pm2_5"][3] = None
    (hours,) = read_answer(msgspec.json.encode(found), PLACES[:1], VARIABLES)
    lines = [msgspec.json.decode(line) for line in messages("d", hours, NOW)]
    assert len(lines) == 24  # an hour without any value is no message
    assert "pm25" not in lines[-1]["values"]
    assert "o3" in lines[-1]["values"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>Wartungsarbeiten</html>", "not JSON"),
        (b'{"error": true, "reason": "Minutely API request limit exceeded."}', "Minutely API request limit"),
        (b"[]", "2 places were asked for, 0 answered"),
        (b'"x"', "none answered"),
        (msgspec.json.encode(told(latitude=35.0)), "latitude 21.25 was asked for, 35.0 answered"),
        (msgspec.json.encode(told(hourly_units={})), "not in unixtime"),
        (msgspec.json.encode(told(hourly=[])), "no hourly values"),
        (
            msgspec.json.encode(told(hourly_units={"time": "unixtime", "pm2_5": "ppb", "ozone": "μg/m³"})),
            "pm2_5 comes in 'ppb'",
        ),
        (msgspec.json.encode(told(hourly={"time": [0, 3600], "pm2_5": [1, 2], "ozone": [1]})), "ozone has not one value"),
        (msgspec.json.encode(told(hourly={"time": [0, 7200], "pm2_5": [1, 2], "ozone": [1, 2]})), "do not follow"),
        (msgspec.json.encode(told(hourly={"time": [60], "pm2_5": [1], "ozone": [1]})), "on the hour"),
        (msgspec.json.encode(told(hourly={"time": [0], "pm2_5": ["1"], "ozone": [1]})), "no number"),
        (msgspec.json.encode(told(hourly={"time": ["2026-05-14T04:00"], "pm2_5": [1], "ozone": [1]})), "on the hour"),
    ],
)
def test_what_is_unlike_the_documents_is_refused_in_words(body: bytes, said: str) -> None:
    with pytest.raises(Unexpected, match=said):
        read_answer(body, PLACES, VARIABLES)


def test_both_signs_for_micro_are_the_same_unit() -> None:
    units = {"time": "unixtime", "pm2_5": "\u00b5g/m³", "ozone": "\u03bcg/m³"}
    assert len(read_answer(msgspec.json.encode(told(hourly_units=units)), PLACES, VARIABLES)) == 2


def test_cells_cover_every_ward_once_and_are_never_too_many() -> None:
    near = [
        Ward("1", "A", "phường", 105.80, 21.01),
        Ward("2", "B", "phường", 105.76, 21.00),
        Ward("3", "C", "xã", 106.1, 21.0),
    ]
    assert cells(near) == [Cell("2100-10575", "Phường B", 105.76, 21.0), Cell("2100-10600", "Xã C", 106.1, 21.0)]
    wide = [Ward(str(n), "A", "xã", 102 + n % 30 * 0.3, 8 + n // 30 * 0.5) for n in range(900)]
    assert 0 < len(cells(wide)) <= MOST_CELLS
    assert cells([]) == []
