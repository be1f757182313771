"""What is worked out of many tensors at once is what each of them gives alone."""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.ancestry.pair.changes import classified
from lineage.ancestry.pair.first_looks import few_levels, few_significands, look
from lineage.ancestry.pair.lattices import lattice
from lineage.ancestry.pair.low_rank import delta_rank, delta_ranks
from lineage.match.cache import Latest, Together
from lineage.match.evidence import match
from lineage.match.pair_correlations import pair_correlation, pair_correlations
from lineage.match.pair_tests import _made, pair_test, pair_tests
from lineage.match.permutation import permutation_test, standardised
from lineage.match.units import _centred, _ready
from lineage.match.values import TOLERANCE, agreements, common_values
from lineage.sketch.projection import decode_units
from lineage.sketch.search_codes import asked_codes
from lineage.sketch.vectors import tensor_vectors
from lineage.types import TensorSketch
from tests.synthetic import sketch, tensor

SHAPES = ((48, 40), (40, 48), (64, 33), (150, 70), (20, 90), (64, 3, 3, 3), (70,), (5,))
SEEDS = st.integers(0, 2**32 - 1)


def levels(values: np.ndarray) -> np.ndarray:
    """Seven bits, one scale a row."""
    step = np.abs(values).max(axis=-1, keepdims=True) / 7
    return np.rint(values / step) * step


WAYS = {
    "plain": lambda values, noise: values,
    "trained": lambda values, noise: values + 0.1 * noise,
    "unrelated": lambda values, noise: noise,
    "halved": lambda values, noise: values.astype(ml_dtypes.bfloat16).astype(np.float32),
    "pruned": lambda values, noise: np.where(np.abs(values) < 0.7, 0.0, values),
    "on levels": lambda values, noise: levels(values),
    "scaled": lambda values, noise: (values.T * np.linspace(0.5, 2.0, len(values))).T,
    "a direction more": lambda values, noise: (values.T + noise.reshape(len(noise), -1)[:, 0]).T,
    "equal values": lambda values, noise: np.where(np.arange(values.size).reshape(values.shape) % 3 == 0, 1.0, values),
}  # fmt: skip


def sides(seed: int, ways: Sequence[str]) -> list[tuple[TensorSketch, TensorSketch, bool]]:
    """Pairs of tensors of all shapes, the second made from the first, some transposed or of another length."""
    random = np.random.default_rng(seed)
    found = []
    for i, way in enumerate(ways):
        shape = SHAPES[i % len(SHAPES)]
        values = random.standard_normal(shape).astype(np.float32)
        other = WAYS[way](values, random.standard_normal(shape)).astype(np.float32)
        is_turned, is_longer = len(shape) == 2 and i % 3 == 0, i % 5 == 0
        if is_longer:
            other = np.concatenate([other, random.standard_normal(shape).astype(np.float32)])
        found.append((tensor(values), tensor(np.ascontiguousarray(other.T) if is_turned else other), is_turned))
    return found


PAIRS = st.builds(sides, SEEDS, st.lists(st.sampled_from(sorted(WAYS)), min_size=2, max_size=24))


def forget() -> None:
    for kept in (_made, _ready, _centred):
        kept.clear()


@settings(max_examples=25)
@given(PAIRS)
def test_tests_and_correlations_of_many_pairs_are_those_of_each(pairs):
    forget()
    tests, correlations = pair_tests(pairs), pair_correlations(pairs)
    for pair, test, r in zip(pairs, tests, correlations, strict=True):
        forget()
        alone = pair_test(*pair)
        assert (alone is None) == (test is None)
        if alone is not None:
            assert test.units == alone.units
            assert (test.z, test.reach) == pytest.approx((alone.z, alone.reach), rel=1e-4, abs=1e-4)
        assert r == pytest.approx(pair_correlation(*pair), rel=1e-9, abs=1e-9)


@settings(max_examples=25)
@given(SEEDS)
def test_a_test_is_that_of_its_units(seed):
    random = np.random.default_rng(seed)
    a, b = (tensor(random.standard_normal((64, 40)).astype(np.float32)) for _ in range(2))
    rows = [[standardised(decode_units(one.units[axis])) for one in (a, b)] for axis in (0, 1)]
    alone = [permutation_test([(left, right)]) for left, right in rows]
    nearest = min((one for one in alone if one is not None), key=lambda one: abs(one.z))
    assert pair_test(a, b, False).z == pytest.approx(nearest.z, abs=1e-4)


