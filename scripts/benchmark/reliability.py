"""Whether directions are right as often as their probabilities claim: a table and a diagram in five bins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from results import table

from benchmark.figure import Figure, interval

BINS = ((0.0, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.0))
"""From, and up to but not with, except that the last has 1; below 0.6 lie open neighbours and long ways."""
WITHIN = 0.05


@dataclass(frozen=True, slots=True)
class Claim:
    """The probability that was claimed for a direction, and whether it is right."""

    probability: float
    is_right: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """The claims of one bin: how many, the mean of what they claim, how many of them are right."""

    low: float
    high: float
    claims: int
    claimed: float
    right: int

    @property
    def share(self) -> float:
        """Share of the claims that is right; 0 without any."""
        return self.right / max(self.claims, 1)

    @property
    def is_calibrated(self) -> bool | None:
        """Whether what was claimed and what is right are within five points; None without claims."""
        return None if not self.claims else abs(self.share - self.claimed) <= WITHIN


def binned(claims: Iterable[Claim]) -> list[Bin]:
    """The claims in five bins of probability."""
    found: list[list[Claim]] = [[] for _ in BINS]
    for claim in claims:
        found[next(k for k, (_, high) in enumerate(BINS) if claim.probability < high or high == 1.0)].append(claim)
    return [
        Bin(low, high, len(inside), sum(c.probability for c in inside) / max(len(inside), 1),
            sum(c.is_right for c in inside))
        for (low, high), inside in zip(BINS, found, strict=True)
    ]  # fmt: skip


def reliability_figure(bins: Sequence[Bin]) -> Figure:
    """In how many of the bins with claims these are right as often as claimed."""
    told = [one.is_calibrated for one in bins if one.claims]
    measured = f"{sum(map(bool, told))} of {len(told)} bins with claims"
    return Figure(f"probabilities of directions within {WITHIN:.0%} of what is right", measured, "all", all(told))


def reliability_table(bins: Sequence[Bin]) -> str:
    """One row a bin, with the 95% interval of the share that is right."""
    rows = []
    for one in bins:
        low, high = interval(one.right, one.claims)
        figures = [f"{one.claimed:.2f}", f"{one.right} of {one.claims}", f"{one.share:.2f}", f"{low:.2f} to {high:.2f}"]
        held = {True: "yes", False: "**no**", None: ""}[one.is_calibrated]
        rows.append([f"{one.low:g} to {one.high:g}", *(figures if one.claims else ["", "0", "", ""]), held])
    return table(["probability", "mean claimed", "right", "share right", "95% interval", "within 5 points"], rows)


def draw_reliability(bins: Sequence[Bin], target: Path) -> None:
    """Write a PNG: share right over probability claimed, with its interval, beside the diagonal."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Page

    page = Page(figsize=(4.4, 4.0), layout="constrained", facecolor="white")
    axes = page.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    for one in (one for one in bins if one.claims):
        low, high = interval(one.right, one.claims)
        axes.plot([one.claimed, one.claimed], [low, high], color="#8aa9c8", linewidth=2)
        axes.plot(one.claimed, one.share, "o", color="#335f8a")
        axes.text(one.claimed, one.share - 0.06, f"{one.claims}", ha="left", fontsize=8)
    axes.set(xlabel="probability claimed", ylabel="share right", xlim=(0, 1.04), ylim=(0, 1.04), aspect="equal")
    axes.set_title("directions, with the number of claims", fontsize=10)
    target.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(page).print_figure(target, dpi=110, metadata={"Software": None})
