"""Every door of the document, rightly and wrongly asked, by somebody without credentials and by somebody with few rights."""

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis.generation import GenerationMode

from dothi.access.policy import WHOLE_CITY, Clearance, Grant, Person
from dothi.access.roles import ACTIONS, ROLES
from dothi.access.routes import declared_actions
from dothi.testing.city import RunningCity
from dothi.testing.people import Crowd

EXAMPLES = [4, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])]
DEVELOPER = Person("developer", (Grant("developer", WHOLE_CITY, Clearance.INTERNAL),))


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("who", ["stranger", "developer"])
def test_no_door_gives_data_without_a_decision(city: RunningCity, who: str, examples: int) -> None:
    headers = Crowd(city).headers(DEVELOPER) if who == "developer" else {"x-forwarded-for": "203.0.113.77"}
    allowed = {action for action, public in ACTIONS.items() if public}
    allowed |= ROLES[who].actions if who in ROLES else set()
    actions = {(path, method): action for path, methods, action in declared_actions(city.app.routes) for method in methods}
    document = schemathesis.openapi.from_dict(httpx.get(f"{city.base_url}/openapi.json", trust_env=False, timeout=60).json())
    closed = 0
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(headers)

        def ask(operation: schemathesis.APIOperation, open_to_them: bool) -> None:
            @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
            def one(case: schemathesis.Case) -> None:
                assume(len(str(case.query or "")) < 50_000)
                answer = case.call(base_url=city.base_url, session=session)
                assert answer.status_code < 500 or answer.status_code == 503, (case.path, answer.text)
                if not open_to_them:
                    assert answer.status_code == (401 if who == "stranger" else 403), (case.path, answer.status_code)

            one()

        for found in document.get_all_operations():
            operation = found.ok()
            action = actions[operation.path, operation.method.upper()]
            closed += action not in allowed
            ask(operation, action in allowed)
    assert closed > 15
