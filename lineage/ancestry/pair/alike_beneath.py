"""Whether two disguised models are the same as a whole, as far as their sketches can show it.

The layers whose neurons were compared are the same. Other layers and the heads could have been trained separately, like
a probe on a frozen tower; then the two are children of a third model and their order is unknown. Three quantities do
not depend on the basis of the stream or the order of units: the sum of squares of a matrix that writes to the stream,
the bias of a head, and the output of a head for an anchor.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from lineage.ancestry.pair.towers import Tower
from lineage.sketch.neuron_layers import kind_of
from lineage.sketch.vectors import is_of_head
from lineage.types import CheckpointSketch, Neurons, TensorSketch

SAME = 2.5e-5
"""Greatest distance (1 - cosine) of attention heads, or of head outputs, that rounding to narrow types causes.

Calibration half of the practice zoo: at most 6e-6 from rounding alone, 4e-5 and more from eight bits, 8e-5 and more
from the lightest training.
"""
_SQUARES = 3e-4  # relative difference of sums of squares: bfloat16 causes 5e-5 in a matrix of 64 x 64
_WRITERS = ("o", "down")


def alike_as_wholes(ours: Tower, theirs: Tower) -> bool:
    """Whether two towers with equal compared layers are shown to be the same in all layers and heads.

    False for a tower on levels of few bits: it is a rounded copy, and both may be copies of a third.
    """
    if ours.has_levels or theirs.has_levels:
        return False
    if (ours.layers, ours.tokens, ours.has_experts) != (theirs.layers, theirs.tokens, theirs.has_experts):
        return False
    all_held = min(len({*ours.held}), len({*theirs.held})) == ours.layers
    return (all_held or _write_the_same(ours, theirs)) and _heads_agree(ours, theirs)


def _write_the_same(ours: Tower, theirs: Tower) -> bool:
    """Whether the matrices of each layer that write to the stream have the same sums of squares."""
    mine, other = _written(ours), _written(theirs)
    return mine.keys() == other.keys() and all(math.isclose(mine[k], other[k], rel_tol=_SQUARES) for k in mine)


def _written(tower: Tower) -> Mapping[tuple[str, int | None], float]:
    found: dict[tuple[str, int | None], float] = defaultdict(float)
    for one in tower.matrices:
        if kind_of(one.part) in _WRITERS:
            squares = math.nan if one.moments is None else float(one.moments[1])
            found[kind_of(one.part), one.part.layer] += squares
    return found


def _heads_agree(ours: Tower, theirs: Tower) -> bool:
    """Whether all heads are shown to be the same: by every bias, and by outputs for heads without a bias."""
    mine, other = _heads(ours.sketch), _heads(theirs.sketch)
    if [one.shape for one in mine] != [one.shape for one in other]:
        return False
    biases = [_agree(a, b) for a, b in zip(mine, other, strict=True) if len(a.shape) == 1]
    return all(biases) and (2 * len(biases) >= len(mine) or _say_the_same(ours.sketch, theirs.sketch))


def _heads(sketch: CheckpointSketch) -> list[TensorSketch]:
    heads = [t for t in sketch.tensors if t.part.component == "head"]
    return sorted(heads, key=lambda t: (t.part.role, t.shape, t.name))


def _say_the_same(a: CheckpointSketch, b: CheckpointSketch) -> bool:
    """Whether the known rows of heads give the same outputs for the anchors, in at least one kind of keys."""
    others = {(one.keyed, one.layer): one for one in b.neurons if is_of_head(one)}
    pairs = [(one, others.get((one.keyed, one.layer))) for one in a.neurons if is_of_head(one)]
    keys = {one.keyed for one, _ in pairs}
    return any(all(_rows_agree(one, other) for one, other in pairs if one.keyed == key) for key in keys)


def _rows_agree(one: Neurons, other: Neurons | None) -> bool:
    if other is None or one.scale is None or other.scale is None:
        return False
    both, mine, theirs = np.intersect1d(one.index, other.index, assume_unique=True, return_indices=True)
    if 2 * len(both) < max(len(one.index), len(other.index)):
        return False
    x, y = one.codes[0, mine] * one.scale[0, mine, None], other.codes[0, theirs] * other.scale[0, theirs, None]
    apart, size = (float(np.square(side, dtype=np.float64).sum()) for side in (x - y, x))
    return apart <= 2.0 * SAME * size


def _agree(a: TensorSketch, b: TensorSketch) -> bool:
    """Whether two biases have the same values, in any order, by their four power sums."""
    if a.moments is None or b.moments is None:
        return False
    size = math.sqrt(float(a.moments[1]) / a.params)
    scale = a.params * np.array([size, size**2, size**3, size**4])
    return bool(size > 0) and bool((np.abs(a.moments - b.moments) <= _SQUARES * scale).all())
