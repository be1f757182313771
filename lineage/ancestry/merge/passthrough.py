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

_RELATED = 0.3  # correlation of two layers of one number that were trained from one ancestor
_BETWEEN = 0.2  # cosine at a merge between the other giver and a model outside; at a common parent of both it is 0
_OUTSIDERS = 12  # models that are asked for a common parent, the nearest

Layer = Mapping[tuple[str, ...], TensorSketch]
Print = tuple[object, ...]


def find_stacks(sketches: Sequence[CheckpointSketch]) -> dict[int, Mixture]:
    """Every model whose layers are all equal to layers of two or more others, by its position.

    Layers are compared by the digests of their tensors, and by rounded values where the model was rounded as it was
    stacked. Givers are chosen greedily, the one that gives most layers first (gather: Irber et al. 2022). No merge is a
    model whose layers one other model has all, and none where the givers may be its children: parts of it, or trained
    from it with other layers frozen. Weights are shares of the layers; positions are those of the list.
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
    """The layers of a model's longest stack by number, each with its tensors by their path in it.

    `narrow` is the one type of 16 bits that all of it is stored in; `beside` are digests of what is in no layer.
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
    """Models and layer numbers that hold each content."""
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
    given: dict[int, dict[int, list[int]]] = defaultdict(dict)  # giver -> layer of the child -> its layers
    for layer, content in prints.items():
        for model, number in owners[content]:
            if model != child:
                given[model].setdefault(layer, []).append(number)
    # Models of the very same layers are the child's copies or its children.
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
    """Fewest givers, greedily: the layers that each gives; None if some layer has none or they are too many.

    Of two that give as much it is the one that has more in common with the child `beside` the layers.
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
    """Pairs (layer, its number in the giver); of equal layers the one that goes on where the last ended."""
    last = -1
    for layer in layers:
        last = min(numbers[layer], key=lambda number: abs(number - last - 1))
        yield layer, last


def _are_givers(towers: Sequence[_Tower], child: int, taken: Mapping[int, list[int]], *, aligned: bool) -> bool:
    """Whether the layers went from the givers to the child and not back.

    Givers are related, layer by layer: parts of one model are not, unless they hold the very same layers. Where every
    layer keeps its number the child may be the parent of givers that were trained with other layers frozen: then both
    stand apart from it at right angles to every model outside, and if there is none it cannot be told.
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
    """Whether two towers have a layer of one number that is related and not the same."""
    return any(
        a.exact[n] != b.exact[n] and _correlation(a.layers[n], b.layers[n]) > _RELATED
        for n in a.layers.keys() & b.layers.keys()
    )


def _outsiders(towers: Sequence[_Tower], child: int, givers: Sequence[int]) -> list[int]:
    """The models most like the child that have its layers' shapes and none of their content."""
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
    """Mean cosine, at the child, between another giver and a model outside, over layers that the giver did not give."""
    cosines = []
    for number in layers:
        here = _values(towers[child].layers[number], towers[child].layers[number])
        left = _values(towers[other].layers[number], towers[child].layers[number]) - here
        right = _values(towers[one].layers[number], towers[child].layers[number]) - here
        size = float(np.linalg.norm(left) * np.linalg.norm(right))
        cosines.append(float(left @ right) / size if size > 0.0 else 0.0)
    return float(np.mean(cosines)) if cosines else 1.0


def _values(layer: Layer, like: Layer) -> NDArray[np.float64]:
    """Sampled values of a layer's matrices, each in units of the other layer's deviation."""
    kept = [(layer[path], t) for path, t in sorted(like.items()) if len(t.shape) > 1]
    return np.concatenate([one.values.reshape(-1) / (t.stats.std or 1.0) for one, t in kept]).astype(np.float64)


def _correlation(a: Layer, b: Layer) -> float:
    """Mean correlation of two layers' matrices; 0 where their shapes differ."""
    if a.keys() != b.keys() or any(a[path].shape != b[path].shape for path in a):
        return 0.0
    pairs = [(a[path].values.reshape(-1), b[path].values.reshape(-1)) for path in a if len(a[path].shape) > 1]
    found = [float(np.corrcoef(x, y)[0, 1]) for x, y in pairs if x.std() > 0.0 and y.std() > 0.0]
    return float(np.mean(found)) if found else 0.0
