"""Movements between models measured by their attention heads, which do not depend on the basis of the weights.

The matrices of disguised models do not correspond by position, so `Field.held_movement` cannot compare three of them.
The attention of a layer's heads between anchors is a matrix that no disguise alters, and it is nearly linear in the
weights for steps as short as a fine-tuning.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lineage.ancestry.geometry import Points, held_share
from lineage.types import CheckpointSketch

_LEAST_STEP = 1e-5  # relative to the norm of the origin's attention: a shorter step is rounding


def held_by_heads(
    model: CheckpointSketch, other: CheckpointSketch, origin: CheckpointSketch
) -> tuple[float, float] | None:
    """The share of another model's movement from `origin` in this model's own, and its standard error, by attention.

    By least squares over all layers. None if no layer is known of all three, and if the other did not move.
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
