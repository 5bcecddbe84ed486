"""Who a request is: by its session's cookie, by what it proves in ``Authorization``, or a stranger."""

import hmac
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address

from starlette.requests import Request
from starlette.types import Scope

from dothi.access.accounts import Accounts
from dothi.access.policy import LOCAL_OPERATOR, STRANGER, WHOLE_CITY, Clearance, Grant, Person
from dothi.access.sessions import Signed, cookie_name
from dothi.model.problem import Problem

Check = Callable[[str, Scope], Awaitable[Person | None]]
"""Told the credential and the request; gives whose it is, None if it is nobody's."""

# Who uses an open door: what a data steward may, as far as that door lets anybody do it.
VISITOR = Person("open-door", (Grant("steward", WHOLE_CITY, Clearance.INTERNAL),))
OPEN_DOORS = {"ngsild": "/ngsi-ld/"}
FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})
Headers = Iterable[tuple[bytes, bytes]]


class Identity:
    """The one place that says who asks. ``local_key`` is the secret in the home folder: who reads it is its operator.

    ``accounts`` is set once the city is open; until then nobody has a session. Doors add what they understand with
    ``accept``. ``open_door`` (of ``OPEN_DOORS``) is used fully by strangers on this very machine.
    """

    def __init__(self, local_key: str, open_door: str = "") -> None:
        self._local_key, self._open = local_key.encode(), OPEN_DOORS.get(open_door)
        self._checks: dict[str, list[Check]] = {"bearer": [self._local]}
        self.accounts: Accounts | None = None

    def accept(self, scheme: str, check: Check) -> None:
        """Ask ``check`` about credentials of ``scheme`` (RFC 9110, 11.1; "bearer", "basic") that nobody before knew."""
        self._checks.setdefault(scheme.lower(), []).append(check)

    def known(self, id: str) -> Person | None:
        """Who is known by this id at this moment, with all that they may; None if nobody is any more.

        It is for what the city goes on doing in somebody's name when they have left.
        """
        if id == LOCAL_OPERATOR.id:
            return LOCAL_OPERATOR
        if id == VISITOR.id:
            return VISITOR if self._open is not None else None
        return None if self.accounts is None else self.accounts.person_of(id)

    async def of(self, scope: Scope, headers: Headers) -> Person:
        """Who sends this request; the session stands in ``scope["state"]["signed"]``.

        Raises Problem 401 for a credential in ``Authorization`` that is nobody's: it is refused, never taken for a
        stranger's. A cookie whose session has ended is a stranger's: whoever has it must still find the page to sign in.
        """
        found = [value for name, value in headers if name == b"authorization"]
        if found:
            scheme, _, credential = found[0].decode("latin-1").partition(" ")
            for check in self._checks.get(scheme.lower(), ()) if len(found) == 1 else ():
                person = await check(credential.strip(), scope)
                if person is not None:
                    return person
            raise Problem(
                401,
                "wrong-credentials",
                "Nobody is known by these credentials.",
                "Check them: they may be mistyped, expired or revoked. Without any you read what is public.",
            )
        cookie = _cookie(headers, cookie_name(scope.get("scheme") == "https"))
        if cookie and self.accounts is not None:
            signed = await self.accounts.session_person(cookie)
            if signed is not None and (not signed.demo or from_here(scope, headers)):
                scope.setdefault("state", {})["signed"] = signed
                return signed.person
        if self._open is not None and scope["path"].startswith(self._open) and from_here(scope, headers):
            return VISITOR
        return STRANGER

    async def _local(self, credential: str, scope: Scope) -> Person | None:
        """The operator, for the key of the home folder on the machine itself."""
        fits = hmac.compare_digest(credential.encode(), self._local_key)
        return LOCAL_OPERATOR if fits and from_here(scope, scope["headers"]) else None


def signed_of(request: Request) -> Signed | None:
    """Who is signed in with a session; None for strangers and for machines."""
    signed = getattr(request.state, "signed", None)
    return signed if isinstance(signed, Signed) else None


def address_of(request: Request) -> str:
    """Where a request comes from, for the session and the audit log."""
    return request.client.host if request.client is not None else ""


def from_here(scope: Scope, headers: Headers) -> bool:
    """True for a request of this very machine. One that a proxy carried may come from anywhere."""
    client, server = scope.get("client"), scope.get("server")
    if client is None:
        return False
    for name, _ in headers:
        if name in FORWARDED:
            return False
    loopback = _is_loopback(client[0])
    return bool(loopback) or (loopback is False and server is not None and client[0] == server[0])


@lru_cache(maxsize=1024)
def _is_loopback(address: str) -> bool | None:
    """None for what is no address. Asked several times of every request, of the same few."""
    with suppress(ValueError):
        return ip_address(address).is_loopback
    return None


def _cookie(headers: Headers, name: str) -> str:
    for header, value in headers:
        if header == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                found, _, kept = pair.strip().partition("=")
                if found == name:
                    return kept
    return ""
