"""People at the doors of a running city: an account of their own each, and a browser's requests without a browser."""

import re
import secrets
from collections.abc import Mapping
from html import unescape

import httpx

from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM
from dothi.access.sessions import COOKIE
from dothi.testing.city import RunningCity

PASSWORD = "con mèo trèo cây cau 7"


class Visitor(httpx.Client):
    """A browser's requests; ``cookie`` is a session's."""

    def __init__(self, city: RunningCity, cookie: str | None = None) -> None:
        cookies = {COOKIE: cookie} if cookie else None
        headers = {"accept": "text/html,*/*", "accept-language": "vi"}
        super().__init__(base_url=city.base_url, trust_env=False, timeout=30, headers=headers, cookies=cookies)

    def send_form(self, page: str, to: str, told: Mapping[str, str | list[str]] | None = None) -> httpx.Response:
        """Send the form to ``to`` that stands on ``page``, with its token."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page).text)
        assert found is not None, page
        return self.post(to, data={"csrf_token": unescape(found[1]), **(told or {})})

    def sign_in(self, login: str, password: str = PASSWORD, to: str = "") -> httpx.Response:
        """Send the sign-in form."""
        return self.send_form("/sign-in", "/sign-in", {"login": login, "password": password, "to": to})


def newcomer(city: RunningCity, *granted: Granted, name: str = "Người mới") -> tuple[str, str]:
    """(login, account id) of somebody who was admitted and set ``PASSWORD``."""
    accounts, login = city.platform.accounts, f"new-{secrets.token_hex(4)}"
    account = city.run(accounts.create(SYSTEM, login, name, granted))
    token = city.run(accounts.reset_link(SYSTEM, account))
    city.run(accounts.redeem(token, PASSWORD, address="127.0.0.1", agent="test", correlation="test"))
    city.run(accounts.end_sessions(account))
    return login, account
