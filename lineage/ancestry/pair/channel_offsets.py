"""What the norms behind channels learned, in two networks whose channels are paired.

An initialisation has no offsets, so those that two networks have in common were learned. Measured in the gains of its
norm, the offset of a channel does not depend on scales that were moved from layer to layer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lineage.match.disguise import Disguise
from lineage.sketch.channel_norms import Norm
from lineage.sketch.channel_paths import channel_paths
from lineage.types import CheckpointSketch

_FEWEST = 24  # channels of which the offsets are known in both


def offsets_in_common(a: CheckpointSketch, b: CheckpointSketch, held: Disguise) -> float | None:
    """The least correlation of the offsets of paired channels in any of the layers, -1..1.

    None if too few are known in all layers, as in networks without norms, or with folded ones.
    """
    mine, theirs = (_norms(model, name) for model, name in zip((a, b), held.component, strict=True))
    found = []
    for layer in held.layers:
        ours, others = (
            {} if (norm := norms.get(number)) is None else _offsets(model, norm)
            for model, norms, number in zip((a, b), (mine, theirs), layer.layers, strict=True)
        )
        pairs = [(ours[i], others[j]) for i, j in layer.pairs.tolist() if i in ours and j in others]
        if len(pairs) >= _FEWEST:
            x, y = np.array(pairs).T
            found.append(float(np.corrcoef(x, y)[0, 1]) if x.std() > 0 and y.std() > 0 else 0.0)
    return min(found, default=None)


def _norms(model: CheckpointSketch, component: str) -> Mapping[int, Norm]:
    """The norms behind the layers of a network, by the layers' numbers."""
    path = channel_paths([(t.name, t.shape, t.part) for t in model.tensors]).get(component, ())
    return {number: step.norm for number, step in enumerate(path) if step.norm is not None}


def _offsets(model: CheckpointSketch, norm: Norm) -> Mapping[int, float]:
    """The offsets of channels, in gains of the norm, as far as they were sampled."""
    gains, offsets = ({} if place is None else _sampled(model, place) for place in (norm.gain, norm.offset))
    return {number: offset / gains[number] for number, offset in offsets.items() if gains.get(number)}


def _sampled(model: CheckpointSketch, place: int) -> Mapping[int, float]:
    tensor = model.tensors[place]
    return dict(zip(tensor.grid[0].tolist(), tensor.values[:, 0].tolist(), strict=True))
