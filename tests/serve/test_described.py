"""Requests made from the OpenAPI document, sound and not: no fault, and nothing answered that it does not describe."""

from __future__ import annotations

import json

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lineage import api
from lineage.serve.routes import ENDPOINTS
from tests.cli.test_schemas import check
from tests.serve.conftest import Desk, Served

CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance, content_type_conformance]
EXAMPLES = 3  # of each operation
INGESTS = 12
INGEST = "/api/ingest"
BOUNDED = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.explicit, Phase.generate],
)


def operations(served: Served, role: str):
    """Each operation of the document, with the headers of that role."""
    described = schemathesis.openapi.from_dict(served.get("/api/openapi.json").json)
    headers = {"Authorization": f"Bearer {served.tokens[role]}"}
    return [found.ok() for found in described.get_all_operations()], headers


def test_every_operation_does_what_is_described(served: Served):
    described, headers = operations(served, "administer")
    asked = []
    for operation in described:
        if operation.path == INGEST:  # into an index of its own, below: nothing is to be added to what others ask
            continue

        @settings(BOUNDED, max_examples=EXAMPLES)
        @given(case=operation.as_strategy())
        def hold(case):
            said = case.call(base_url=served.address, headers=headers)
            case.validate_response(said, checks=CHECKS)
            asked.append(case.path)

        hold()
    assert set(asked) == {one.path for one in ENDPOINTS} - {INGEST}


def test_whatever_is_to_be_added_is_answered_as_described(start, desk: Desk, tmp_path):
    """Bodies as the document has them, some with checkpoints that are there in the place of made-up ones."""
    index = tmp_path / "index"
    assert [done.event for done in api.ingest([desk.folder / "models" / "base"], index)] == ["ingested"]
    served = start(index=index)
    sent = served.post("/api/uploads", desk.sketch).json["upload"]
    (operation,), headers = operations_of(served, INGEST)
    real = st.lists(
        st.sampled_from([{"path": "base"}, {"path": "child"}, {"upload": sent}, {"path": "."}, {"path": "out"}]),
        min_size=1,
        max_size=3,
    )
    statuses = []

    @settings(BOUNDED, max_examples=INGESTS)
    @given(case=operation.as_strategy(), found=st.none() | real)
    def hold(case, found):
        if found is not None and isinstance(case.body, dict):
            case.body = {**case.body, "checkpoints": found}
        said = case.call(base_url=served.address, headers=headers)
        case.validate_response(said, checks=CHECKS)
        statuses.append(said.status_code)
        if said.status_code == 200:
            check("ingests.json", said.json())
            assert {line["path"] for line in said.json()["events"]}.isdisjoint({None, ""})
            assert str(desk.folder) not in json.dumps(said.json())
            assert str(served.settings.state) not in json.dumps(said.json())

    hold()
    assert 200 in statuses
    assert api.doctor(index)[1] == []


def operations_of(served: Served, path: str):
    """The operations of one path."""
    found, headers = operations(served, "ingest")
    return [one for one in found if one.path == path], headers
