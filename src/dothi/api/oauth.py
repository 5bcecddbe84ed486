"""The door where systems get access tokens: OAuth 2.0, client credentials (RFC 6749, sections 3.2 and 4.4)."""

from base64 import b64decode
from urllib.parse import unquote_plus

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Scope

from dothi.access.policy import STRANGER, Person
from dothi.access.routes import page
from dothi.access.tokens import Refusal
from dothi.model.clock import SystemClock
from dothi.platform.platform import Platform

PATH = "/oauth/token"
_FORM = "application/x-www-form-urlencoded"
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "As RFC 6749, section 5.2 names it."},
        "error_description": {"type": "string"},
    },
}
_OPERATION = {
    "operationId": "issue_token",
    "summary": "Give an OAuth2 client an access token",
    "description": (
        "Client credentials (RFC 6749, section 4.4). The client and its secret stand in the Authorization header "
        "(Basic) or in the form. `scope` narrows the token to some of the client's roles."
    ),
    "security": [{"client": []}],
    "requestBody": {
        "required": True,
        "content": {
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["client_credentials"]},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string"},
                        "scope": {"type": "string", "description": "Roles, separated by spaces."},
                    },
                }
            }
        },
    },
    "responses": {
        "200": {
            "description": "A token for the Authorization header of other requests.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["access_token", "token_type", "expires_in", "scope"],
                        "properties": {
                            "access_token": {"type": "string"},
                            "token_type": {"type": "string", "enum": ["Bearer"]},
                            "expires_in": {"type": "integer", "description": "Seconds."},
                            "scope": {"type": "string"},
                        },
                    }
                }
            },
        },
        **{
            status: {"description": words, "content": {"application/json": {"schema": _ERROR}}}
            for status, words in (("400", "Why there is none."), ("401", "The client is not valid here."))
        },
    },
}


def routes(platform: Platform) -> list[BaseRoute]:
    """``POST /oauth/token``; to be called once for a city."""
    clock = SystemClock()  # a token's time is the machine's, also in a replay city

    async def token(request: Request) -> Response:
        try:
            client, secret, scope = await _asked(request)
            given, person, act = platform.tokens.issue(client, secret, scope, correlation=request.state.correlation)
        except Refusal as refusal:
            return _refused(request, refusal)
        await platform.writer.run(person, clock.now(), lambda _: None, [act], action="token.issue")
        return _answer(
            200,
            {
                "access_token": given.text,
                "token_type": "Bearer",
                "expires_in": int(given.lifetime.total_seconds()),
                "scope": given.scope,
            },
        )

    platform.identity.accept("basic", _client)
    return [page(PATH, token, action="token.issue", methods=("POST",), forms=False, operation=_OPERATION)]


async def _client(_: str, scope: Scope) -> Person | None:
    """Lets a client's own credentials pass to the one door that looks at them; to every other they are nobody's."""
    return STRANGER if scope["path"] == PATH else None


async def _asked(request: Request) -> tuple[str, str, str]:
    """Client, secret and scope of a request. Raises Refusal."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Refusal("invalid_request", f"Send the parameters as {_FORM}.")
    form = await request.form()
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    if len(fields) != len(form.multi_items()):
        raise Refusal("invalid_request", "Send each parameter once.")
    given = _basic(request.headers.get("authorization", ""))
    if given is not None and "client_secret" in fields:
        raise Refusal("invalid_request", "Send the client's secret in one place only.")
    client, secret = given or (fields.get("client_id", ""), fields.get("client_secret", ""))
    if fields.get("client_id", client) != client:
        raise Refusal("invalid_request", "The header and the form name different clients.")
    kind = fields.get("grant_type")
    if kind is None:
        raise Refusal("invalid_request", "grant_type is missing: client_credentials.")
    if kind != "client_credentials":
        raise Refusal("unsupported_grant_type", "Only client_credentials is given here.")
    return client, secret, fields.get("scope", "")


def _basic(header: str) -> tuple[str, str] | None:
    """Client and secret of a Basic header, form-encoded inside as RFC 6749, section 2.3.1 wants. Raises Refusal."""
    scheme, _, told = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, colon, secret = b64decode(told.strip(), validate=True).decode().partition(":")
    except ValueError:
        colon = client = secret = ""
    if not colon:
        raise Refusal("invalid_client", "The Authorization header cannot be read.")
    return unquote_plus(client), unquote_plus(secret)


def _refused(request: Request, refusal: Refusal) -> Response:
    if refusal.code != "invalid_client":
        return _answer(400, {"error": refusal.code, "error_description": refusal.words})
    response = _answer(401, {"error": refusal.code, "error_description": refusal.words})
    request.state.problem = "wrong-credentials"  # what the audit log calls it
    response.headers["www-authenticate"] = 'Basic realm="dothi", charset="UTF-8"'
    return response


def _answer(status: int, body: dict[str, object]) -> Response:
    headers = {"cache-control": "no-store", "pragma": "no-cache"}
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")
