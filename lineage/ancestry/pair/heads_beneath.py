"""Whether the heads on the stream of a disguised tower are the reference's too.

What a row of a head, such as that of a token, makes of the anchors does not depend on the basis of the stream, and a
disguise leaves the rows in their order, so rows of equal number are compared: by the exact test and by their cosine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lineage.match.disguise import Disguise, unit_codes
from lineage.match.permutation import permutation_test, standardise
from lineage.match.tails import log10_normal
from lineage.sketch.neuron_layers import labels
from lineage.sketch.vectors import is_of_head
from lineage.types import CheckpointSketch, Evidence, Neurons

_MOST = 0.5  # of a component's parameters that must be in matrices with known rows


def of_heads(a: CheckpointSketch, b: CheckpointSketch, component: str, held: Disguise, models: int) -> Evidence | None:
    """The evidence of the rows of a component's matrices on the stream; None if too few are known in both.

    `models` is the number of hypotheses, as in all evidence.
    """
    own = _rows_of(a, component, held)
    others = {one.layer: one for one in _rows_of(b, component, held)}
    pairs = [(one, others[one.layer]) for one in own if one.layer in others]
    if not pairs or len(pairs) < len(own) or len(pairs) < len(others) or not _are_most(a, component, len(own)):
        return None
    tests, cosines = [], []
    for one, other in pairs:
        both, mine, theirs = np.intersect1d(one.index, other.index, assume_unique=True, return_indices=True)
        x, y = unit_codes(one.codes[0, mine]), unit_codes(other.codes[0, theirs])
        test = permutation_test([(standardise(x.copy()), standardise(y.copy()))]) if len(both) else None
        if test is None:
            return None
        tests.append(test.z)
        cosines.append(float(np.median((x * y).sum(axis=1))))
    z = sum(tests) / math.sqrt(len(tests))
    tensors = [t for t in a.tensors if t.part.component == component and t.part.excluded is None]
    return Evidence(
        r=float(np.mean(cosines)),
        z=z,
        groups=len(tests),
        agreeing=0,
        compared=0,
        expected=0.0,
        log10_p=min(0.0, (log10_normal(z) if z > 0 else 0.0) + math.log10(models)),
        coverage=sum(t.params for t in tensors if len(t.shape) > 1) / max(1, sum(t.params for t in tensors)),
        min_detectable_r=None,
        hypotheses=models,
    )


def _rows_of(sketch: CheckpointSketch, component: str, held: Disguise) -> Sequence[Neurons]:
    return [one for one in sketch.neurons if is_of_head(one) and one.component == component and one.keyed == held.keyed]


def _are_most(sketch: CheckpointSketch, component: str, known: int) -> bool:
    """Whether rows are known of all matrices of a component that read the stream, and these are most of it."""
    own = [t for t in sketch.tensors if t.part.component == component and t.part.excluded is None]
    on_stream = [
        t for t in own
        if len(t.shape) == 2 and t.part.layer is None and any(label.endswith("/residual") for label in labels(t.part))
    ]  # fmt: skip
    size = sum(t.params for t in own)
    return len(on_stream) == known and sum(t.params for t in on_stream) >= _MOST * size
