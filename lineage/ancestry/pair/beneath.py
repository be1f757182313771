"""What a disguise was, and what one model is to the other beneath it.

Once neurons are paired and told by what they do to the tokens, two models stand in one basis, and how far they lie
apart is measured as ever; zeros, levels and sizes each of the two shows alone. A rotation hides whose rounding or
pruning it was, and what was narrowed in another order may be of the same parent as that order, so that these cues only
lean; certain are gains folded into the matrices behind them, where all the rest is shown to be the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from lineage.ancestry.pair.alike_beneath import SAME, alike_as_wholes
from lineage.ancestry.pair.calibration import calibration, ratio
from lineage.ancestry.pair.towers import Tower
from lineage.match.disguise import Disguise
from lineage.types import CheckpointSketch, Cue, Direction
from lineage.types.facts import Fact
from lineage.types.facts.cues import Computable, FewerUnits, Side
from lineage.types.facts.disguises import (
    Basis,
    Beneath,
    FoldedGains,
    SameNeurons,
    Uncovered,
    UndoneBasis,
    UndoneGains,
    UndoneScales,
)

_SAME_CODES = 6e-5
"""How far the codes of neurons lie apart, as one less their cosine, that narrow types bring about.

Calibration half of the practice zoo: 3.8e-5 at most where nothing else was done (48 disguises), 1.1e-4 and more of
eight bits or the lightest training. Noise of a thousandth of a weight, 2.2e-5 to 4.3e-5, is no more than rounding.
"""
_MOMENT = 1e-3  # relative difference of moments that rounding leaves
_MORE_ZEROS = 0.05  # share of the values: training and rounding leave fewer new zeros
_ROUNDED_R = 0.9  # of codes: four bits leave 0.98
_SCALED = 0.05  # spread of scales that training does not bring about


def undone(a: CheckpointSketch, b: CheckpointSketch, held: Disguise) -> tuple[Fact, ...]:
    """The neurons that are the same, what was undone, and what `a` is to reference `b` beneath it if that is known."""
    ours, theirs = _towers(a, b, held)
    facts: list[Fact] = [_same_neurons(held), UndoneBasis(_basis(ours, theirs, held))]
    if any(isinstance(cue.fact, FoldedGains) for cue in cues_beneath(a, b, held)):
        facts.append(UndoneGains())
    if held.scaled > _SCALED:
        facts.append(UndoneScales(held.scaled))
    word = _word(ours, theirs, held)
    return (*facts, *([Beneath(word)] if word is not None else []))


def cues_beneath(a: CheckpointSketch, b: CheckpointSketch, held: Disguise) -> Iterator[Cue]:
    """Which of the two came first, as far as it shows."""
    ours, theirs = _towers(a, b, held)
    sides: tuple[tuple[Direction, Side, Tower, Tower], ...]
    sides = ("child", "this-model", ours, theirs), ("parent", "reference", theirs, ours)
    found: list[tuple[str, Direction, FoldedGains | FewerUnits]] = []
    for role, side, child, parent in sides:
        if child.is_flat and parent.has_gains:
            found.append(("folded-gains", role, FoldedGains(side)))
        if child.units < parent.units and child.has_experts == parent.has_experts:
            found.append(("narrower", role, FewerUnits(side)))
    # What has gains folded away on the one side and units left out on the other has both from a third.
    certain = len({said for _, said, _ in found}) == 1 and _is_same(held) and alike_as_wholes(ours, theirs)
    for name, said, fact in found:
        yield Cue(name, said, ratio(name), fact, certain=certain and name == "folded-gains")
    match _word(ours, theirs, held):
        case "quantized":
            yield Cue("computable", "child", ratio("computable"), Computable("this-model", "quantising"))
        case "pruned":
            yield Cue("computable", "child", ratio("computable"), Computable("this-model", "pruning"))


def _same_neurons(held: Disguise) -> SameNeurons:
    pairs = [pair for layer in held.layers for pair in layer.pairs.tolist()]
    moved = sum(ours != theirs for ours, theirs in pairs)
    return SameNeurons(len(held.layers), len(pairs) / sum(layer.of for layer in held.layers), moved / len(pairs))


def _towers(a: CheckpointSketch, b: CheckpointSketch, held: Disguise) -> tuple[Tower, Tower]:
    mine, theirs = zip(*(one.layers for one in held.layers), strict=True)
    return Tower(a, held.component[0], mine), Tower(b, held.component[1], theirs)


def _is_same(held: Disguise) -> bool:
    """Whether nothing but a disguise, and the rounding of a narrow type, lies between the two."""
    return held.off is not None and held.off < SAME and held.apart < _SAME_CODES


def _word(ours: Tower, theirs: Tower, held: Disguise) -> Uncovered | None:
    """The word for what changed structure or values; None where too little is known of the two."""
    if ours.layers != theirs.layers:
        return "depth-changed"
    if ours.has_experts != theirs.has_experts:
        return "expert-upcycled"
    if ours.units != theirs.units:
        return "width-pruned"
    if ours.tokens != theirs.tokens:
        return "vocabulary-changed"
    return _values_word(ours, theirs, held)


def _values_word(ours: Tower, theirs: Tower, held: Disguise) -> Uncovered | None:
    if _is_same(held):
        return "re-encoded"
    if held.r > _ROUNDED_R and ours.has_levels and not theirs.has_levels:
        return "quantized"
    if ours.zeros - theirs.zeros > _MORE_ZEROS:
        return "pruned"
    if held.off is None:
        return None
    # Codes are products of two weights, both of which were trained.
    return "fine-tuned" if math.sqrt(max(0.0, held.r)) >= calibration().fine_tuned_r else "continued-pretraining"


def _basis(ours: Tower, theirs: Tower, held: Disguise) -> Basis:
    """How the stream's basis was changed, by the moments of its first table, which no order of channels alters."""
    mine, other = ours.table, theirs.table
    if not _is_same(held) or mine is None or other is None or mine.params != other.params:
        return "changed"
    if mine.moments is None or other.moments is None:
        return "changed"
    square, fourth = (bool(np.isclose(mine.moments[k], other.moments[k], rtol=_MOMENT)) for k in (1, 3))
    if square and fourth:
        return "permuted"
    return "rotated" if square else "changed"
