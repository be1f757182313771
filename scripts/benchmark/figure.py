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


def not_held(figures: Iterable[Figure]) -> str:
    """A line that names the bars which are not reached."""
    missed = [f"{f.name}: {f.measured}, where the bar is {f.bar}" for f in figures if f.held is False]
    return f"Not reached: {'; '.join(missed)}." if missed else "Every bar is reached."


def share_of(name: str, hits: int, total: int, least: float) -> Figure:
    """`hits` of `total`, which must be at least the share `least`; without any there is nothing to hold."""
    measured = f"{hits} of {total}" + (f" ({hits / total:.0%})" if total else "")
    return Figure(name, measured, f">= {least:g}", hits >= least * total if total else None)


def at_most(name: str, hits: int, total: int, most: float) -> Figure:
    """`hits` of `total`, with the 95% upper bound of their rate, which must be at most the share `most`."""
    rate = f" ({hits / total:.1%}, 95% upper bound {upper_bound(hits, total):.1%})" if total else ""
    bar = f"<= {most:g}" if most else "0"
    return Figure(name, f"{hits} of {total}{rate}", bar, hits <= most * total if total else None)


def f1(hits: int, said: int, true: int) -> tuple[float, float, float]:
    """Precision, recall and their harmonic mean."""
    precision, recall = hits / max(said, 1), hits / max(true, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


def three(values: Sequence[float]) -> str:
    """Precision, recall and F1 as a cell."""
    return " / ".join(f"{value:.3f}" for value in values)


def upper_bound(errors: int, trials: int, beyond: float = 0.05) -> float:
    """95% upper bound of a rate (Clopper and Pearson 1934), by bisection; 1 without trials.

    `beyond` is what lies above it, for another bound than that of 95%.
    """
    low, high = errors / max(trials, 1), 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(errors, trials, middle) > beyond else (low, middle)
    return high


def interval(hits: int, trials: int) -> tuple[float, float]:
    """95% interval of a rate, a fortieth on either side (Clopper and Pearson 1934); 0 to 1 without trials."""
    return 1.0 - upper_bound(trials - hits, trials, 0.025), upper_bound(hits, trials, 0.025)


def _at_most(errors: int, trials: int, rate: float) -> float:
    """Probability of no more than `errors` in `trials` at that rate."""
    if rate >= 1.0:
        return float(errors >= trials)
    odds, nothing = math.log(rate / (1 - rate)), trials * math.log1p(-rate)
    ways = (math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in range(errors + 1))
    return math.fsum(math.exp(way + k * odds + nothing) for k, way in enumerate(ways))
