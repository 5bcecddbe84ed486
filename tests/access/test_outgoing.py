"""What the city calls by itself: public addresses only, and exactly the one that was looked at."""

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.access.outgoing import NotCalled, check, is_public, origin_of


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names stand for; an address in figures stands for itself."""
    known: dict[str, list[str]] = {}

    def look_up(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        found = known.get(host)
        if found is None:
            try:
                found = [str(ip_address(host))]
            except ValueError:
                raise socket.gaierror(-2, "Name or service not known") from None
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - judged, not bound
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_no_address_of_this_machine_or_network_is_called(address: str, names: dict[str, list[str]]) -> None:
    assert not is_public(address)
    names["feed.example"] = [address]
    figures = f"[{address}]" if ":" in address else address
    for url in (f"http://{figures}/", f"https://{figures}:8443/x", "http://feed.example/data"):
        with pytest.raises(NotCalled):
            check(url)


def test_one_private_address_among_public_ones_is_enough_to_refuse(names: dict[str, list[str]]) -> None:
    names["feed.example"] = ["8.8.8.8", "10.0.0.1"]
    with pytest.raises(NotCalled):
        check("https://feed.example/")


def test_the_address_that_was_looked_at_is_the_one_that_is_called(names: dict[str, list[str]]) -> None:
    names["feed.example"] = ["8.8.8.8"]
    call = check("https://feed.example/a?b=c#d")
    names["feed.example"] = ["127.0.0.1"]  # what a second look-up would find
    assert call.url == "https://8.8.8.8:443/a?b=c"
    assert call.headers == {"Host": "feed.example"}
    assert call.extensions == {"sni_hostname": "feed.example"}
    names["six.example"] = ["2606:4700::1111"]
    assert check("http://six.example:8080/").url == "http://[2606:4700::1111]:8080/"
    assert check("http://six.example:8080/").headers == {"Host": "six.example:8080"}
    names["đường.example"] = names["six.example"]
    assert check("http://đường.example/").headers == {"Host": "xn--ng-pma05d708i.example"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "feed.example",
        "//feed.example/",
        "file:///etc/passwd",
        "ftp://8.8.8.8/",
        "gopher://8.8.8.8/",
        "http://",
        "http:///x",
        "http://8.8.8.8:99999/",
        "http://8.8.8.8:x/",
        "http://user:secret@8.8.8.8/",
        "http://unknown.example/",
        "http://[::1",
        "http://0x7f.1/",
    ],
)
def test_what_is_no_plain_public_address_is_not_called(url: str, names: dict[str, list[str]]) -> None:
    with pytest.raises((NotCalled, ValueError)):
        check(url)


def test_what_the_settings_name_may_lie_anywhere_and_nothing_beside_it(names: dict[str, list[str]]) -> None:
    named = ("http://127.0.0.1:9000/base",)
    assert check("http://127.0.0.1:9000/base/x", named).url == "http://127.0.0.1:9000/base/x"
    for url in ("http://127.0.0.1:9001/", "https://127.0.0.1:9000/", "http://127.0.0.2:9000/"):
        with pytest.raises(NotCalled):
            check(url, named)
    assert origin_of("HTTP://Example:80/x") == origin_of("http://example/y")


def test_behind_a_proxy_names_go_through_and_figures_do_not(
    monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    call = check("https://feed.example/x")
    assert (call.proxied, call.url) == (True, "https://feed.example/x")
    for url in ("https://169.254.169.254/", "https://[::ffff:10.0.0.1]/", "https://127.0.0.1/"):
        with pytest.raises(NotCalled):
            check(url)


@settings(max_examples=60)
@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_however_it_is_wrapped(address: object) -> None:
    public = is_public(str(address))
    assert is_public(f"::ffff:{address}") == public
    high, low = divmod(int(ip_address(str(address))), 65_536)
    assert is_public(f"2002:{high:x}:{low:x}::1") == public
    assert is_public(f"64:ff9b::{high:x}:{low:x}") == public
