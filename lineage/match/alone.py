"""One pair of tensors alone: related, unrelated, or too small to decide."""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lineage.match.pair_tests import pair_test
from lineage.match.permutation import POWER_Z, SEEN_R, PermutationTest
from lineage.match.tails import log10_factorial, log10_normal, log10_poisson, normal_quantile
from lineage.match.values import equal_values
from lineage.types import TensorSketch

STATISTICS = 3
"""Number of statistics by which a tensor may be significant: z, equal values, equality as a whole."""

Alone = Literal["related", "unrelated", "open"]


def judged_alone(a: TensorSketch, b: TensorSketch, transposed: bool, alpha: float) -> Alone:
    """Whether two matrices are related, at significance 10**`alpha`, corrected for every tensor and statistic.

    "unrelated" asks for two things: a test that would have seen r = 0.8, and a z that one of a hundred unrelated pairs
    exceeds. What lies between, and matrices too small for either, is "open".
    """
    test = pair_test(a, b, transposed)
    if test is not None and _log10_p(test) < alpha:
        return "related"
    (equal,) = equal_values([(a, b, transposed)])
    if equal is not None and log10_poisson(equal.agreeing, equal.expected) < alpha:
        return "related"
    if test is None or SEEN_R * test.reach < normal_quantile(alpha) + POWER_Z:
        return "open"
    return "unrelated" if test.z < POWER_Z else "open"


def log10_equal(values: NDArray[np.float32]) -> float:
    """log10 of the probability that a random order of the values equals the given one.

    Of n rows (or columns, whichever have more arrangements) c of which are equal, c! orders look alike, so that a
    random one of n! hits with probability c! / n!. Constants, ones and zeros in any network, have a single arrangement.
    """
    return min(_log10_arrangement(values), _log10_arrangement(values.T)) + math.log10(2)


def _log10_arrangement(rows: NDArray[np.float32]) -> float:
    alike = Counter(row.tobytes() for row in np.ascontiguousarray(rows))
    return sum(map(log10_factorial, alike.values())) - log10_factorial(len(rows))


def _log10_p(test: PermutationTest) -> float:
    return max(log10_normal(test.z), -log10_factorial(test.units)) if test.z > 0 else 0.0
