"""What becomes of somebody who signed in elsewhere: an account of their own, with what their groups stand for here."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from dothi.access.accounts import Accounts
from dothi.access.grants import Granted, check
from dothi.access.oidc import Arrived, Oidc, over_http
from dothi.access.policy import SYSTEM
from dothi.model.clock import SystemClock
from dothi.model.problem import Problem, bad_request
from dothi.model.text import fold
from dothi.settings import Settings

Groups = Mapping[str, tuple[Granted, ...]]
"""What each group of the provider stands for here."""


class Provider(NamedTuple):
    """Where people sign in elsewhere, and what their groups there stand for here."""

    oidc: Oidc
    groups: Groups


def provider_of(settings: Settings, secret: bytes) -> Provider | None:
    """The provider that the settings name, if they do; ``secret`` is the installation's. Raises Problem 400."""
    issuer, client, password = settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret
    if issuer is None:
        return None
    if client is None or not issuer.startswith(("https://", "http://")):
        raise bad_request("DOTHI_OIDC_ISSUER is a URL and needs DOTHI_OIDC_CLIENT_ID.", "Set both as the provider has them.")
    told = password.get_secret_value() if password is not None else None
    oidc = Oidc(issuer, client, told, secret=secret, clock=SystemClock(), ask=over_http(issuer))
    return Provider(oidc, groups_of(settings.oidc_groups))


def groups_of(told: Mapping[str, Any]) -> Groups:
    """The groups as DOTHI_OIDC_GROUPS tells them: a name, and grants as accounts have them. Raises Problem 400."""
    try:
        groups = msgspec.convert(told, dict[str, tuple[Granted, ...]])
    except msgspec.ValidationError as error:
        raise bad_request(
            f"DOTHI_OIDC_GROUPS cannot be read: {error}", 'Write it like {"ioc": [{"role": "operator"}]}.'
        ) from error
    for granted in groups.values():
        check(granted, "person")
    return groups


async def admit(accounts: Accounts, groups: Groups, arrived: Arrived, *, correlation: str = "") -> str:
    """The account of who arrived, made at their first visit, with grants that follow the groups at each.

    It is found by the provider's subject alone: a login or an address that looks like somebody's here makes nobody them.
    Raises Problem 403 if no group of theirs stands for anything here, or the account was disabled.
    """
    granted = tuple(dict.fromkeys(one for name in sorted(arrived.groups) for one in groups.get(name, ())))
    known = accounts.account_of_subject(arrived.subject)
    if known is not None and not accounts.welcome(known):
        raise Problem(403, "account-disabled", "This account is disabled here.", "Ask an administrator of this city.")
    if known is None and not granted:
        raise Problem(
            403, "no-role-here", "You have no role in this city.", "Ask an administrator to map a group of yours to a role."
        )
    if known is None:
        return await _create(accounts, granted, arrived, correlation)
    if known.granted != granted:
        await accounts.change_grants(SYSTEM, known.id, granted, correlation=correlation)
    if not granted:
        raise Problem(403, "no-role-here", "You have no role in this city any more.", "Ask an administrator of this city.")
    return known.id


async def _create(accounts: Accounts, granted: tuple[Granted, ...], arrived: Arrived, correlation: str) -> str:
    login = re.sub(r"[^a-z0-9._@+-]", "", fold(arrived.login).replace(" ", ".")).lstrip("._@+-")[:56]
    mark = sha256(arrived.subject.encode()).hexdigest()
    for tried in (login, f"{login}-{mark[:6]}" if login else f"oidc-{mark[:12]}"):
        if len(tried) >= 3 and accounts.account_of_login(tried) is None:
            return await accounts.create(
                SYSTEM, tried, arrived.name[:120], granted, subject=arrived.subject, correlation=correlation
            )
    raise Problem(409, "taken", "This login is taken here by somebody else.", "Ask an administrator of this city.")
