"""The distance of two related models, and whether it suggests descent or a shared initialisation.

Two models of one initialisation share its random matrices for a while, but their gains and biases were learned
independently, starting from the same constants. A descendant keeps its parent's gains and biases longer than its
matrices.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from statistics import median

from lineage.ancestry.pair.calibration import DescentModel, calibration
from lineage.ancestry.pair.changes import Changes
from lineage.ancestry.pair.relations import is_significant
from lineage.match import Match

_FEW_VECTORS = 3  # least number of trained vectors for a median
_SHORTEST = 32  # least number of elements of a vector
_VECTORS = ("norm", "bias")
_COPIED = ("same", "recast")


@dataclass(frozen=True, slots=True)
class Drift:
    """Centred correlations: `matrices` is the mean by size, `vectors` the median over trained gains and biases.

    `vectors` is None with fewer than three such vectors; equal vectors were not trained and are not counted.
    """

    matrices: float
    vectors: float | None


def drift(match: Match, changes: Changes, names: Collection[str]) -> Drift | None:
    """The drift of some components of the query; None without a related matrix."""
    mine = [(m, c) for m, c in changes if m.component in names and m.r is not None]
    kept = [
        (match.mine[m.a].params, m.r)
        for m, c in mine
        if len(m.shape) > 1 and m.used and m.r is not None and c.kind not in ("unrelated", "reordered")
    ]
    weight = sum(size for size, _ in kept)
    if not weight:
        return None
    vectors = [
        m.r
        for m, c in mine
        if m.r is not None and len(m.shape) == 1 and m.shape[0] >= _SHORTEST
        if m.role in _VECTORS and c.kind not in _COPIED
    ]
    return Drift(
        sum(size * r for size, r in kept) / weight,
        median(vectors) if len(vectors) >= _FEW_VECTORS else None,
    )


def log_odds(found: Drift) -> tuple[float, DescentModel]:
    """Natural logarithm of the odds of descent (one from the other, or both from one trained model), and its model.

    The alternative is a shared untrained initialisation. The model holds the bounds of the decision.
    """
    if found.vectors is None:
        fit = calibration().by_matrices
        return fit.constant + fit.matrices * found.matrices, fit
    fit = calibration().by_vectors
    return fit.constant + fit.matrices * found.matrices + fit.vectors * found.vectors, fit


def descent_odds(match: Match, name: str, changes: Changes) -> tuple[float, DescentModel]:
    """Log-odds of descent for one component, with the model that holds the bounds.

    A component without enough trained gains is judged together with all related components.
    """
    found = drift(match, changes, (name,))
    if found is None or found.vectors is None:
        related = [one for one, evidence in match.components.items() if is_significant(evidence)]
        found = drift(match, changes, related) or found
    return log_odds(found or Drift(0.0, None))


def probability(odds: float) -> float:
    """Probability from the logarithm of odds."""
    return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, odds))))
