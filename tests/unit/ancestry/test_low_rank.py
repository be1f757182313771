"""The rank of a difference is read off the sample, and a projected direction is distinguished from an adapter."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from lineage.ancestry import compare
from lineage.ancestry.pair.low_rank import delta_rank, projected_out
from lineage.types import TensorSketch
from lineage.types.facts.changes import LowRank
from lineage.types.facts.cues import Computable
from tests.synthetic import Arrays, encoder, sketch, tensor

BASE = encoder(1)
MATRICES = [n for n in BASE if "layer." in n and BASE[n].ndim == 2]
WRITERS = [n for n in MATRICES if n.endswith("output.dense.weight")]


def adapted(rank: int, seed: int = 5, names: list[str] = MATRICES) -> Arrays:
    """The base with an adapter of that rank merged into its matrices."""
    random = np.random.default_rng(seed)
    made = dict(BASE)
    for name in names:
        rows, columns = BASE[name].shape
        added = 0.02 * random.standard_normal((rows, rank)) @ random.standard_normal((rank, columns)) / np.sqrt(rank)
        made[name] = (BASE[name] + added).astype(np.float32)
    return made


def ablated(seed: int = 5) -> Arrays:
    """The base with one direction projected out of all that writes to the residual stream."""
    direction = np.random.default_rng(seed).standard_normal(64).astype(np.float32)
    direction /= np.linalg.norm(direction)
    return {**BASE, **{n: BASE[n] - np.outer(direction, direction @ BASE[n]) for n in WRITERS}}


def weights(rank: int) -> tuple[np.ndarray, np.ndarray]:
    """A child and the parent that it is `rank` away from."""
    random = np.random.default_rng(7)
    parent = 0.05 * random.standard_normal((200, 300))
    added = 0.02 * random.standard_normal((200, rank)) @ random.standard_normal((rank, 300)) / np.sqrt(rank)
    return (parent + added).astype(np.float32), parent.astype(np.float32)


def pair(rank: int, dtype: object = np.float32) -> tuple[TensorSketch, TensorSketch]:
    """The same, the child stored in a type."""
    child, parent = weights(rank)
    return tensor(child.astype(dtype).astype(np.float32)), tensor(parent)


@pytest.mark.parametrize("rank", [1, 2, 4, 8, 16])
def test_a_low_rank_is_exact(rank):
    child, parent = pair(rank)
    assert delta_rank(child, parent, False) == delta_rank(parent, child, False) == rank


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_the_rank_shows_above_the_rounding_of_the_childs_type(dtype):
    assert delta_rank(*pair(2, dtype), False) == 2


def test_a_transposed_child_has_the_same_rank():
    child, parent = weights(4)
    assert delta_rank(tensor(np.ascontiguousarray(child.T)), tensor(parent), True) == 4


@pytest.mark.parametrize("noise", [1e-6, 1e-3, 0.1])
def test_training_of_every_weight_has_no_low_rank(noise):
    random = np.random.default_rng(3)
    parent = (0.05 * random.standard_normal((200, 300))).astype(np.float32)
    child = (parent + noise * random.standard_normal(parent.shape)).astype(np.float32)
    assert delta_rank(tensor(child), tensor(parent), False) is None


def test_a_decaying_spectrum_is_no_low_rank():
    random = np.random.default_rng(3)
    parent = (0.05 * random.standard_normal((200, 300))).astype(np.float32)
    sizes = 0.5 ** np.arange(200)
    left, right = np.linalg.qr(random.standard_normal((200, 200)))[0], random.standard_normal((200, 300))
    child = parent + (left * sizes) @ right
    assert delta_rank(tensor(child.astype(np.float32)), tensor(parent), False) is None


def test_rows_that_did_not_move_are_no_low_rank():
    random = np.random.default_rng(3)
    parent = (0.05 * random.standard_normal((200, 300))).astype(np.float32)
    child = parent.copy()
    child[:4] += random.standard_normal((4, 300)).astype(np.float32)
    assert delta_rank(tensor(child), tensor(parent), False) is None


def test_rounding_alone_has_no_rank():
    _, parent = pair(1)
    rounded = tensor(parent.values.astype(ml_dtypes.bfloat16).astype(np.float32))
    whole = tensor(parent.values)
    assert delta_rank(rounded, whole, False) is None


def test_an_adapter_is_named_with_its_rank_and_gives_no_direction():
    found = compare(sketch(adapted(4)), sketch(BASE))
    assert (found.relation, found.direction) == ("adapter-merged", "undirected")
    assert LowRank(4, len(MATRICES)) in found.basis


def test_an_adapter_far_from_the_base_is_still_one():
    heavy = {n: a if n not in MATRICES else BASE[n] + 8 * (a - BASE[n]) for n, a in adapted(2).items()}
    found = compare(sketch(heavy), sketch(BASE))
    assert found.relation == "adapter-merged"
    assert found.evidence.r < 0.8


def test_a_projected_direction_makes_the_poorer_side_the_child():
    child, parent = sketch(ablated(), name="child"), sketch(BASE, name="base")
    down, up = compare(child, parent), compare(parent, child)
    assert (down.relation, down.direction, up.direction) == ("fine-tuned", "child", "parent")
    assert down.basis[0] == Computable("this-model", "projection")


def test_adapters_of_rank_one_are_no_projection():
    child, parent = sketch(adapted(1, names=WRITERS)), sketch(BASE)
    by_name = {t.name: t for t in parent.tensors}
    held = [(t, by_name[t.name], False) for t in child.tensors if t.name in WRITERS]
    assert len(held) >= 3
    assert projected_out(held) is None
    assert compare(child, parent).relation == "adapter-merged"


def test_no_pairs_no_projection():
    assert projected_out([]) is None
