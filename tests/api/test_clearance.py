"""What is not public stays inside: every door a stranger may come to, asked for things above a stranger's reach."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest

from dothi.access.policy import Clearance
from dothi.access.roles import ACTIONS
from dothi.access.routes import declared_actions
from dothi.data.batch import Batch, EntityChange, ReadingRow, readings_of
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.reading import Origin
from dothi.testing.city import RunningCity
from dothi.testing.people import insider

TYPE = "https://smartdatamodels.org/dataModel.Environment/AirQualityObserved"
PM = "https://smartdatamodels.org/dataModel.Environment/pm25"
INDEX = "https://smartdatamodels.org/dataModel.Environment/airQualityIndex"
NAME = "https://smartdatamodels.org/name"
KEEPER = insider("keeper", Clearance.PERSONAL)
URN = {one: f"urn:ngsi-ld:AirQualityObserved:hanoi:kept-{one.name.lower()}" for one in Clearance}
# A number of its own for each thing: if an answer holds it, the thing has been shown, whatever the answer calls it.
VALUE = {Clearance.PUBLIC: 311.25, Clearance.INTERNAL: 322.25, Clearance.RESTRICTED: 333.25, Clearance.PERSONAL: 344.25}
SHOWS = {one: re.compile(rf"kept-{one.name.lower()}|Trạm {one.name}|{VALUE[one]}") for one in Clearance}


@pytest.fixture(scope="module")
def kept(city: RunningCity) -> RunningCity:
    """The city with one station of each clearance, side by side, each with a reading and an index of this hour."""
    platform = city.platform
    now = platform.clock.now()
    changes, rows = [], []
    for place, (clearance, urn) in enumerate(URN.items()):
        point = {"type": "Point", "coordinates": [105.80 + place / 100, 21.02]}
        attributes = {
            LOCATION: [Attribute("GeoProperty", point)],
            NAME: [Attribute("Property", f"Trạm {clearance.name}")],
        }
        changes.append(EntityChange("create", Entity(urn, TYPE, attributes), clearance))
        rows += [
            ReadingRow(urn, PM, now - timedelta(minutes=1), VALUE[clearance], Origin.MEASURED),
            ReadingRow(urn, INDEX, now - timedelta(minutes=1), VALUE[clearance], Origin.MODELLED),
        ]
    city.run(platform.writer.write(Batch(KEEPER, "test", "kept", now, entities=changes)))
    city.run(platform.writer.write(Batch(KEEPER, "test", "kept", now, readings=readings_of(rows))))
    return city


@pytest.fixture
def stranger(kept: RunningCity) -> Iterator[httpx.Client]:
    """Somebody whose request a proxy carried."""
    headers = {"x-forwarded-for": "203.0.113.9"}
    with httpx.Client(base_url=kept.base_url, trust_env=False, timeout=30, headers=headers) as client:
        yield client


def _doors(city: RunningCity) -> list[tuple[str, str]]:
    """Every route that answers a GET, and its action; not the endless stream and not files."""
    found = []
    for path, methods, action in declared_actions(city.app.routes):
        if "GET" in methods and path != "/live" and action is not None:
            found.append((path, action))
    return found


def _filled(path: str, clearance: Clearance) -> str:
    """The path with its blanks filled so that it leads to the thing of this clearance, where it can lead to one."""
    local = URN[clearance].rsplit(":", 1)[1]
    blanks = {"urn": URN[clearance], "id": URN[clearance], "device": local, "layer": "air", "name": "wards"}
    return re.sub(
        r"\{(\w+)(?::(\w+))?\}", lambda blank: blanks.get(blank[1], "7" if blank[2] == "int" else URN[clearance]), path
    )


# What makes a door show as much as it can; doors ignore what they do not know, or refuse it: then nothing is shown either.
QUERIES = (
    {},
    {"type": "AirQualityObserved", "limit": "1000", "count": "true"},
    {"attribute": "pm25"},
    {"attribute": PM},
    {"attribute": "pm25", "format": "csv"},
    {"attribute": ["pm25", "name"], "format": "columns", "count": "true", "limit": "1000"},
    {"q": "pm25>300", "count": "true"},
    {"format": "csv"},
)


def test_no_door_shows_a_stranger_what_is_not_public(kept: RunningCity, stranger: httpx.Client) -> None:
    shown_public = set()
    doors = _doors(kept)
    assert len(doors) > 25
    for path, action in doors:
        for clearance in Clearance if re.search(r"\{(urn|id|device)", path) else (Clearance.PUBLIC,):
            for query in QUERIES if ACTIONS[action] else QUERIES[:1]:
                answer = stranger.get(_filled(path, clearance), params=query)
                assert answer.status_code < 500, (path, query, answer.text)
                if not ACTIONS[action]:
                    assert answer.status_code == 401, (path, query)
                # A refusal may repeat the name it was asked for.
                text = answer.text.replace(URN[clearance].rsplit(":", 1)[1], "") if answer.is_error else answer.text
                hidden = [one for one in Clearance if one > Clearance.PUBLIC and SHOWS[one].search(text)]
                assert hidden == [], (path, query)
                if not answer.is_error and SHOWS[Clearance.PUBLIC].search(text):
                    shown_public.add(path)
    # Otherwise nothing was proved: these doors do show the public one.
    assert shown_public >= {
        "/api/v1/entities",
        "/api/v1/entities/{urn}",
        "/api/v1/entities/{urn}/history",
        "/ngsi-ld/v1/entities",
        "/ngsi-ld/v1/entities/{id}",
        "/map/layers/{layer}.json",
        "/panel/{urn}/history.csv",
    }


def test_what_is_hidden_and_what_is_not_there_answer_alike(kept: RunningCity, stranger: httpx.Client) -> None:
    nothing = "urn:ngsi-ld:AirQualityObserved:hanoi:never-was"
    for path in ("/api/v1/entities/{}", "/api/v1/entities/{}/history?attribute=pm25", "/ngsi-ld/v1/entities/{}"):
        hidden, absent = (stranger.get(path.format(one)) for one in (URN[Clearance.PERSONAL], nothing))
        assert hidden.status_code == absent.status_code == 404
        first, second = hidden.json(), absent.json()
        for answer in (first, second):
            answer.pop("correlation", None)
            answer.pop("instance", None)
        assert str(first).replace(URN[Clearance.PERSONAL], nothing) == str(second)


@pytest.mark.parametrize(
    ("path", "total"),
    [
        ("/api/v1/entities", lambda answer: answer.json()["total"]),
        ("/api/v1/entities?format=columns", lambda answer: answer.json()["total"]),
        ("/ngsi-ld/v1/entities", lambda answer: int(answer.headers["ngsild-results-count"])),
    ],
)
def test_counts_count_what_the_asker_may_read(
    client: httpx.Client, stranger: httpx.Client, path: str, total: Callable[[httpx.Response], int]
) -> None:
    """The four things by id: a stranger counts one, the operator three; what is personal is counted by nobody here."""
    ids = list(URN.values())
    given = {"id": ",".join(ids), "local": "true"} if path.startswith("/ngsi") else {"id": ids}
    asked = given | {"count": "true", "limit": "1"}
    counted = {who: total(one.get(path, params=asked)) for who, one in (("stranger", stranger), ("operator", client))}
    assert counted == {"stranger": 1, "operator": 3}


def test_the_operator_sees_all_but_what_is_personal(kept: RunningCity, client: httpx.Client) -> None:
    shown = {one for one in Clearance if client.get(f"/api/v1/entities/{URN[one]}").status_code == 200}
    assert shown == {Clearance.PUBLIC, Clearance.INTERNAL, Clearance.RESTRICTED}
    for path, action in _doors(kept):
        if action.startswith("audit."):
            continue  # the log of who did what speaks of things by their ids
        text = client.get(_filled(path, Clearance.PUBLIC), params={"attribute": "pm25", "count": "true"}).text
        assert SHOWS[Clearance.PERSONAL].search(text) is None, path
