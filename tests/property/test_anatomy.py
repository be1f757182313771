"""What anatomy promises for every model."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lineage.anatomy import describe, fixed_table, may_be_formulas
from tests.model_shapes import FAMILIES, Shapes

families = st.sampled_from(sorted(FAMILIES)).map(lambda name: FAMILIES[name]())
wrappers = st.lists(
    st.sampled_from(["model.", "module.", "transformer.", "bert.", "base_model.model.", "_orig_mod."]), max_size=3
).map("".join)
TOKENS = ("layers", "attn", "mlp", "q_proj", "down", "fc1", "conv", "bn", "weight", "bias", "0", "1", "2", "head")
names = st.lists(
    st.sampled_from(TOKENS),
    min_size=1,
    max_size=6,
).map(".".join)
strange = st.dictionaries(names, st.lists(st.integers(0, 70), max_size=4).map(tuple), max_size=25)
models = families | strange.map(lambda model: list(model.items()))


@given(models, wrappers)
def test_wrapping_prefixes_do_not_matter(model: Shapes, prefix: str):
    wrapped = [(prefix + name, shape) for name, shape in model]
    assert describe(wrapped, {}).parts == describe(model, {}).parts


@given(models, st.randoms(use_true_random=False))
def test_the_order_of_the_tensors_does_not_matter(model: Shapes, shuffler: random.Random):
    shuffled = model.copy()
    shuffler.shuffle(shuffled)
    parts = dict(zip((name for name, _ in model), describe(model, {}).parts, strict=True))
    assert dict(zip((name for name, _ in shuffled), describe(shuffled, {}).parts, strict=True)) == parts


@given(models)
def test_every_tensor_has_a_part_and_shared_labels_mean_shared_lengths(model: Shapes):
    parts = describe(model, {}).parts
    assert len(parts) == len(model)
    lengths = defaultdict(set)
    for (_, shape), part in zip(model, parts, strict=True):
        assert part.component
        assert part.role
        for axis, length in zip(part.axes, (*shape, None, None), strict=False):
            if axis.exchangeable:
                assert length is not None
                lengths[axis.label].add(length)
    assert all(len(found) == 1 for found in lengths.values())


@given(models)
def test_nothing_that_is_set_aside_may_be_permuted(model: Shapes):
    for part in describe(model, {}).parts:
        if part.role in ("fixed", "unknown"):
            assert not any(axis.exchangeable for axis in part.axes)


@given(array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=14), st.integers(0, 2**32 - 1))
def test_random_weights_are_never_a_fixed_table(shape: tuple[int, ...], seed: int):
    weights = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    for values in (weights, np.abs(weights), np.maximum(weights, 0) + 1e-3 * weights, 1 + 0.02 * weights):
        assert fixed_table("x", shape, values) is None


@given(
    arrays(
        np.float32, array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=9), elements=st.sampled_from([0, 1, 2])
    ),
    st.sampled_from([1.0, -1.0, 0.5]),
)
def test_a_glance_at_many_tensors_misses_no_fixed_table(stack: np.ndarray, scale: float):
    tables = (stack * np.float32(scale)).astype(np.float32)
    told = [fixed_table("x", values.shape, values) is not None for values in tables]
    assert all(may for may, is_table in zip(may_be_formulas(tables).tolist(), told, strict=True) if is_table)


@given(st.text(max_size=30), st.lists(st.integers(0, 5), max_size=4).map(tuple))
def test_any_name_and_shape_is_answered(name: str, shape: tuple[int, ...]):
    fixed_table(name, shape, np.zeros(shape, np.float32))
    assert len(describe([(name, shape)], {}).parts) == 1
