"""Where the city itself goes: every address it calls is looked at first, so that nobody makes it ask its own network.

A name is resolved once, every address it stands for must be a public one, and the connection is made to exactly that address
(OWASP SSRF Prevention Cheat Sheet; a second look-up could give another answer). Redirects are never followed. What the
installation's own settings name may lie anywhere: whoever writes them runs the city.
"""

import socket
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

_PORTS = {"http": 80, "https": 443}
_DEFAULTS = _PORTS | {"mqtt": 1883, "mqtts": 8883}
_NAT64 = ip_address("64:ff9b::").packed[:12]  # RFC 6052: an IPv4 address in the last four bytes


class NotCalled(Exception):  # noqa: N818 - named for what happened
    """The city does not call this address, and why."""


@dataclass(frozen=True, slots=True)
class Call:
    """How to call an address with httpx: the URL with the address that was checked, and what keeps its name.

    ``proxied`` says that the environment sets a proxy for it, which looks the name up itself.
    """

    url: str
    headers: dict[str, str]
    extensions: dict[str, Any]
    proxied: bool = False


def check(url: str, named: Collection[str] = ()) -> Call:
    """How to call ``url``; ``named`` are the origins (``https://host:port``) that the settings themselves name.

    It asks for the name's addresses, so call it off the event loop. Raises NotCalled for anything but http and https, for
    credentials in the address, for a name that is not known, and for one that stands for an address that is not public.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise NotCalled("the port is no number") from None
    if parts.scheme not in _PORTS or not host:
        raise NotCalled("only http:// and https:// addresses are called")
    if parts.username is not None or parts.password is not None:
        raise NotCalled("the address carries credentials")
    trusted = origin_of(url) in {origin_of(one) for one in named}
    if _through_proxy(parts):
        if not trusted and _literal(host) is not None:
            raise NotCalled("an address in figures is not asked of a proxy")
        return Call(url, {}, {}, proxied=True)
    return _pinned(parts, host, port, address_of_name(host, port, trusted=trusted))


def address_of_name(host: str, port: int, *, trusted: bool) -> str:
    """The address to connect to for a name; anything but a public one only if ``trusted``. It asks for the name's addresses.

    Raises NotCalled for a name that is not known, and for one that stands for an address that is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as failure:
        raise NotCalled(f"the name {host} is not known ({failure})") from failure
    addresses = list(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))
    if not addresses or not (trusted or all(map(is_public, addresses))):
        raise NotCalled(f"{host} is not a public address")
    return addresses[0]


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, in one spelling (RFC 6454); empty if it has none."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port or _DEFAULTS.get(parts.scheme, 0)}" if parts.hostname else ""
    except ValueError:
        return ""


def is_inward(host: str) -> bool:
    """True for a host that says itself that it lies in a network of the city's own; of a name only ``check`` can tell."""
    return host == "localhost" or host.endswith(".localhost") or (_literal(host) is not None and not is_public(host))


def is_public(address: str) -> bool:
    """True for an address anybody on the internet may call: not this machine's, a private network's or any special one.

    An IPv4 address within an IPv6 one counts as itself (mapped, RFC 4291; NAT64, RFC 6052; 6to4; Teredo).
    """
    found = _literal(address)
    if found is None:
        return False
    inner: IPv4Address | None = None
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found.packed[:12] == _NAT64:
            inner = IPv4Address(found.packed[12:])
    judged = inner or found
    return judged.is_global and not judged.is_multicast and not judged.is_reserved


def _pinned(parts: SplitResult, host: str, port: int, address: str) -> Call:
    figures = f"[{address}]" if ":" in address else address
    url = parts._replace(netloc=f"{figures}:{port}", fragment="").geturl()
    name = f"[{host}]" if ":" in host else host.encode("idna").decode()
    header = name if port == _PORTS[parts.scheme] else f"{name}:{port}"
    return Call(url, {"Host": header}, {"sni_hostname": host} if parts.scheme == "https" else {})


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _through_proxy(parts: SplitResult) -> bool:
    """True if the environment sets a proxy for it. One for the outside must not come between this machine and itself."""
    host = parts.hostname or ""
    found = _literal(host)
    here = host == "localhost" or (found is not None and found.is_loopback)
    return not here and parts.scheme in getproxies() and not proxy_bypass(host)
