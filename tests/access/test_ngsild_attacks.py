"""A classified attribute at every NGSI-LD door: it is not told, and nothing that may be asked lets it be guessed."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from dothi import app
from dothi.access.grants import Granted
from dothi.access.policy import Clearance
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.platform.sector import Sector
from dothi.testing.city import RunningCity, running_city
from dothi.testing.people import insider

IRI = "https://example.org/vault/"
BASE = "/ngsi-ld/v1"
URN, OTHER = "urn:ngsi-ld:Vault:hanoi:1", "urn:ngsi-ld:Vault:hanoi:2"
SECRET, HIDDEN = "s3cr3t-code", "secretCode"
VAULT = EntityType(
    "Vault",
    IRI + "Vault",
    Text("Kho", "Vault"),
    (
        AttributeType("level", IRI + "level", Text("Mức", "Level")),
        AttributeType(HIDDEN, IRI + HIDDEN, Text("Mã", "Code"), "text", clearance=Clearance.RESTRICTED),
        AttributeType("hiddenPlace", IRI + "hiddenPlace", Text("Nơi", "Place"), "geometry", clearance=Clearance.RESTRICTED),
    ),
)
SINCE = "timerel=after&timeAt=2020-01-01T00:00:00Z"
SECTOR = Sector("vaults", Text("Kho", "Vaults"), "so-kho", (VAULT,))


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "installed_sectors", lambda _="": (SECTOR,))
        with running_city(tmp_path_factory.mktemp("vaults")) as one:
            with httpx.Client(base_url=one.base_url, headers=one.operator, timeout=60) as owner:
                for urn, code in ((URN, SECRET), (OTHER, "another")):
                    made = owner.post(f"{BASE}/entities", json=vault(urn, code))
                    assert made.status_code == 201, made.text
            yield one


def vault(urn: str, code: str) -> dict[str, Any]:
    at = "2026-11-01T00:00:00Z"
    place = {"type": "Point", "coordinates": [105.85, 21.03]}
    return {
        "id": urn,
        "type": "Vault",
        "level": {"type": "Property", "value": 1, "observedAt": at},
        HIDDEN: {"type": "Property", "value": code, "observedAt": at},
        "hiddenPlace": {"type": "GeoProperty", "value": place},
    }


@pytest.fixture
def outsider(city: RunningCity) -> Iterator[httpx.Client]:
    """Somebody who may read what is internal, write and subscribe, and may not know what is restricted."""
    accounts = city.platform.accounts
    known = accounts.account_of_login("outsider")
    granted = [Granted("engineer", int(Clearance.INTERNAL))]
    made = accounts.create(insider(), "outsider", "Người thử", granted)
    account = known.id if known is not None else city.run(made)
    if known is not None:
        made.close()
    session = city.run(accounts.open_session(account, strong=True, address="127.0.0.1", agent="t", correlation="c"))
    with httpx.Client(base_url=city.base_url, headers={"Cookie": f"dothi_session={session}"}, timeout=60) as client:
        yield client


READS = (
    f"/entities/{URN}",
    f"/entities/{URN}?options=sysAttrs",
    f"/entities/{URN}?options=concise",
    f"/entities/{URN}?options=keyValues",
    f"/entities/{URN}?pick=id,{HIDDEN}",
    f"/entities/{URN}?attrs={HIDDEN}",
    "/entities?type=Vault",
    f"/entities?type=Vault&attrs={HIDDEN}",
    f"/entities?type=Vault&orderBy={HIDDEN}",
    "/types?details=true",
    "/types/Vault",
    "/attributes?details=true",
    f"/attributes/{HIDDEN}",
    f"/temporal/entities/{URN}",
    f"/temporal/entities/{URN}?attrs={HIDDEN}",
    f"/temporal/entities/{URN}?options=temporalValues",
    f"/temporal/entities?type=Vault&{SINCE}",
    f"/temporal/entities?type=Vault&{SINCE}&attrs={HIDDEN}",
    f"/temporal/entities?type=Vault&{SINCE}&options=aggregatedValues&aggrMethods=distinctCount,max&aggrPeriodDuration=P1D",
)
MEDIA = ("application/json", "application/ld+json", "application/geo+json")


@pytest.mark.parametrize("path", READS)
def test_it_is_in_no_answer(city: RunningCity, outsider: httpx.Client, path: str) -> None:
    for media in MEDIA:
        answer = outsider.get(BASE + path, headers={"Accept": media})
        assert answer.status_code < 500, answer.text
        # What was asked for may be said again in a refusal and in links of pages; nothing else may.
        told = answer.text if answer.is_success else answer.text.replace(HIDDEN, "")
        assert SECRET not in told, path
        assert "hiddenPlace" not in told, path
        assert f'"{HIDDEN}":' not in told and f"/{HIDDEN}" not in told, path


def test_those_who_may_know_it_are_told(city: RunningCity) -> None:
    with httpx.Client(base_url=city.base_url, headers=city.operator, timeout=60) as owner:
        for path in (READS[0], READS[6], READS[13], READS[16]):
            assert SECRET in owner.get(BASE + path).text, "otherwise nothing is proved above"
        assert HIDDEN in owner.get(f"{BASE}/attributes").text


GUESSES = (
    f'{HIDDEN}=="{SECRET}"',
    f'{HIDDEN}!="{SECRET}"',
    f'{HIDDEN}~="^s3"',
    f'{HIDDEN}!~="^s3"',
    f'{HIDDEN}>"a"',
    f'{HIDDEN}=="a".."z"',
    HIDDEN,
    f"!{HIDDEN}",
    f'level==1;{HIDDEN}=="{SECRET}"',
    f'level==9|{HIDDEN}=="{SECRET}"',
)


@pytest.mark.parametrize("guess", GUESSES)
def test_no_filter_says_yes_or_no(city: RunningCity, outsider: httpx.Client, guess: str) -> None:
    """What is asked of the hidden attribute is answered as it is for an attribute that nobody ever had."""
    never = guess.replace(HIDDEN, "neverHeardOf")

    def seen(told: str) -> list[Any]:
        found = []
        for path in ("/entities?", f"/temporal/entities?{SINCE}&"):
            answer = outsider.get(f"{BASE}{path}type=Vault&count=true&q={quote(told, safe='')}")
            ids = sorted(one["id"] for one in answer.json()) if answer.is_success else answer.json()["type"]
            found.append((answer.status_code, answer.headers.get("NGSILD-Results-Count"), ids))
        body = {"type": "Query", "entities": [{"type": "Vault"}], "q": told}
        answer = outsider.post(f"{BASE}/entityOperations/query", json=body)
        found.append((answer.status_code, len(answer.json()) if answer.is_success else answer.json()["type"]))
        return found

    assert seen(guess) == seen(never)
    assert seen(guess)[1][0] == 200, "it was a question"


def test_no_place_is_found_by_a_hidden_one(city: RunningCity, outsider: httpx.Client) -> None:
    near = "georel=near;maxDistance==100&geometry=Point&coordinates=[105.85,21.03]"
    for path in ("/entities?", f"/temporal/entities?{SINCE}&"):
        answer = outsider.get(f"{BASE}{path}type=Vault&{near}&geoproperty=hiddenPlace&count=true")
        assert (answer.json(), answer.headers.get("NGSILD-Results-Count")) == ([], "0"), path
    with httpx.Client(base_url=city.base_url, headers=city.operator, timeout=60) as owner:
        assert len(owner.get(f"{BASE}/entities?type=Vault&{near}&geoproperty=hiddenPlace").json()) == 2


def test_what_one_may_not_know_one_may_not_write(city: RunningCity, outsider: httpx.Client) -> None:
    told = {"type": "Property", "value": "guess"}
    for method, path, body in (
        ("PATCH", f"/entities/{URN}/attrs/{HIDDEN}", {"value": "guess"}),
        ("PUT", f"/entities/{URN}/attrs/{HIDDEN}", told),
        ("PATCH", f"/entities/{URN}/attrs", {HIDDEN: told}),
        ("POST", f"/entities/{URN}/attrs", {HIDDEN: told}),
        ("PATCH", f"/entities/{URN}", {HIDDEN: told}),
        ("DELETE", f"/entities/{URN}/attrs/{HIDDEN}", None),
    ):
        outsider.request(method, BASE + path, json=body)
    outsider.post(f"{BASE}/entityOperations/upsert", json=[{"id": URN, "type": "Vault", HIDDEN: told}])
    with httpx.Client(base_url=city.base_url, headers=city.operator, timeout=60) as owner:
        assert owner.get(f"{BASE}/entities/{URN}").json()[HIDDEN]["value"] == SECRET


def test_a_subscription_does_not_wake_for_it(city: RunningCity, outsider: httpx.Client) -> None:
    made = outsider.post(
        f"{BASE}/subscriptions",
        json={
            "type": "Subscription",
            "entities": [{"type": "Vault"}],
            "watchedAttributes": [HIDDEN],
            "notification": {"endpoint": {"uri": "https://example.org/told"}},
        },
    )
    if made.status_code == 201:
        with httpx.Client(base_url=city.base_url, headers=city.operator, timeout=60) as owner:
            changed = owner.patch(f"{BASE}/entities/{OTHER}/attrs/{HIDDEN}", json={"value": "other"})
            assert changed.status_code == 204, changed.text
        city.run(city.platform.dispatcher.settled())
        kept = city.platform.database
        with kept.reader() as db:
            rows = db.execute("SELECT body FROM notification").fetchall()
        assert not [row for row in rows if b"other" in bytes(str(row), "utf-8")], json.dumps([str(one) for one in rows])
