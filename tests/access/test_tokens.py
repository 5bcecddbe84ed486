"""Access tokens: what the city signed, for as long as it holds, and no trick of JWTs beside it."""

import asyncio
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from test_keys import NOW, TYPES

from dothi.access.accounts import Accounts
from dothi.access.grants import Granted
from dothi.access.keys import Issued, Keys
from dothi.access.policy import SYSTEM, Clearance, Grant, Person
from dothi.access.tokens import LIFETIME, Refusal, Tokens
from dothi.data.writer import Writer
from dothi.store.database import migrate
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city

SECRET = bytes(range(32))
CITY = "urn:dothi:hanoi"


@dataclass
class World:
    clock: FixedClock
    accounts: Accounts
    keys: Keys
    tokens: Tokens
    system: str
    client: Issued

    def token(self, scope: str = "") -> str:
        return self.tokens.issue(self.client.id, self.client.secret, scope)[0].text

    def of(self, text: str) -> Person | None:
        return asyncio.run(self.tokens.of_bearer(text, {}))

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(NOW.timestamp())
        claims = {
            "iss": CITY,
            "aud": CITY,
            "sub": self.system,
            "client_id": self.client.id,
            "scope": "engineer",
            "iat": now,
            "exp": now + 600,
            "jti": "0",
        } | changed
        return {name: value for name, value in claims.items() if value is not ...}

    def signed(self, header: dict[str, Any] | None = None, **changed: Any) -> str:
        header = {"alg": "HS256", "typ": "at+jwt"} | (header or {})
        return jwt.encode(header, self.claims(**changed), signing_key(), algorithms=[header["alg"]])


def signing_key(secret: bytes = SECRET) -> OctKey:
    return OctKey.import_key(hmac.new(secret, b"access-token", sha256).digest())


@pytest.fixture(scope="module")
def module_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    database = open_city(tmp_path_factory.mktemp("tokens"))
    migrate(database)
    writer = Writer(database, locate=lambda *_: None)
    clock = FixedClock(NOW)
    accounts = Accounts(database, writer, clock, bytes(32), TYPES)
    keys = Keys(database, writer, accounts, clock, TYPES)
    granted = [Granted("engineer", 2), Granted("operator", 1)]
    system = asyncio.run(accounts.create(SYSTEM, "he-thong", "Hệ thống", granted, kind="system"))
    client = asyncio.run(keys.issue(SYSTEM, system, "secret", "thử", granted, 90))
    yield World(clock, accounts, keys, Tokens(keys, SECRET, "hanoi", clock), system, client)
    writer.close()
    database.close()


@pytest.fixture
def world(module_world: World) -> World:
    module_world.clock.set(NOW)
    return module_world


def test_a_token_stands_for_its_client_until_its_time_is_up(world: World) -> None:
    token, person, act = world.tokens.issue(world.client.id, world.client.secret, "")
    assert (token.scope, token.lifetime) == ("engineer operator", LIFETIME)
    assert world.of(token.text) == person
    assert (act.person_id, act.thing, act.detail) == (world.system, f"credential:{world.client.id}", "engineer operator")
    world.clock.set(NOW + LIFETIME - timedelta(seconds=1))
    assert world.of(token.text) == person
    world.clock.set(NOW + LIFETIME)
    assert world.of(token.text) is None


def test_an_api_key_comes_in_beside(world: World) -> None:
    issued = asyncio.run(world.keys.issue(SYSTEM, world.system, "key", "thử", [Granted("operator", 1)], 30))
    assert world.of(issued.secret) == Person(world.system, (Grant("operator"),))
    assert world.of(issued.secret[:-1]) is None


def test_a_scope_narrows_a_token(world: World) -> None:
    person = world.of(world.token("engineer"))
    assert person == Person(world.system, (Grant("engineer", clearance=Clearance.RESTRICTED),))
    for scope in ("administrator", "engineer system", "Engineer", "*"):
        with pytest.raises(Refusal) as refused:
            world.token(scope)
        assert refused.value.code == "invalid_scope"


def test_a_wrong_secret_gets_none(world: World) -> None:
    for client, secret in ((world.client.id, "x"), ("x", world.client.secret), ("", ""), (world.client.id, "")):
        with pytest.raises(Refusal) as refused:
            world.tokens.issue(client, secret, "")
        assert refused.value.code == "invalid_client"


