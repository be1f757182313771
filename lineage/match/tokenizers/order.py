"""The order of shared tokens against every order within narrow windows: exact, and blind to a common trend.

Any two trainers put frequent tokens first, so that the ids of shared tokens always agree roughly. Cut the shared
sample, in the order of one vocabulary, into windows of four: over so short a stretch the trend changes nothing, and if
the two were trained apart, every order of the four in the other vocabulary is as likely. So the sum over windows of the
inner product of ranks is one draw from a sum of independent variables whose distribution is known to the last term.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from lineage.match.permutation import POWER_Z
from lineage.match.tails import normal_quantile
from lineage.types import OrderTest

WINDOW = 4
"""Tokens a window: wide enough for 24 orders, narrow against any trend."""
ALPHA = -6.0
"""log10 of the corrected p below which tokens count as in one order, as everywhere in this package."""
ENDS = (2, 4, 8)
"""Halves, quarters and eighths at the ends of a vocabulary are tested besides all of it."""
_STEEPEST = 200.0  # tilt beyond which a double distinguishes one window from none


def order_test(a: NDArray[np.uint32], b: NDArray[np.uint32], hypotheses: int = 1) -> OrderTest:
    """Test whether tokens with ids `a` and `b` (m,) each, without ties, come in one order in both.

    Windows are cut in the order of A and in that of B, and the weaker answer counts. Where one vocabulary was
    appended to another, only a stretch is in order: the first and the last half, quarter and eighth of either are tried
    too, and corrected for. `z` is that of all tokens. The bound on p is Chernoff's from the exact distribution, which
    at perfect agreement is the exact p, (1/24)^windows.
    """
    windows, total = _weaker(a, b)
    if windows == 0:
        return OrderTest(0, None, 0.0, math.inf, hypotheses)
    tried = [(windows, total), *(_weaker(a[part], b[part]) for part in _stretches(a, b))]
    searched = math.log10(len(tried) * hypotheses)
    return OrderTest(
        tested=windows * WINDOW,
        z=total / math.sqrt(windows * _variance()),
        log10_p=min(0.0, min(log10_tail(summed, count) for count, summed in tried) + searched),
        reach=_reach(windows, searched),
        hypotheses=hypotheses,
    )


def log10_tail(total: int, windows: int) -> float:
    """An upper bound on log10 P(sum over independent `windows` >= total); 0 at or below the mean."""
    if total <= 0:
        return 0.0
    counts = _distribution()
    if total >= windows * max(counts):
        return -windows * math.log10(math.factorial(WINDOW))
    low, high = 0.0, _STEEPEST  # the tilt at which the mean of the tilted windows is the total: Chernoff's best
    for _ in range(100):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if windows * _tilted(counts, middle)[0] < total else (low, middle)
    tilt = low
    return min(0.0, (windows * _tilted(counts, tilt)[1] - tilt * total) / math.log(10))


def _windowed(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> tuple[int, int]:
    """How many windows there are in the order of `a`, and the sum over them of twice centred ranks multiplied."""
    windows = len(a) // WINDOW
    rows = b[np.argsort(a, kind="stable")][: windows * WINDOW].reshape(windows, WINDOW)
    ranks = np.argsort(np.argsort(rows, axis=1, kind="stable"), axis=1)
    return windows, int((_centred(ranks) * _centred(np.arange(WINDOW))).sum())


def _weaker(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> tuple[int, int]:
    """The windows and the sum of the order that shows less agreement."""
    return min((_windowed(a, b), _windowed(b, a)), key=lambda found: found[1])


def _stretches(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> Iterator[NDArray[np.int64]]:
    """Places of the tokens at either end of either vocabulary."""
    for ids in (a, b):
        by_id = np.argsort(ids, kind="stable")
        for share in ENDS:
            count = len(ids) // share
            yield by_id[:count]
            yield by_id[len(ids) - count :]


def _centred(ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ranks 0..3 as -3, -1, 1, 3: whole numbers, so that sums are exact."""
    return 2 * ranks - (WINDOW - 1)


@cache
def _distribution() -> Mapping[int, float]:
    """Probability of each value of one window's sum, over all 24 orders."""
    centred = _centred(np.arange(WINDOW)).tolist()
    sums = Counter(sum(x * y for x, y in zip(centred, order, strict=True)) for order in permutations(centred))
    return {value: count / math.factorial(WINDOW) for value, count in sorted(sums.items())}


@cache
def _variance() -> float:
    return sum(value * value * share for value, share in _distribution().items())


def _tilted(counts: Mapping[int, float], tilt: float) -> tuple[float, float]:
    """Mean of a window under the distribution tilted by exp(tilt * sum), and the log of its normalisation."""
    most = max(counts) * tilt
    weights = {value: share * math.exp(value * tilt - most) for value, share in counts.items()}
    whole = sum(weights.values())
    return sum(value * weight for value, weight in weights.items()) / whole, math.log(whole) + most


def _reach(windows: int, searched: float) -> float:
    """The share of tokens in one order that the test would see with 99% power, others by chance."""
    best = math.sqrt(windows) * max(_distribution()) / math.sqrt(_variance())
    return (normal_quantile(ALPHA - searched) + POWER_Z) / best
