"""The fitted table: bounds stay clear of every pair of one initialisation, and what is written can be read."""

from __future__ import annotations

import math
import tomllib

import numpy as np
import pytest
from fit_relations import MARGIN, MARGIN_ALONE, Pair, fine_tuned_r, fit, written

from lineage.ancestry.pair.calibration import Count, DescentModel
from lineage.ancestry.pair.drift import Drift

RANDOM = np.random.default_rng(0)


def pairs() -> list[Pair]:
    """Pairs of three roots: gains part the two kinds, matrices do not."""
    found = []
    for k in range(60):
        derived = k % 2 == 0
        r, gains = RANDOM.uniform(0.3, 0.8), RANDOM.uniform(0.6, 0.9) if derived else RANDOM.uniform(0.0, 0.5)
        found.append(Pair(Drift(r, gains), derived, ("a", "a") if derived else ("a", "b")))
    return [*found, Pair(Drift(0.99, None), True, ("a", "a"))]


FOUND = pairs()


def odds(fitted: DescentModel, pair: Pair) -> float:
    return fitted.constant + fitted.matrices * pair.apart.matrices + fitted.vectors * (pair.apart.vectors or 0.0)


@pytest.mark.parametrize(("with_vectors", "margin"), [(True, MARGIN), (False, MARGIN_ALONE)])
def test_no_pair_of_one_initialisation_reaches_the_bound(with_vectors, margin):
    fitted = fit(FOUND, with_vectors)
    highest = max(odds(fitted, pair) for pair in FOUND if not pair.derived)
    assert fitted.derived_at == pytest.approx(highest + margin)
    assert fitted.shared_at == pytest.approx(math.log(0.5))


def test_gains_carry_the_fit_where_they_tell():
    fitted = fit(FOUND, True)
    assert fitted.vectors > 3 * abs(fitted.matrices) > 0
    assert fit(FOUND, False).vectors == 0.0


def test_many_pairs_of_the_same_two_roots_weigh_as_one():
    more = [*FOUND, *(pair for pair in FOUND if not pair.derived)]
    once, twice = fit(FOUND, True), fit(more, True)
    assert twice.constant == pytest.approx(once.constant, rel=1e-6)


def test_the_gap_goes_to_the_word_that_claims_less():
    edges = [
        {"operator": operator, "cosine": cosine}
        for operator, cosine in [
            ("sft", 0.98),
            ("dpo", 0.99),
            ("continued", 0.6),
            ("continued", 0.9),
            ("continued", 0.995),
        ]
    ]
    assert fine_tuned_r([*edges, {"operator": "healed", "cosine": None}]) == 0.9


def test_what_is_written_is_read_back():
    fitted = DescentModel(-3.0, -1.5, 8.0, 1.4, -0.7)
    table = tomllib.loads(written(fitted, fitted, 0.94, {"computable": Count(25, 0, 99)}))
    assert DescentModel(**table["descent"]["by_vectors"]) == fitted
    assert Count(**table["cues"]["computable"]).ratio == 51.0
