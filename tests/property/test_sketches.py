"""The mathematics of the sketches: linear, transposed and extended with the tensor, blind to encodings and order."""

from __future__ import annotations

from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from lineage.sketch.arrays import ARRAYS, joined
from lineage.sketch.bands import DENSE, grid, runs, sampled, sampling_weights
from lineage.sketch.family import MINHASH_SCHEME, PERMUTATIONS, SEED_MINHASH
from lineage.sketch.minhash import as_datasketch, minhash, row_codes
from lineage.sketch.projection import block_columns, encode_units, project_units
from lineage.sketch.signs import prefix_signs, sign_bits, signs
from lineage.sketch.tensor_pass import DamagedTensor, Mask, alike, sketch_tensor, sketch_tensors
from lineage.sketch.value_digests import ValueHasher, value_digest, value_digests
from lineage.types import Axis, Part, TensorSketch
from tests.synthetic import tensor, view

SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.one_of(st.integers(1, 300), st.integers(300, 1 << 20), st.integers(1 << 20, 1 << 45))
SHAPES = st.one_of(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.tuples(st.integers(1, 80), st.integers(1, 80), st.sampled_from([1, 3]), st.sampled_from([1, 3])),
)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def projected(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = sampled(w.shape[0])
    return project_units(w.reshape(w.shape[0], -1)[rows][:, block_columns(w.shape)], w.shape)


# -- positions and signs -----------------------------------------------------------------------


@given(LENGTHS, LENGTHS)
def test_the_sampled_positions_of_a_prefix_are_a_prefix_of_them(m, n):
    short, long = sorted((m, n))
    everything = sampled(long)
    assert np.array_equal(sampled(short), everything[everything < short])
    assert (np.diff(everything) > 0).all()
    assert everything[0] == 0
    assert everything[-1] < long


@given(LENGTHS, LENGTHS, st.sampled_from([(16, 2), (8, 1), (64, 4)]))
def test_the_grid_of_a_prefix_is_a_prefix_of_it_and_was_sampled(m, n, thinness):
    short, long = sorted((m, n))
    everything = grid(long, *thinness)
    assert np.array_equal(grid(short, *thinness), everything[everything < short])
    assert np.isin(everything, sampled(long)).all()


@given(LENGTHS)
def test_sampling_takes_everything_below_64_and_few_positions_above(length):
    positions = sampled(length)
    assert np.array_equal(positions[:DENSE], np.arange(min(length, DENSE)))
    assert len(positions) <= DENSE + 32 * 3 + 16 * max(0, length.bit_length() - 9)


@given(LENGTHS)
def test_weights_of_the_sample_add_up_to_the_axis(length):
    weights = sampling_weights(length)
    assert len(weights) == len(sampled(length))
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(length)


@given(LENGTHS)
def test_runs_are_the_positions_again(length):
    positions = sampled(length)
    spans = runs(positions)
    assert np.array_equal(np.concatenate([np.arange(a, b) for a, b in spans]), positions)
    assert all(stop < start for (_, stop), (start, _) in pairwise(spans))


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=20), st.integers(0, 2**31), st.integers(1, 64))
def test_a_sign_depends_on_its_position_alone(positions, seed, dims):
    where = np.array(positions, np.int64)
    together = signs(where, seed, dims)
    assert np.array_equal(together, np.concatenate([signs(where[i : i + 1], seed, dims) for i in range(len(where))]))
    assert np.array_equal(sign_bits(where, seed, 64)[:, :dims], sign_bits(where, seed, dims))
    assert set(np.unique(together)) <= {-1.0, 1.0}


def test_signs_of_a_longer_axis_begin_with_those_of_a_shorter():
    assert np.array_equal(prefix_signs(1000, 2, 48)[:300], prefix_signs(300, 2, 48))


def test_signs_are_fair_and_unrelated_between_positions_seeds_and_dimensions():
    first, second = (signs(np.arange(4096), seed, 32) for seed in (1, 2))
    tolerance = 5 / np.sqrt(4096)
    assert np.abs(first.mean(axis=0)).max() < tolerance
    assert np.abs((first * second).mean(axis=0)).max() < tolerance
    gram = first.T @ first / 4096
    assert np.abs(gram - np.eye(32)).max() < tolerance
    assert abs((first[1:] * first[:-1]).mean()) < tolerance / 4


