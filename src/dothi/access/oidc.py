"""Sign-in at an identity provider elsewhere: OpenID Connect, authorization code flow with PKCE, state and nonce.

OpenID Connect Core 1.0, section 3.1; Discovery 1.0; PKCE S256 (RFC 7636); the issuer in the answer (RFC 9207). Until the
provider answers nothing is kept here: state, nonce and code verifier are made of a cookie that only this browser has and a
secret that only this city has. An answer is good once, for ten minutes, in the browser that asked.
"""

import asyncio
import hmac
import secrets
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import structlog

from dothi.access.outgoing import NotCalled, check
from dothi.model.clock import Clock
from dothi.model.problem import Problem

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

_log = structlog.get_logger("dothi.oidc")
COOKIE = "dothi_oidc"
PATIENCE = 600
"""Seconds that a person has for signing in elsewhere."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""How an ID token may be signed: only where who can check it cannot make it (no "none", no shared secret)."""

_LEEWAY = 60  # seconds by which the provider's clock may be wrong
_KNOWN_FOR = 3600
_WAIT = 10.0  # seconds for a whole answer
_LARGEST = 1024 * 1024
_WELL_KNOWN = "/.well-known/openid-configuration"


class Ask(Protocol):
    """Asks the provider over HTTP."""

    async def __call__(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of a good answer. Raises Distrusted if the provider refuses, Problem 503 if there is no answer."""
        ...


class Distrusted(ValueError):  # noqa: N818 - what its answer is
    """The provider's answer cannot be trusted, and why: for the log, not for whoever sent it."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Who came back signed in: ``subject`` is "issuer sub", the one thing that identifies them for ever.

    ``to`` is the page of ours they were on their way to; ``strong`` is True if the provider says it saw a second factor
    ("mfa", RFC 8176).
    """

    subject: str
    login: str
    name: str
    groups: frozenset[str]
    strong: bool
    to: str


class _About(msgspec.Struct):
    """What is used of a provider's metadata (Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    scopes_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct):
    id_token: str
    access_token: str = ""


class Oidc:
    """Sign-in at ``issuer``, where this city is known as ``client``; ``password`` is that client's secret, if it has one.

    ``secret`` is the installation's; ``clock`` the machine's.
    """

    def __init__(self, issuer: str, client: str, password: str | None, *, secret: bytes, clock: Clock, ask: Ask) -> None:
        self.issuer, self._client, self._password = issuer, client, password
        self._secret = hmac.new(secret, b"oidc", sha256).digest()
        self._clock, self._ask = clock, ask
        self._about: tuple[int, _About] | None = None
        self._spent: dict[str, int] = {}

    async def begin(self, back: str, to: str) -> tuple[str, str]:
        """Where to send a browser so that it comes ``back`` (our address), and the cookie it has to bring then.

        ``to`` is the page of ours it goes on to. Raises Problem 503 if the provider cannot be asked.
        """
        about = await self._metadata()
        cookie = f"{self._now()}.{secrets.token_urlsafe(24)}.{_base64(to.encode())}"
        challenge = _base64(sha256(self._derived("verifier", cookie).encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": back,
            "scope": " ".join(("openid", "profile", *(one for one in ("groups",) if one in about.scopes_supported))),
            "state": self._derived("state", cookie),
            "nonce": self._derived("nonce", cookie),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in about.authorization_endpoint else "?"
        return f"{about.authorization_endpoint}{joint}{urlencode(query)}", cookie

    async def finish(self, back: str, cookie: str, answer: Mapping[str, str]) -> Arrived:
        """Who came back with the provider's ``answer`` (the query) and the ``cookie`` of ``begin``.

        Raises Problem 401 if anything about it cannot be trusted, 403 if the provider or the person refused, 503.
        """
        try:
            to = self._accept(cookie, answer.get("state", ""))
            about = await self._metadata()
            issuer = answer.get("iss")
            if issuer != self.issuer and (issuer or about.authorization_response_iss_parameter_supported):
                raise Distrusted("the answer is of another issuer")
            if "error" in answer:
                _log.warning("the provider refused", error=answer["error"][:80])
                raise Problem(403, "sign-in-refused", "The sign-in was refused there.", "Try again, or sign in here.")
            claims = await self._exchange(about, back, cookie, answer.get("code", ""))
        except (Distrusted, msgspec.DecodeError) as error:
            _log.warning("a sign-in from elsewhere is not trusted", why=str(error))
            raise Problem(401, "sign-in-failed", "This sign-in cannot be trusted.", "Begin it again from here.") from error
        return Arrived(
            subject=f"{self.issuer} {claims['sub']}",
            login=_words(claims.get("preferred_username")) or claims["sub"],
            name=_words(claims.get("name")) or _words(claims.get("preferred_username")) or claims["sub"],
            groups=_set(claims.get("groups")),
            strong="mfa" in _set(claims.get("amr")),
            to=to,
        )

    def _accept(self, cookie: str, state: str) -> str:
        """Where a browser was going that brings the right state for its cookie, in time and for the first time."""
        if not hmac.compare_digest(self._derived("state", cookie).encode(), state.encode()):
            raise Distrusted("the state is not this browser's")
        now = self._now()
        begun, _, rest = cookie.partition(".")
        if now - int(begun) > PATIENCE:
            raise Distrusted("it took too long")
        self._spent = {one: end for one, end in self._spent.items() if end > now}
        if state in self._spent:
            raise Distrusted("the answer came before")
        self._spent[state] = now + PATIENCE
        return urlsafe_b64decode(rest.partition(".")[2] + "==").decode()

    async def _exchange(self, about: _About, back: str, cookie: str, code: str) -> dict[str, Any]:
        """The claims of the ID token that ``code`` is worth, with those of userinfo where the token names no groups."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "code_verifier": self._derived("verifier", cookie),
        }
        headers = {"accept": "application/json"}
        if self._password is None:
            form["client_id"] = self._client
        elif "client_secret_basic" in about.token_endpoint_auth_methods_supported:
            pair = f"{quote(self._client, safe='')}:{quote(self._password, safe='')}"
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client, "client_secret": self._password}
        tokens = msgspec.json.decode(await self._ask("POST", about.token_endpoint, form=form, headers=headers), type=_Tokens)
        keys = key_set(await self._ask("GET", about.jwks_uri))
        nonce = self._derived("nonce", cookie)
        claims = check_id_token(tokens.id_token, keys, issuer=self.issuer, client=self._client, nonce=nonce, now=self._now())
        if "groups" in claims or about.userinfo_endpoint is None:
            return claims
        bearer = {"authorization": f"Bearer {tokens.access_token}", "accept": "application/json"}
        told = msgspec.json.decode(await self._ask("GET", about.userinfo_endpoint, headers=bearer), type=dict[str, Any])
        if told.get("sub") != claims["sub"]:  # Core 1.0, section 5.3.2: tokens may have been swapped
            raise Distrusted("userinfo speaks of somebody else")
        return told | claims

    async def _metadata(self) -> _About:
        now = self._now()
        if self._about is not None and self._about[0] > now:
            return self._about[1]
        try:
            about = msgspec.json.decode(await self._ask("GET", self.issuer.rstrip("/") + _WELL_KNOWN), type=_About)
            if about.issuer != self.issuer:
                raise Distrusted(f"it calls itself {about.issuer[:200]!r}")
            if urlsplit(self.issuer).scheme == "https":
                _require_https(about)
        except (Distrusted, msgspec.DecodeError) as error:
            _log.warning("the provider's description is not usable", why=str(error))
            raise Problem(
                503, "provider-unusable", "The identity provider cannot be used.", "Check DOTHI_OIDC_ISSUER."
            ) from error
        self._about = (now + _KNOWN_FOR, about)
        return about

    def _derived(self, purpose: str, cookie: str) -> str:
        return _base64(hmac.new(self._secret, f"{purpose}\0{cookie}".encode(), sha256).digest())

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def over_http(issuer: str) -> Ask:
    """Asks over HTTP: the provider the settings name wherever it lies, what it points to only where anybody may call."""

    async def ask(
        method: str, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        import httpx  # only a city with a provider pays for it

        body = bytearray()
        try:
            call = await asyncio.to_thread(check, url, (issuer,))
            sent = {**(headers or {}), **call.headers}
            async with (
                asyncio.timeout(_WAIT),
                httpx.AsyncClient(timeout=_WAIT, follow_redirects=False, trust_env=call.proxied) as client,
                client.stream(method, call.url, data=form, headers=sent, extensions=call.extensions) as answer,
            ):
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > _LARGEST:
                        raise Distrusted(f"{url} answered more than {_LARGEST:,} bytes")
        except (NotCalled, TimeoutError, httpx.HTTPError, OSError) as error:
            _log.warning("the provider cannot be reached", url=url, why=f"{type(error).__name__}: {error}")
            raise Problem(
                503, "provider-unreachable", "The identity provider cannot be reached.", "Sign in here, or try later."
            ) from error
        if answer.status_code != 200:
            raise Distrusted(f"{url} answered {answer.status_code} {bytes(body[:200]).decode('utf-8', 'replace')}")
        return bytes(body)

    return ask


def key_set(body: bytes) -> "KeySet":
    """The public keys of a provider (RFC 7517). Raises Distrusted."""
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        listed = msgspec.json.decode(body, type=dict[str, list[dict[str, Any]]])["keys"]
        return KeySet.import_key_set({"keys": listed})
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Distrusted("the provider's keys cannot be read") from error


def check_id_token(text: str, keys: "KeySet", *, issuer: str, client: str, nonce: str, now: int) -> dict[str, Any]:
    """The claims of an ID token that is whole and meant for us (OpenID Connect Core 1.0, section 3.1.3.7).

    ``now`` in seconds since 1970 UTC. Raises Distrusted.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jws import JWSRegistry

    # Header parameters that nobody knows are to be ignored (RFC 7515, section 4), unless "crit" lists them.
    reading = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    registry = jwt.JWTClaimsRegistry(
        now=now,
        leeway=_LEEWAY,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        claims = jwt.decode(text, keys, registry=reading).claims
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        raise Distrusted(f"the ID token: {error}") from error
    if not isinstance(told := claims.get("nonce"), str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise Distrusted("the ID token answers another request")
    audience, party = claims["aud"], claims.get("azp")
    if (isinstance(audience, list) and len(audience) > 1 and party is None) or (party is not None and party != client):
        raise Distrusted("the ID token was made for another party")
    if len(claims["sub"]) > 255:
        raise Distrusted("the ID token's subject is too long")
    return claims


def _require_https(about: _About) -> None:
    for url in (about.authorization_endpoint, about.token_endpoint, about.jwks_uri, about.userinfo_endpoint):
        if url is not None and urlsplit(url).scheme != "https":
            raise Distrusted(f"{url[:200]!r} is not behind TLS")


def _words(value: object) -> str:
    return " ".join(value.split())[:200] if isinstance(value, str) else ""


def _set(value: object) -> frozenset[str]:
    listed = value if isinstance(value, list) else [value]
    return frozenset(one for one in listed if isinstance(one, str))


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
