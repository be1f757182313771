"""The graph: copies folded, trees rooted at an initialisation, merges, declared edges apart, honest abstention."""

from __future__ import annotations

import numpy as np
import pytest
from operators import cast, int8_rows, matrices

from lineage.ancestry import compare, decompose, graph, part_of, whois
from lineage.report.text.terminal import whois_screen
from lineage.report.words import texts
from lineage.sketch import write_sketch
from lineage.store import SketchFolder
from lineage.types import CheckpointSketch, Declared, Lineage
from lineage.types.facts.descent import NamedIn
from tests.synthetic import Arrays, encoder, sketch

_GAIN = "LayerNorm.weight"


def trained(base: Arrays, seed: int, share: float) -> Arrays:
    """More training: every tensor moves, gains and biases too."""
    generator = np.random.default_rng(seed)
    return {
        n: (a + share * (a.std() or 0.05) * generator.standard_normal(a.shape)).astype(np.float32)
        for n, a in base.items()
    }


def begun(seed: int) -> Arrays:
    """An initialisation: random matrices, constant gains and biases."""
    return {
        n: a if a.ndim > 1 else np.full_like(a, 1.0 if n.endswith(_GAIN) else 0.0) for n, a in encoder(seed, 4).items()
    }


INIT = begun(1)
ROOT = trained(INIT, 2, 0.8)
CHILD = trained(ROOT, 3, 0.15)
SIBLING = trained(ROOT, 4, 0.15)
MERGE = {n: (np.float32(0.3) * CHILD[n] + np.float32(0.7) * SIBLING[n]) for n in ROOT}
FAMILY: dict[str, Arrays] = {
    "init": INIT,
    "root": ROOT,
    "child": CHILD,
    "grandchild": trained(CHILD, 5, 0.1),
    "sibling": SIBLING,
    "merge": MERGE,
    "cast": cast("bfloat16")(CHILD),
    "int8": matrices(int8_rows)(SIBLING),
    "stranger": trained(begun(8), 9, 0.8),
}


def index(folder, models: list[CheckpointSketch]) -> SketchFolder:
    (folder / "sketches").mkdir()
    for model in models:
        write_sketch(model, folder / "sketches" / f"{model.id}.sketch")
    return SketchFolder(folder)


@pytest.fixture(scope="module")
def family(tmp_path_factory) -> Lineage:
    models = [sketch(arrays, name=name) for name, arrays in FAMILY.items()]
    return graph([index(tmp_path_factory.mktemp("family"), models)])


def arrows(lineage: Lineage) -> dict[tuple[str, str], str]:
    name = {node.id: node.name for node in lineage.nodes}
    return {(name[e.parent], name[e.child]): e.relation for e in lineage.edges if e.directed}


def test_every_edge_is_the_true_one_and_points_the_true_way(family):
    assert arrows(family) == {
        ("init", "root"): "shared-init",
        ("root", "child"): "fine-tuned",
        ("root", "sibling"): "fine-tuned",
        ("child", "grandchild"): "fine-tuned",
        ("child", "merge"): "merged",
        ("sibling", "merge"): "merged",
        ("child", "cast"): "re-encoded",
        ("sibling", "int8"): "quantized",
    }


def test_merge_edges_carry_their_weights(family):
    weights = sorted(edge.weight for edge in family.edges if edge.weight is not None)
    assert weights == pytest.approx([0.3, 0.7], abs=0.01)


def test_the_components_of_a_merge_are_not_said_to_be_tuned_from_one_of_its_parents(tmp_path):
    models = {name: sketch(arrays, name=name) for name, arrays in FAMILY.items()}
    query = models.pop("merge")
    answer = whois(query, [index(tmp_path, list(models.values()))])
    assert {one.model_name for one in answer.place.parents} == {"child", "sibling"}
    assert {part.relation for part, _, _ in answer.components} == {"merged"}
    said = whois_screen(answer)
    assert "merged, nearest to sibling" in said
    assert "tuned from" not in said


def test_roots_are_the_beginnings(family):
    assert {node.name for node in family.nodes if node.root} == {"init", "stranger"}


def test_lightly_trained_siblings_of_one_initialisation_are_not_derived():
    left, right = (sketch(trained(INIT, seed, 0.2), name=str(seed)) for seed in (21, 22))
    found = compare(left, right)
    assert found.evidence.r > 0.9
    assert (found.verdict, found.relation) == ("related", "shared-init")


def test_without_a_cue_two_relatives_stay_undirected(tmp_path):
    found = graph([index(tmp_path, [sketch(ROOT, name="a"), sketch(CHILD, name="b")])])
    assert [edge.directed for edge in found.edges] == [False]


def test_unrelated_models_are_not_joined(tmp_path):
    found = graph([index(tmp_path, [sketch(ROOT, name="a"), sketch(FAMILY["stranger"], name="b")])])
    assert found.edges == ()


def test_a_part_of_the_graph(tmp_path):
    models = [sketch(arrays, name=name) for name, arrays in FAMILY.items()]
    opened = index(tmp_path, models)
    merge = next(model.id for model in models if model.name == "merge")
    near = part_of(graph([opened]), merge, only_neighbours=True)
    assert {node.name for node in near.nodes} == {"merge", "child", "sibling"}
    whole = part_of(graph([opened]), merge, only_neighbours=False)
    assert {node.name for node in whole.nodes} == set(FAMILY) - {"stranger"}


def test_declared_edges_stand_apart_and_are_held_against_the_weights(tmp_path):
    false = sketch(FAMILY["stranger"], name="stranger", declared=(Declared("org/Root", None, "README.md base_model"),))
    found = graph([index(tmp_path, [sketch(ROOT, name="root"), false])])
    (edge,) = found.edges
    assert (edge.source, edge.basis) == ("declared", (NamedIn("README.md base_model"),))
    assert texts(found.contradictions) == [
        "stranger declares org/Root (README.md base_model): the weights show no relation"
    ]


def test_decompose_names_the_parts_of_a_merge_and_of_nothing_else(tmp_path):
    opened = index(tmp_path, [sketch(FAMILY[name], name=name) for name in ("root", "child", "sibling", "stranger")])
    merge = decompose(sketch(MERGE, name="merge"), [opened])
    assert merge is not None
    assert [(part.model_name, round(part.weight, 2)) for part in merge.parts] == [("sibling", 0.7), ("child", 0.3)]
    assert decompose(sketch(FAMILY["grandchild"], name="x"), [opened]) is None
