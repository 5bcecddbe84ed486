"""Sign-in elsewhere, against a real provider: the whole way there and back, and every way in which it must not work."""

import asyncio
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from oidc_world import CLIENT, PASSWORD, Issuers, provider, sign_in_at

from dothi.access.oidc import PATIENCE, Arrived, Distrusted, Oidc, check_id_token, key_set, over_http
from dothi.model.problem import Problem
from dothi.testing.clock import FixedClock

BACK = "http://127.0.0.1:9/sign-in/oidc/back"
SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def issuers() -> Iterator[Issuers]:
    """Both kinds of the real provider, in one process of Node."""
    with provider(BACK) as running:
        yield running


class World:
    """A city that knows one provider, and a browser."""

    def __init__(self, issuer: str, **changed: Any) -> None:
        self.clock = FixedClock(datetime.now(UTC))
        told = {"issuer": issuer, "client": CLIENT, "password": PASSWORD, "secret": SECRET, "clock": self.clock}
        self.oidc = Oidc(**{**told, "ask": over_http(issuer), **changed})
        self.browser = httpx.Client(trust_env=False, timeout=20)

    def begin(self, to: str = "/wards?page=2") -> tuple[str, str]:
        return asyncio.run(self.oidc.begin(BACK, to))

    def finish(self, cookie: str, answer: dict[str, str], back: str = BACK) -> Arrived:
        return asyncio.run(self.oidc.finish(back, cookie, answer))

    def refused(self, cookie: str, answer: dict[str, str], back: str = BACK) -> str:
        with pytest.raises(Problem) as refused:
            self.finish(cookie, answer, back)
        return refused.value.code

    def answer(self, url: str, **person: str) -> dict[str, str]:
        return sign_in_at(self.browser, url, BACK, **({"sub": "u-17", "login": "an", "name": "An"} | person))


@pytest.fixture(params=["careful", "plain"])
def world(request: pytest.FixtureRequest, issuers: Issuers) -> World:
    return World(getattr(issuers, request.param))


@pytest.fixture
def careful(issuers: Issuers) -> World:
    return World(issuers.careful)


def test_somebody_signs_in_elsewhere_and_arrives(world: World) -> None:
    url, cookie = world.begin()
    answer = world.answer(url, groups="ioc,bụi", amr="pwd,mfa")
    assert world.finish(cookie, answer) == Arrived(
        subject=f"{world.oidc.issuer} u-17",
        login="an",
        name="An",
        groups=frozenset({"ioc", "bụi"}),
        strong=True,
        to="/wards?page=2",
    )


def test_one_factor_there_is_one_factor_here(careful: World) -> None:
    url, cookie = careful.begin()
    arrived = careful.finish(cookie, careful.answer(url, amr="pwd"))
    assert (arrived.strong, arrived.groups) == (False, frozenset())


def test_the_request_carries_what_protects_the_answer(careful: World) -> None:
    (one, cookie), (other, _) = careful.begin(), careful.begin()
    asked, again = ({k: v[0] for k, v in parse_qs(urlsplit(url).query).items()} for url in (one, other))
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"].split() == ["openid", "profile", "groups"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name]) == 43
        assert asked[name] != again[name]
        assert asked[name] not in cookie
    assert PASSWORD not in one


def test_an_answer_is_good_once(careful: World) -> None:
    url, cookie = careful.begin()
    answer = careful.answer(url)
    careful.finish(cookie, answer)
    careful.oidc._ask = nobody  # what came before is not even asked about
    assert careful.refused(cookie, answer) == "sign-in-failed"


async def nobody(*_: Any, **__: Any) -> bytes:
    raise AssertionError("the provider was asked")


def test_a_code_that_was_used_is_worth_nothing_in_another_sign_in(careful: World) -> None:
    url, cookie = careful.begin()
    answer = careful.answer(url)
    careful.finish(cookie, answer)
    other_url, other_cookie = careful.begin()
    state = parse_qs(urlsplit(other_url).query)["state"][0]
    assert careful.refused(other_cookie, answer | {"state": state}) == "sign-in-failed"


def test_a_stolen_code_is_worth_nothing_in_another_browser(careful: World) -> None:
    """A code of somebody else's sign-in, injected into one's own: the code verifier and the nonce do not fit."""
    url, _victims = careful.begin()
    stolen = careful.answer(url)
    own_url, own_cookie = careful.begin()
    state = parse_qs(urlsplit(own_url).query)["state"][0]
    assert careful.refused(own_cookie, stolen | {"state": state}) == "sign-in-failed"


