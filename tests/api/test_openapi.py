"""Every documented door, asked with generated requests: whatever comes in, no answer is a failure of ours."""

from collections import Counter
from urllib.parse import urlencode

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dothi.testing.city import RunningCity

RIGHT, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# A longer address is turned away by the HTTP server itself, in plain text, before any door is reached.
LONGEST_QUERY = 50_000
# Each door that takes anything, asked so often rightly and as often wrongly: some thousand requests for the document.
PARTS = 6  # so that none of them takes minutes
EXAMPLES = [12, pytest.param(400, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])]


def _cannot_be_wrong(operation: schemathesis.APIOperation) -> bool:
    """True of a door that takes nothing, or nothing but a text in its path that may be any text."""
    free = {"type": "string"}
    parts = [
        {key: one for key, one in part.definition["schema"].items() if key in ("type", "pattern", "format", "enum")}
        for part in operation.path_parameters
    ]
    return not operation.query and not operation.body and all(part == free for part in parts)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("examples", EXAMPLES)
def test_no_request_makes_a_door_fail(city: RunningCity, examples: int, part: int) -> None:
    document = schemathesis.openapi.from_dict(httpx.get(f"{city.base_url}/openapi.json", trust_env=False, timeout=60).json())
    operations = [found.ok() for found in document.get_all_operations()][part::PARTS]
    asked: Counter[tuple[str, GenerationMode]] = Counter()
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(city.operator)

        def ask(operation: schemathesis.APIOperation, mode: GenerationMode) -> None:
            @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def one(case: schemathesis.Case) -> None:
                assume(len(urlencode(case.query or {}, doseq=True)) < LONGEST_QUERY)
                asked[operation.label, mode] += 1
                case.call_and_validate(base_url=city.base_url, session=session, checks=CHECKS)

            one()

        for operation in operations:
            ask(operation, RIGHT)
            if _cannot_be_wrong(operation):
                with pytest.raises(Unsatisfiable):  # were it to take more one day, it must be asked
                    ask(operation, WRONG)
            else:
                ask(operation, WRONG)
    assert len(operations) * PARTS > 100
    assert {operation.label for operation in operations if not asked[operation.label, RIGHT]} == set()
    assert {operation.label for operation in operations if not asked[operation.label, WRONG]} == {
        operation.label for operation in operations if _cannot_be_wrong(operation)
    }
    assert asked.total() > 10 * examples
