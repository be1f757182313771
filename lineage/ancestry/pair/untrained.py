"""Whether a model was ever trained."""

from __future__ import annotations

from lineage.types import CheckpointSketch


def is_untrained(sketch: CheckpointSketch) -> bool:
    """Whether a model is an initialisation: gains and biases start as constants, and the first steps part them."""
    vectors = [t for t in sketch.tensors if t.part.role in ("norm", "bias") and t.params > 1]
    return bool(vectors) and all(t.stats.std == 0.0 for t in vectors)
