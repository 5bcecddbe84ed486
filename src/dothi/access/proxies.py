"""Who is really there when a reverse proxy carries a request: only a proxy that the settings name is believed."""

from collections.abc import Iterable, MutableMapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from dothi.model.problem import bad_request

Network = IPv4Network | IPv6Network


class Proxies:
    """The reverse proxies in front of the city: addresses or networks, comma-separated; empty for none.

    Raises Problem 400 for what is neither.
    """

    def __init__(self, trusted: str = "") -> None:
        self._networks = tuple(_network(one.strip()) for one in trusted.split(",") if one.strip())

    def look_through(self, scope: MutableMapping[str, Any]) -> None:
        """Put into an ASGI ``scope`` whom the proxy speaks for: ``client`` and ``scheme``, if it comes from one of ours.

        From the right of X-Forwarded-For the first address that is no proxy of ours counts: anybody could have written what
        stands left of it.
        """
        if not self._networks:
            return
        client = scope.get("client")
        if client is None or not self.trusts(client[0]):
            return
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        carried = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
        for address in (one.strip() for one in reversed(carried.split(","))):
            if not self.trusts(address):
                scope["client"] = (address if _address(address) is not None else "", 0)
                break
        schemes = [value for name, value in headers if name == b"x-forwarded-proto"]
        if schemes:
            last = schemes[-1].rpartition(b",")[2].strip().lower()
            scope["scheme"] = "https" if last == b"https" else "http"

    def trusts(self, address: str) -> bool:
        """True if ``address`` is one of these proxies."""
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise bad_request(
            f"DOTHI_TRUSTED_PROXY: {text[:80]!r} is no address.",
            "Write the proxy's address, such as 10.0.0.5 or 10.0.0.0/24.",
        ) from None
