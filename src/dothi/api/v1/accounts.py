"""Who is known here and what they were granted, for those who administer it; and the roles there are to give."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.access.admitting import LINK_PATH
from dothi.access.grants import NOT_FOR_PEOPLE, STRONG_ROLES, Granted
from dothi.access.known import Account
from dothi.access.policy import Clearance, Person
from dothi.access.roles import ROLES
from dothi.access.routes import requires
from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import Limit, Offset, new_router, paged
from dothi.model.clock import from_micros
from dothi.model.problem import bad_request
from dothi.platform.platform import Platform

PeopleReader = Annotated[Person, Depends(requires("people.read"))]
PeopleWriter = Annotated[Person, Depends(requires("people.write"))]
AccountId = Annotated[str, Path(pattern=r"^p-[0-9a-f]{20}$")]
_CLEARANCES = {one.name.lower(): int(one) for one in Clearance}


class GrantForm(BaseModel):
    """A role over wards, agencies and sectors (all of them where left out), up to a clearance."""

    model_config = ConfigDict(extra="forbid")
    role: str = Field(max_length=40, description="A role that GET /api/v1/roles lists.")
    clearance: str = Field("internal", description=", ".join(_CLEARANCES))
    wards: list[str] | None = Field(None, max_length=500, description="Codes of wards and communes.")
    agencies: list[str] | None = Field(None, max_length=500)
    sectors: list[str] | None = Field(None, max_length=100, description="Ids of sectors.")

    def granted(self) -> Granted:
        """The same as accounts keep it. Raises Problem 400 for a clearance that is none."""
        if self.clearance not in _CLEARANCES:
            raise bad_request(f"There is no clearance {self.clearance!r}.", f"Give one of: {', '.join(_CLEARANCES)}.")
        bounds = [None if one is None else tuple(sorted(set(one))) for one in (self.wards, self.agencies, self.sectors)]
        return Granted(self.role, _CLEARANCES[self.clearance], *bounds)


class NewAccount(BaseModel):
    """Somebody, or a system, to be admitted."""

    model_config = ConfigDict(extra="forbid")
    login: str = Field(max_length=64)
    name: str = Field(max_length=120)
    kind: str = Field("person", pattern="^(person|system)$")
    grants: list[GrantForm] = Field(default_factory=list, max_length=50)


def router(platform: Platform) -> APIRouter:
    """``/api/v1/accounts`` and ``/api/v1/roles``."""
    api, accounts = new_router("people"), platform.accounts

    @api.get("/roles", summary="The roles there are, and what each may do")
    def get_roles(_: PeopleReader) -> Response:
        rows = [
            {
                "role": name,
                "title": {"vi": role.title.vi, "en": role.title.en},
                "clearance": Clearance(role.ceiling).name.lower(),
                "secondFactor": name in STRONG_ROLES,
                "people": name not in NOT_FOR_PEOPLE,
                "actions": sorted(role.actions),
            }
            for name, role in ROLES.items()
            if name != "system"
        ]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.get("/accounts", summary="People and systems that are known here, by login")
    def get_accounts(
        person: PeopleReader,
        q: Annotated[str, Query(max_length=100, description="Part of a login or a name.")] = "",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Response:
        found, total = accounts.list(person, q, limit=limit, offset=offset)
        return json_response(paged([account_json(one) for one in found], total, limit, offset))

    @api.get("/accounts/{account}", summary="One of them")
    def get_account(person: PeopleReader, account: AccountId) -> Response:
        return json_response(account_json(accounts.get(person, account)))

    @api.post("/accounts", status_code=201, summary="Admit somebody; the answer holds the link to set a password by")
    async def add_account(request: Request, person: PeopleWriter, new: NewAccount) -> Response:
        granted = [one.granted() for one in new.grants]
        correlation = request.state.correlation
        made = await accounts.create(person, new.login, new.name, granted, kind=new.kind, correlation=correlation)
        told = account_json(accounts.get(person, made))
        if new.kind == "person":
            told["link"] = _link(await accounts.reset_link(person, made, correlation=correlation))
        return json_response(told, 201, {"Location": f"/api/v1/accounts/{made}"})

    @api.put("/accounts/{account}/grants", summary="Give exactly these grants")
    async def change_grants(
        request: Request,
        person: PeopleWriter,
        account: AccountId,
        grants: Annotated[list[GrantForm], Field(max_length=50)],
    ) -> Response:
        granted = [one.granted() for one in grants]
        await accounts.change_grants(person, account, granted, correlation=request.state.correlation)
        return json_response(account_json(accounts.get(person, account)))

    @api.post("/accounts/{account}/disable", summary="Shut somebody out; their sessions end at once")
    async def disable_account(request: Request, person: PeopleWriter, account: AccountId) -> Response:
        await accounts.disable(person, account, correlation=request.state.correlation)
        return json_response(account_json(accounts.get(person, account)))

    @api.post("/accounts/{account}/enable", summary="Let somebody in again")
    async def enable_account(request: Request, person: PeopleWriter, account: AccountId) -> Response:
        await accounts.enable(person, account, correlation=request.state.correlation)
        return json_response(account_json(accounts.get(person, account)))

    @api.post("/accounts/{account}/reset-link", summary="A link by which they set a new password, once")
    async def make_reset_link(request: Request, person: PeopleWriter, account: AccountId) -> Response:
        token = await accounts.reset_link(person, account, correlation=request.state.correlation)
        return json_response({"link": _link(token)})

    @api.post("/accounts/{account}/forget-factors", summary="Take back the second steps of somebody who lost them")
    async def forget_factors(request: Request, person: PeopleWriter, account: AccountId) -> Response:
        await accounts.forget_factors(person, account, correlation=request.state.correlation)
        return json_response(account_json(accounts.get(person, account)))

    @api.post("/accounts/first-link", summary="A link that makes the first administrator; 409 once there is one")
    async def make_first_link(request: Request, person: PeopleWriter) -> Response:
        return json_response({"link": _link(await accounts.first_link(person, correlation=request.state.correlation))})

    return api


def account_json(account: Account) -> dict[str, Any]:
    """An account as the API shows it: no secret, no hash; moments in UTC by the machine's clock."""
    return {
        "id": account.id,
        "kind": account.kind,
        "login": account.login,
        "name": account.name,
        "state": account.state,
        "demo": account.demo,
        "grants": [
            {
                "role": one.role,
                "clearance": Clearance(one.clearance).name.lower(),
                "wards": one.wards,
                "agencies": one.agencies,
                "sectors": one.sectors,
            }
            for one in account.granted
        ],
        "lockedUntil": account.locked_until and instant(from_micros(account.locked_until)),
        "createdAt": instant(from_micros(account.created_at)),
        "lastSeen": account.last_seen and instant(from_micros(account.last_seen)),
    }


def _link(token: str) -> str:
    return f"{LINK_PATH}?token={token}"
