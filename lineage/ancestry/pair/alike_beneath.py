"""Whether two models in one another's disguise are the same as a whole, as far as their sketches can show it.

The layers that were held are the same; the others, and what reads the stream at its end, could have been trained by
themselves, as a probe is on a frozen tower. Then the two are children of a third, and nothing tells which came first.
No basis of the stream and no order of units alters the sum of the squares of a matrix that writes to it, nor the bias
of a head or what it says after an anchor.
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
"""How far heads of attention, or what a head says, lie apart, as one less their cosine, that narrow types bring about.

Calibration half of the practice zoo: 6e-6 at most where nothing else was done, 4e-5 and more of eight bits, 8e-5 and
more of the lightest training.
"""
_SQUARES = 3e-4  # relative difference of sums of squares: bfloat16 leaves 5e-5 in a matrix of 64 x 64
_WRITERS = ("o", "down")


def alike_as_wholes(ours: Tower, theirs: Tower) -> bool:
    """Whether all that stands in and on two towers whose held layers are the same is shown to be the same.

    A tower on the levels of few bits is a copy of another, from which the same may come.
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
    """Whether what heads there are is shown to be the same: every bias, and the rows where a matrix has none."""
    mine, other = _heads(ours.sketch), _heads(theirs.sketch)
    if [one.shape for one in mine] != [one.shape for one in other]:
        return False
    biases = [_agree(a, b) for a, b in zip(mine, other, strict=True) if len(a.shape) == 1]
    return all(biases) and (2 * len(biases) >= len(mine) or _say_the_same(ours.sketch, theirs.sketch))


def _heads(sketch: CheckpointSketch) -> list[TensorSketch]:
    heads = [t for t in sketch.tensors if t.part.component == "head"]
    return sorted(heads, key=lambda t: (t.part.role, t.shape, t.name))


def _say_the_same(a: CheckpointSketch, b: CheckpointSketch) -> bool:
    """Whether the rows of heads that are known of both say the same after every anchor, by one key at least."""
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
    """Whether two biases have the same values, be it in another order: by all their power sums."""
    if a.moments is None or b.moments is None:
        return False
    size = math.sqrt(float(a.moments[1]) / a.params)
    scale = a.params * np.array([size, size**2, size**3, size**4])
    return bool(size > 0) and bool((np.abs(a.moments - b.moments) <= _SQUARES * scale).all())
