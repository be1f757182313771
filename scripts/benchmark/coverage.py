"""Risk and coverage: how often the edges of greatest confidence are wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from results import table

from benchmark.said import Said, is_joined, is_right
from benchmark.truth import Truth
from lineage.types import Edge

_STEPS = range(10, 101, 10)
_QUESTIONS: dict[str, Callable[[Edge, Truth], bool]] = {
    "two models that are not joined": is_joined,
    "models, direction or word": is_right,
}


def risks(said: Said, truth: Truth, is_good: Callable[[Edge, Truth], bool]) -> list[float]:
    """Error rate among the k edges of greatest confidence, for k = 1 .. all; ties in no order count by their mean."""
    ranked = sorted(said.values(), key=_confidence, reverse=True)
    rates: list[float] = []
    errors = 0.0
    for _, tied in groupby(ranked, key=_confidence):
        block = [not is_good(edge, truth) for edge in tied]
        for _ in block:
            errors += sum(block) / len(block)
            rates.append(errors / (len(rates) + 1))
    return rates


def risk_table(said: Said, truth: Truth) -> str:
    """What is wrong by the share of edges kept, and the mean over all shares (area under the curve)."""
    rows = []
    for question, is_good in _QUESTIONS.items():
        rates = risks(said, truth, is_good)
        rows.append([question, *(_at(rates, step) for step in _STEPS), _cell(rates)])
    return table(["wrong", *(f"{step}%" for step in _STEPS), "area"], rows)


def _confidence(edge: Edge) -> float:
    return 0.0 if edge.confidence is None else edge.confidence


def _at(rates: Sequence[float], step: int) -> str:
    return f"{rates[max(0, round(len(rates) * step / 100) - 1)]:.3f}" if rates else "-"


def _cell(rates: Sequence[float]) -> str:
    return f"{sum(rates) / len(rates):.3f}" if rates else "-"
