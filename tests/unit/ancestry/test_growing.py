"""A graph that grows gives what a fresh one gives, and asks only about the new model's neighbours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import pytest

from lineage.ancestry import graph
from lineage.sketch import write_sketch
from lineage.store import SketchFolder
from lineage.types import CheckpointSketch, Edge, Lineage, Node, Relation
from tests.synthetic import encoder, sketch
from tests.unit.ancestry.test_graph import FAMILY, arrows, trained

STRANGERS = {f"stranger{i}": encoder(30 + i, 2) for i in range(3)}
TEXT = encoder(21, 3)
SIGHT = {f"vision_tower.{name}": array for name, array in encoder(22, 3).items()}
PARTS = {
    "text": TEXT,
    "sight": SIGHT,
    "both": trained(TEXT, 5, 0.05) | SIGHT,
}


@cache
def sketched(name: str) -> CheckpointSketch:
    if name == "root again":  # at the other depth it has another id
        return sketch(FAMILY["root"], "sampled", name=name)
    return sketch({**FAMILY, **STRANGERS, **PARTS}[name], name=name)


def folder(place, names: Iterable[str]) -> SketchFolder:
    (place / "sketches").mkdir(parents=True)
    for name in names:
        model = sketched(name)
        write_sketch(model, place / "sketches" / f"{model.id}.sketch")
    return SketchFolder(place)


def edges(lineage: Lineage) -> set[tuple[str, str, str]]:
    return {(parent, child, word) for (parent, child), word in arrows(lineage).items()}


@pytest.mark.parametrize("late", ["grandchild", "merge", "cast", "int8", "stranger", "child", "root"])
def test_a_model_that_comes_late_finds_the_same_place(tmp_path, late):
    models = [*FAMILY, *STRANGERS]
    before = graph([folder(tmp_path / "before", [name for name in models if name != late])])
    asked: list[int] = []
    after = graph([folder(tmp_path / "after", models)], known=before, watch=lambda done, total: asked.append(done))
    whole = graph([folder(tmp_path / "whole", models)])
    assert edges(after) == edges(whole)
    assert {(n.name, n.root) for n in after.nodes} == {(n.name, n.root) for n in whole.nodes}
    assert len(asked) < 2 * len(FAMILY)


def test_an_unobserved_parent_among_the_neighbours_is_left_in_place(tmp_path):
    before = graph([folder(tmp_path / "before", [name for name in FAMILY if name != "grandchild"])])
    missing = Node("unobserved-1", "not in the index", 1, observed=False)
    ids = {node.name: node.id for node in before.nodes}
    edges = [e for e in before.edges if (e.parent, e.child) != (ids["root"], ids["child"])]
    steps = [(ids["root"], missing.id), (missing.id, ids["child"])]
    inferred = [Edge(parent, child, Relation.FINE_TUNED, True, "measured") for parent, child in steps]
    known = replace(before, nodes=(*before.nodes, missing), edges=(*edges, *inferred))
    after = graph([folder(tmp_path / "after", FAMILY)], known=known)
    found = {(edge.parent, edge.child) for edge in after.edges}
    late = next(node.id for node in after.nodes if node.name == "grandchild")
    assert {*steps, (ids["child"], late)} <= found


def test_a_copy_joins_its_node(tmp_path):
    before = graph([folder(tmp_path / "before", ["root", "child"])])
    after = graph([folder(tmp_path / "after", ["root", "child", "root again"])], known=before)
    assert {(n.name, n.aliases) for n in after.nodes} == {("root", ("root again",)), ("child", ())}


def test_a_graph_with_models_that_are_gone_is_drawn_again(tmp_path):
    before = graph([folder(tmp_path / "before", FAMILY)])
    left = [name for name in FAMILY if name != "child"]
    after = graph([folder(tmp_path / "after", left)], known=before)
    assert {n.name for n in after.nodes} == set(left)
    assert edges(after) == edges(graph([folder(tmp_path / "again", left)]))


def test_components_from_two_models_have_both_as_sources(tmp_path):
    found = graph([folder(tmp_path, ["text", "sight", "both", *STRANGERS])])
    names = {node.id: node.name for node in found.nodes}
    assert {(names[e.parent], names[e.child], e.directed) for e in found.edges} == {
        ("text", "both", True),
        ("sight", "both", True),
    }
