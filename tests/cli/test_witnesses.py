"""The configuration of a model in an answer, on its page and in audits: apart from the weights, and never evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Desk, Run
from tests.cli.test_schemas import check
from tests.cli.test_tokenizers import section_of

OURS = {
    "model_type": "nova_vl",
    "text_config": {"model_type": "nova", "vocab_size": 100, "hidden_size": 64, "num_attention_heads": 4},
    "vision_config": {"model_type": "acme_sight", "depth": 7, "hidden_size": 33, "num_heads": 3},
}
SIGHT = {"num_hidden_layers": 7, "hidden_size": 33, "num_attention_heads": 3}
KNOWN = {
    "schema": "lineage/configurations/1",
    "configurations": [
        {
            "model": "acme/Sight-VL",
            "source": "https://example.org/sight",
            "parts": [
                {"part": "text", "model_type": "acme", "settings": {"hidden_size": 64, "vocab_size": 9}},
                {"part": "vision", "model_type": "acme_sight", "settings": SIGHT},
            ],
        },
        {
            "model": "beta/Text",
            "source": "https://example.org/text",
            "parts": [{"part": "text", "model_type": None, "settings": {"hidden_size": 64, "num_attention_heads": 4}}],
        },
    ],
}


@pytest.fixture
def model(desk: Desk, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config, an index with an unrelated model, and two published configurations."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "configurations.json").write_text(json.dumps(KNOWN))
    monkeypatch.setattr("lineage.store.reference.reference_folder", lambda: shipped)
    folder = tmp_path / "nova"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(desk.base.read_bytes())
    (folder / "config.json").write_text(json.dumps(OURS))
    run("ingest", desk.stranger, "--index", desk.index)
    return folder


def test_each_part_is_held_against_what_is_published(run: Run, desk: Desk, model: Path):
    answer = run("whois", model, "--index", desk.index, "--json").json
    check("whois.json", answer)
    found = answer["witnesses"]["configuration"]
    assert {one["part"]: one["model"] for one in found["parts"]} == {"text": "beta/Text", "vision": "acme/Sight-VL"}
    text = found["parts"][0]
    assert text["equal"] == [
        {"name": "hidden_size", "value": 64, "models": 2, "of": 2},
        {"name": "num_attention_heads", "value": 4, "models": 1, "of": 1},
    ]
    assert found["declared"] == [
        {"part": "text", "model_type": "nova"},
        {"part": "vision", "model_type": "acme_sight"},
    ]
    plain = run("whois", model, "--index", desk.index, "--no-reference", "--json").json
    assert {key: answer["checkpoint"][key] for key in ("id", "params")} == {
        key: plain["checkpoint"][key] for key in ("id", "params")
    }
    assert plain["witnesses"] == {"tokenizer": None, "configuration": None}


def test_the_screen_says_it_is_no_evidence_and_only_declared(run: Run, desk: Desk, model: Path):
    said = " ".join(run("whois", model, "--index", desk.index).out.split())
    assert "configuration: 3 of 3 vision settings are those of acme/Sight-VL, the nearest of 1 published" in said
    assert (
        "hidden_size 33: so in 1 of the 1 that give it; its text part is declared to be nova; its vision part is"
        in said
    )
    assert "declared to be acme_sight; says nothing about the weights" in said
    assert "text settings" not in said


def test_a_sketch_carries_it(run: Run, desk: Desk, model: Path, tmp_path: Path):
    sketch = tmp_path / "nova.sketch"
    run("sketch", model, "-o", sketch)
    answers = [run("whois", one, "--index", desk.index, "--json").json["witnesses"] for one in (model, sketch)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "3 of 3 vision settings are those of acme/Sight-VL"),
        ("ko", "비전 설정 3개 가운데 3개가 acme/Sight-VL 모델의 설정과 같음"),
    ],
)
def test_the_page_has_each_setting_beside_theirs(run: Run, desk: Desk, model: Path, tmp_path: Path, language, said):
    page = tmp_path / "nova.html"
    assert run("whois", model, "--index", desk.index, "--report", page, "--lang", language).code == 0
    section = section_of(page, "witnesses")
    assert said in section
    assert "<code>num_hidden_layers</code>" in section
    assert "https://example.org/sight" in section


def test_an_audit_from_scratch_lists_it_apart(run: Run, desk: Desk, model: Path):
    done = run("audit", model, "--policy", "from-scratch", "--index", desk.index)
    assert "configuration: 3 of 3 vision settings" in " ".join(done.out.split())
    value = run("audit", model, "--policy", "from-scratch", "--index", desk.index, "--json").json
    check("audit.json", value)
    assert value["witnesses"]["configuration"]["parts"]


def test_a_damaged_list_is_one_line(run: Run, desk: Desk, model: Path, tmp_path: Path):
    (tmp_path / "shipped" / "configurations.json").write_text('{"configurations": [{"model": 1}]}')
    done = run("whois", model, "--index", desk.index)
    assert done.code == 12
    assert done.err.count("\n") == 1
    assert "is not a list of configurations" in done.err
