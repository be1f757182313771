"""What a merge is found to be: parents, weights, method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

LEAST_WEIGHT = 0.02  # of a parent: less is what rounding to bfloat16 leaves of a fit
ON_A_BASE = ("TIES", "DARE", "DARE-TIES")
MOST_PARENTS = 8  # bounds the cost and what chance can fit
RELATED = 1.0  # squared distance, half of that between unrelated models
COPY = 1e-5  # squared distance that rounding to bfloat16 gives and training does not


@dataclass(frozen=True, slots=True)
class Mixture:
    """A point as a mixture of others: positions in the cohort, weights, weights by layer, what is left over.

    `residual` is the share of the movement away from the nearest parent that the mixture does not explain, on tensors
    that were not fitted; of trimmed differences, the share of moved values that are not reproduced. `density` is the
    share of each parent's differences that was kept, None where none were dropped; `is_mean` that those kept were
    averaged, not added. `task_base` is the parent from which task vectors lead, None where nothing tells.
    `alternatives` are pairs of positions (parent, other): the other could stand in that parent's place. `layer_maps`
    are, for each parent of a passthrough merge, its (layer of the child, layer of the parent).
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
        """The parent to which the differences were taken that were merged, None where none stands out.

        Trimmed and dropped differences leave the base's own values.
        """
        return self.parents[-1] if self.method in ON_A_BASE else self.task_base

    @property
    def base(self) -> int | None:
        """The parent to which the differences were taken, None where another would do as well."""
        return None if self.origin in {parent for parent, _ in self.alternatives} else self.origin

    def renumbered(self, members: Sequence[int]) -> Mixture:
        """The same with positions in another list: `members[i]` is what was position i."""
        return replace(
            self,
            parents=tuple(members[parent] for parent in self.parents),
            alternatives=tuple((members[parent], members[other]) for parent, other in self.alternatives),
            task_base=None if self.task_base is None else members[self.task_base],
        )
