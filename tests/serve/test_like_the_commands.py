"""What the command line can be asked, the service can: adapters, rules of one's own, tokenizers, many at once."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from lineage import api, report
from lineage.checkpoints.tokenizers import is_tokenizer_alone
from lineage.policy.toml_lines import MAX_BYTES
from lineage.serve.shapes import RULES, complaint
from lineage.serve.uploads import TOKENIZER_NAME
from tests.cli.test_schemas import check
from tests.serve.conftest import WORDS, Desk, Served
from tests.tokenizer_files import pool, trained, vocab_txt

OURS = """\
format = 1
policy = "licence"

[[rule]]
id = "told"
about = "model"
says = "noted"
text = "looked at by us"
"""


def test_an_adapter_alone_is_asked_about_by_path_or_by_its_sketch(served: Served, desk: Desk):
    said = served.post("/api/whois", {"checkpoint": {"path": "lora"}})
    check("whois.json", said.json)
    assert [(fit["model_name"], fit["declared"]) for fit in said.json["adapter"]["fits"]] == [("base", True)]
    api.save_sketch(api.sketch(desk.folder / "models" / "lora"), desk.folder / "lora.sketch")
    sent = served.post("/api/whois", (desk.folder / "lora.sketch").read_bytes())
    assert (sent.status, sent.json["adapter"]) == (200, said.json["adapter"])


def test_the_model_that_an_adapter_makes_of_its_base_is_that_of_the_command(served: Served, desk: Desk):
    models = desk.folder / "models"
    said = served.post("/api/whois", {"checkpoint": {"path": "base"}, "adapter": {"path": "lora"}})
    assert said.status == 200, said.body
    check("whois.json", said.json)
    answer = api.whois(models / "base", desk.index, reference=False, adapter=models / "lora")
    expected = json.loads(json.dumps(report.json.whois(answer)))
    assert said.json["checkpoint"] == {**expected["checkpoint"], "path": "base + lora"}
    assert (said.json["verdict"], said.json["components"]) == (expected["verdict"], expected["components"])
    assert said.json["verdict"] != "independent"
    job = said.headers["lineage-job"]
    text = served.get(f"/api/jobs/{job}/report?format=txt").body.decode()
    assert text == report.terminal.whois_screen(answer)
    assert served.get(f"/api/jobs/{job}/report").status == 200


@pytest.mark.parametrize("base", ["upload", "model"])
def test_an_adapter_needs_the_weights_of_its_base(served: Served, desk: Desk, base: str):
    sent = served.post("/api/uploads", desk.sketch).json["upload"]
    checkpoint = {"upload": sent} if base == "upload" else {"model": "base"}
    said = served.post("/api/whois", {"checkpoint": checkpoint, "adapter": {"path": "lora"}})
    check("error.json", said.json)
    assert (said.status, said.json["error"]) == (400, "bad-request")
    assert "an adapter is merged onto weights" in said.json["message"]


def test_what_is_no_adapter_is_said(served: Served, desk: Desk):
    said = served.post("/api/whois", {"checkpoint": {"path": "base"}, "adapter": {"path": "child"}})
    assert (said.status, said.json["error"]) == (422, "unreadable")
    assert str(desk.folder) not in said.json["message"]
    outside = served.post("/api/whois", {"checkpoint": {"path": "base"}, "adapter": {"path": "../secret.safetensors"}})
    assert (outside.status, outside.json["error"]) == (404, "unknown-path")


def test_an_audit_with_rules_of_ones_own_is_that_of_the_command(served: Served, desk: Desk, tmp_path: Path):
    (tmp_path / "ours.toml").write_text(OURS)
    asked = {"checkpoint": {"path": "child"}, "policy": "licence", "rules": OURS}
    said = served.post("/api/audit", asked)
    assert said.status == 200, said.body
    check("audit.json", said.json)
    rules = api.read_rules(tmp_path / "ours.toml", "licence")
    found = api.audit(desk.folder / "models" / "child", "licence", desk.index, reference=False, rules=rules)
    assert said.json["findings"] == json.loads(json.dumps(report.audit.audit_value(found)))["findings"]
    assert any("looked at by us" in json.dumps(one) for one in said.json["findings"])
    without = served.post("/api/audit", {**asked, "rules": 'format = 1\npolicy = "licence"\n'})
    assert len(without.json["findings"]) == len(said.json["findings"]) - 1
    assert not list((served.settings.state / "jobs").glob("*/*rules*"))


@pytest.mark.parametrize(
    ("rules", "status", "line"),
    [
        ("x = [", 422, "rules.toml: line 1: "),
        (OURS.replace("noted", "shout"), 422, "rules.toml: line 7: says: "),
        (OURS.replace('policy = "licence"', 'policy = "t-class"'), 422, "rules.toml: "),
        (OURS.replace("looked", "{password}"), 422, "rules.toml: line 8: "),
        ("a." * 5000 + "b = 1", 422, "rules.toml: line 1: holds a name of more than 32 parts"),
        ("x = " + "[" * 5000, 422, "rules.toml: line 1: "),
        ("\0", 422, "rules.toml: is not text"),
        ("é" * (MAX_BYTES - 1), 422, "rules.toml: is "),
        ("#" * (MAX_BYTES + 1), 400, "rules must have 1 to"),
        ("", 400, "rules must have 1 to"),
        (["format = 1"], 400, "rules must be text"),
    ],
)
def test_rules_that_are_wrong_are_refused_in_one_line(served: Served, desk: Desk, rules: Any, status: int, line: str):
    said = served.post("/api/audit", {"checkpoint": {"model": "base"}, "policy": "licence", "rules": rules})
    check("error.json", said.json)
    assert (said.status, said.json["message"].startswith(line)) == (status, True), said.json["message"]
    assert str(served.settings.state) not in said.json["message"]
    assert said.json["message"].isprintable()


def test_the_longest_rules_are_the_longest_file_of_them():
    assert RULES["maxLength"] == MAX_BYTES


@pytest.fixture
def vocabulary(served: Served) -> dict[str, str]:
    """A tokenizer that was sent."""
    said = served.post("/api/uploads?name=tokenizer.json", WORDS)
    assert said.status == 201, said.body
    check("upload.json", said.json)
    assert said.json["checkpoint"] is None
    assert said.json["tokenizer"]["size"] > 3000
    return {"tokenizer": said.json["upload"]}


def test_a_tokenizer_without_weights_is_held_against_the_nearest_known_one(start, desk: Desk):
    served: Served = start(reference=True)
    said = served.post("/api/whois?name=tokenizer.json", WORDS)
    assert said.status == 200, said.body
    check("compare-tokenizers.json", said.json)
    found = api.whois_tokenizer(desk.folder / "models" / "words" / "tokenizer.json", desk.index)
    expected = json.loads(json.dumps(report.witness_json.tokenizer_comparison(found)))
    assert {**said.json, "a": None} == {**expected, "a": None}
    by_path = served.post("/api/whois", {"checkpoint": {"path": "words"}, "pages": True})
    assert {**by_path.json, "a": None} == {**expected, "a": None}
    job = served.get(f"/api/jobs/{by_path.headers['lineage-job']}").json
    check("job.json", job)
    assert job["reports"] == ["txt"]
    text = served.get(job["links"]["report"])
    assert text.body.decode().startswith("tokenizer of words")
    refused = served.get(f"{job['links']['report']}?format=html")
    assert (refused.status, refused.json["error"]) == (404, "no-report")


def test_two_tokenizers_are_compared(served: Served, vocabulary: dict[str, str]):
    said = served.post("/api/compare", {"a": vocabulary, "b": {"path": "words"}, "pages": True})
    assert said.status == 200, said.body
    check("compare-tokenizers.json", said.json)
    assert (said.json["relation"], said.json["b"]) == ("identical", "words")
    bare = served.post("/api/compare", {"a": vocabulary, "b": {"model": "base"}})
    assert (bare.status, bare.json["error"]) == (422, "unreadable")
    assert "was ingested without its tokenizer" in bare.json["message"]


def test_without_any_known_tokenizer_that_is_said(served: Served, vocabulary: dict[str, str]):
    said = served.post("/api/whois", {"checkpoint": vocabulary})
    assert (said.status, said.json["error"]) == (422, "not-possible")
    assert "no tokenizer is known" in said.json["message"]


@pytest.mark.parametrize("name", ["tokenizer.json", "x.tiktoken", "tokenizer.model", "x.tokenizer"])
@pytest.mark.parametrize("body", [b"\xff\xfe\x00junk", b"{", b"PK\x03\x04", b'{"a": ' * 9000])
def test_what_is_no_tokenizer_is_refused(served: Served, name: str, body: bytes):
    said = served.post(f"/api/uploads?name={name}", body)
    check("error.json", said.json)
    assert (said.status, said.json["error"]) in ((422, "unreadable"), (422, "not-comparable")), said.body
    assert str(served.settings.state) not in said.json["message"]


def test_a_list_of_words_is_known_by_its_name_and_shadows_no_sketch(served: Served, desk: Desk):
    words = vocab_txt(trained(pool(), 300, 1))
    assert served.post("/api/uploads?name=vocab.txt", words).json["tokenizer"]["format"] == "vocab.txt"
    assert served.post("/api/uploads", words).status == 422
    assert served.post("/api/uploads?name=vocab.txt", desk.sketch).status == 422
    assert served.post("/api/whois", desk.sketch).status == 200


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "tokenizer.json/..", "model.safetensors", "", "x.gguf", "a\n.txt"]
)
def test_only_names_of_tokenizers_are_taken(served: Served, name: str):
    from urllib.parse import quote

    said = served.post(f"/api/uploads?name={quote(name, safe='')}", WORDS)
    assert (said.status, said.json["error"]) == (400, "bad-request")


def test_names_are_those_that_the_command_takes_for_tokenizers(tmp_path: Path):
    schema = {"type": "string", "pattern": TOKENIZER_NAME}
    names = [
        "tokenizer.json",
        "tekken.json",
        "vocab.json",
        "vocab.txt",
        "tokenizer.model",
        "spiece.model",
        "a.tiktoken",
    ]
    names += ["tokenizer.model.v3", "model.json", "notes.txt", "a.model", "model.gguf"]
    for name in names:
        (tmp_path / name).touch()
        assert (complaint(schema, name) is None) == is_tokenizer_alone(tmp_path / name), name


def test_a_name_belongs_to_bytes(served: Served, desk: Desk):
    said = served.post("/api/whois?name=tokenizer.json", {"checkpoint": {"path": "child"}})
    assert (said.status, said.json["error"]) == (400, "bad-request")
    assert served.post("/api/audit", {"checkpoint": {"tokenizer": "0" * 64}, "policy": "licence"}).status == 400


def test_many_are_one_table_with_those_that_cannot_be_read(served: Served, desk: Desk, vocabulary: dict[str, str]):
    sent = {"upload": served.post("/api/uploads", desk.sketch).json["upload"]}
    checkpoints = [
        {"path": "child"}, sent, {"path": "base"}, {"path": "lora"}, {"path": "nova"}, {"path": "words"},
        {"upload": "0" * 64}, {"address": "hf:org/name"}, vocabulary, {"path": "out/secret.safetensors"},
    ]  # fmt: skip
    said = served.post("/api/table?wait=60", {"checkpoints": checkpoints})
    assert said.status == 200, said.body
    check("table.json", said.json)
    rows = said.json["rows"]
    assert [row["checkpoint"] for row in rows[2:6]] == ["base", "lora", "nova", "words"]
    assert rows[0]["verdict"] == rows[1]["verdict"]
    errors = [row["error"] for row in rows]
    assert errors[:4] == [None] * 4
    assert all(errors[4:])
    assert all(row["said"] is None and row["relatives"] == [] for row in rows if row["error"])
    single = served.post("/api/whois", {"checkpoint": {"path": "child"}}).json
    assert (rows[0]["id"], rows[0]["verdict"]) == (single["checkpoint"]["id"], single["verdict"])
    assert rows[0]["relatives"][0]["model_name"] == "base"
    assert str(desk.folder) not in said.body.decode()
    assert str(served.settings.state) not in said.body.decode()
    job = served.get(f"/api/jobs/{said.headers['lineage-job']}").json
    check("job.json", job)
    assert job["reports"] == ["csv"]
    sheet = served.get(job["links"]["report"])
    assert sheet.headers["content-type"] == "text/csv; charset=utf-8"
    read = list(csv.DictReader(io.StringIO(sheet.body.decode())))
    assert [row["checkpoint"] for row in read] == [row["checkpoint"] for row in rows]
    assert read[0]["said"] == rows[0]["said"]
    again = served.post("/api/table", {"checkpoints": checkpoints})
    assert again.headers["lineage-job"] == said.headers["lineage-job"]


def test_a_table_says_how_far_it_is_and_events_leave_the_question_out(served: Served):
    checkpoints = [{"path": "nova"}, {"path": "child"}, {"path": "base"}] * 4
    job = served.post("/api/table?wait=0", {"checkpoints": checkpoints}).json
    told = served.get(job["links"]["events"]).body.decode()
    values = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: ")]
    steps = [one["progress"]["done"] for one in values if one["progress"] and one["progress"]["what"] == "checkpoints"]
    assert steps == sorted(steps)
    assert values[-1]["state"] == "done"
    assert not any("asked" in one for one in values)


@pytest.mark.parametrize(
    "checkpoints",
    [[], [{"path": "base"}] * 1001, [{"upload": "0" * 64, "path": "b"}], [3], "base", [{"model": "base"}]],
)
def test_tables_have_bounds(served: Served, checkpoints: Any):
    said = served.post("/api/table", {"checkpoints": checkpoints})
    assert (said.status, said.json["error"]) == (400, "bad-request")