# -- projections -------------------------------------------------------------------------------


@given(SHAPES, SEEDS, st.floats(-4, 4), st.floats(-4, 4))
def test_projections_are_linear(shape, seed, a, b):
    x, y = normal(seed, *shape), normal(seed + 1, *shape)
    of_sum, of_x, of_y = projected(a * x + b * y), projected(x), projected(y)
    for whole, one, two in zip(of_sum, of_x, of_y, strict=True):
        np.testing.assert_allclose(whole, a * one + b * two, rtol=0, atol=2e-4)


@given(st.tuples(st.integers(1, 200), st.integers(1, 200)), SEEDS)
def test_a_transposed_matrix_has_the_transposed_sketch(shape, seed):
    w = normal(seed, *shape).astype(np.float32)
    straight, turned = tensor(w), tensor(np.ascontiguousarray(w.T))
    assert np.array_equal(straight.values.T, turned.values)
    assert [g.tolist() for g in straight.grid] == [g.tolist() for g in turned.grid[::-1]]
    for ours, theirs in zip(straight.units, turned.units[::-1], strict=True):
        assert np.array_equal(ours.index, theirs.index)
        np.testing.assert_allclose(ours.scale, theirs.scale, rtol=1e-6)
        assert np.abs(ours.codes.astype(int) - theirs.codes).max() <= 1


@given(st.integers(1, 150), st.integers(1, 150), st.integers(1, 150), SEEDS)
def test_rows_that_are_appended_leave_the_rows_before_as_they_were(rows, more, width, seed):
    long = normal(seed, rows + more, width).astype(np.float32)
    whole, prefix = tensor(long), tensor(long[:rows])
    n = len(prefix.grid[0])
    assert np.array_equal(whole.grid[0][:n], prefix.grid[0])
    assert np.array_equal(whole.values[:n], prefix.values)
    units, first = whole.units[0], prefix.units[0]
    assert np.array_equal(units.index[: len(first.index)], first.index)
    np.testing.assert_allclose(units.scale[: len(first.index)], first.scale, rtol=1e-6)
    assert np.abs(units.codes[: len(first.index)].astype(int) - first.codes).max() <= 1


@given(SEEDS, st.integers(1, 100), st.floats(-30, 30))
def test_codes_hold_a_unit_to_half_a_step_of_its_scale(seed, n, magnitude):
    units = normal(seed, n, 32) * 10.0**magnitude
    coded = encode_units(units, np.arange(n))
    decoded = coded.codes * coded.scale[:, None].astype(np.float64)
    assert (np.abs(decoded - units) <= 0.501 * coded.scale[:, None]).all()


def test_projected_units_keep_the_size_of_the_block():
    errors = []
    for seed in range(40):
        x = normal(seed, 200, 150)
        block = x[np.ix_(sampled(200), sampled(150))]
        errors.append([np.linalg.norm(units) / np.sqrt(32) / np.linalg.norm(block) for units in projected(x)])
    assert np.mean(errors) == pytest.approx(1, abs=0.02)
    assert np.std(errors) < 0.05


# -- identity ----------------------------------------------------------------------------------

NARROW = [ml_dtypes.bfloat16, np.float16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.float4_e2m1fn]


@given(st.sampled_from(NARROW), SEEDS, st.lists(st.integers(1, 12), min_size=1, max_size=3))
def test_one_set_of_values_has_one_digest_in_every_encoding(dtype, seed, shape):
    values = normal(seed, *shape).astype(dtype)
    digests = {value_digest(values.astype(wider)) for wider in (dtype, np.float32, np.float64)}
    assert len(digests) == 1


@given(SEEDS, st.integers(0, 31), st.integers(0, 63))
def test_a_single_bit_changes_the_digest(seed, bit, place):
    values = normal(seed, 8, 8).astype(np.float32)
    bits = values.view(np.uint32).copy()
    bits.flat[place] ^= np.uint32(1 << bit)
    assert value_digest(bits.view(np.float32)) != value_digest(values)


