"""Tensors that a training step left unchanged to the bit: characters that cannot arise twice.

Models with the same values of a tensor descend from the one that had them first. In the true tree they are connected,
so of two trees the one with fewer changes of such characters is the likelier (parsimony, Fitch 1971).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Points
from lineage.ancestry.pair.narrow_types import HALVES, rounded
from lineage.ancestry.vectors import apart, learned_vectors, vectors_apart
from lineage.sketch.remembered import remembered
from lineage.types import CheckpointSketch, TensorSketch

_LEAST_VALUES = 16  # of a tensor: fewer may agree by chance

Character = tuple[Hashable, Hashable]  # which tensor, and the values that it has


class Untouched:
    """The tensors that models of a family have in common to the bit, norms and biases included.

    If the models are stored in several types, the values rounded to the narrower types are compared as well, so that an
    untrained tensor agrees across types.
    """

    def __init__(self, sketches: Mapping[int, CheckpointSketch]) -> None:
        self._place = {model: i for i, model in enumerate(sorted(sketches))}
        ordered = [sketches[model] for model in self._place]
        types = {tensor.dtype for sketch in ordered for tensor in _told(sketch)}
        roundings = sorted(types & {*HALVES}) if len(types) > 1 else []
        characters = [_characters(sketch, roundings) for sketch in ordered]
        held = Counter(character for own in characters for character in own)
        shared = {one: column for column, one in enumerate(c for c, count in held.items() if count > 1)}
        self._holds = np.zeros((len(ordered), len(shared)), np.float32)
        for row, own in enumerate(characters):
            self._holds[row, [shared[one] for one in own if one in shared]] = 1.0
        counts = [Counter(where for where, _ in own) for own in characters]
        self._changed = 1.0 - _shares(self._holds, counts)
        self._held = [learned_vectors(sketch) for sketch in ordered]
        self._vectors = vectors_apart(self._held)

    def steps(self, parents: NDArray[np.int64], children: NDArray[np.int64]) -> tuple[Points, Points]:
        """What the step from each parent to its child changed: two arrays (arcs,), 0..1.

        The first is the share of common tensors with any change, the second how far norms and biases moved. `parents`
        and `children` are positions in the order of the models' numbers.
        """
        return self._changed[parents, children], self._vectors[parents, children]

    def nearer_by(self, model: int, left: int, right: int) -> float:
        """How much nearer a model is to `left` than to `right`, by norms and biases in layers that all three have."""
        own, one, other = (self._held[self._place[k]] for k in (model, left, right))
        common = {where for where in own.keys() & one.keys() & other.keys() if where.layer is not None}
        ours, near, far = ({where: held[where] for where in common} for held in (own, one, other))
        return apart(ours, far) - apart(ours, near)

    def is_inherited(self, child: int, parent: int, grandparent: int) -> bool | None:
        """Whether the child holds tensors that only the parent has (True) or only the grandparent has (False).

        None if it holds tensors of neither, or of both.
        """
        own, above, top = (self._holds[self._place[model]] > 0 for model in (child, parent, grandparent))
        from_parent, from_above = bool((own & above & ~top).any()), bool((own & top & ~above).any())
        return None if from_parent == from_above else from_parent


def _told(sketch: CheckpointSketch) -> Iterator[TensorSketch]:
    """The tensors whose values are evidence: a constant tensor was never trained, or was reinitialised."""
    for tensor in sketch.tensors:
        if tensor.part.excluded is None and tensor.params >= _LEAST_VALUES and tensor.stats.std > 0.0:
            yield tensor


def _characters(sketch: CheckpointSketch, roundings: Sequence[str]) -> set[Character]:
    found: set[Character] = set()
    repeats: Counter[Hashable] = Counter()
    for tensor in _told(sketch):
        where = tensor.part.component, tensor.part.role, tensor.part.layer, tensor.shape
        values: list[Hashable] = [tensor.band_digest, *(_ROUNDED[name](tensor) for name in roundings)]
        for way, value in enumerate(values):
            repeats[where, way, value] += 1
            found.add(((where, way), (value, repeats[where, way, value])))
    return found


def _rounded_to(scheme: str) -> Callable[[TensorSketch], bytes]:
    """A digest of a tensor's values rounded to a type."""

    @remembered
    def digest(tensor: TensorSketch) -> bytes:
        return blake2b(rounded(tensor.values, scheme).tobytes(), digest_size=8).digest()

    return digest


_ROUNDED = {scheme: _rounded_to(scheme) for scheme in HALVES}


def _shares(holds: NDArray[np.float32], counts: Sequence[Counter[Hashable]]) -> Points:
    """Share of the tensors in common that have the same values, (models, models)."""
    columns: dict[Hashable, int] = defaultdict(lambda: len(columns))
    places = [[columns[where, k] for where, count in own.items() for k in range(count)] for own in counts]
    has = np.zeros((len(holds), len(columns)), np.float32)
    for row, own in enumerate(places):
        has[row, own] = 1.0
    equal, common = (side.astype(np.float32) @ side.T for side in (holds, has))
    return np.asarray(np.divide(equal, common, out=np.zeros(equal.shape), where=common > 0.0))
