"""Whether a model was ever trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

from lineage.types import CheckpointSketch

_DRAWN_ALIKE = 0.03  # relative spread of standard deviations of a few thousand draws; training leaves 0.05 and more


def is_untrained(sketch: CheckpointSketch) -> bool:
    """Whether a model is an initialisation: all gains and biases are constant, which the first training steps change.

    Gains are also constant after they were folded into matrices; but trained matrices of one role no longer have the
    same standard deviation in all layers.
    """
    vectors = [t for t in sketch.tensors if t.part.role in ("norm", "bias") and t.params > 1]
    return bool(vectors) and all(t.stats.std == 0.0 for t in vectors) and _are_drawn_alike(sketch)


def _are_drawn_alike(sketch: CheckpointSketch) -> bool:
    deviations: dict[Hashable, list[float]] = defaultdict(list)
    for t in sketch.tensors:
        if t.part.layer is not None and len(t.shape) > 1 and t.part.excluded is None:
            deviations[t.part.component, t.part.role, t.shape].append(t.stats.std)
    return all(max(found) - min(found) <= 2.0 * _DRAWN_ALIKE * max(found) for found in deviations.values())