@given(SEEDS, st.integers(0, 199), st.sampled_from([ml_dtypes.bfloat16, np.float16]))
def test_the_one_value_that_a_narrower_encoding_does_not_hold_is_seen_wherever_it_is(seed, place, dtype):
    values = normal(seed, 200).astype(dtype).astype(np.float32)
    finer = values.copy()
    finer[place] = np.nextafter(finer[place], np.float32(np.inf))
    together = value_digests(np.stack([values, finer, values]))
    assert together == [value_digest(values), value_digest(finer), value_digest(values)]
    assert value_digest(finer) != value_digest(finer.astype(dtype).astype(np.float32))


def test_minus_zero_is_another_value():
    assert value_digest(np.zeros(4, np.float32)) != value_digest(-np.zeros(4, np.float32))


@given(SEEDS)
def test_another_shape_is_another_digest(seed):
    values = normal(seed, 24).astype(np.float32)
    shapes = [(24,), (24, 1), (1, 24), (4, 6), (6, 4), (2, 3, 4)]
    assert len({value_digest(values.reshape(shape)) for shape in shapes}) == len(shapes)


@given(SEEDS, st.lists(st.integers(1, 10), max_size=4))
def test_a_digest_does_not_hang_on_how_the_values_come_in(seed, cuts):
    # the last block alone does not fit bf16, so that a rung of the ladder falls in the middle
    values = np.concatenate([normal(seed, 40, 3).astype(ml_dtypes.bfloat16).astype(np.float32), normal(seed, 1, 3)])
    values = values.astype(np.float32)
    hasher = ValueHasher(values.shape, values.dtype)
    for block in np.split(values, np.cumsum(cuts)):
        hasher.update(block)
    assert hasher.hexdigest() == value_digest(values) == value_digest(np.asfortranarray(values))


def test_integers_are_no_floats():
    ones = np.ones(4)
    assert len({value_digest(ones.astype(d)) for d in (np.int8, np.uint8, np.bool_, np.int64, np.float32)}) == 5


# -- row codes and moments ---------------------------------------------------------------------


@given(SEEDS, st.integers(32, 120), st.integers(32, 64))
def test_the_minhash_and_the_moments_do_not_see_the_order_of_rows(seed, rows, width):
    w = normal(seed, rows, width).astype(np.float32)
    shuffled = w[np.random.default_rng(seed).permutation(rows)]
    one, two = tensor(w), tensor(shuffled)
    # a projection next to its mean may change sign with the order of the sum: one code of two a row
    assert (one.minhash != two.minhash).mean() <= 0.05
    size = np.array([np.sqrt(w.size * one.moments[1]), one.moments[1], one.moments[1] ** 1.5, one.moments[3]])
    assert (np.abs(one.moments - two.moments) <= 1e-6 * size).all()


@given(SEEDS, st.integers(1, 60))
def test_whole_numbers_give_exactly_the_same_minhash_in_any_order(seed, rows):
    projected_rows = np.random.default_rng(seed).integers(-1000, 1000, (rows, 48)).astype(np.float32)
    order = np.random.default_rng(seed).permutation(rows)
    assert np.array_equal(minhash(row_codes(projected_rows)), minhash(row_codes(projected_rows[order])))


@given(st.sets(st.integers(0, 2**25 - 1), max_size=60))
def test_the_minhash_is_that_of_datasketch(codes):
    theirs = MinHash(num_perm=PERMUTATIONS, seed=SEED_MINHASH, scheme=MINHASH_SCHEME, hashfunc=int)
    theirs.update_batch(sorted(codes))
    ours = minhash(np.array(sorted(codes), np.uint32))
    assert np.array_equal(ours, theirs.hashvalues)
    assert as_datasketch(ours).jaccard(theirs) == 1.0


