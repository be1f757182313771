"""The comparison with other tools: what counts as right, how answers are read, and files whose truth is as written."""

from __future__ import annotations

import json
import sys

import ml_dtypes
import numpy as np
import pytest
from bench_peers import FULL_S, SKETCHED, Placed, Ran, answered, missed, outcome, place_of, report, run
from peers.files import CONFIG, ROWS, TRAINED_ROWS, make_files, take_trained
from peers.tools import LINEAGE, TOOLS, Tool

from lineage import api
from lineage.types import Relation

SMALL = {
    **CONFIG,
    "vocab_size": 512,
    "hidden_size": 96,
    "intermediate_size": 192,
    "num_hidden_layers": 8,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
}
BY_KIND = {row.kind: row for row in ROWS}


def said(tool: Tool, text: str, kind: str, wall_s: float = 1.0):
    return answered(tool, BY_KIND[kind], Ran((text,), wall_s, 1.0, 100.0))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    make_files(folder, SMALL)
    return folder


def test_a_denial_is_right_for_strangers_only_and_a_word_that_decides_nothing_never() -> None:
    kin, strangers = BY_KIND["tuned"], BY_KIND[""]
    assert [outcome(kin, word) for word in ("related", "not related", "open")] == ["right", "missed", "open"]
    assert [outcome(strangers, word) for word in ("related", "not related", "open")] == ["false", "right", "open"]


@pytest.mark.parametrize("tool", [LINEAGE, *TOOLS], ids=lambda tool: tool.name)
def test_words_that_say_what_was_done_claim_a_relation(tool: Tool) -> None:
    assert {tool.said(word) for word in tool.details} <= {"related"}
    assert frozenset().union(*tool.details.values()) <= BY_KIND.keys()
    assert {tool.said(word) for word in ("a word of a later version", "no answer")} == {"open"}


def test_every_relation_of_this_project_is_read() -> None:
    mine = {str(one) for one in Relation} - {"sibling"}
    assert LINEAGE.words.keys() >= mine


def test_answers_are_read_as_the_tools_print_them() -> None:
    dna, kit, scope, print_ = TOOLS
    answer = said(dna, json.dumps({"verdict": {"verdict": "QUANTIZED_COPY"}}), "quantized")
    assert (answer.word, answer.outcome, answer.is_right_detail) == ("QUANTIZED_COPY", "right", True)
    assert not said(dna, json.dumps({"verdict": {"verdict": "FINE_TUNE"}}), "pruned").is_right_detail
    assert said(kit, json.dumps({"scores": {"provenance_decision": "Confirmed Match"}}), "").outcome == "false"
    ranked = "| Rank | Candidate | Sparsity | Changed | Verdict |\n|---:|---|---:|---:|---|\n"
    row = "| 1 | `base` | 8.54% | 80,578,809 / 88,099,584 (91.46%) | `likely_descendant` |\n"
    assert said(scope, ranked + row, "continued").word == "likely_descendant"
    assert said(scope, ranked + "| 1 | `base` | — | — | failed: no such file |\n", "tuned").outcome == "open"
    both = tuple(json.dumps({"content_fingerprint": text}) for text in ("a", "b"))
    assert answered(print_, BY_KIND["tuned"], Ran(both, 1.0, 1.0, 1.0)).outcome == "missed"


@pytest.mark.parametrize("text", ["", "Error: it failed", "{}", "[]"])
@pytest.mark.parametrize("tool", TOOLS[:3], ids=lambda tool: tool.name)
def test_a_tool_that_fails_has_not_answered(tool: Tool, text: str) -> None:
    answer = said(tool, text, "tuned")
    assert (answer.word, answer.outcome) == ("no answer", "open")


def test_a_merge_is_placed_by_its_weight_and_others_by_what_they_inherited() -> None:
    parent = {"model": "m", "relation": "merged", "weight": 0.6}
    answer = {"verdict": "derived", "place": {"parents": [parent]}, "components": []}
    assert place_of(BY_KIND["merged"], answer) == Placed(BY_KIND["merged"], "merged", 0.6, is_right=True)
    parent = {"model": "m", "relation": "component-reused"}
    parts = [
        {"model": "m", "share": 0.857, "inherited": {"share": 0.214}},
        {"model": None, "share": 0.143, "inherited": None},
    ]
    answer = {"verdict": "related", "place": {"open": [parent]}, "components": parts}
    assert place_of(BY_KIND["grafted"], answer).is_right
    parts[0]["inherited"] = {"share": 0.857}
    assert not place_of(BY_KIND["grafted"], answer).is_right
    nobody = {"verdict": "independent", "place": {}, "components": []}
    assert place_of(BY_KIND[""], nobody).is_right
    assert not place_of(BY_KIND["tuned"], nobody).is_right


