"""Hostile uploads and requests made up from the API's description: no 5xx, and no open file is left."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from servers import serve_in_thread

sys.path.append(str(Path(__file__).parents[1] / "campaigns"))

from hostile_uploads import campaign

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis: pip install 'kaleido-bert[test]'")

CHECKS = (
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
)


@pytest.fixture(scope="module")
def address(app):
    yield from serve_in_thread(app)


def test_hostile_uploads(address):
    # So few uploads say nothing about memory, which pools of the backend are still taking.
    statuses, failures, _ = campaign(
        address.removeprefix("http://").strip("/"), uploads=250, seed=1, most_megabytes=1000
    )
    assert not failures
    assert statuses[200] and statuses[400] and statuses[422]


def test_requests_from_the_description(address):
    described = schemathesis.openapi.from_url(address + "openapi.json")
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) == 14
    for operation in operations:

        @settings(max_examples=15, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def requests(case):
            case.call_and_validate(checks=CHECKS)

        requests()