@given(SEEDS, st.integers(1, 40), st.integers(0, 10))
def test_rows_of_zeros_have_no_code(seed, rows, padding):
    live = normal(seed, rows, 48).astype(np.float32)
    padded = np.concatenate([np.zeros((padding, 48), np.float32), live])
    assert np.array_equal(row_codes(padded), row_codes(live))
    assert row_codes(np.zeros((padding, 48), np.float32)).size == 0


@given(SEEDS)
def test_codes_of_the_two_families_never_meet(seed):
    codes = row_codes(normal(seed, 50, 48).astype(np.float32))
    assert codes.dtype == np.uint32
    assert set((codes >> 24).tolist()) == {0, 1}
    assert len(codes) == 100


# -- depths ------------------------------------------------------------------------------------


def arrays(sketch: TensorSketch) -> tuple[np.ndarray | None, ...]:
    return sketch.values, *sketch.grid


@pytest.mark.parametrize("shape", [(700, 400), (400, 700), (1 << 19,), (90, 70, 7, 7), (30, 20), (5,), ()])
def test_every_figure_that_both_depths_have_is_equal(shape):
    w = np.asarray(normal(3, *shape), np.float32)
    full, some = tensor(w, "full"), tensor(w, "sampled")
    for field in ("name", "shape", "dtype", "part", "params", "stats", "band_digest"):
        assert getattr(full, field) == getattr(some, field)
    for ours, theirs in zip(arrays(full), arrays(some), strict=True):
        assert np.array_equal(ours, theirs)
    for ours, theirs in zip(full.units, some.units, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert np.array_equal(ours.codes, theirs.codes)
            assert np.array_equal(ours.scale, theirs.scale)
    if some.digest is not None:
        assert some.digest == full.digest
        assert np.array_equal(some.moments, full.moments)
    assert some.minhash is None
    assert (some.digest is None) == (w.size > 1 << 18)


# -- many tensors at once ----------------------------------------------------------------------


@given(
    SEEDS,
    st.one_of(SHAPES, st.tuples(st.integers(1, 700)), st.just(())),
    st.integers(2, 5),
    st.sampled_from([np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, np.int8, np.float64]),
    st.sampled_from(["full", "sampled"]),
)
def test_tensors_that_are_sketched_together_are_those_that_are_sketched_alone(seed, shape, count, dtype, depth):
    """To the bit: a tensor's sketch does not hang on its company."""
    random = np.random.default_rng(seed)
    views = [view(str(i), random.normal(0, 9, shape).astype(dtype)) for i in range(count)]
    part = Part("network", "unknown", None, (Axis("none", False), Axis("none", False)))
    together = sketch_tensors(views, [part] * count, depth, "memory")
    for one, own in zip(together, views, strict=True):
        alone = sketch_tensor(own, part, depth, "memory")
        assert isinstance(one, TensorSketch)
        assert (one.stats, one.part, one.digest, one.band_digest) == (
            alone.stats, alone.part, alone.digest, alone.band_digest,
        )  # fmt: skip
        (ours, _), (others, _) = joined([one]), joined([alone])
        for name in ARRAYS:
            assert ours[name].tobytes() == others[name].tobytes()


def test_one_damaged_tensor_is_told_from_its_company():
    part = Part("network", "unknown", None, (Axis("none", False), Axis("none", False)))
    arrays = normal(1, 4, 8, 8).astype(np.float32)
    arrays[1, 2, 3] = np.nan
    arrays[3] = 0.0
    arrays[3, 0, 1:] = -np.inf
    views = [view(str(i), array) for i, array in enumerate(arrays)]
    made = sketch_tensors(views, [part] * 4, "full", "memory")
    assert [type(one) for one in made] == [TensorSketch, DamagedTensor, TensorSketch, Mask]


def test_only_tensors_of_one_shape_and_encoding_are_sketched_together():
    shapes = [(8, 8), (8,), (8, 8), (600, 600), (600, 600), (8, 8)]
    views = [view(str(i), np.zeros(shape, np.float32)) for i, shape in enumerate(shapes)]
    views[5] = view("5", np.zeros((8, 8), np.float16))
    assert sorted(alike(views)) == [[0, 2], [1], [3], [4], [5]]
