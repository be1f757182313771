"""Which layer of the reference corresponds to each layer of the query: dynamic programming over layer similarity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lineage.match.block_similarity import Cells, cells
from lineage.match.blocks import Block, Slot, Stack, stacks
from lineage.types import CheckpointSketch

_STEP = 1e-3  # cost, in r, of a step that is not to the next layer; a step back costs twice as much

Link = tuple[int, int]
_Chain = tuple[Link, "_Chain | None"]


@dataclass(frozen=True, slots=True)
class Facing:
    """Two corresponding layers; `moved` if the values chose another than the one of the same number.

    `b` is None for a layer without a counterpart: that of its number corresponds to another layer of the query.
    """

    a: Block
    b: Block | None
    moved: bool


def facing_layers(a: CheckpointSketch, b: CheckpointSketch, threshold: float) -> Iterator[Facing]:
    """The layers of query `a` and their counterparts in reference `b`, stack by stack.

    A layer first corresponds to that of its number, which is chosen without using values and costs no significance. It
    is replaced only by related layers: those with equal content, or with a matrix whose z passes `threshold`, which is
    corrected for every pair of matrices of the two models. Among related layers the map takes the most similar ones, in
    order if similarity does not decide; a reference layer may be used several times. A layer between two mapped ones is
    carried along if equally many lie between their counterparts: this depends on its neighbours' values, not on its
    own. A layer without a counterpart keeps that of its number unless the map has given it to another. So unrelated
    models keep the map by number except once in a million searches, and the tensors that follow their layer (gains,
    biases, small matrices) are not chosen by their own values.
    """
    for stack in stacks(a):
        choices = counterparts(stack, stacks(b))
        found = [(other, _cells(a, b, stack, other, threshold)) for other in choices]
        best = max(found, key=lambda choice: _support(choice[1]), default=None)
        if best is None:
            continue
        other, alike = best
        mapping = _layer_map(stack, other, alike)
        taken = set(mapping.values())
        for number, block in stack.blocks.items():
            target = mapping.get(number, number)
            if number not in mapping and number in taken:
                yield Facing(block, None, moved=True)
            elif target in other.blocks:
                moved = target != number or other is not choices[0]
                yield Facing(block, other.blocks[target], moved and number in mapping)


def counterparts(stack: Stack, others: Sequence[Stack]) -> list[Stack]:
    """Stacks that may correspond, the likeliest first: of the same path, else of the same component, else any."""
    same = [other for other in others if other.path == stack.path]
    return same or [other for other in others if other.component == stack.component] or list(others)


def _cells(a: CheckpointSketch, b: CheckpointSketch, stack: Stack, other: Stack, threshold: float) -> Cells:
    mine, theirs = _ordered(stack), _ordered(other)
    paths, others = [block.paths for block in mine], [block.paths for block in theirs]
    if _names(a, paths).isdisjoint(_names(b, others)):
        paths, others = [block.roles for block in mine], [block.roles for block in theirs]
    return cells(a, b, paths, others, threshold)


def _ordered(stack: Stack) -> list[Block]:
    return [stack.blocks[number] for number in sorted(stack.blocks)]


def _names(sketch: CheckpointSketch, blocks: Sequence[Mapping[Slot, int]]) -> set[Slot]:
    return {name for block in blocks for name, i in block.items() if len(sketch.tensors[i].shape) > 1}


def _support(alike: Cells) -> float:
    return float(np.where(alike.related, alike.score, 0.0).max(axis=1, initial=0.0).sum())


def _layer_map(stack: Stack, other: Stack, alike: Cells) -> dict[int, int]:
    """Layer number -> layer number, for related layers and those carried along by their neighbours."""
    mine, theirs = sorted(stack.blocks), sorted(other.blocks)
    places = carried(best_path(alike), len(mine), len(theirs))
    return {mine[i]: theirs[j] for i, j in places.items()}


def best_path(alike: Cells) -> dict[int, int]:
    """Place -> place of related blocks with the highest sum of scores, less what steps out of order cost.

    A step to the next layer is free, another step forward or none costs 0.001, a step back twice that, and a
    place of its own number gains a tenth of it: no more than breaks ties between copies. A place without a related
    block is left out.
    """
    count = alike.score.shape[1]
    gain = np.where(alike.related, alike.score + _STEP / 10 * np.eye(*alike.score.shape), -np.inf)
    offset = np.arange(count)[None, :] - np.arange(-1, count)[:, None]  # from the start or a layer, to a layer
    best = np.full(count + 1, -np.inf)
    best[0] = 0.0
    reached = np.full(count + 1, -1)
    chains: list[_Chain | None] = [None] * (count + 1)
    for i in np.flatnonzero(alike.related.any(axis=1)):
        steps = np.where(offset == (i - reached)[:, None], 0.0, np.where(offset >= 0, _STEP, 2 * _STEP))
        via = best[:, None] - steps
        origin = via.argmax(axis=0)
        total = gain[i] + via.max(axis=0)
        better = [j for j in range(count) if total[j] > best[j + 1]]
        longer: dict[int, _Chain] = {j: ((int(i), j), chains[origin[j]]) for j in better}
        for j, chain in longer.items():
            best[j + 1], reached[j + 1], chains[j + 1] = total[j], i, chain
    return _unrolled(chains[int(best.argmax())])


def carried(path: Mapping[int, int], mine: int, theirs: int) -> dict[int, int]:
    """The path with the places between two known ones, or before the first or after the last, filled in.

    Only where as many lie between on both sides; `mine` and `theirs` are the numbers of blocks.
    """
    if not path:
        return {}
    known = [(-1, -1), *sorted(path.items()), (mine, theirs)]
    found = dict(path)
    for (i, j), (after, past) in pairwise(known):
        if after - i == past - j:
            found |= {i + n: j + n for n in range(1, after - i)}
    return found


def _unrolled(chain: _Chain | None) -> dict[int, int]:
    links: list[Link] = []
    while chain is not None:
        link, chain = chain
        links.append(link)
    return dict(reversed(links))
