"""Every door of a running city as every role: it opens to those the generated page names, and to nobody else."""

import re

import httpx
import pytest
from test_matrix import MAY

from dothi.access.policy import WHOLE_CITY, Clearance, Grant, Person, Scope
from dothi.access.roles import ROLES
from dothi.access.routes import declared_actions
from dothi.testing.city import RunningCity
from dothi.testing.people import Crowd

HTML = {"accept": "text/html"}
BLANKS = {"layer": "air", "name": "wards", "code": "00070", "row": "1"}
FEW = Scope(wards=frozenset({"00070"}), agencies=frozenset({"nobody"}), types=frozenset({"https://example.org/none"}))
# Where a blank leads to nothing, who may ask is told that it is not there.
NOT_THERE = {404, 400, 405, 406, 409, 422}


def _doors(city: RunningCity) -> list[tuple[str, str, str]]:
    """Method, path and action of every route, blanks filled; nothing that ends a session or the city."""
    found = []
    for path, methods, action in declared_actions(city.app.routes):
        assert action is not None, path
        filled = re.sub(r"\{(\w+)(?::(\w+))?\}", lambda blank: BLANKS.get(blank[1], "7" if blank[2] else "nothing"), path)
        found += [(method, filled, action) for method in methods if method != "HEAD"]
    return found


def _asked(client: httpx.Client, method: str, path: str) -> tuple[int, str]:
    """Status and problem code; of an endless stream no more is read."""
    with client.stream(method, path) as answer:
        if answer.status_code < 400:
            return answer.status_code, ""
        answer.read()
        told = re.search(r'"(?:code|type)":\s*"([^"]+)"', answer.text)
        return answer.status_code, told[1].rsplit("/", 1)[-1].rsplit(":", 1)[-1] if told else ""


@pytest.mark.parametrize("role", [*sorted(ROLES), "stranger"])
def test_a_door_opens_to_whom_the_page_names(doors: RunningCity, crowd: Crowd, role: str) -> None:
    grants = (Grant(role, WHOLE_CITY, Clearance.INTERNAL),) if role in ROLES else ()
    headers = crowd.headers(Person(f"a-{role}", grants)) if grants else {"x-forwarded-for": "203.0.113.9"}
    with httpx.Client(base_url=doors.base_url, trust_env=False, timeout=60, headers=headers) as client:
        for method, path, action in _doors(doors):
            status, code = _asked(client, method, path)
            assert status < 500 or status == 503, (role, method, path, status)
            if role in MAY[action] or "anybody" in MAY[action]:
                # What is one's own needs a session of one's own: a bearer has none.
                refused = ("not-allowed", "forbidden") if method == "GET" else ("not-allowed",)
                if not action.endswith(".own"):
                    refused += ("sign-in-needed",)
                assert code not in refused, (role, method, path, status, code)
            else:
                assert status == (403 if grants else 401), (role, method, path, status, code)


@pytest.mark.parametrize("role", sorted(ROLES.keys() - {"device"}))
def test_every_page_comes_up_for_who_may_see_almost_nothing(doors: RunningCity, crowd: Crowd, role: str) -> None:
    """A page asks many things; one that its reader may not know is left out of it, and does not take the page away."""
    headers = crowd.headers(Person(f"a-{role}", (Grant(role, FEW, Clearance.INTERNAL),))) | HTML
    with httpx.Client(base_url=doors.base_url, trust_env=False, timeout=60, headers=headers) as client:
        seen = 0
        for method, path, action in _doors(doors):
            own = action.endswith(".own")
            if method == "GET" and not own and (role in MAY[action] or "anybody" in MAY[action]):
                status, code = _asked(client, method, path)
                guessed = status == 429 and path.startswith("/report/")  # codes of reports are not to be guessed
                assert status < 400 or status in NOT_THERE or status == 503 or guessed, (role, path, status, code)
                seen += 1
        assert seen > 20