def test_an_answer_belongs_to_the_browser_that_asked(careful: World) -> None:
    url, cookie = careful.begin()
    answer = careful.answer(url)
    other = careful.begin()[1]
    issued, token, to = cookie.split(".")
    elsewhere = urlsafe_b64encode(b"https://example.org").rstrip(b"=").decode()
    for wrong in ("", "x", "..", other, f"{int(issued) + 1}.{token}.{to}", f"{issued}.{token}.{elsewhere}", cookie + "="):
        assert careful.refused(wrong, answer) == "sign-in-failed"
    for state in ("", "x", answer["state"][:-1], answer["state"] + "A"):
        assert careful.refused(cookie, answer | {"state": state}) == "sign-in-failed"
    no_state = {name: value for name, value in answer.items() if name != "state"}
    assert careful.refused(cookie, no_state) == "sign-in-failed"
    careful.finish(cookie, answer)  # what others tried did not use it up


def test_an_answer_of_another_installation_is_refused(careful: World) -> None:
    url, cookie = careful.begin()
    answer = careful.answer(url)
    other = World(careful.oidc.issuer, secret=bytes(32))
    assert other.refused(cookie, answer) == "sign-in-failed"


def test_who_takes_too_long_begins_again(careful: World) -> None:
    url, cookie = careful.begin()
    answer = careful.answer(url)
    careful.clock.advance(timedelta(seconds=PATIENCE + 1))
    assert careful.refused(cookie, answer) == "sign-in-failed"


def test_an_answer_of_another_issuer_is_refused(careful: World, issuers: Issuers) -> None:
    """Mix-up: the other provider's answer, or one that does not say whose it is (RFC 9207)."""
    for issuer in (issuers.plain, ""):
        url, cookie = careful.begin()
        assert careful.refused(cookie, careful.answer(url) | {"iss": issuer}) == "sign-in-failed"
    url, cookie = careful.begin()
    unsaid = {name: value for name, value in careful.answer(url).items() if name != "iss"}
    assert careful.refused(cookie, unsaid) == "sign-in-failed"


def test_a_refusal_there_is_told_apart(careful: World) -> None:
    url, cookie = careful.begin()
    assert careful.refused(cookie, careful.answer(url, refuse="yes")) == "sign-in-refused"
    url, cookie = careful.begin()
    made_up = {"error": "access_denied", "iss": careful.oidc.issuer}
    assert careful.refused(cookie, made_up) == "sign-in-failed"


def test_another_address_to_come_back_to_is_refused(careful: World) -> None:
    url, cookie = careful.begin()
    assert careful.refused(cookie, careful.answer(url), "http://127.0.0.1:9/elsewhere") == "sign-in-failed"


@pytest.mark.parametrize("password", ["wrong", None])
def test_a_wrong_secret_of_ours_is_refused_there(issuers: Issuers, password: str | None) -> None:
    world = World(issuers.careful, password=password)
    url, cookie = world.begin()
    assert world.refused(cookie, world.answer(url)) == "sign-in-failed"


def test_a_provider_that_is_gone_or_calls_itself_otherwise_is_said_so(issuers: Issuers) -> None:
    for issuer, code in (
        ("http://127.0.0.1:9", "provider-unreachable"),
        (issuers.careful + "/", "provider-unusable"),
        (issuers.careful + "/elsewhere", "provider-unusable"),
        (issuers.careful.replace("127.0.0.1", "localhost"), "provider-unusable"),
    ):
        with pytest.raises(Problem) as refused:
            World(issuer).begin()
        assert (refused.value.status, refused.value.code) == (503, code)


def test_a_provider_cannot_make_the_city_ask_its_own_network(issuers: Issuers) -> None:
    """Only what the settings name may lie in a private network; where its description points may not."""
    with pytest.raises(Problem) as refused:
        asyncio.run(over_http(issuers.careful)("GET", issuers.plain))
    assert refused.value.code == "provider-unreachable"
    told = asyncio.run(over_http(issuers.careful)("GET", f"{issuers.careful}/.well-known/openid-configuration"))
    assert msgspec.json.decode(told)["issuer"] == issuers.careful


ISSUER, NONCE, AT = "https://id.example.vn", "n" * 43, 1_795_000_000
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
KEYS = KeySet([KEY])


def claims(**changed: Any) -> dict[str, Any]:
    told = {"iss": ISSUER, "aud": "dothi", "sub": "u-17", "nonce": NONCE, "iat": AT, "exp": AT + 300} | changed
    return {name: value for name, value in told.items() if value is not ...}


def checked(token: str, keys: KeySet = KEYS) -> dict[str, Any]:
    return check_id_token(token, keys, issuer=ISSUER, client="dothi", nonce=NONCE, now=AT)


