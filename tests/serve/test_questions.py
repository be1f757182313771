"""What the service answers is what the command line prints; what it cannot answer has one shape."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest

from lineage import api, report
from lineage.report.graphs import ENDINGS, UPWARD
from lineage.serve.refusals import STATUSES
from lineage.serve.settings import Limits
from tests.cli.test_schemas import check
from tests.serve.conftest import Desk, Served, wait_for

UPLOAD = {"checkpoint": {"path": "child"}}


def settled(value):
    """An answer without what differs from run to run."""
    return {**value, "timings": None, "checkpoint": {**value["checkpoint"], "path": None}}


def test_whois_of_a_sketch_is_what_the_command_prints(served: Served, desk: Desk):
    said = served.post("/api/whois", desk.sketch)
    expected = report.json.whois(api.whois(desk.folder / "child.sketch", desk.index, reference=False))
    assert said.status == 200
    assert said.json["checkpoint"]["path"].startswith("uploads/")
    assert settled(said.json) == settled(json.loads(json.dumps(expected)))
    assert said.headers["lineage-index"] == said.json["limits"]["index_id"]


def test_every_question_answers_in_its_schema(served: Served, desk: Desk):
    upload = served.post("/api/uploads", desk.sketch)
    assert upload.status == 201
    check("upload.json", upload.json)
    sent = {"upload": upload.json["upload"]}
    questions = {
        "whois": {"checkpoint": {"path": "child"}},
        "compare": {"a": sent, "b": {"model": "base"}},
        "decompose": {"checkpoint": sent},
        "audit": {"checkpoint": {"path": "child"}, "policy": "licence"},
        "verify": {"checkpoint": sent, "claims": "---\nbase_model: base\n---\n"},
    }
    for kind, asked in questions.items():
        said = served.post(f"/api/{kind}", asked)
        assert said.status == 200, said.body
        check(f"{kind}.json", said.json)
        assert said.headers["lineage-index"] == api.index_id(desk.index, reference=False)
        job = served.get(f"/api/jobs/{said.headers['lineage-job']}").json
        check("job.json", job)
        assert (job["state"], job["asked"]) == ("done", asked)
        assert served.get(job["links"]["result"]).body == said.body
        stays_inside = (said.body + json.dumps(job).encode()).decode()
        assert str(desk.folder) not in stays_inside or kind == "compare"  # an indexed model has its source
        assert str(served.settings.state) not in stays_inside


def test_the_same_question_has_the_same_job_until_the_index_changes(served: Served, desk: Desk):
    first, again = (served.post("/api/whois", desk.sketch).headers for _ in range(2))
    assert first["lineage-job"] == again["lineage-job"]


def test_the_models_can_be_browsed(served: Served):
    page = served.get("/api/models?search=BAS&limit=1").json
    check("models.json", page)
    assert ([one["name"] for one in page["models"]], page["total"], page["next"]) == (["base"], 1, None)
    assert served.get("/api/models?licence=none").json["total"] == 0
    assert served.get("/api/models?family=base").json["total"] == 1
    assert served.get("/api/model?model=base").json["name"] == "base"
    check("trace.json", served.get("/api/trace?model=base").json)
    check("descendants.json", served.get("/api/descendants?model=base").json)
    check("graph.json", served.get("/api/graph").json)


def test_every_format_of_graphs_and_reports(served: Served):
    job = served.post("/api/whois", {"checkpoint": {"path": "child"}, "pages": True}).headers["lineage-job"]
    pair = served.post("/api/compare", {"a": {"path": "child"}, "b": {"model": "base"}}).headers["lineage-job"]
    for ending in (ending for ending in ENDINGS if ending != ".png"):
        named = ending.removeprefix(".")
        paths = [f"/api/graph?model=base&format={named}", f"/api/jobs/{job}/report?format={named}"]
        for path in paths if ending in UPWARD else [*paths, f"/api/jobs/{pair}/report?format={named}"]:
            said = served.get(path)
            assert (said.status, len(said.body) > 50) == (200, True), said.body
            assert said.headers["lineage-index"]
            assert named in said.headers["content-disposition"]
            if named == "json":
                check("graph.json", said.json)  # and not the answer itself, which is JSON, too
    assert served.get(f"/api/jobs/{pair}/report?format=cdx.json").status == 400


def test_audits_and_claims_are_read_as_the_commands_give_them(served: Served, desk: Desk):
    child = desk.folder / "models" / "child"
    audited = served.post("/api/audit", {"checkpoint": {"path": "child"}, "policy": "from-scratch"})
    claims = "---\nbase_model: base\n---\n"
    verified = served.post("/api/verify", {"checkpoint": {"path": "child"}, "claims": claims})
    audit = api.audit(child, "from-scratch", desk.index, reference=False)
    (desk.folder / "README.md").write_text(claims)
    claimed = api.verify(child, desk.folder / "README.md", desk.index, reference=False)
    expected = [
        (audited, report.audit.audit_screen(audit), report.sarif.audit_log(audit, "child")),
        (verified, report.claims.verification_screen(claimed), report.sarif.claims_log(claimed, "README.md")),
    ]
    for said, screen, log in expected:
        assert said.status == 200, said.body
        reports = served.get(f"/api/jobs/{said.headers['lineage-job']}").json["links"]["report"]
        text, sarif = served.get(reports), served.get(f"{reports}?format=sarif")
        assert text.body.decode() == screen
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        assert json.loads(sarif.body) == json.loads(log)
        assert sarif.headers["content-type"] == "application/sarif+json"
        refused = served.get(f"{reports}?format=html")
        assert (refused.status, refused.json["error"]) == (400, "unknown-format")


def test_an_answer_is_read_as_the_command_prints_it(served: Served, desk: Desk):
    job = served.post("/api/whois", {"checkpoint": {"path": "child"}}).headers["lineage-job"]
    expected = report.terminal.whois_screen(api.whois(desk.folder / "models" / "child", desk.index, reference=False))
    assert served.get(f"/api/jobs/{job}/report?format=txt").body.decode() == expected


def test_what_is_no_merge_has_no_recipe(served: Served, desk: Desk):
    job = served.post("/api/decompose", {"checkpoint": {"path": "child"}}).headers["lineage-job"]
    text, recipe = (served.get(f"/api/jobs/{job}/report?format={one}") for one in ("txt", "yaml"))
    assert text.status == 200
    assert text.body.decode().startswith("child")
    assert (recipe.status, recipe.json["message"]) == (404, "this answer has no yaml: no merge was found")


def test_every_answer_names_the_index(served: Served, desk: Desk):
    index_id = api.index_id(desk.index, reference=False)
    accepted = served.post("/api/whois?wait=0", desk.sketch).headers["lineage-job"]
    served.get(f"/api/jobs/{accepted}/events")  # to its end
    paths = ["/", "/readyz", "/nothing", "/api/models", "/api/model?model=nova", "/api/openapi.json", "/metrics"]
    paths += [f"/api/jobs/{accepted}{part}" for part in ("", "/result", "/events", "/report")]
    assert {path: served.get(path).headers.get("lineage-index") for path in paths} == dict.fromkeys(paths, index_id)
    refused = served.post("/api/whois", b"PK\x03\x04 junk")
    assert (refused.status, refused.headers["lineage-index"]) == (422, index_id)
    assert "lineage-index" not in served.get("/healthz").headers


def test_what_is_wrong_with_the_index_is_said_without_a_name_for_it(start, desk: Desk, tmp_path):
    index = tmp_path / "index"
    assert [done.event for done in api.ingest([desk.folder / "models" / "base"], index)] == ["ingested"]
    served = start(index=index)
    (index / "lineage.sqlite").write_bytes(b"damaged" * 1000)
    for path in ("/readyz", "/api/models", "/nothing"):
        said = served.get(path)
        check("error.json", said.json)
        assert said.status in (404, 422, 503)
        assert str(tmp_path) not in said.json["message"]
        assert "lineage-index" not in said.headers
    assert served.get("/healthz").status == 200


def test_a_graph_is_worked_out_once(start, monkeypatch):
    served = start()
    first = served.get("/api/graph?model=base")
    monkeypatch.setattr("lineage.serve.lanes.Lanes.answer", None)
    again = served.get("/api/graph?model=base")
    assert (again.status, again.body, again.headers["lineage-index"]) == (
        200,
        first.body,
        first.headers["lineage-index"],
    )


REFUSED = {
    "unknown path": ("GET", "/nothing", None, 404, "unknown-path"),
    "another method": ("DELETE", "/api/models", None, 405, "method"),
    "unknown parameter": ("GET", "/api/models?nmae=x", None, 400, "bad-request"),
    "twice": ("GET", "/api/models?limit=1&limit=2", None, 400, "bad-request"),
    "not a number": ("GET", "/api/models?limit=many", None, 400, "bad-request"),
    "too many": ("GET", "/api/models?limit=1001", None, 400, "bad-request"),
    "no model": ("GET", "/api/trace", None, 400, "bad-request"),
    "unknown model": ("GET", "/api/trace?model=nova", None, 404, "unknown-model"),
    "a path as model": ("GET", "/api/model?model=/etc/passwd", None, 404, "unknown-model"),
    "unknown format": ("GET", "/api/graph?format=exe", None, 400, "bad-request"),
    "a statement about all": ("GET", "/api/graph?format=cdx.json", None, 400, "bad-request"),
    "no job": ("GET", f"/api/jobs/{'0' * 32}", None, 404, "unknown-job"),
    "no id of a job": ("GET", "/api/jobs/..%2f..%2fx", None, 404, "unknown-path"),
    "empty": ("POST", "/api/whois", b"", 400, "empty"),
    "no sketch": ("POST", "/api/whois", b"PK\x03\x04 junk", 422, "unreadable"),
    "no sketch kept": ("POST", "/api/uploads", b"PK\x03\x04 junk", 422, "unreadable"),
    "no object": ("POST", "/api/whois", [], 400, "bad-request"),
    "unknown key": ("POST", "/api/whois", {"checkpoint": {"path": "child"}, "x": 1}, 400, "bad-request"),
    "two checkpoints": ("POST", "/api/whois", {"checkpoint": {"path": "a", "model": "b"}}, 400, "bad-request"),
    "no upload": ("POST", "/api/whois", {"checkpoint": {"upload": "0" * 64}}, 404, "unknown-upload"),
    "no such path": ("POST", "/api/whois", {"checkpoint": {"path": "nova"}}, 404, "unknown-path"),
    "above": ("POST", "/api/whois", {"checkpoint": {"path": "../secret.safetensors"}}, 404, "unknown-path"),
    "absolute": ("POST", "/api/whois", {"checkpoint": {"path": "/etc/passwd"}}, 404, "unknown-path"),
    "by a link": ("POST", "/api/whois", {"checkpoint": {"path": "out/secret.safetensors"}}, 404, "unknown-path"),
    "NUL": ("POST", "/api/whois", {"checkpoint": {"path": "child\x00"}}, 404, "unknown-path"),
    "hub": ("POST", "/api/whois", {"checkpoint": {"address": "hf:org/name"}}, 403, "no-hub"),
    "web": ("POST", "/api/whois", {"checkpoint": {"address": "http://127.0.0.1/x"}}, 400, "bad-request"),
    "a model to add": ("POST", "/api/ingest", {"checkpoints": [{"model": "base"}]}, 400, "bad-request"),
    "one name for two": (
        "POST", "/api/ingest", {"checkpoints": [{"path": "base"}, {"path": "child"}], "name": "x"}, 400, "bad-request",
    ),
    "damaged card": (
        "POST", "/api/verify", {"checkpoint": {"model": "base"}, "claims": "x = [", "claims_format": "toml"},
        422, "unreadable",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_is_refused_has_one_shape(served: Served, desk: Desk, case: str):
    method, path, body, status, word = REFUSED[case]
    said = served.ask(method, path, body, role="ingest")
    check("error.json", said.json)
    assert (said.status, said.json["status"], said.json["error"]) == (status, status, word)
    assert said.json["request"] == said.headers["lineage-request"]
    assert status in STATUSES
    assert str(desk.folder) not in said.json["message"]
    assert str(served.settings.state) not in said.json["message"]


def test_a_page_elsewhere_cannot_pose_as_this_service(served: Served):
    said = served.get("/api/models", Host="attacker.example:80")
    assert (said.status, said.json["error"]) == (421, "host")


def test_a_form_cannot_ask(served: Served, desk: Desk):
    for media in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        said = served.post("/api/whois", desk.sketch, **{"Content-Type": media})
        assert (said.status, said.json["error"]) == (415, "media-type")


def test_bodies_have_limits(start, settings):
    served = start(limits=replace(Limits(), body_mib=1, body_seconds=1))
    large = b"x" * ((1 << 20) + 1)
    declared = served.post("/api/whois", large)
    assert (declared.status, declared.json["error"]) == (413, "too-large")
    streamed = served.pool.request(
        "POST", f"{served.address}/api/whois", body=iter([large]), headers={"Content-Type": "application/octet-stream"}
    )
    assert (streamed.status, streamed.json()["error"]) == (413, "too-large")
    assert b"408" in raw(served, 100, b"slow", wait=True).splitlines()[0]
    raw(served, 100, b"cut off", wait=False)
    assert served.get("/healthz").status == 200
    wait_for(lambda: not list((settings.state / "uploads").iterdir()))
    assert not list((settings.state / "jobs").iterdir())


def raw(served: Served, length: int, sent: bytes, *, wait: bool) -> bytes:
    """A request whose body does not come as it says."""
    host, _, port = served.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = f"POST /api/whois HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\n"
        connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + sent)
        return connection.recv(65536) if wait else b""


def test_a_question_that_takes_too_long_or_too_much_is_ended_and_the_next_is_answered(start, desk: Desk):
    short = start(limits=replace(Limits(), seconds=0.001))
    said = short.post("/api/whois", desk.sketch)
    assert (said.status, said.json["error"]) == (422, "too-long")
    small = start(state=short.settings.state.with_name("small"), limits=replace(Limits(), memory_mib=1))
    said = small.post("/api/whois", desk.sketch)
    assert (said.status, said.json["error"]) in ((422, "ended"), (422, "too-large"))
    assert small.get("/api/models").status == 200
    assert b"lineage_workers_replaced_total 1" in small.get("/metrics", role="administer").body


def test_a_disk_that_is_full_is_said_and_is_no_fault(start, desk: Desk, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    served = start()
    monkeypatch.setattr("lineage.serve.jobs.write_whole", full)
    said = served.post("/api/whois", {"checkpoint": {"model": "base"}})
    check("error.json", said.json)
    assert (said.status, said.json["error"]) == (503, "disk")


def test_too_many_questions_are_sent_away(start, desk: Desk):
    served = start(limits=replace(Limits(), waiting=1, workers=1))
    first = served.post("/api/whois?wait=0", {"checkpoint": {"path": "base"}})
    assert first.status == 202
    said = served.post("/api/whois?wait=0", {"checkpoint": {"path": "child"}})
    assert (said.status, said.json["error"], said.headers["retry-after"]) == (429, "busy", "60")


def test_processes_that_prepare_answer_as_others_do(start, desk: Desk, served: Served):
    ahead = start(limits=replace(Limits(), prepared=5))
    said, plain = (one.post("/api/whois?wait=60", desk.sketch) for one in (ahead, served))
    assert said.status == plain.status == 200
    assert {**said.json, "timings": None} == {**plain.json, "timings": None}
