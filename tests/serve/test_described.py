"""Requests made from the OpenAPI document, sound and not: no fault, and nothing answered that it does not describe."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lineage.serve.routes import ENDPOINTS
from tests.serve.conftest import Served

CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance, content_type_conformance]
EXAMPLES = 3  # of each operation


def test_every_operation_does_what_is_described(served: Served):
    described = schemathesis.openapi.from_dict(served.get("/api/openapi.json").json)
    headers = {"Authorization": f"Bearer {served.tokens['administer']}"}
    asked = []
    for found in described.get_all_operations():
        operation = found.ok()
        if operation.path == "/api/ingest":  # by a token of too small a role: nothing is to be added to what others ask
            continue

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def hold(case):
            said = case.call(base_url=served.address, headers=headers)
            case.validate_response(said, checks=CHECKS)
            asked.append(case.path)

        hold()
    assert set(asked) == {one.path for one in ENDPOINTS} - {"/api/ingest"}
