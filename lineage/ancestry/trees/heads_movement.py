"""What models have moved by from one another, told by their attention: the same in whatever basis they stand.

Disguised models have no matrix in common by place, so that the threes of `Field.held_movement` cannot be held. What the
heads of a layer do from anchor to anchor is a matrix of numbers that no disguise alters, and nearly linear in the
weights for steps as short as a fine-tuning.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lineage.ancestry.geometry import Points, held_share
from lineage.types import CheckpointSketch

_LEAST_STEP = 1e-5  # of the length of what heads do: below it there is nothing but rounding


def held_by_heads(
    model: CheckpointSketch, other: CheckpointSketch, origin: CheckpointSketch
) -> tuple[float, float] | None:
    """The share of another's movement from `origin` in a model's own, and its standard error, as their heads tell.

    None where no layer of all three is known, and where the other did not move.
    """
    own, moved, begun = (_heads(one) for one in (model, other, origin))
    layers = sorted(own.keys() & moved.keys() & begun.keys())
    if not layers:
        return None
    start = np.concatenate([begun[layer] for layer in layers])
    step = np.concatenate([moved[layer] for layer in layers]) - start
    if float(np.linalg.norm(step)) < _LEAST_STEP * float(np.linalg.norm(start)):
        return None
    (share,), (error,) = held_share(step, (np.concatenate([own[layer] for layer in layers]) - start)[None])
    return float(share), float(error)


def _heads(sketch: CheckpointSketch) -> Mapping[tuple[str, int], Points]:
    return {
        (one.component, one.layer): one.attention.astype(np.float64).reshape(-1)
        for one in sketch.neurons
        if one.attention is not None and one.keyed == "row"
    }
