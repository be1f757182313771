"""Layers that are copies of one another: found whatever their order, and never counted as so many independent tests."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.match.block_similarity import Cells
from lineage.match.evidence import match
from lineage.match.groups import groups, joined
from lineage.match.layers import best_path, carried
from lineage.types import Axis, CheckpointSketch, Part, TensorSketch
from tests.synthetic import Arrays, encoder, sketch, tensor

COPIES = 8


def layer(array: np.ndarray, number: int) -> TensorSketch:
    """A matrix whose rows are the MLP units of one layer."""
    return tensor(
        array, part=Part("text decoder", "up", number, (Axis(f"text decoder.{number}/mlp", True), Axis("x", False)))
    )


def layers(random: np.random.Generator, copied: bool) -> list[TensorSketch]:
    arrays = [random.standard_normal((64, 48)).astype(np.float32) for _ in range(COPIES)]
    return [layer(arrays[0 if copied else i], i) for i in range(COPIES)]


@pytest.mark.parametrize("copied", [(True, True), (True, False), (False, False)])
def test_layers_copied_in_both_models_are_not_so_many_tests(copied):
    zs = []
    for seed in range(250):
        random = np.random.default_rng(seed)
        mine, theirs = (layers(random, side) for side in copied)
        (group,) = groups((a, b, False) for a, b in zip(mine, theirs, strict=True)).values()
        test = group.test()
        assert test is not None
        zs.append(test.z)
    assert abs(np.mean(zs)) < 4 / math.sqrt(len(zs))
    assert np.std(zs) == pytest.approx(1, abs=0.15)  # eight tests of their own, added up, would give 2.8


def test_groups_add_up():
    random = np.random.default_rng(1)
    mine, theirs = layers(random, copied=False), layers(random, copied=False)
    pairs = [(a, b, False) for a, b in zip(mine, theirs, strict=True)]
    (whole,), (sum_,) = groups(pairs).values(), joined([groups(pairs[:3]), groups(pairs[3:])]).values()
    assert np.allclose(whole.agreement, sum_.agreement, atol=1e-4)
    assert whole.test().z == pytest.approx(sum_.test().z, abs=1e-3)
    assert whole.test().reach == pytest.approx(sum_.test().reach, rel=1e-5)


def all_alike(arrays: Arrays) -> CheckpointSketch:
    """Every layer of a model is its first one."""
    return sketch(
        {n: arrays[n.replace(f"layer.{n.split('.')[3]}.", "layer.0.") if "layer." in n else n] for n in arrays}
    )


@pytest.mark.parametrize("seed", range(12))
def test_unrelated_models_of_copied_layers_are_unrelated(seed):
    found = match(all_alike(encoder(2 * seed + 500)), all_alike(encoder(2 * seed + 501)))
    assert found.overall.log10_p > -3
    assert found.overall.compared < sum(t.values.size for t in found.a.tensors) / 2


@given(st.lists(st.integers(0, 9), min_size=1, max_size=14), st.floats(0.05, 1.0), st.integers(0, 2**32 - 1))
def test_any_order_of_distinct_layers_is_found(order, r, seed):
    noise = np.random.default_rng(seed).uniform(-0.02, 0.02, (len(order), 10))
    score = noise + r * (np.array(order)[:, None] == np.arange(10)[None, :])
    assert best_path(Cells(score, score > r / 2)) == dict(enumerate(order))


@given(st.lists(st.lists(st.floats(0, 1), min_size=5, max_size=5), min_size=1, max_size=5))
def test_the_path_is_the_best_of_all(rows):
    score = np.array(rows)
    related = score > 0.3

    def worth(choice: tuple[int | None, ...]) -> float:
        taken = [(i, j) for i, j in enumerate(choice) if j is not None]
        if any(not related[i, j] for i, j in taken):
            return -math.inf
        gain, before = 0.0, (-1, -1)
        for i, j in taken:
            step = 0.0 if j - before[1] == i - before[0] else 1e-3 if j >= before[1] else 2e-3
            gain, before = gain + score[i, j] + (1e-4 if i == j else 0.0) - step, (i, j)
        return gain

    found = best_path(Cells(score, related))
    best = max(map(worth, itertools.product([None, *range(5)], repeat=len(rows))))
    assert worth(tuple(found.get(i) for i in range(len(rows)))) == pytest.approx(best, abs=1e-9)


@given(st.dictionaries(st.integers(0, 11), st.integers(0, 7)), st.integers(12, 14), st.integers(8, 10))
def test_what_is_carried_along_keeps_the_path_and_stays_in_bounds(path, mine, theirs):
    found = carried(path, mine, theirs)
    assert found.items() >= path.items()
    assert all(0 <= i < mine and 0 <= j < theirs for i, j in found.items())
    assert carried(found, mine, theirs) == found
