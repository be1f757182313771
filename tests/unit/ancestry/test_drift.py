"""Descent is parted from a shared initialisation by what was learned, with the table that comes with the package."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from operators import matrices, noise

from lineage.ancestry import compare
from lineage.ancestry.pair.calibration import Count, calibration, ratio
from lineage.ancestry.pair.direction import CUES, WEAK
from lineage.ancestry.pair.drift import Drift, log_odds, probability
from tests.synthetic import Arrays, encoder, sketch

BASE = encoder(1)


def learned_apart(r_matrices: float, r_vectors: float, seed: int = 3) -> Arrays:
    """A model whose matrices and whose gains and biases correlate with the base's by two figures."""
    random = np.random.default_rng(seed)

    def moved(a: np.ndarray, r: float) -> np.ndarray:
        fresh = random.standard_normal(a.shape)
        return (a.mean() + r * (a - a.mean()) + np.sqrt(1 - r * r) * a.std() * fresh).astype(np.float32)

    return {n: moved(a, r_matrices if a.ndim > 1 else r_vectors) for n, a in BASE.items()}


def test_every_cue_has_been_counted_and_none_is_worse_than_chance():
    counted = calibration().cues
    assert set(counted) == set(CUES) - {"declared"}
    assert all(count.right > count.wrong for count in counted.values())
    assert set(WEAK) < set(counted)


def test_a_ratio_is_smoothed_by_half_a_case():
    assert Count(3, 0, 9).ratio == 7.0
    assert Count(0, 0, 9).ratio == 1.0
    assert ratio("no such cue") == 1.0


@pytest.mark.parametrize("apart", [Drift(0.62, 0.52), Drift(0.47, 0.53), Drift(0.36, 0.2), Drift(0.8, None)])
def test_the_most_alike_pairs_of_one_initialisation_stay_below_the_bound(apart):
    odds, bounds = log_odds(apart)
    assert odds < bounds.derived_at - 0.4


@pytest.mark.parametrize("apart", [Drift(0.65, 0.77), Drift(0.44, 0.68), Drift(0.99, 0.97), Drift(0.95, None)])
def test_continued_training_lies_above(apart):
    odds, bounds = log_odds(apart)
    assert odds > bounds.derived_at


@given(r=st.floats(-1, 1), low=st.floats(-1, 1), more=st.floats(0, 1))
def test_gains_more_alike_never_speak_against_descent(r, low, more):
    assert log_odds(Drift(r, min(1.0, low + more)))[0] >= log_odds(Drift(r, low))[0]


@given(st.floats(-1e6, 1e6))
def test_a_probability_is_one(odds):
    assert 0.0 <= probability(odds) <= 1.0


@pytest.mark.parametrize(("r", "vectors"), [(0.3, 0.1), (0.5, 0.3), (0.6, 0.45), (0.9, 0.3)])
def test_gains_learned_apart_forbid_descent(r, vectors):
    found = compare(sketch(learned_apart(r, vectors)), sketch(BASE))
    assert found.verdict in ("related", "inconclusive")
    assert not any(c.relation.is_of_whole for c in found.components)


@pytest.mark.parametrize(("r", "word"), [(0.5, "continued-pretraining"), (0.97, "fine-tuned")])
def test_gains_that_stayed_together_are_descent(r, word):
    found = compare(sketch(learned_apart(r, 0.95)), sketch(BASE))
    assert (found.relation, found.verdict) == (word, "derived")
    assert 0.8 < found.confidence < 1.0


def test_gains_that_nobody_trained_say_nothing():
    """Equal gains are no sign that one of two models was trained on from the other: perhaps nobody trained them."""
    other = learned_apart(0.6, 0.0)
    other.update({n: a for n, a in BASE.items() if a.ndim == 1})
    assert compare(sketch(other), sketch(BASE)).relation == "shared-init"


def test_a_model_and_its_untrained_beginning_share_the_initialisation():
    def begun(arrays: Arrays) -> Arrays:
        return {n: a if a.ndim > 1 else np.full_like(a, float(n.endswith("weight"))) for n, a in arrays.items()}

    found = compare(sketch(matrices(noise(0.7))(BASE)), sketch(begun(BASE)))
    assert (found.relation, found.direction) == ("shared-init", None)
