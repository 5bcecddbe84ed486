"""Keys of systems, for those who administer them: made, listed and ended by programs too; a key itself makes none."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.access.grants import STRONG_ROLES, Granted
from dothi.access.identity import signed_of
from dothi.access.keys import LIFETIMES, MAX_LABEL, Key, Kind
from dothi.access.policy import Clearance
from dothi.api.encoding import instant, json_response
from dothi.api.v1.accounts import AccountId, PeopleWriter
from dothi.api.v1.common import new_router, paged
from dothi.model.clock import SystemClock
from dothi.model.problem import Problem, bad_request
from dothi.platform.platform import Platform

KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
_KINDS: dict[str, Kind] = {"key": "key", "client": "secret"}
_WORDS: dict[Kind, str] = {kind: word for word, kind in _KINDS.items()}
_CLEARANCES = {one.name.lower(): one for one in Clearance}


class NewKey(BaseModel):
    """What a system is to prove itself with, and how much of what it may."""

    model_config = ConfigDict(extra="forbid")
    label: str = Field(min_length=1, max_length=MAX_LABEL, description="What will use it.")
    kind: Literal["key", "client"] = Field("key", description="An API key, or an OAuth2 client (RFC 6749, 4.4).")
    roles: list[str] | None = Field(None, max_length=20, description="Which of the system's roles; all if left out.")
    clearance: str = Field("personal", max_length=20, description=f"At most: {', '.join(_CLEARANCES)}.")
    days: int = Field(90, description=f"One of {', '.join(map(str, LIFETIMES))}.")


def router(platform: Platform) -> APIRouter:
    """``/api/v1/accounts/{account}/keys``."""
    api, accounts, keys = new_router("people"), platform.accounts, platform.keys

    @api.get("/accounts/{account}/keys", summary="The keys of somebody, the newest first; never their secrets")
    def get_keys(person: PeopleWriter, account: AccountId) -> Response:
        now = SystemClock().now()
        rows = [
            key_json(one) | {"open": one.revoked_at is None and one.expires_at > now}
            for one in keys.list(accounts.get(person, account).id)
        ]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.post("/accounts/{account}/keys", status_code=201, summary="A new key of a system; its secret is told only now")
    async def issue_key(request: Request, person: PeopleWriter, account: AccountId, new: NewKey) -> Response:
        signed = signed_of(request)
        if signed is not None and not accounts.came_lately(signed):
            raise Problem(403, "sign-in-again", "The sign-in is too long ago for this.", "Sign in again, then repeat it.")
        bounds = _bounds(accounts.get(person, account).granted, new)
        kind = _KINDS[new.kind]
        issued = await keys.issue(person, account, kind, new.label, bounds, new.days, correlation=request.state.correlation)
        made = next(one for one in keys.list(account) if one.id == issued.id)
        where = {"Location": f"/api/v1/accounts/{account}/keys", "Cache-Control": "no-store"}
        return json_response(key_json(made) | {"secret": issued.secret}, 201, where)

    @api.post("/accounts/{account}/keys/{key}/revoke", summary="End a key at once, also one of a person")
    async def revoke_key(request: Request, person: PeopleWriter, account: AccountId, key: KeyId) -> Response:
        await keys.revoke(person, key, account, correlation=request.state.correlation)
        return json_response({"id": key})

    return api


def key_json(key: Key) -> dict[str, Any]:
    """A key as the API shows it; moments in UTC by the machine's clock."""
    return {
        "id": key.id,
        "kind": _WORDS[key.kind],
        "label": key.label,
        "roles": list(dict.fromkeys(one.role for one in key.bounds)),
        "clearance": Clearance(max((one.clearance for one in key.bounds), default=0)).name.lower(),
        "createdAt": instant(key.created_at),
        "usedAt": instant(key.used_at),
        "expiresAt": instant(key.expires_at),
        "revokedAt": instant(key.revoked_at),
    }


def _bounds(granted: tuple[Granted, ...], new: NewKey) -> list[Granted]:
    """What a key is to get of what its account was granted. Raises Problem 400 for what there is not."""
    most = _CLEARANCES.get(new.clearance)
    if most is None:
        raise bad_request(f"There is no clearance {new.clearance!r}.", f"Give one of: {', '.join(_CLEARANCES)}.")
    held = {one.role for one in granted if one.role not in STRONG_ROLES}
    missing = [one for one in new.roles or () if one not in held]
    if missing:
        raise bad_request(f"There is no role {missing[0][:40]!r} to give.", f"This account has: {', '.join(sorted(held))}.")
    return [
        Granted(one.role, min(one.clearance, most), one.wards, one.agencies, one.sectors)
        for one in granted
        if one.role in (held if new.roles is None else new.roles)
    ]
