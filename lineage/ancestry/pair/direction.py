"""Which way the arrow points: only where one side can be computed from the other, and with the cue named."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lineage.ancestry.pair import cues
from lineage.ancestry.pair.calibration import ratio
from lineage.ancestry.pair.cues import Compared, Said
from lineage.types import Cue, Direction

__all__ = ["CUES", "EITHER_WAY", "direction", "heard", "leaning", "likely_role"]

EITHER_WAY = 0.5  # that an open neighbour is the parent: nothing tells

CUES: tuple[Callable[[Compared], Said | None], ...] = (
    cues.computable,
    cues.projected_out,
    cues.upcycled,
    cues.narrower,
    cues.layers,
    cues.vocabulary_grown,
    cues.shrunk_rows,
    cues.gains_spread,
    cues.declared,
)
"""Every cue, what cannot be otherwise before what is only likely: a later cue never overrules an earlier one.

How often each is right was counted on known edges (calibration.toml).
"""

WEAK = ("gains_spread",)
"""Cues that two siblings show as well: they lean an edge that is known to be one, and decide none."""

_DECLARED = 2.0  # a prior, weaker than whatever was counted: the known edges have no cards


def heard(of: Compared) -> tuple[Cue, ...]:
    """What the cues say, in their order."""
    found = [(cue.__name__, said) for cue in CUES if (said := cue(of)) is not None]
    return tuple(Cue(name, said.role, _ratio(name), said.text, said.certain) for name, said in found)


def _ratio(name: str) -> float:
    return _DECLARED if name == "declared" else ratio(name)


def direction(said: Sequence[Cue]) -> tuple[Direction, tuple[str, ...]]:
    """The query's role by the first cue that is certain, and what agrees with it; "undirected" without one."""
    role: Direction = next((cue.role for cue in said if cue.certain), "undirected")
    return role, tuple(cue.text for cue in said if cue.role == role)


def likely_role(said: Sequence[Cue]) -> Direction:
    """The query's role if one of the two is known to be the other's parent: certain cues first.

    "undirected" where none speaks but weak ones.
    """
    deciding = [cue for cue in said if cue.certain] or [cue for cue in said if cue.name not in WEAK]
    return deciding[0].role if deciding else "undirected"


def leaning(said: Sequence[Cue]) -> float:
    """Natural logarithm of the odds that the query is the child, given that one of the two is the other's parent.

    Cues are taken as independent given the direction; the weak ones count too.
    """
    signs = {"child": 1.0, "parent": -1.0}
    return sum(signs.get(cue.role, 0.0) * math.log(cue.ratio) for cue in said)
