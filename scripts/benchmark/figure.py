"""One line of the benchmark, and the rates that such lines are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from results import table


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, the bar that it must reach ("" where there is none) and whether it does."""

    name: str
    measured: str
    bar: str = ""
    held: bool | None = None


def listing(figures: Iterable[Figure]) -> str:
    """A Markdown table of figures."""
    words = {True: "yes", False: "**no**", None: ""}
    return table(["figure", "measured", "bar", "held"], [[f.name, f.measured, f.bar, words[f.held]] for f in figures])


def share_of(name: str, hits: int, total: int, least: float) -> Figure:
    """`hits` of `total`, which must be at least the share `least`; without any there is nothing to hold."""
    measured = f"{hits} of {total}" + (f" ({hits / total:.0%})" if total else "")
    return Figure(name, measured, f">= {least:g}", hits >= least * total if total else None)


def f1(hits: int, said: int, true: int) -> tuple[float, float, float]:
    """Precision, recall and their harmonic mean."""
    precision, recall = hits / max(said, 1), hits / max(true, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


def three(values: Sequence[float]) -> str:
    """Precision, recall and F1 as a cell."""
    return " / ".join(f"{value:.3f}" for value in values)


def upper_bound(errors: int, trials: int) -> float:
    """95% upper bound of a rate (Clopper and Pearson 1934), by bisection; 1 without trials."""
    low, high = errors / max(trials, 1), 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(errors, trials, middle) > 0.05 else (low, middle)
    return high


def _at_most(errors: int, trials: int, rate: float) -> float:
    """Probability of no more than `errors` in `trials` at that rate."""
    if rate >= 1.0:
        return float(errors >= trials)
    odds, nothing = math.log(rate / (1 - rate)), trials * math.log1p(-rate)
    ways = (math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in range(errors + 1))
    return math.fsum(math.exp(way + k * odds + nothing) for k, way in enumerate(ways))
