"""Access tokens of OAuth2 clients: short-lived, signed, and worth nothing once their credential or account ended.

Client credentials grant (RFC 6749, section 4.4); the token is a JWT of the profile RFC 9068, signed with HMAC-SHA256 by a
key of this installation: only this city reads it, so nobody else needs to be able to check it.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import msgspec
from starlette.types import Scope

from dothi.access.keys import PREFIX, Keys
from dothi.access.policy import Person
from dothi.model.clock import Clock
from dothi.store.audit import Act

LIFETIME = timedelta(minutes=10)
_ALGORITHMS = ["HS256"]
_TYPE = "at+jwt"
_LONGEST = 2048


class Refusal(Exception):  # noqa: N818 - what it is to the client
    """Why no token is given, as RFC 6749, section 5.2 names it: ``code`` for the program, ``words`` for its maker."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, the roles it may use, and for how long."""

    text: str
    scope: str
    lifetime: timedelta


class _Claims(msgspec.Struct, forbid_unknown_fields=True):
    """What a token says (RFC 9068, section 2.2); moments in seconds since 1970 UTC."""

    iss: str
    aud: str
    sub: str
    client_id: str
    scope: str
    iat: int
    exp: int
    jti: str


class Tokens:
    """Signs and reads access tokens with the installation's ``secret``. ``city`` is the tenant, ``clock`` the machine's."""

    def __init__(self, keys: Keys, secret: bytes, city: str, clock: Clock) -> None:
        self._keys, self._clock = keys, clock
        self._secret = hmac.new(secret, b"access-token", sha256).digest()
        self._issuer = f"urn:dothi:{city}"

    def issue(self, client: str, secret: str, scope: str, *, correlation: str = "") -> tuple[Token, Person, Act]:
        """A token for ``client``, whose it is, and the act to be recorded before it is handed out.

        ``scope`` names roles, separated by spaces; empty means all that the client has. Raises Refusal.
        """
        whole = self._keys.authenticate("secret", client, secret)
        if whole is None:
            raise Refusal("invalid_client", "The client or its secret is not valid here.")
        held = {grant.role for grant in whole.grants}
        roles = set(scope.split()) or held
        if not roles <= held or not roles:
            raise Refusal("invalid_scope", f"This client may ask for: {' '.join(sorted(held)) or 'nothing any more'}.")
        now = int(self._clock.now().timestamp())
        granted = " ".join(sorted(roles))
        lasts = int(LIFETIME.total_seconds())
        claims = _Claims(self._issuer, self._issuer, whole.id, client, granted, now, now + lasts, secrets.token_hex(8))
        act = Act(whole.id, "token.issue", f"credential:{client}", "done", correlation, granted)
        return Token(self._sign(claims), granted, LIFETIME), whole, act

    async def of_bearer(self, credential: str, scope: Scope) -> Person | None:
        """Whose token or API key this is, with what is left of its grants at this moment; None if it is nobody's.

        ``scope["state"]["credential"]`` is then the id of the key or client: what it sets going ends with it.
        """
        state = scope.setdefault("state", {})
        if credential.startswith(PREFIX):
            state["credential"] = credential.removeprefix(PREFIX).partition("_")[0]
            return self._keys.of_bearer(credential)
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import OctKey

        if len(credential) > _LONGEST or credential.count(".") != 2:
            return None
        try:
            token = jwt.decode(credential, OctKey.import_key(self._secret), algorithms=_ALGORITHMS)
            claims = msgspec.convert(token.claims, _Claims)
        except (JoseError, ValueError, TypeError):
            return None
        now = int(self._clock.now().timestamp())
        ours = token.header.get("typ") == _TYPE and claims.iss == claims.aud == self._issuer
        if not ours or not claims.iat <= now < claims.exp:
            return None
        state["credential"] = claims.client_id
        person = self._keys.person_of(claims.client_id, frozenset(claims.scope.split()))
        return person if person is not None and person.id == claims.sub else None

    def _sign(self, claims: _Claims) -> str:
        from joserfc import jwt
        from joserfc.jwk import OctKey

        header = {"alg": _ALGORITHMS[0], "typ": _TYPE}
        return jwt.encode(header, msgspec.structs.asdict(claims), OctKey.import_key(self._secret), algorithms=_ALGORITHMS)
