"""Tail probabilities below the range of floats, as base-10 logarithms."""

from __future__ import annotations

import math
from functools import lru_cache

_LN10 = math.log(10.0)


def log10_normal(z: float) -> float:
    """log10 of the two-sided normal tail P(|Z| >= |z|)."""
    x = abs(z)
    if x < 30.0:
        return math.log10(math.erfc(x / math.sqrt(2.0)))
    # Mills' ratio: the first two terms are within 1e-5 of the tail from here on.
    return (-x * x / 2.0 + math.log(2.0 / (x * math.sqrt(2.0 * math.pi))) + math.log1p(-1.0 / (x * x))) / _LN10


@lru_cache(maxsize=64)
def normal_quantile(log10_p: float) -> float:
    """The z whose two-sided tail is 10**log10_p, by bisection."""
    low, high = 0.0, 40.0 + 3.0 * math.sqrt(max(0.0, -log10_p))
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if log10_normal(middle) > log10_p else (low, middle)
    return high


def log10_poisson(count: int, rate: float) -> float:
    """Chernoff's bound on log10 P(X >= count) for X a sum of independent rare events of mean `rate`.

    It also bounds sums of Bernoulli variables of unequal probabilities (Hoeffding 1956). 0 at or below the mean.
    """
    if count <= rate or count == 0:
        return 0.0
    return -(count * math.log(count / rate) - count + rate) / _LN10


def log10_factorial(n: int) -> float:
    """log10 of n!: no test over the relabellings of n units can report less than its reciprocal."""
    return math.lgamma(n + 1) / _LN10
