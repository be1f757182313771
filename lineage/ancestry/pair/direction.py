"""The direction between two models: given only if one side can be computed from the other, with the cue behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from lineage.ancestry.pair import cues
from lineage.ancestry.pair.calibration import ratio
from lineage.ancestry.pair.changes import Compared
from lineage.ancestry.pair.cues import Said
from lineage.types import Cue, Direction
from lineage.types.facts import Fact

CUES: Mapping[str, Callable[[Compared], Said | None]] = {
    "computable": cues.computable,
    "projected-out": cues.projected_out,
    "upcycled": cues.upcycled,
    "narrower": cues.narrower,
    "layers": cues.layers,
    "vocabulary-grown": cues.vocabulary_grown,
    "shrunk-rows": cues.shrunk_rows,
    "gains-spread": cues.gains_spread,
    "declared": cues.declared,
}
"""Every cue by its id, compelling ones before likely ones: a later cue never overrules an earlier one.

How often each is right was counted on known edges (calibration.toml).
"""

WEAK = ("vocabulary-grown", "gains-spread")
"""Cues that two siblings show as well: they shift the odds of a known edge, and never decide alone."""

_DECLARED = 2.0  # a prior, weaker than every counted cue: the known edges have no cards


def heard(of: Compared) -> tuple[Cue, ...]:
    """The cues that apply, in the order of `CUES`."""
    found = [(name, said) for name, cue in CUES.items() if (said := cue(of)) is not None]
    return tuple(Cue(name, said.direction, _ratio(name), said.fact, said.certain) for name, said in found)


def _ratio(name: str) -> float:
    return _DECLARED if name == "declared" else ratio(name)


def direction(said: Sequence[Cue]) -> tuple[Direction, tuple[Fact, ...]]:
    """The query's direction by the first certain cue, and the facts that agree; "undirected" without a certain cue."""
    way = next((cue.direction for cue in said if cue.certain), Direction.UNDIRECTED)
    return way, tuple(cue.fact for cue in said if cue.direction == way)


def likely_direction(said: Sequence[Cue]) -> Direction:
    """The query's direction if one of the two is known to be the other's parent: certain cues first.

    "undirected" if there are only weak cues.
    """
    deciding = [cue for cue in said if cue.certain] or [cue for cue in said if cue.name not in WEAK]
    return deciding[0].direction if deciding else Direction.UNDIRECTED


def leaning(said: Sequence[Cue]) -> float:
    """Natural logarithm of the odds that the query is the child, given that one of the two is the other's parent.

    Cues are taken as independent given the direction; the weak ones count too.
    """
    signs = {Direction.CHILD: 1.0, Direction.PARENT: -1.0}
    return sum(signs.get(cue.direction, 0.0) * math.log(cue.ratio) for cue in said)
