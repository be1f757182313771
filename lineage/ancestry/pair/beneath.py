"""Which disguise was applied, and how the two models are related apart from it.

Once neurons are paired by their action on the tokens, the two models are in one basis and their distance is measured as
usual; zeros, levels and sizes are properties of each model. A rotation hides which model was rounded or pruned, and a
narrowed model may be a sibling of the other, so these cues are not certain. The only certain cue is that gains were
folded into the next matrices, if everything else is shown to be the same, the order of the neurons too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

import numpy as np

from lineage.ancestry.pair.alike_beneath import SAME, alike_as_wholes
from lineage.ancestry.pair.calibration import calibration, ratio
from lineage.ancestry.pair.towers import Tower
from lineage.match.disguise import Disguise
from lineage.types import CheckpointSketch, Cue, Direction, Relation
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
"""Greatest distance (1 - cosine) of neuron codes that rounding to narrow types causes.

Calibration half of the practice zoo: at most 3.8e-5 from rounding alone (48 disguises), 1.1e-4 and more from eight bits
or the lightest training. Noise of a thousandth of a weight, 2.2e-5 to 4.3e-5, cannot be distinguished from rounding.
"""
_SAME_CHANNELS = 1.4e-4
"""The same of the codes of channels, which are known through all layers before them.

Real networks of convolutions: at most 1.3e-4 from rounding to bfloat16 (19 networks), 1.6e-4 and more from eight bits;
5.6e-4 and more from the lightest training on the calibration half of the practice zoo.
"""
_MOMENT = 1e-3  # relative difference of moments that rounding causes
_MORE_ZEROS = 0.05  # share of the values: training and rounding leave fewer new zeros
_ROUNDED_R = 0.9  # of codes: four bits leave 0.98
_SCALED = 0.05  # spread of scales above what training causes


def undone(a: CheckpointSketch, b: CheckpointSketch, held: Disguise) -> tuple[Fact, ...]:
    """Facts on a disguise: the paired neurons, what was undone, and the relation of `a` to `b` beneath it if known."""
    ours, theirs = _towers(a, b, held)
    facts: list[Fact] = [same_neurons(held), UndoneBasis(_basis(ours, theirs, held))]
    if any(isinstance(cue.fact, FoldedGains) for cue in cues_beneath(a, b, held)):
        facts.append(UndoneGains())
    if held.scaled > _SCALED:
        facts.append(UndoneScales(held.scaled))
    word = _word(ours, theirs, held)
    return (*facts, *([Beneath(word)] if word is not None else []))


def cues_beneath(a: CheckpointSketch, b: CheckpointSketch, held: Disguise) -> Iterator[Cue]:
    """Cues on which of the two came first."""
    ours, theirs = _towers(a, b, held)
    sides: tuple[tuple[Direction, Side, Tower, Tower], ...]
    sides = (Direction.CHILD, "this-model", ours, theirs), (Direction.PARENT, "reference", theirs, ours)
    found: list[tuple[str, Direction, FoldedGains | FewerUnits]] = []
    for direction, side, child, parent in sides:
        if child.is_flat and parent.has_gains:
            found.append(("folded-gains", direction, FoldedGains(side)))
        if child.units < parent.units and child.has_experts == parent.has_experts:
            found.append(("narrower", direction, FewerUnits(side)))
    # If one side has folded gains and the other has fewer units, both were made from a third model.
    # In another order, either may be the one that was reordered, and the order of a third that both were made of.
    alone = len({said for _, said, _ in found}) == 1 and _is_in_order(held)
    certain = alone and is_same(held) and alike_as_wholes(ours, theirs)
    for name, said, fact in found:
        yield Cue(name, said, ratio(name), fact, certain=certain and name == "folded-gains")
    match _word(ours, theirs, held):
        case Relation.QUANTIZED:
            yield Cue("computable", Direction.CHILD, ratio("computable"), Computable("this-model", "quantising"))
        case Relation.PRUNED:
            yield Cue("computable", Direction.CHILD, ratio("computable"), Computable("this-model", "pruning"))


def same_neurons(held: Disguise) -> SameNeurons:
    """How many neurons were paired, and how many of these have another number."""
    pairs = [pair for layer in held.layers for pair in layer.pairs.tolist()]
    moved = sum(ours != theirs for ours, theirs in pairs)
    return SameNeurons(len(held.layers), len(pairs) / sum(layer.of for layer in held.layers), moved / len(pairs))


def _towers(a: CheckpointSketch, b: CheckpointSketch, held: Disguise) -> tuple[Tower, Tower]:
    mine, theirs = zip(*(one.layers for one in held.layers), strict=True)
    return Tower(a, held.component[0], mine), Tower(b, held.component[1], theirs)


def _is_in_order(held: Disguise) -> bool:
    """Whether paired neurons follow each other in the same order in both models."""
    facing = (layer.pairs[np.argsort(layer.pairs[:, 0], kind="stable"), 1] for layer in held.layers)
    return all(bool((np.diff(one) > 0).all()) for one in facing)


def is_same(held: Disguise) -> bool:
    """Whether the two differ only by a disguise and by rounding to a narrow type."""
    if held.keyed == "input":
        return held.apart < _SAME_CHANNELS
    return held.off is not None and held.off < SAME and held.apart < _SAME_CODES


def _word(ours: Tower, theirs: Tower, held: Disguise) -> Uncovered | None:
    """The relation for a change of structure or values; None if too little is known."""
    if ours.layers != theirs.layers:
        return Relation.DEPTH_CHANGED
    if ours.has_experts != theirs.has_experts:
        return Relation.EXPERT_UPCYCLED
    if ours.units != theirs.units:
        return Relation.WIDTH_PRUNED
    if ours.tokens != theirs.tokens:
        return Relation.VOCABULARY_CHANGED
    return _values_word(ours, theirs, held)


def _values_word(ours: Tower, theirs: Tower, held: Disguise) -> Uncovered | None:
    if is_same(held):
        return Relation.RE_ENCODED
    if held.r > _ROUNDED_R and ours.has_levels and not theirs.has_levels:
        return Relation.QUANTIZED
    if ours.zeros - theirs.zeros > _MORE_ZEROS:
        return Relation.PRUNED
    if held.keyed == "input":  # the codes of a layer are the product of its weights and of those before it
        of_weights = median(max(0.0, one.r) ** (1.0 / (one.layers[0] + 1)) for one in held.layers)
        return Relation.FINE_TUNED if of_weights >= calibration().fine_tuned_r else Relation.CONTINUED_PRETRAINING
    if held.off is None:
        return None
    # Codes are products of two trained weights: their r is about the square of the weights'.
    return (
        Relation.FINE_TUNED
        if math.sqrt(max(0.0, held.r)) >= calibration().fine_tuned_r
        else Relation.CONTINUED_PRETRAINING
    )


def _basis(ours: Tower, theirs: Tower, held: Disguise) -> Basis:
    """How the stream's basis was changed, by the moments of its first table, which a permutation does not alter."""
    if held.keyed == "input":  # a nonlinearity stands behind each channel: there is no other way
        return "channels"
    mine, other = ours.table, theirs.table
    if not is_same(held) or mine is None or other is None or mine.params != other.params:
        return "changed"
    if mine.moments is None or other.moments is None:
        return "changed"
    square, fourth = (bool(np.isclose(mine.moments[k], other.moments[k], rtol=_MOMENT)) for k in (1, 3))
    if square and fourth:
        return "permuted"
    return "rotated" if square else "changed"
