"""Every documented door, asked with generated requests: whatever comes in, no answer is a failure of ours."""

import os
from contextlib import suppress

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dothi.testing.city import RunningCity

# About 30 operations, asked rightly and wrongly: some 120 examples in all. `make test-long` asks for more.
EXAMPLES = int(os.environ.get("DOTHI_TEST_EXAMPLES", "2"))
EASY = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_no_request_makes_a_door_fail(city: RunningCity) -> None:
    document = schemathesis.openapi.from_dict(httpx.get(f"{city.base_url}/openapi.json", trust_env=False).json())
    asked = 0
    with requests.Session() as session:
        session.trust_env = False

        def ask(operation: schemathesis.APIOperation, mode: GenerationMode) -> None:
            @EASY
            @given(case=operation.as_strategy(generation_mode=mode))
            def one(case: schemathesis.Case) -> None:
                nonlocal asked
                asked += 1
                case.call_and_validate(base_url=city.base_url, session=session, checks=CHECKS)

            with suppress(Unsatisfiable):  # a door that takes nothing cannot be asked wrongly
                one()

        operations = [found.ok() for found in document.get_all_operations()]
        for operation in operations:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                ask(operation, mode)
    assert len(operations) > 20
    assert asked > len(operations)
