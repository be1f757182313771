"""Untrained initialisations."""

from __future__ import annotations

from collections.abc import Sequence

from lineage.ancestry.geometry import Points
from lineage.ancestry.pair.untrained import is_untrained
from lineage.match.values import MIN_DISTINCT
from lineage.types import CheckpointSketch, TensorSketch

_TAKEN_OVER = 0.05  # share of an untrained model's matrices that another model holds too
_NOTHING_ELSE = 0.2  # mean cosine of the remaining matrices: unrelated ones stay below


def beginnings(sketches: Sequence[CheckpointSketch], share: Points) -> frozenset[int]:
    """Positions of the models that are initialisations; `share` is `Likeness.of_models`.

    An untrained model that holds matrices of a trained one and is otherwise unrelated to it is excluded: it is a host
    into which they were copied. Training from an initialisation may leave some matrices unchanged too, but then the
    remaining ones are still similar.
    """
    untrained = {i for i, sketch in enumerate(sketches) if is_untrained(sketch)}
    trained = {j: _contents(sketch) for j, sketch in enumerate(sketches) if j not in untrained} if untrained else {}
    return frozenset(
        i
        for i in untrained
        if not any(
            _is_host(sketches[i], held, float(share[i, j])) for j, held in trained.items() if share[i, j] > _TAKEN_OVER
        )
    )


def _is_host(sketch: CheckpointSketch, held: set[str], likeness: float) -> bool:
    matrices = _matrices(sketch)
    equal = sum(t.params for t in matrices if t.band_digest in held) / max(1, sum(t.params for t in matrices))
    return equal > _TAKEN_OVER and likeness - equal < _NOTHING_ELSE * (1.0 - equal)


def _contents(sketch: CheckpointSketch) -> set[str]:
    return {t.band_digest for t in _matrices(sketch)}


def _matrices(sketch: CheckpointSketch) -> list[TensorSketch]:
    weights = (t for t in sketch.tensors if t.part.excluded is None and len(t.shape) > 1)
    return [t for t in weights if t.stats.distinct >= MIN_DISTINCT]
