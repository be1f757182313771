"""What a comparison passes over could not have changed its answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.ancestry.merge.combinations import combinations
from lineage.ancestry.merge.differences import Differences
from lineage.ancestry.merge.ratios import BRAIN, HALF, SINGLE
from lineage.ancestry.merge.trimmed import _gained, _left
from lineage.ancestry.pair.lattices import _CODES, _coded, _even, _steps, misses, steps
from lineage.match import block_similarity
from lineage.match.block_similarity import cells
from lineage.match.containment import _are_among
from lineage.match.pair_tests import pair_tests, pair_tests_above
from lineage.match.row_orders import FacingRows
from lineage.match.row_stacks import row_stack
from lineage.match.units import prepare, ready, stacked
from lineage.match.values import agreements, common_values, equal_values
from lineage.sketch.layouts import content_key, vector_digests
from tests.property.test_together import PAIRS, SEEDS, forget
from tests.synthetic import sketch, tensor


@settings(max_examples=25)
@given(PAIRS, st.floats(0.0, 12.0))
def test_tests_above_a_bound_are_those_of_all(pairs, bound):
    pairs = [pair for pair in pairs if len(pair[0].shape) > 1]
    forget()
    above = pair_tests_above(pairs, [bound] * len(pairs))
    assert above == [test if test is not None and test.z > bound else None for test in pair_tests(pairs)]


def layers(seed, count=4):
    """Matrices of some layers, by the name of each."""
    random = np.random.default_rng(seed)
    shapes = {"up": (64, 40), "down": (40, 64), "gate": (64, 40)}
    return {
        f"layers.{i}.{name}.weight": random.standard_normal(shape).astype(np.float32)
        for i in range(count)
        for name, shape in shapes.items()
    }


def blocks(model):
    """The places of the tensors of each layer by their names."""
    places = {tensor.name: i for i, tensor in enumerate(model.tensors)}
    return [{name: places[f"layers.{i}.{name}.weight"] for name in ("up", "down", "gate")} for i in range(4)]


@settings(max_examples=30)
@given(SEEDS, st.floats(0.0, 12.0), st.lists(st.sampled_from(sorted(layers(0))), max_size=3))
def test_blocks_of_strangers_are_passed_over_only_where_none_is_related(seed, threshold, inherited):
    base, other = layers(seed), layers(seed + 1)
    noise = np.random.default_rng(seed).standard_normal(base["layers.0.up.weight"].size).astype(np.float32)
    for i, name in enumerate(inherited):  # equal, or trained
        other[name] = base[name] + np.float32(i) * noise.reshape(base[name].shape)
    ours, theirs = sketch(base), sketch(other)
    forget()
    found = cells(ours, theirs, blocks(ours), blocks(theirs), threshold)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_similarity, "_may_be_related", lambda *_: True)
        every = cells(ours, theirs, blocks(ours), blocks(theirs), threshold)
    assert np.array_equal(found.related, every.related)
    assert not inherited or found.related.any()
    assert np.array_equal(found.score, every.score) or not every.related.any()


@settings(max_examples=30)
@given(SEEDS, st.lists(st.integers(0, 11), min_size=1, max_size=20))
def test_tests_of_axes_that_lie_behind_one_another_are_those_of_each(seed, order):
    ours, theirs = sketch(layers(seed)), sketch(layers(seed + 1))
    pairs = [(ours.tensors[i], theirs.tensors[i], False) for i in order]
    forget()
    prepare(ours, theirs)
    together = pair_tests(pairs)
    forget()
    prepare(ours, theirs)
    assert together == [pair_tests([pair])[0] for pair in pairs]
    assert None not in together


@settings(max_examples=25)
@given(PAIRS)
def test_equal_values_of_tensors_are_those_of_their_values(pairs):
    shares = [min(a.stats.distinct, b.stats.distinct) for a, b, _ in pairs]
    plain = agreements([common_values(*pair) for pair in pairs], shares)
    assert equal_values(pairs) == plain  # as they are met first
    assert equal_values(pairs[::-1]) == plain[::-1]  # and again


@given(st.lists(st.integers(0, 2**32 - 1)), st.lists(st.integers(0, 2**32 - 1), min_size=1), SEEDS)
def test_keys_are_found_by_their_endings_and_then_whole(keys, some, seed):
    ending = np.uint32(seed) & np.uint32((1 << 17) - 1)  # one that all of some have in common, as half of the others
    held = np.unique(np.array(some, np.uint32) & ~np.uint32((1 << 17) - 1) | ending)
    asked = np.concatenate([np.array(keys, np.uint32), np.array(keys, np.uint32) | ending, held[::2]])
    assert (_are_among(asked, held) == np.isin(asked, held)).all()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_axes_of_one_stack_are_those_of_each(order):
    random = np.random.default_rng(6)
    model = sketch({f"layers.{i}.up.weight": random.standard_normal((64, 40)).astype(np.float32) for i in range(6)})
    forget()
    prepare(model, model)
    chosen = [one for i in order if (one := ready(model.tensors[i], 0)) is not None]
    together = stacked(chosen)
    for k, one in enumerate(chosen):
        for whole, part in zip(together, one[1:4], strict=True):
            assert np.array_equal(whole[k], part)


@given(SEEDS)
def test_rows_in_place_are_as_like_as_under_the_order_that_moves_none(seed):
    random = np.random.default_rng(seed)
    values = random.standard_normal((96, 48)).astype(np.float32)
    noise = random.standard_normal(values.shape).astype(np.float32)
    stacks = [row_stack([tensor(one)]) for one in (values, values + 0.3 * noise)]
    assert stacks[0] is not None
    assert stacks[1] is not None
    rows = FacingRows(*stacks)
    assert rows.in_place() == pytest.approx(rows.likeness(np.arange(96)), abs=1e-12)


@given(st.booleans(), st.booleans(), SEEDS)
def test_models_of_other_vectors_have_another_content(has_other_vector, has_other_matrix, seed):
    random = np.random.default_rng(seed)
    arrays = {"a.weight": random.standard_normal((40, 36)), "a.bias": random.standard_normal(40)}
    other = {"a.weight": arrays["a.weight"] + has_other_matrix, "a.bias": arrays["a.bias"] + has_other_vector}
    one, two = (sketch({n: v.astype(np.float32) for n, v in held.items()}) for held in (arrays, other))
    assert (vector_digests(one) != vector_digests(two)) == has_other_vector
    assert (content_key(one) != content_key(two)) == (has_other_vector or has_other_matrix)


@settings(max_examples=40)
@given(SEEDS, st.sampled_from([SINGLE, HALF, BRAIN]), st.booleans(), st.integers(1, 3))
def test_what_a_further_parent_explains_is_counted_as_over_all_sets(seed, rounding, is_mean, count):
    random = np.random.default_rng(seed)
    theirs = random.standard_normal((count + 2, 400))
    kept = random.random(theirs.shape) < 0.6
    moved = (kept * theirs)[: count + 1].sum(axis=0) * random.choice([1.0, 0.5])
    error = 1e-6 + rounding * np.abs(moved)
    still = np.abs(moved) <= error
    found = Differences(moved, theirs, error, np.zeros(400, np.int64), still, rounding, np.roll(np.arange(400), 7))
    chosen = combinations(theirs, range(count), random.choice([0.5, 1.0], count), 0.7 if is_mean else None)
    left, share = _left(found, chosen), float(random.choice([0.5, 1.0]))
    counts = []
    for places in (left.places, found.elsewhere[left.places]):
        given = theirs[count, places] * share * (0.7 if is_mean else 1.0)
        tops = np.concatenate([given[None], chosen.tops[:, left.places] + given])
        bottoms = np.array([share, *(chosen.bottoms + share)]) if is_mean else np.ones(len(tops))
        near = np.abs(moved[left.places] * bottoms[:, None] - tops) <= error[left.places] * bottoms[:, None]
        counts.append(int(near.any(axis=0).sum()))
    least = (0.002 if rounding == SINGLE else 0.02) * (~still).sum() + 6.0 * np.sqrt(counts[1] + 1.0)
    gained = counts[0] - counts[1]
    assert _gained(left, count, share) == (gained if gained > least else 0.0)


@settings(max_examples=40)
@given(SEEDS, st.sampled_from(sorted(_CODES)), st.floats(0.0, 0.2))
def test_errors_of_few_bits_are_in_halves_of_the_way_to_the_next_level(seed, name, trained):
    random, codes = np.random.default_rng(seed), _CODES[name]
    fine = random.standard_normal((6, 16)).astype(np.float32)
    peaks = np.abs(fine).max(axis=1, keepdims=True) / np.abs(codes).max()
    level = np.abs(fine[..., None] / peaks[..., None] - codes).argmin(axis=-1)
    coarse = (codes[level] * peaks).astype(np.float32)
    fine += np.float32(trained) * random.standard_normal(fine.shape).astype(np.float32)
    scales = _coded(coarse.astype(np.float64), codes)
    found = _steps(coarse)
    rows = np.flatnonzero(scales.found & ~_even(coarse.astype(np.float64)).found)
    edges = np.concatenate([[-np.inf], codes, [np.inf]])
    for row in rows:
        step = float(scales.step[row])
        for column in range(16):
            at = 1 + int(np.abs(coarse[row, column] / step - codes).argmin())
            next_ = edges[at + 1] if fine[row, column] / step > edges[at] else edges[at - 1]
            ways = found.above, found.below
            way = ways[int(not fine[row, column] / found.unit[row, column] > found.level[row, column])]
            assert way[row, column] == pytest.approx(abs(next_ - edges[at]) * step)
    assert len(rows) >= 4


@settings(max_examples=25)
@given(SEEDS, st.booleans())
def test_steps_of_a_tensor_tell_of_others_what_its_values_do(seed, is_trained):
    random = np.random.default_rng(seed)
    values = random.standard_normal((40, 64)).astype(np.float32)
    scale = np.abs(values).max(axis=1, keepdims=True) / 7
    coarse = tensor(np.rint(values / scale) * scale)
    others = [values, values + np.float32(0.3 * is_trained) * random.standard_normal(values.shape).astype(np.float32)]
    for one in map(tensor, others):
        assert steps(coarse).misses(coarse.values, one.values) == misses(coarse.values, one.values)
    assert steps(coarse).misses(coarse.values, tensor(values).values) is not None
