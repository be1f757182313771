"""A sketch that was made from numbers is never called impossible, and one that was put together is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lineage.sketch.arrays import joined, widened
from lineage.sketch.layouts import content_id
from lineage.sketch.sane import require_possible
from lineage.sketch.sealing import contradiction, inconsistency, seal
from lineage.types import CheckpointSketch, TensorSketch
from tests.synthetic import sketch, tensor

NUMBERS = arrays(
    np.float32,
    array_shapes(min_dims=1, max_dims=4, max_side=40),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    fill=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


def require_all_possible(tensors: Sequence[TensorSketch]) -> None:
    """What is required of tensors when a file is read."""
    held, types = joined(tensors)
    require_possible(tensors, widened(held), types, held)


@settings(max_examples=20)
@given(NUMBERS, st.sampled_from(["full", "sampled"]), st.sampled_from([np.float32, np.float16, np.float64]))
def test_whatever_numbers_there_are_they_can_be(array, depth, dtype):
    with np.errstate(over="ignore"):
        array = array.astype(dtype)
    if not np.isfinite(array).all():
        array = np.nan_to_num(array)
    require_all_possible([tensor(array, depth)])
    made = sketch({"w": array, "one": np.ones(3, np.float32)}, depth, config={})
    assert inconsistency(made) is None
    assert contradiction(made, made) is None


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.floats(-30, 11), st.sampled_from([(300, 70), (90, 200, 3), (700,), (64, 64)]))
def test_larger_tensors_of_any_scale_agree_with_themselves(seed, power, shape):
    random = np.random.default_rng(seed)
    made = sketch({"w": (random.standard_normal(shape) * 10.0**power).astype(np.float32)}, config={})
    require_all_possible(made.tensors)
    assert inconsistency(made) is None


def mixed(digests: CheckpointSketch, figures: CheckpointSketch) -> CheckpointSketch:
    """A sketch of one model's digests and another's figures, under the id that these digests give."""
    tensors = tuple(
        replace(b, digest=a.digest, band_digest=a.band_digest)
        for a, b in zip(digests.tensors, figures.tensors, strict=True)
    )
    return replace(figures, id=content_id(tensors, digests.depth), tensors=tensors)


def model(seed: int, side: int = 200) -> CheckpointSketch:
    random = np.random.default_rng(seed)
    shapes = {"up.weight": (side, side), "down.weight": (side, side), "gain": (side,)}
    return sketch({n: random.standard_normal(s).astype(np.float32) for n, s in shapes.items()}, config={})


A, D = model(1), model(2)


def test_digests_of_one_and_values_of_another_have_the_id_of_the_one_and_no_seal_of_any():
    forged = mixed(A, D)
    assert forged.id == A.id
    assert seal(forged) not in (seal(A), seal(D))
    assert contradiction(A, forged) == "values"


def test_a_seal_is_the_same_in_every_layout():
    other = replace(A, tensors=tuple(replace(one, name=f"t{i}") for i, one in enumerate(A.tensors[::-1])))
    assert seal(other) == seal(A)
    assert contradiction(A, other) is None


@pytest.mark.parametrize("field", ["units", "moments", "stats", "minhash"])
def test_any_figure_of_another_is_a_contradiction(field):
    tensors = tuple(replace(a, **{field: getattr(d, field)}) for a, d in zip(A.tensors, D.tensors, strict=True))
    forged = replace(A, tensors=tensors)
    assert seal(forged) == seal(A)
    assert contradiction(A, forged) is not None


def test_another_machine_that_adds_in_another_order_is_no_contradiction():
    def rounded(t):
        units = tuple(
            u
            and replace(u, codes=u.codes + np.where((np.arange(32) % 7 == 0) & (u.codes < 127), np.int8(1), np.int8(0)))
            for u in t.units
        )
        return replace(t, units=units, moments=t.moments * (1 + 1e-7))

    assert contradiction(A, replace(A, tensors=tuple(map(rounded, A.tensors)))) is None


def test_a_small_tensor_of_other_values_and_units_of_another_block_show_in_the_sketch_alone():
    small = model(3, 16), model(4, 16)
    assert inconsistency(mixed(*small)) == ("digests", "up.weight")
    assert inconsistency(mixed(A, D)) is None  # too long to be held whole: the index tells
    tensors = tuple(replace(a, units=(a.units[0], d.units[1])) for a, d in zip(A.tensors, D.tensors, strict=True))
    assert inconsistency(replace(A, tensors=tensors)) == ("units", "up.weight")