def test_the_page_names_bars_that_are_missed_and_pairs_that_are_left_out() -> None:
    fast, slow = (said(LINEAGE, json.dumps({"relation": "fine-tuned"}), "tuned", FULL_S * k) for k in (0.9, 1.1))
    assert not missed([fast])
    assert len(missed([slow])) == 1
    text = report([slow], [], {})
    assert "MISSED lineage" in text
    assert all(row.name in text for row in TRAINED_ROWS)
    assert SKETCHED not in text


def test_time_and_memory_are_those_of_the_commands(tmp_path) -> None:
    (tmp_path / "hold").write_text(f"#!{sys.executable}\nheld = bytearray(b'x' * 200_000_000)\nprint(len(held))\n")
    (tmp_path / "hold").chmod(0o755)
    done = run([("hold",), ("hold",)], tmp_path, tmp_path / "home", tmp_path)
    assert done.printed == ("200000000\n", "200000000\n")
    assert 200 < done.peak_mb < 400
    held = bytearray(b"x" * 300_000_000)  # what the one that asks holds does not count
    (tmp_path / "small").write_text(f"#!{sys.executable}\n")
    (tmp_path / "small").chmod(0o755)
    assert run([("small",)], tmp_path, tmp_path / "home", tmp_path).peak_mb < 100
    assert len(held) == 300_000_000
    assert done.cpu_s > 0
    assert done.wall_s > 0


def test_the_files_are_what_the_rows_say(files) -> None:
    kept = {name: _read(files, name) for name in ("base", "tuned", "tuned-other", "merge", "grafted", "apart")}
    base = kept["base"]
    assert {row.child for row in ROWS} <= {one.name for one in files.iterdir()}
    mixed = {name: 0.6 * kept["tuned"][name] + 0.4 * kept["tuned-other"][name] for name in base}
    assert all(np.allclose(kept["merge"][name], mixed[name], rtol=2**-8, atol=0) for name in base)
    for name, array in kept["grafted"].items():
        assert np.array_equal(array, base[name]) == (".self_attn." in name)
    for child, cosine in (("continued-95", 0.95), ("continued-80", 0.8)):
        assert _cosine(_read(files, child), base) == pytest.approx(cosine, abs=0.01)
    assert abs(_cosine(kept["apart"], base)) < 0.02


def test_the_files_look_alike_to_nothing_but_weights(files) -> None:
    base, apart = _read(files, "base"), _read(files, "apart")
    gains = [name for name in base if name.endswith("norm.weight")]
    assert np.median([np.corrcoef(base[n], apart[n])[0, 1] for n in gains]) > 0.9
    assert str(api.compare(files / "apart", files / "base").verdict) == "independent"


def test_trained_models_are_taken_as_they_are(files, tmp_path) -> None:
    take_trained(tmp_path, *(files / name for name in ("base", "apart", "tuned")))
    for row in TRAINED_ROWS:
        for name in (row.child, row.parent):
            assert {one.name for one in (tmp_path / name).iterdir()} >= {"tokenizer.json", "config.json"}
    assert _cosine(_read(tmp_path, "trained-tuned"), _read(tmp_path, "trained")) > 0.99


def _read(folder, name):
    raw = (folder / name / "model.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    held = json.loads(raw[8 : 8 + length])
    body = raw[8 + length :]
    return {
        tensor: np.frombuffer(body[slice(*told["data_offsets"])], ml_dtypes.bfloat16)
        .astype(np.float32)
        .reshape(told["shape"])
        for tensor, told in held.items()
        if tensor != "__metadata__"
    }


def _cosine(a, b) -> float:
    one, other = (np.concatenate([x[n].ravel() for n in sorted(b) if x[n].ndim == 2]) for x in (a, b))
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
