"""The graph over the carried part of the trained zoo, held against how its models were made.

`python scripts/benchmark_lineage.py --zoo tests/fixtures/zoo --explain` prints every figure and every wrong edge; where
the graph has become better, raise LEAST to a little under what is printed. `scripts/make_zoo.py --subset` makes the
fixtures.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmark.accusations import shared_init_pairs, unrelated_pairs
from benchmark.edges import adjusted_rand, ancestors
from benchmark.figure import f1
from benchmark.said import Said, families, has_parent, is_joined, is_right, said_edges
from benchmark.truth import Truth, Zoo, read_zoo, truth_of
from zoo import subset

from lineage.ancestry import graph, whois
from lineage.checkpoints import open_checkpoint
from lineage.sketch import read_sketch, sketch_checkpoint
from lineage.store import SketchFolder

ZOO = Path(__file__).parents[2] / "fixtures" / "zoo"
REMAKE = "the sketches have changed: scripts/make_zoo.py --cache DIR --subset tests/fixtures/zoo makes them anew"

# A little under what was measured last.
LEAST = {
    "family ARI": 0.95,
    "undirected F1": 0.93,
    "directed F1": 0.80,
    "directed typed F1": 0.77,
    "ancestors F1": 0.85,
    "committed": 0.85,
    "right of committed": 0.90,
    "merge parents": 0.90,
    "layers of changed depth": 0.90,
}
FOUND = ["continued-pretraining", "depth-changed", "fine-tuned", "merged", "pruned", "quantized", "re-encoded"]
EXACT = ("linear", "slerp", "task")


@pytest.fixture(scope="module")
def zoo() -> Zoo:
    return read_zoo(ZOO / "truth.json", "calibration")


@pytest.fixture(scope="module")
def held(zoo: Zoo) -> tuple[Said, Truth]:
    found = graph([SketchFolder(ZOO)])
    return said_edges(found), truth_of(zoo, found)


def reaches(name: str, measured: float) -> None:
    assert measured >= LEAST[name], f"{name} was {LEAST[name]} at least, is {measured:.3f}"


def test_models_of_one_family_stand_together(held):
    said, truth = held
    reaches("family ARI", adjusted_rand(truth.families, families(said, list(truth.families))))


def test_edges_join_the_right_models_the_right_way_and_are_called_by_their_name(held):
    said, truth = held
    joined = sum(is_joined(edge, truth) for edge in said.values())
    pointed = sum(map(right_way(truth), said.values()))
    typed = sum(is_right(edge, truth) for edge in said.values())
    for name, hits in (("undirected F1", joined), ("directed F1", pointed), ("directed typed F1", typed)):
        reaches(name, f1(hits, len(said), len(truth.edges))[2])
    reaches("ancestors F1", ancestors(said, truth)[2])


def right_way(truth: Truth):
    return lambda edge: edge.directed and (edge.parent, edge.child) in truth.edges


def test_directions_are_given_and_are_right(held):
    said, truth = held
    joined = [e for e in said.values() if is_joined(e, truth)]
    committed = [e for e in joined if e.directed]
    reaches("committed", len(committed) / len(joined))
    reaches("right of committed", sum(map(right_way(truth), committed)) / len(committed))


def test_parents_of_merges_are_found_with_their_weights(held):
    said, truth = held
    merged = {ends: true for ends, true in truth.edges.items() if true["weight"] is not None}
    reaches("merge parents", sum(ends in said and said[ends].weight is not None for ends in merged) / len(merged))
    exact = {ends: true for ends, true in merged.items() if true["operator"] in EXACT}
    assert exact
    errors = [abs(said[ends].weight - true["weight"]) for ends, true in exact.items()]
    assert max(errors) <= 0.01


def test_only_merges_are_called_merges(held):
    said, truth = held
    merges = {child for (_, child), true in truth.edges.items() if true["relation"] == "merged"}
    assert {edge.child for edge in said.values() if edge.weight is not None} <= merges


def test_layers_that_were_dropped_or_doubled_are_mapped_to_where_they_came_from(held):
    said, truth = held
    deep = {ends: true["layer_map"] for ends, true in truth.edges.items() if true["relation"] == "depth-changed"}
    assert deep
    claimed = {(ends, pair) for ends in deep if ends in said for pair in said[ends].layer_map or ()}
    true = {(ends, tuple(pair)) for ends, pairs in deep.items() for pair in pairs}
    reaches("layers of changed depth", len(claimed & true) / len(claimed | true))


@pytest.mark.parametrize("relation", FOUND)
def test_a_relation_is_recognised_with_its_parent(held, relation):
    said, truth = held
    expected = [ends for ends, true in truth.edges.items() if true["relation"] == relation]
    assert any(has_parent(said, ends) and said[ends].relation == relation for ends in expected)


def test_nothing_joins_unrelated_models(held):
    said, truth = held
    strangers = {frozenset(pair) for pair in unrelated_pairs(truth)}
    assert len(strangers) > 500
    assert not strangers & {frozenset(ends) for ends in said}
    parts = families(said, list(truth.names))
    assert not [pair for pair in strangers if len({parts[node] for node in pair}) == 1]


def test_models_that_share_an_initialisation_only_are_never_called_derived(held):
    said, truth = held
    alike = {frozenset(pair) for pair in shared_init_pairs(truth)}
    assert alike
    assert {edge.relation for ends, edge in said.items() if frozenset(ends) in alike} <= {"shared-init"}


# -- the fixtures themselves


def test_the_subset_has_every_relation_and_operator(zoo):
    shown = set(zoo.shown)
    assert shown == set(subset.names())
    edges = [edge for edge in zoo.edges if {edge["parent"], edge["child"]} <= shown]
    assert {edge["relation"] for edge in edges} == {
        "adapter-merged", "component-reused", "continued-pretraining", "depth-changed", "expert-upcycled", "fine-tuned",
        "merged", "pruned", "quantized", "re-encoded", "shared-init", "vocabulary-changed", "width-pruned",
    }  # fmt: skip
    assert {zoo.models[name]["operator"] for name in shown} >= {
        "init", "sft", "continued", "lora", "dpo", "width", "layers", "extended", "reordered", "upcycled", "decoder",
        "linear", "slerp", "task", "ties", "dare", "passthrough",
    }  # fmt: skip
    assert {scheme for edge in edges if (scheme := edge["scheme"])} >= {"int8", "int4", "half", "2:4", "bfloat16"}


def test_the_kept_sketches_are_what_this_version_makes_of_the_checkpoints():
    kept = {sketch.name: sketch for path in (ZOO / "sketches").iterdir() for sketch in [read_sketch(path)]}
    assert {sketch.path for sketch in kept.values()} == {""}
    for name in subset.WHOLE:
        made = sketch_checkpoint(open_checkpoint(ZOO / "checkpoints" / name))
        assert made.id == kept[name].id, REMAKE
        for ours, theirs in zip(made.tensors, kept[name].tensors, strict=True):
            assert (ours.name, ours.shape, ours.part, ours.digest) == (
                theirs.name, theirs.shape, theirs.part, theirs.digest
            ), REMAKE  # fmt: skip
            np.testing.assert_array_equal(ours.values, theirs.values, REMAKE)
            for mine, other in zip(ours.units, theirs.units, strict=True):
                if mine is not None:
                    np.testing.assert_allclose(mine.scale, other.scale, rtol=1e-4, err_msg=REMAKE)


def test_a_whole_checkpoint_is_placed_among_the_sketches(tmp_path):
    name = "cnn-1-low.bf16"
    query = sketch_checkpoint(open_checkpoint(ZOO / "checkpoints" / name))
    (tmp_path / "sketches").mkdir()
    for path in (ZOO / "sketches").iterdir():
        if path.stem != query.id:
            (tmp_path / "sketches" / path.name).write_bytes(path.read_bytes())
    answer = whois(query, [SketchFolder(tmp_path)])
    assert (answer.ancestors[0].model_name, answer.ancestors[0].relation) == ("cnn-1-low", "re-encoded")


def test_the_subset_is_small_enough_to_carry():
    files = [path for path in ZOO.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 16_000_000
    assert len(json.loads((ZOO / "truth.json").read_text(encoding="utf-8"))["nodes"]) < 100
