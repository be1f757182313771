"""Who may do what: no route answers more than its role, and a token is kept as a digest."""

from __future__ import annotations

import json

import pytest

from lineage.errors import Unknown
from lineage.serve.routes import ENDPOINTS
from lineage.serve.tokens import FILE, ROLES, add_token, bearer, revoke_token, tokens
from tests.cli.conftest import Run, run  # noqa: F401
from tests.serve.conftest import Served

HELD = (None, *ROLES)


def test_no_route_answers_more_than_its_role(start):
    served: Served = start(anonymous=False)
    wrong = []
    for one in ENDPOINTS:
        path = one.path.replace("{job}", "0" * 32)
        for held in HELD:
            said = served.ask(one.method, path, {} if one.method == "POST" else None, role=held)
            may = one.role is None or (held is not None and ROLES.index(held) >= ROLES.index(one.role))
            refused = said.status in (401, 403)
            if refused is may or (refused and said.status != (401 if held is None else 403)):
                wrong.append((one.path, held, said.status))
    assert wrong == []


def test_without_a_token_one_may_ask_on_the_loopback_and_never_add(served: Served):
    assert served.get("/api/models").status == 200
    for said in (served.post("/api/ingest", {"checkpoints": [{"path": "child"}]}), served.get("/metrics")):
        assert (said.status, said.headers["www-authenticate"]) == (401, "Bearer")
        assert "needs a token of the role" in said.json["message"]


@pytest.mark.parametrize("header", ["Bearer nope", "Basic YTpi", "Bearer", "nope", "Bearer é"])
def test_a_wrong_token_is_no_token_at_all(served: Served, header: str):
    said = served.get("/api/models", Authorization=header.encode("utf-8").decode("latin-1"))
    assert (said.status, said.json["error"], said.headers["www-authenticate"]) == (401, "token", "Bearer")


def test_a_token_is_revoked_at_once(served: Served):
    secret = add_token(served.settings.state, "guest", "administer")
    served.tokens["guest"] = secret
    assert served.get("/metrics", role="guest").status == 200
    revoke_token(served.settings.state, "guest")
    assert served.get("/metrics", role="guest").status == 401


def test_a_damaged_file_of_tokens_lets_nobody_in_and_says_no_path(start):
    served: Served = start(anonymous=False)
    (served.settings.state / FILE).write_text("{")
    said = served.get("/api/models", role="administer")
    assert (said.status, said.json["error"]) == (503, "tokens")
    assert str(served.settings.state) not in said.json["message"]


def test_the_file_holds_digests_alone(tmp_path):
    secrets = {name: add_token(tmp_path, name, "ask") for name in ("a", "b")}
    kept = (tmp_path / FILE).read_text()
    assert not any(secret in kept or secret.removeprefix("lineage_") in kept for secret in secrets.values())
    known = tokens(tmp_path)
    assert {name: bearer(secret, known).name for name, secret in secrets.items()} == {"a": "a", "b": "b"}
    assert bearer(secrets["a"] + "x", known) is None
    with pytest.raises(Unknown):
        revoke_token(tmp_path, "c")


def test_the_command_makes_lists_and_revokes(run: Run, tmp_path):  # noqa: F811
    made = run("token", "ci", "--role", "ingest", "--state", tmp_path)
    assert made.code == 0
    assert bearer(made.out.strip(), tokens(tmp_path)).role == "ingest"
    assert run("token", "ci", "--state", tmp_path).code == 12  # the name is taken
    listed = run("token", "--state", tmp_path, "--json").json
    assert [(one["name"], one["role"]) for one in listed["tokens"]] == [("ci", "ingest")]
    assert run("token", "ci", "--revoke", "--state", tmp_path).code == 0
    assert json.loads((tmp_path / FILE).read_text()) == []
    assert run("token", "ci", "--revoke", "--state", tmp_path).code == 1