def test_a_token_is_worth_nothing_once_its_account_or_client_ended(world: World) -> None:
    token = world.token()
    asyncio.run(world.accounts.disable(SYSTEM, world.system))
    assert world.of(token) is None
    asyncio.run(world.accounts.enable(SYSTEM, world.system))
    assert world.of(token) is not None
    other = asyncio.run(world.keys.issue(SYSTEM, world.system, "secret", "khác", [Granted("engineer", 2)], 30))
    token = world.tokens.issue(other.id, other.secret, "")[0].text
    asyncio.run(world.keys.revoke(SYSTEM, other.id, world.system))
    assert world.of(token) is None


def test_the_control_is_accepted(world: World) -> None:
    assert world.of(world.signed()) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "urn:dothi:phutho"},
        {"aud": ["urn:dothi:phutho"]},
        {"aud": ...},
        {"iss": "urn:dothi:phutho"},
        {"iss": ...},
        {"exp": ...},
        {"exp": int(NOW.timestamp())},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": float("nan")},
        {"iat": int(NOW.timestamp()) + 3600},
        {"nbf": int(NOW.timestamp()) + 3600},
        {"sub": "p-somebody"},
        {"sub": ...},
        {"client_id": "x"},
        {"client_id": ...},
        {"scope": ...},
        {"scope": ["engineer"]},
        {"client_id": ["x"]},
        {"role": "administrator"},
    ],
)
def test_claims_that_are_not_ours_are_refused(world: World, changed: dict[str, Any]) -> None:
    assert world.of(world.signed(**changed)) is None


def test_a_scope_beyond_the_client_gives_nothing_more(world: World) -> None:
    person = world.of(world.signed(scope="engineer administrator system"))
    assert person is not None
    assert {grant.role for grant in person.grants} == {"engineer"}


def _base64(value: Any) -> str:
    return urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()


def test_other_algorithms_are_refused(world: World) -> None:
    body = _base64(world.claims())
    for name in ("none", "None", "NONE", "nOnE"):
        for signature in ("", "AAAA"):
            assert world.of(f"{_base64({'alg': name, 'typ': 'at+jwt'})}.{body}.{signature}") is None
    assert world.of(world.signed({"alg": "HS384"})) is None
    assert world.of(world.signed({"alg": "HS512"})) is None
    key = RSAKey.generate_key(2048)
    header = {"alg": "RS256", "typ": "at+jwt", "jwk": key.as_dict(private=False)}
    assert world.of(jwt.encode(header, world.claims(), key, algorithms=["RS256"])) is None


def test_other_keys_types_and_headers_are_refused(world: World) -> None:
    header = {"alg": "HS256", "typ": "at+jwt"}
    for key in (
        signing_key(bytes(32)),
        OctKey.import_key(SECRET),
        OctKey.import_key(bytes(16)),
        OctKey.import_key(b"secret" * 3),
    ):
        assert world.of(jwt.encode(header, world.claims(), key, algorithms=["HS256"])) is None
    assert world.of(world.signed({"typ": "JWT"})) is None
    assert world.of(world.signed({"typ": "AT+JWT"})) is None
    for more in ({"jku": "https://example.org/keys"}, {"kid": "../../secret"}, {"x5u": "https://example.org/c"}):
        assert world.of(world.signed(more)) is not None  # nothing is fetched or looked up: the one key is ours
    critical = urlsafe_b64encode(b'{"alg":"HS256","typ":"at+jwt","crit":["x"],"x":1}').rstrip(b"=").decode()
    parts = f"{critical}.{_base64(world.claims())}"
    mac = hmac.new(signing_key().raw_value, parts.encode(), sha256).digest()
    assert world.of(f"{parts}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}") is None


def test_a_very_long_token_is_not_looked_at(world: World) -> None:
    assert world.of(world.signed(jti="x" * 4000)) is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_token_with_any_letter_changed_is_refused(world: World, data: st.DataObject) -> None:
    token = world.token()
    # The last letter of a base64 run may carry bits that decode to nothing, so it is left alone.
    place = data.draw(st.integers(0, len(token) - 2).filter(lambda one: "." not in token[one : one + 2]))
    letter = data.draw(st.sampled_from("ABCXYZabcxyz0189-_").filter(lambda one: one != token[place]))
    assert world.of(token[:place] + letter + token[place + 1 :]) is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | st.builds("{}.{}.{}".format, st.text(max_size=20), st.text(), st.text(max_size=20)))
def test_any_text_is_refused_without_a_fault(world: World, text: str) -> None:
    assert world.of(text) is None
