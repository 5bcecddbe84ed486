"""Whom a reverse proxy speaks for: only ours is believed, and only what it wrote itself."""

from typing import Any

import pytest

from dothi.access.proxies import Proxies
from dothi.model.problem import Problem


def seen(trusted: str, client: str, **headers: str) -> tuple[str, str]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"client": (client, 5000), "scheme": "http", "headers": raw}
    Proxies(trusted).look_through(scope)
    return scope["client"][0], scope["scheme"]


def test_nobody_is_believed_unless_the_settings_name_them() -> None:
    told = {"x_forwarded_for": "198.51.100.1", "x_forwarded_proto": "https"}
    assert seen("", "10.0.0.5", **told) == ("10.0.0.5", "http")
    assert seen("10.0.0.6", "10.0.0.5", **told) == ("10.0.0.5", "http")
    assert seen("10.0.0.0/24, ::1", "10.0.0.5", **told) == ("198.51.100.1", "https")
    assert seen("10.0.0.0/24", "::ffff:10.0.0.5", **told) == ("198.51.100.1", "https")


def test_what_a_client_wrote_before_the_proxy_counts_for_nothing() -> None:
    assert seen("10.0.0.5", "10.0.0.5", x_forwarded_for="127.0.0.1, 198.51.100.1")[0] == "198.51.100.1"
    assert seen("10.0.0.0/24", "10.0.0.5", x_forwarded_for="127.0.0.1, 198.51.100.1, 10.0.0.9")[0] == "198.51.100.1"
    assert seen("10.0.0.5", "10.0.0.5", x_forwarded_for="somebody")[0] == ""
    assert seen("10.0.0.5", "10.0.0.5", x_forwarded_proto="https, http")[1] == "http"
    assert seen("10.0.0.5", "10.0.0.5", x_forwarded_proto="javascript")[1] == "http"


def test_a_setting_that_is_no_address_is_said() -> None:
    with pytest.raises(Problem, match="DOTHI_TRUSTED_PROXY"):
        Proxies("10.0.0.5, nginx")
