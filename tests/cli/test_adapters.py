"""An adapter on the command line: alone, in an index, and merged onto its base."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.adapter_files import Factors, drawn, write_adapter
from tests.cli.conftest import Desk, Run
from tests.cli.test_schemas import check
from tests.small_models import saved, trained

MODULES = {
    name.removesuffix(".weight"): (array.shape[0], array.shape[1])
    for name, array in trained(1).items()
    if array.ndim == 2 and "layer." in name
}
FACTORS: Factors = drawn(MODULES, rank=4, seed=3, size=0.004)


@pytest.fixture
def lora(desk: Desk) -> Path:
    return write_adapter(desk.folder / "lora", FACTORS, base_model_name_or_path="org/base")


@pytest.fixture
def words(run: Run, desk: Desk, lora: Path) -> tuple[Any, ...]:
    """The options of an index that holds the base, its child by the adapter, a fine-tune and an unrelated model."""
    merged = {**trained(1)}
    for module, (b, a) in FACTORS.items():
        merged[f"{module}.weight"] = merged[f"{module}.weight"] + np.float32(2.0) * (b @ a)
    child = saved(merged, desk.folder / "merged.safetensors")
    assert run("ingest", desk.base, desk.child, desk.stranger, child, "--index", desk.index).code == 0
    return "--index", desk.index, "--no-reference"


def test_whois_names_base_fit_and_the_child_that_it_was_merged_into(run: Run, words: tuple[Any, ...], lora: Path):
    done = run("whois", lora, *words)
    assert done.code == 0, done.err
    page = " ".join(done.out.split())
    assert page.startswith("lora RELATED")
    assert f"adapter: LoRA of rank 4, changes {len(MODULES)} tensors; it is never compared with weights" in page
    assert f"base: declared to be org/base; all {len(MODULES)} shapes fit base" in page
    assert "shapes also fit: child, merged, stranger (of 4 models opened)" in page
    assert "merged into merged on top of base: r 1, z" in page
    assert "base and adapter give 100% of the values that moved, within rounding" in page
    assert "searched: 0 adapters and the differences of 6 pairs of near models that it fits" in page
    assert "declared: adapter org/base (adapter_config.json base_model_name_or_path)" in page


def test_whois_as_json_follows_the_schema(run: Run, words: tuple[Any, ...], lora: Path, desk: Desk):
    answer = run("whois", lora, *words, "--json").json
    check("whois.json", answer)
    (found,) = answer["adapter"]["found_in"]
    assert (found["word"], found["child_name"], found["base_name"]) == ("merged", "merged", "base")
    assert answer["adapter"]["pairs_tried"] == 6
    assert answer["ancestors"] == []
    model = run("whois", desk.child, *words, "--json").json
    check("whois.json", model)
    assert model["adapter"] is None


def test_a_base_that_is_not_there_and_one_that_is_not_named(run: Run, words: tuple[Any, ...], desk: Desk):
    far = write_adapter(desk.folder / "far", FACTORS, base_model_name_or_path="org/elsewhere")
    done = " ".join(run("whois", far, *words).out.split())
    assert "base: declared to be org/elsewhere, which is not among the models searched" in done
    assert "merged into merged on top of base" in done
    bare = write_adapter(desk.folder / "bare", FACTORS, base_model_name_or_path=None)
    assert "base: none declared" in run("whois", bare, *words).out


def test_ingested_it_is_found_by_its_copies_and_by_no_model(run: Run, words: tuple[Any, ...], lora: Path, desk: Desk):
    before = run("whois", desk.child, *words, "--json").json
    done = run("ingest", lora, "--index", desk.index, "--json")
    assert [line["event"] for line in done.lines] == ["ingested"]
    assert run("list", *words).out.count("lora") == 1
    answer = run("whois", lora, *words, "--json").json
    assert (answer["verdict"], answer["ancestors"][0]["model_name"]) == ("identical", "lora")
    after = run("whois", desk.child, *words, "--json").json
    assert [after[key] for key in ("verdict", "ancestors", "alternatives")] == [
        before[key] for key in ("verdict", "ancestors", "alternatives")
    ]
    assert after["limits"]["models_searched"] == before["limits"]["models_searched"]


def test_in_the_graph_it_is_joined_to_its_declared_base_alone(run: Run, words: tuple[Any, ...], lora: Path, desk: Desk):
    measured = [edge for edge in run("graph", *words, "--json").json["edges"] if edge["source"] == "measured"]
    run("ingest", lora, "--index", desk.index)
    graph = run("graph", *words, "--json").json
    check("graph.json", graph)
    assert [edge for edge in graph["edges"] if edge["source"] == "measured"] == measured
    (own,) = [edge for edge in graph["edges"] if "lora" in (edge["parent_name"], edge["child_name"])]
    assert (own["source"], own["parent_name"], own["child_name"]) == ("declared", "base", "lora")
    for command in (("graph", "lora"), ("graph", "-o", desk.folder / "graph.svg")):
        done = run(*command, *words)
        assert done.code == 0, done.err


def test_its_trace_says_what_it_is_and_what_it_declares(run: Run, words: tuple[Any, ...], lora: Path, desk: Desk):
    run("ingest", lora, "--index", desk.index)
    done = run("trace", "lora", *words)
    assert done.code == 0, done.err
    assert "no parent found" not in done.out
    assert "an adapter: it adds to weights and does not descend from any" in done.out
    assert "base: declared to be org/base (adapter_config.json base_model_name_or_path), not measured" in done.out
    answer = run("trace", "lora", *words, "--json").json
    check("trace.json", answer)
    (base,) = answer["adapter"]["declared_bases"]
    assert (base["model"], base["relation"]) == ("org/base", "adapter")
    assert run("trace", "base", *words, "--json").json["adapter"] is None


@pytest.mark.parametrize("is_indexed", [False, True], ids=["new", "indexed"])
def test_its_report_joins_it_to_base_and_child(
    run: Run, words: tuple[Any, ...], lora: Path, desk: Desk, is_indexed: bool
):
    if is_indexed:
        run("ingest", lora, "--index", desk.index)
    target = desk.folder / "answer.json"
    assert run("whois", lora, *words, "--report", target).code == 0
    graph = json.loads(target.read_text())
    check("graph.json", graph)
    own = [edge for edge in graph["edges"] if "lora" in (edge["parent_name"], edge["child_name"])]
    assert [(e["source"], e["relation"], e["directed"], {e["parent_name"], e["child_name"]}) for e in own] == [
        ("declared", "inconclusive", True, {"base", "lora"}),
        ("measured", "adapter-merged", False, {"merged", "lora"}),
    ]


def test_a_statement_about_it_names_its_file_and_the_child(run: Run, words: tuple[Any, ...], lora: Path, desk: Desk):
    target = desk.folder / "lora.intoto.json"
    assert run("whois", lora, *words, "--report", target).code == 0
    statement = json.loads(target.read_text())
    weights = (lora / "adapter_model.safetensors").read_bytes()
    assert statement["subject"] == [
        {"name": "adapter_model.safetensors", "digest": {"sha256": sha256(weights).hexdigest()}}
    ]
    assert {node["name"] for node in statement["predicate"]["nodes"]} == {"lora", "base", "merged"}


def test_two_adapters_are_compared_and_an_adapter_and_a_model_are_not(run: Run, lora: Path, desk: Desk):
    other = write_adapter(desk.folder / "other", drawn(MODULES, rank=4, seed=9, size=0.004))
    done = run("compare", lora, other, "--json")
    check("compare.json", done.json)
    assert done.json["verdict"] == "independent"
    for pair in ((lora, desk.base), (desk.base, lora)):
        done = run("compare", *pair)
        assert (done.code, done.out) == (1, "")
        assert "lora is an adapter and base a model" in done.err


def test_it_cannot_be_taken_apart(run: Run, words: tuple[Any, ...], lora: Path):
    done = run("decompose", lora, *words)
    assert done.code == 1
    assert "lora is an adapter, not a model" in done.err


class TestMerging:
    def test_whois_of_a_base_with_an_adapter_names_the_base(
        self, run: Run, words: tuple[Any, ...], lora: Path, desk: Desk
    ):
        answer = run("whois", desk.base, "--adapter", lora, *words, "--json").json
        assert answer["checkpoint"]["name"] == "base+lora"
        assert answer["verdict"] in ("identical", "derived", "related")
        place = answer["place"]
        nearest = {c["model_name"] for stand in ("copies", "parents", "open") for c in place[stand]}
        assert {"base", "merged"} & nearest
        assert answer["adapter"] is None

    def test_the_sketch_is_that_of_the_merged_model(self, run: Run, words: tuple[Any, ...], lora: Path, desk: Desk):
        target = desk.folder / "merged.sketch"
        assert run("sketch", desk.base, "--adapter", lora, "-o", target).code == 0
        done = run("compare", target, "merged", *words, "--json")
        assert done.code == 0, done.err
        assert done.json["r"] > 0.999999
        assert run("compare", target, "base", *words, "--json").json["r"] < 0.9999

    def test_what_cannot_be_merged_is_one_line(self, run: Run, words: tuple[Any, ...], lora: Path, desk: Desk):
        sketch = desk.folder / "base.sketch"
        run("sketch", desk.base, "-o", sketch)
        for checkpoint, adapter, text in (
            (sketch, lora, "is a sketch: an adapter is merged onto weights"),
            (desk.base, desk.child, "is not a LoRA or DoRA adapter"),
            (lora, lora, "is an adapter itself"),
        ):
            done = run("whois", checkpoint, "--adapter", adapter, *words)
            assert (done.code, done.out) == (12, "")
            assert text in done.err
            assert done.err.count("\n") == 1


def test_an_adapter_that_was_held_against_nothing_is_not_independent(run: Run, desk: Desk) -> None:
    """Two models that it fits are in the index and no other adapter: nothing was found, and nothing could be."""
    words = ("--no-reference", "--index", desk.folder / "nothing")
    assert run("ingest", desk.base, desk.stranger, *words[1:]).code == 0
    for name, lora in (("peft", write_adapter(desk.folder / "peft", FACTORS)), ("nova", kohya(desk.folder / "nova"))):
        done = run("whois", lora, *words)
        assert (done.code, done.out.split()[:2]) == (0, [name, "INCONCLUSIVE"])
        assert f"adapter: LoRA of rank 4, changes {len(MODULES)} tensors" in done.out


def kohya(folder: Path) -> Path:
    """The same adapter as kohya's scripts write it."""
    folder.mkdir()
    arrays = {}
    for module, (up, down) in FACTORS.items():
        flat = f"lora_unet_{module.replace('.', '_')}"
        arrays |= {f"{flat}.lora_up.weight": up, f"{flat}.lora_down.weight": down, f"{flat}.alpha": np.array(8, "f4")}
    save_file(arrays, folder / "nova.safetensors")
    return folder / "nova.safetensors"