def signed(header: dict[str, Any] | None = None, key: Any = KEY, **changed: Any) -> str:
    told = {"alg": "RS256", "kid": "one"} | (header or {})
    return jwt.encode(told, claims(**changed), key, algorithms=[told["alg"]])


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"aud": ["dothi"]},
        {"aud": ["dothi", "other"], "azp": "dothi"},
        {"azp": "dothi"},
        {"exp": AT - 30},
        {"iat": AT + 30},
        {"extra": {"deep": [1]}},
    ],
)
def test_an_id_token_for_us_is_taken(changed: dict[str, Any]) -> None:
    assert checked(signed(**changed))["sub"] == "u-17"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example.vn"},
        {"iss": ISSUER + "/"},
        {"iss": ...},
        {"iss": [ISSUER]},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": ["dothi", "other"]},
        {"aud": ["dothi", "other"], "azp": "other"},
        {"azp": "other"},
        {"aud": ...},
        {"exp": AT - 60},
        {"exp": ...},
        {"exp": str(AT + 300)},
        {"exp": float("inf")},
        {"exp": True},
        {"iat": AT + 120},
        {"iat": ...},
        {"nbf": AT + 120},
        {"nonce": "m" * 43},
        {"nonce": ["m", NONCE]},
        {"nonce": ...},
        {"nonce": None},
        {"sub": ...},
        {"sub": ""},
        {"sub": 17},
        {"sub": "x" * 256},
    ],
)
def test_an_id_token_that_is_not_for_us_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(Distrusted):
        checked(signed(**changed))


def base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], secret: bytes) -> str:
    """The old trick: a public key, which everybody has, taken for a shared secret. No library helps with it."""
    told = f"{base64(msgspec.json.encode(header))}.{base64(msgspec.json.encode(claims()))}"
    return f"{told}.{base64(hmac.new(secret, told.encode(), sha256).digest())}"


def test_an_id_token_that_nobody_of_theirs_signed_is_refused() -> None:
    body = base64(msgspec.json.encode(claims()))
    for name in ("none", "None", "NONE"):
        head = base64(msgspec.json.encode({"alg": name, "kid": "one"}))
        for signature in ("", "AAAA"):
            with pytest.raises(Distrusted):
                checked(f"{head}.{body}.{signature}")
    other = RSAKey.generate_key(2048, {"kid": "one"})
    curve = ECKey.generate_key("P-256", {"kid": "one"})
    for forged in (
        signed(key=other),
        signed({"alg": "ES256"}, key=curve),
        *(
            by_hand({"alg": "HS256", "kid": "one"}, public)
            for public in (KEY.as_pem(private=False), KEY.as_der(private=False))
        ),
        signed({"jwk": other.as_dict(private=False)}, key=other),
        signed({"kid": "two"}),
        signed()[:-4],
        signed()[:-1] + ("A" if signed()[-1] != "A" else "B") + "A",
        signed().rpartition(".")[0],
        "",
        "a.b.c",
        "é",
    ):
        with pytest.raises(Distrusted):
            checked(forged)
    head, _, rest = signed().partition(".")
    with pytest.raises(Distrusted):
        checked(f"{head}.{base64(msgspec.json.encode(claims(sub='admin')))}.{rest.partition('.')[2]}")


def test_a_shared_secret_among_the_providers_keys_signs_nothing() -> None:
    shared = OctKey.import_key(b"0" * 32, {"kid": "shared"})
    keys = key_set(msgspec.json.encode({"keys": [KEY.as_dict(private=False), shared.as_dict(private=True)]}))
    assert checked(signed(), keys)["sub"] == "u-17"
    with pytest.raises(Distrusted):
        checked(signed({"alg": "HS256", "kid": "shared"}, key=shared), keys)


def test_a_key_for_encryption_signs_nothing() -> None:
    other = RSAKey.generate_key(2048, {"kid": "enc"})
    published = other.as_dict(private=False)
    keys = key_set(msgspec.json.encode({"keys": [KEY.as_dict(private=False), published]}))
    assert checked(signed({"kid": "enc"}, key=other), keys)["sub"] == "u-17"
    keys = key_set(msgspec.json.encode({"keys": [KEY.as_dict(private=False), published | {"use": "enc"}]}))
    with pytest.raises(Distrusted):
        checked(signed({"kid": "enc"}, key=other), keys)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": []}', b'{"keys": [{"kty": "RSA"}]}'])
def test_keys_that_cannot_be_read_are_refused(body: bytes) -> None:
    with pytest.raises(Distrusted):
        key_set(body)
