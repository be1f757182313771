"""Passthrough merges: models whose layers were taken whole from several others, in any order and number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.merge.mixture import MOST_PARENTS, Mixture
from lineage.ancestry.pair.narrow_types import HALVES, rounded
from lineage.match.blocks import stacks
from lineage.types import CheckpointSketch, TensorSketch

_RELATED = 0.3  # least correlation of two layers of the same number with a common ancestor
_BETWEEN = 0.2  # least cosine, seen from a merge, of another donor and an outside model; from a common parent it is 0
_OUTSIDERS = 12  # number of the nearest outside models that are compared

Layer = Mapping[tuple[str, ...], TensorSketch]
Print = tuple[object, ...]


def find_stacks(sketches: Sequence[CheckpointSketch]) -> dict[int, Mixture]:
    """Every model whose layers are all equal to layers of two or more others, by its position.

    Layers are compared by the digests of their tensors, and by rounded values if the model was rounded when it was
    stacked. Donors are chosen greedily, the one with most layers first (gather: Irber et al. 2022). A model is not a
    merge if one other model has all its layers, or if the donors may be its children: parts of it, or models trained
    from it with different layers frozen. Weights are shares of the layers; positions are those in `sketches`.
    """
    towers = [_tower(sketch) for sketch in sketches]
    owners = _owners(towers)
    narrow = {scheme: _owners(towers, scheme) for scheme in {t.narrow for t in towers if t.narrow is not None}}
    found = {}
    for child, tower in enumerate(towers):
        if len(tower.layers) > 1:
            one = _stacked(towers, child, owners, None)
            if one is None and tower.narrow is not None:
                one = _stacked(towers, child, narrow[tower.narrow], tower.narrow)
            if one is not None:
                found[child] = one
    return found


@dataclass(frozen=True)
class _Tower:
    """The layers of a model's longest stack by number, each with its tensors by their path in the layer.

    `narrow` is the 16-bit type in which all its layers are stored, None otherwise; `beside` are the digests of tensors
    outside the layers.
    """

    layers: dict[int, Layer]
    narrow: str | None
    beside: frozenset[str]

    @cached_property
    def exact(self) -> dict[int, Print]:
        return {n: tuple(sorted((p, t.band_digest) for p, t in layer.items())) for n, layer in self.layers.items()}

    def prints(self, scheme: str | None) -> dict[int, Print]:
        """Layers by their digests or, with a narrow type, by their sampled values rounded to it."""
        if scheme is None:
            return self.exact
        return {
            n: tuple(sorted((p, t.values.shape, rounded(t.values, scheme).tobytes()) for p, t in layer.items()))
            for n, layer in self.layers.items()
        }


def _tower(sketch: CheckpointSketch) -> _Tower:
    longest = max(stacks(sketch), key=lambda stack: len(stack.blocks), default=None)
    if longest is None:
        return _Tower({}, None, frozenset())
    layers: dict[int, Layer] = {
        number: {path: sketch.tensors[place] for path, place in block.paths.items()}
        for number, block in sorted(longest.blocks.items())
        if not block.experts
    }
    types = [*{t.dtype for layer in layers.values() for t in layer.values()}]
    layered = {t.name for layer in layers.values() for t in layer.values()}
    beside = frozenset(t.band_digest for t in sketch.tensors if t.name not in layered and t.part.excluded is None)
    return _Tower(layers, types[0] if len(types) == 1 and types[0] in HALVES else None, beside)


def _owners(towers: Sequence[_Tower], scheme: str | None = None) -> dict[Print, list[tuple[int, int]]]:
    """The (model, layer number) pairs that hold each layer content."""
    found: dict[Print, list[tuple[int, int]]] = defaultdict(list)
    for model, tower in enumerate(towers):
        for number, content in tower.prints(scheme).items():
            found[content].append((model, number))
    return found


def _stacked(
    towers: Sequence[_Tower],
    child: int,
    owners: Mapping[Print, list[tuple[int, int]]],
    scheme: str | None,
) -> Mixture | None:
    prints = towers[child].prints(scheme)
    sequence = [*prints.values()]
    given: dict[int, dict[int, list[int]]] = defaultdict(dict)  # donor -> layer of the child -> its layers
    for layer, content in prints.items():
        for model, number in owners[content]:
            if model != child:
                given[model].setdefault(layer, []).append(number)
    # Models with exactly the same layers are copies or children of the child.
    whole = [model for model, layers in given.items() if len(layers) == len(prints)]
    same = [model for model in whole if [*towers[model].prints(scheme).values()] == sequence]
    for model in same:
        del given[model]
    if any(len(layers) == len(prints) for layers in given.values()):
        return None
    beside = {model: len(towers[model].beside & towers[child].beside) for model in given}
    taken = _gathered(given, list(prints), beside)
    if taken is None:
        return None
    aligned = all(layer in given[giver][layer] for giver, layers in taken.items() for layer in layers)
    if not _are_givers(towers, child, taken, aligned=aligned):
        return None
    return _told(given, taken, list(prints))


def _gathered(
    given: Mapping[int, Mapping[int, list[int]]], layers: Sequence[int], beside: Mapping[int, int]
) -> dict[int, list[int]] | None:
    """Greedy cover by the fewest donors: the layers that each gives; None if a layer has none, or with too many donors.

    On a tie in layers, the donor with more tensors in common with the child outside the layers (`beside`) is taken.
    """
    left, taken = set(layers), dict[int, list[int]]()
    while left:
        best = max(given, key=lambda m: (len(left & given[m].keys()), len(given[m]), beside[m], -m), default=None)
        if best is None or not left & given[best].keys() or len(taken) == MOST_PARENTS:
            return None
        taken[best] = sorted(left & given[best].keys())
        left -= given[best].keys()
    return taken


def _told(
    given: Mapping[int, Mapping[int, list[int]]], taken: Mapping[int, list[int]], layers: Sequence[int]
) -> Mixture:
    parents = tuple(taken)
    others = [other for other in given if other not in taken]
    return Mixture(
        parents=parents,
        weights=tuple(len(taken[p]) / len(layers) for p in parents),
        by_layer={layer: tuple(float(layer in taken[p]) for p in parents) for layer in layers},
        residual=0.0,
        method="passthrough",
        alternatives=tuple((p, other) for p in parents for other in others if set(taken[p]) <= given[other].keys()),
        layer_maps=tuple(tuple(_in_order(taken[p], given[p])) for p in parents),
    )


def _in_order(layers: Sequence[int], numbers: Mapping[int, list[int]]) -> Iterator[tuple[int, int]]:
    """Pairs (layer, its number in the donor); of equal layers the one nearest to the successor of the last."""
    last = -1
    for layer in layers:
        last = min(numbers[layer], key=lambda number: abs(number - last - 1))
        yield layer, last


def _are_givers(towers: Sequence[_Tower], child: int, taken: Mapping[int, list[int]], *, aligned: bool) -> bool:
    """Whether the layers were copied from the donors to the child and not the reverse.

    Donors must be related in layers of the same number; parts of one model are not, unless they hold the same layers.
    If every layer keeps its number, the child may instead be the parent of the donors, trained with different layers
    frozen. Then the movements from the child to a donor and to any outside model are orthogonal. Without an outside
    model the two cases cannot be distinguished, and the donors are accepted.
    """
    givers = list(taken)
    if not all(any(_alike(towers[a], towers[b]) for b in givers if b != a) for a in givers):
        return False
    if not aligned or any(towers[g].layers.keys() != towers[child].layers.keys() for g in givers):
        return True
    outside = _outsiders(towers, child, givers)
    return not outside or any(
        min(_angle(towers, child, other, one, [n for g in givers if g != other for n in taken[g]]) for other in givers)
        > _BETWEEN
        for one in outside
    )


def _alike(a: _Tower, b: _Tower) -> bool:
    """Whether two towers have a layer of the same number that is related and not equal."""
    return any(
        a.exact[n] != b.exact[n] and _correlation(a.layers[n], b.layers[n]) > _RELATED
        for n in a.layers.keys() & b.layers.keys()
    )


def _outsiders(towers: Sequence[_Tower], child: int, givers: Sequence[int]) -> list[int]:
    """The models most similar to the child that have its layer shapes and none of its layers."""
    here = towers[child]
    first = next(iter(here.layers))
    near = []
    for model, tower in enumerate(towers):
        if model == child or model in givers or tower.layers.keys() != here.layers.keys():
            continue
        likeness = _correlation(here.layers[first], tower.layers[first])
        if likeness > _RELATED and not any(tower.exact[n] == here.exact[n] for n in here.layers):
            near.append((likeness, model))
    return [model for _, model in sorted(near, reverse=True)[:_OUTSIDERS]]


def _angle(towers: Sequence[_Tower], child: int, other: int, one: int, layers: Sequence[int]) -> float:
    """Mean cosine, seen from the child, of donor `other` and outside model `one`, over layers from other donors."""
    cosines = []
    for number in layers:
        here = _values(towers[child].layers[number], towers[child].layers[number])
        left = _values(towers[other].layers[number], towers[child].layers[number]) - here
        right = _values(towers[one].layers[number], towers[child].layers[number]) - here
        size = float(np.linalg.norm(left) * np.linalg.norm(right))
        cosines.append(float(left @ right) / size if size > 0.0 else 0.0)
    return float(np.mean(cosines)) if cosines else 1.0


def _values(layer: Layer, like: Layer) -> NDArray[np.float64]:
    """Sampled values of a layer's matrices (dims,) float64, each in units of the standard deviation in `like`."""
    kept = [(layer[path], t) for path, t in sorted(like.items()) if len(t.shape) > 1]
    return np.concatenate([one.values.reshape(-1) / (t.stats.std or 1.0) for one, t in kept]).astype(np.float64)


def _correlation(a: Layer, b: Layer) -> float:
    """Mean correlation of two layers' matrices; 0 if their shapes differ."""
    if a.keys() != b.keys() or any(a[path].shape != b[path].shape for path in a):
        return 0.0
    pairs = [(a[path].values.reshape(-1), b[path].values.reshape(-1)) for path in a if len(a[path].shape) > 1]
    found = [float(np.corrcoef(x, y)[0, 1]) for x, y in pairs if x.std() > 0.0 and y.std() > 0.0]
    return float(np.mean(found)) if found else 0.0