@settings(max_examples=25)
@given(PAIRS, st.data())
def test_equal_values_of_many_pairs_are_those_of_each_and_of_a_plain_count(pairs, data):
    values = [common_values(*pair) for pair in pairs]
    distinct = [data.draw(st.sampled_from([0.4, 1.0])) for _ in pairs]
    for (x, y), share, found in zip(values, distinct, agreements(values, distinct), strict=True):
        assert [found] == agreements([(x, y)], [share])
        if found is not None:
            live = (x != 0) & (y != 0)
            eps = TOLERANCE * min(float(np.std(one[live], dtype=np.float64)) for one in (x, y))
            apart = np.abs(x[live].astype(np.float64) - y[live])
            assert found.compared == live.sum()
            assert (apart < 0.999 * eps).sum() <= found.agreeing <= (apart < 1.001 * eps).sum()
            everywhere = np.abs(x[live].astype(np.float64)[:, None] - y[live][None, :]) <= 1.001 * eps
            by_chance = (int(everywhere.sum()) - int(np.trace(everywhere)) + 1) / (
                found.compared * (found.compared - 1)
            )
            assert found.expected >= 0.99 * (by_chance - 2 / found.compared**2) * found.compared


@settings(max_examples=25)
@given(PAIRS)
def test_changes_and_ranks_of_many_pairs_are_those_of_each(pairs):
    names = [f"part.{i}.weight" for i in range(len(pairs))]
    matrices = [pair for pair in pairs if len(pair[0].shape) > 1]
    assert delta_ranks(matrices) == [delta_rank(*pair) for pair in matrices]
    random = np.random.default_rng(len(pairs))
    arrays = {name: random.standard_normal((48, 40)).astype(np.float32) for name in names}
    ways = [WAYS[way] for way in sorted(WAYS)]
    made = [ways[i % len(ways)](array, array[::-1]) for i, array in enumerate(arrays.values())]
    ours = sketch(arrays)
    theirs = sketch({name: array.astype(np.float32) for name, array in zip(names, made, strict=True)})
    matched = match(ours, theirs)
    held = [(one, *matched.sides(one)) for one in matched.tensors]
    assert classified(held) == [found for one in held for found in classified([one])]


@settings(max_examples=50)
@given(SEEDS, st.sampled_from(sorted(WAYS)), st.integers(1, 40))
def test_a_first_look_rules_out_nothing_that_a_close_one_finds(seed, way, width):
    random = np.random.default_rng(seed)
    values = random.standard_normal((30, width)).astype(np.float32)
    one = tensor(WAYS[way](values, random.standard_normal(values.shape)).astype(np.float32))
    runs = one.values[:, :16]
    runs = runs[(runs != 0).sum(axis=1) >= 8]
    shares = [len({*run[run != 0].tolist()}) / (run != 0).sum() for run in runs]
    if len(runs) >= 2 and np.mean(shares) < 0.8:
        assert look(one).few_levels
    if width >= 16 and way == "on levels":
        assert lattice(one) is not None
    together = np.stack([one.values, one.values[::-1]])
    assert few_levels(together).tolist() == [few_levels(one.values[None])[0]] * 2
    assert few_significands(together).tolist() == [few_significands(one.values[None])[0]] * 2


@settings(max_examples=25)
@given(PAIRS)
def test_vectors_of_many_tensors_are_those_of_each(pairs):
    tensors = [one for pair in pairs for one in pair[:2] if len(one.shape) > 1]
    for axis in (0, 1):
        for one, vector in zip(tensors, tensor_vectors(tensors, axis), strict=True):
            np.testing.assert_allclose(vector, tensor_vectors([one], axis)[0], atol=1e-6)
    model = sketch({f"a.{i}.weight": one.values for i, one in enumerate(tensors)})
    assert len(asked_codes(model)["tensor"]) <= len(tensors)


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 8))
def test_the_latest_are_kept(keys, most):
    kept: Latest[int, int] = Latest(most)
    for key in keys:
        kept.keep([(key, key)])
    latest = list(dict.fromkeys(reversed(keys)))[:most]
    assert [*kept] == latest[::-1]


def test_what_is_computed_together_is_computed_once():
    asked: list[list[str]] = []

    class Name(str):
        __slots__ = ("__weakref__",)
        __hash__ = object.__hash__

        def __eq__(self, other: object) -> bool:
            return self is other

    @Together
    def lengths(many: Sequence[Name]) -> list[int]:
        asked.append([*many])
        return [len(one) for one in many]

    one, two, three = Name("a"), Name("bb"), Name("ccc")
    assert lengths(two) == 2
    assert lengths.of([one, two, three, one]) == [1, 2, 3, 1]
    assert lengths(three) == 3
    assert [len(many) for many in asked] == [1, 2]
