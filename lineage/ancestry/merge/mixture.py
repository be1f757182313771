"""A merge that was found: its parents, weights and method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

LEAST_WEIGHT = 0.02  # of a parent: smaller weights come from fitting bfloat16 rounding
ON_A_BASE = ("TIES", "DARE", "DARE-TIES")
BY_TENSOR = ("tensorwise linear", "model stock", "slerp")  # with weights of their own for each tensor
MOST_PARENTS = 8  # bounds the cost and chance fits
RELATED = 1.0  # squared distance, half of that between unrelated models
COPY = 1e-5  # squared distance of a copy: rounding to bfloat16 stays below, training does not


@dataclass(frozen=True, slots=True)
class Mixture:
    """A point as a mixture of others: positions in the cohort, weights, weights by layer, residual.

    `residual` is the share of the squared movement from the nearest parent that the mixture does not explain, on
    tensors that were not fitted; for trimmed differences, the share of moved values that are not reproduced. `density`
    is the share of each parent's differences that was kept, None if none were dropped; `is_mean` says that the kept
    ones were averaged, not added. `task_base` is the parent from which the task vectors start, None if unknown.
    `alternatives` are pairs of positions (parent, other): the other could replace that parent. `layer_maps` are, for
    each parent of a passthrough merge, pairs (layer of the child, layer of the parent).
    """

    parents: tuple[int, ...]
    weights: tuple[float, ...]
    by_layer: dict[int, tuple[float, ...]]
    residual: float
    method: str
    density: float | None = None
    alternatives: tuple[tuple[int, int], ...] = ()
    layer_maps: tuple[tuple[tuple[int, int], ...], ...] = ()
    is_mean: bool = False
    task_base: int | None = None

    @property
    def origin(self) -> int | None:
        """The base of the differences that were merged, None if unknown.

        For trimmed or dropped differences it is known: the base's own values remain.
        """
        return self.parents[-1] if self.method in ON_A_BASE else self.task_base

    @property
    def base(self) -> int | None:
        """The base of the differences, None if it is unknown or has an alternative."""
        return None if self.origin in {parent for parent, _ in self.alternatives} else self.origin

    def renumbered(self, members: Sequence[int]) -> Mixture:
        """The same mixture with positions in another list: position i becomes `members[i]`."""
        return replace(
            self,
            parents=tuple(members[parent] for parent in self.parents),
            alternatives=tuple((members[parent], members[other]) for parent, other in self.alternatives),
            task_base=None if self.task_base is None else members[self.task_base],
        )
