"""Experts find the MLP that they were made of, and one another in whatever order."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lineage.ancestry import compare
from lineage.match import match
from lineage.match.blocks import expert_of, stacks
from lineage.match.experts import expert_map
from lineage.types import CheckpointSketch
from tests.model_shapes import llama, stacked_experts
from tests.small_models import tuned
from tests.synthetic import Arrays, sketch

MLP = re.compile(r"(model\.layers\.\d+)\.mlp\.(gate|up|down)_proj\.weight")
RENAMED = {"gate": "w1", "up": "w3", "down": "w2"}
EXPERTS = 4


def dense(seed: int, layers: int = 2) -> Arrays:
    random = np.random.default_rng(seed)
    return {
        n: (0.05 * random.standard_normal(s) + (1 if "norm" in n else 0)).astype(np.float32)
        for n, s in llama(layers)
        if "inv_freq" not in n
    }


def mixture(models: list[Arrays], seed: int = 0) -> Arrays:
    """A Mixtral whose expert e is the MLP of model e; all else is the first model's."""
    random = np.random.default_rng(seed)
    made: Arrays = {}
    for name, array in models[0].items():
        found = MLP.fullmatch(name)
        if found is None:
            made[name] = array
            continue
        at = f"{found[1]}.block_sparse_moe"
        made |= {f"{at}.experts.{e}.{RENAMED[found[2]]}.weight": m[name] for e, m in enumerate(models)}
        made[f"{at}.gate.weight"] = random.standard_normal((len(models), array.shape[-1])).astype(np.float32)
    return made


def reordered(arrays: Arrays, order: list[int]) -> Arrays:
    """Expert e becomes expert order[e], in every layer."""
    return {re.sub(r"experts\.(\d+)", lambda m: f"experts.{order[int(m[1])]}", n): a for n, a in arrays.items()}


def restacked(arrays: Arrays, order: list[int]) -> Arrays:
    """The layers of a model in another order."""
    made = {n: a for n, a in arrays.items() if "layers." not in n}
    for new, old in enumerate(order):
        made |= {n.replace(f"layers.{old}.", f"layers.{new}."): a for n, a in arrays.items() if f"layers.{old}." in n}
    return made


def known(arrays: Arrays) -> CheckpointSketch:
    return sketch(arrays, config={"model_type": "llama"})


BASE = dense(1)
SPREAD = [tuned(BASE, seed=10 + e, by=0.3) for e in range(EXPERTS)]


@pytest.mark.parametrize("by", [0.0, 0.1, 0.5])
def test_every_expert_of_an_upcycled_model_faces_the_one_mlp_of_its_layer(by):
    child = known(tuned(mixture([BASE] * EXPERTS), seed=2, by=by))
    found = match(child, known(BASE))
    held = [t for t in found.tensors if t.role.startswith("expert-")]
    assert len(held) == EXPERTS * 3 * 2
    for t in held:
        assert t.layers[0] == t.layers[1]
        assert t.b == re.sub(r"block_sparse_moe.*", f"mlp.{t.role.removeprefix('expert-')}_proj.weight", t.a)
    assert found.components["experts"].coverage > 0.97
    assert found.components["experts"].r == pytest.approx(1 / np.sqrt(1 + by * by), abs=0.02)
    assert expert_map(found.tensors) == tuple((e, "mlp") for e in range(EXPERTS))


def test_an_upcycled_model_has_its_word():
    found = compare(known(tuned(mixture([BASE] * EXPERTS), seed=2)), known(BASE))
    assert (found.relation, found.direction) == ("expert-upcycled", "undirected")  # tuned since: experts only lean
    assert {cue.direction for cue in found.cues if cue.name == "upcycled"} == {"child"}


@pytest.mark.parametrize("which", range(EXPERTS))
def test_an_mlp_faces_the_expert_that_it_became(which):
    found = match(known(tuned(SPREAD[which], seed=3)), known(mixture(SPREAD)))
    held = [t for t in found.tensors if ".mlp." in t.a]
    assert {expert_of(t.b) for t in held} == {which}
    assert {t.how for t in held} == ({"content"} if which else {"structure"})
    assert all(t.layers[0] == t.layers[1] and t.r > 0.99 for t in held)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 3, 0]])
def test_experts_that_changed_places_are_found(order):
    parent = mixture(SPREAD)
    child = known(reordered(tuned(parent, seed=4), order))
    found = match(child, known(parent))
    assert expert_map(found.tensors) == tuple(sorted((order[e], e) for e in range(EXPERTS)))
    assert found.components["experts"].r > 0.99


def test_copies_keep_their_numbers():
    parent = mixture([BASE] * EXPERTS)
    for child in (parent, tuned(parent, seed=5)):
        found = match(known(child), known(parent))
        assert expert_map(found.tensors) == tuple((e, e) for e in range(EXPERTS))
        assert {t.how for t in found.tensors} == {"structure"}


def test_more_experts_than_the_reference_has_face_the_nearest():
    found = match(known(mixture([*SPREAD, SPREAD[2], SPREAD[1]])), known(mixture(SPREAD)))
    assert expert_map(found.tensors) == ((0, 0), (1, 1), (2, 2), (3, 3), (4, 2), (5, 1))


def test_layers_and_experts_may_both_have_moved():
    order = [1, 0, 0]
    dropped = [restacked(model, order) for model in SPREAD]
    found = match(known(reordered(mixture(dropped), [2, 3, 0, 1])), known(mixture(SPREAD)))
    assert {t.layers for t in found.tensors if "experts" in t.a} == set(enumerate(order))
    assert expert_map(found.tensors) == ((0, 2), (1, 3), (2, 0), (3, 1))


@pytest.mark.parametrize("seed", range(3))
def test_unrelated_experts_are_paired_by_number_alone(seed):
    other = mixture([dense(100 + seed)] * EXPERTS, seed=100)
    copies = mixture([BASE] * EXPERTS)
    for query, reference in ((other, BASE), (BASE, other), (other, mixture(SPREAD)), (other, copies)):
        found = match(known(query), known(reference))
        assert {t.how for t in found.tensors} == {"structure"}
        assert found.overall.log10_p > -3
        assert not expert_map(found.tensors)


def test_experts_stacked_in_one_tensor_are_held_one_by_one():
    random = np.random.default_rng(6)
    arrays = {n: random.standard_normal(s).astype(np.float32) for n, s in stacked_experts() if "inv_freq" not in n}
    found = match(known(tuned(arrays, seed=1)), known(arrays))
    assert all(t.a == t.b and t.how == "structure" for t in found.tensors)
    assert expert_map(found.tensors) == ((0, 0), (1, 1), (2, 2), (3, 3))


def test_the_number_of_an_expert_is_read_from_its_name():
    assert expert_of("model.layers.3.block_sparse_moe.experts.12.w1.weight") == 12
    assert expert_of("model.layers.3.mlp.experts.gate_up_proj") is None
    assert expert_of("model.layers.3.mlp.shared_expert.up_proj.weight") is None
    assert expert_of("model.layers.3.mlp.up_proj.weight") is None


def test_experts_lie_in_the_blocks_of_their_tower():
    (stack,) = stacks(known(mixture(SPREAD)))
    assert (stack.path, stack.component) == (("layers",), "text decoder")
    assert set(stack.blocks) == {0, 1}
    assert [sorted(e) for e in stack.blocks[1].experts.values()] == [["down", "gate", "up"]] * EXPERTS
