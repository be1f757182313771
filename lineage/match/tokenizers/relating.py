"""The relation of two vocabularies in one order, and which came first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lineage.match.tokenizers.core import Side
from lineage.match.tokenizers.order import ALPHA
from lineage.match.tokenizers.seams import seam
from lineage.types import TokenizerBasis, TokenizerRelation, TokenizerSketch

Name = Literal["a", "b"]

FEW = 0.01
"""Share of a vocabulary outside the common order up to which the relation does not change."""
ALIKE = 0.95
"""Share of the common order with one shift of ids from which on tokens were replaced where they stood."""


@dataclass(frozen=True, slots=True)
class Related:
    """A relation, the vocabulary that came first if known, and the reason."""

    relation: TokenizerRelation
    parent: Name | None = None
    basis: TokenizerBasis | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """One vocabulary beside another that shares an order with it.

    `core` (m,) int64 are places in its sample of the common order, `side` of its other tokens; `missing` of these the
    other does not have at all.
    """

    name: Name
    sketch: TokenizerSketch
    core: NDArray[np.int64]
    side: Side
    missing: int

    @property
    def is_covered(self) -> bool:
        """Whether all but a few of its tokens are in the common order."""
        return self._is_few(self.side.own)

    @property
    def is_held(self) -> bool:
        """Whether the other has all but a few of its tokens, in any order."""
        return self._is_few(self.missing)

    @property
    def is_gapless(self) -> bool:
        """Whether no more than a few of its tokens stand between those of the common order."""
        return self._is_few(len(self.side.within))

    @property
    def has_few_before(self) -> bool:
        """Whether the common order begins where the vocabulary does."""
        return self._is_few(len(self.side.before))

    def seams(self) -> tuple[float, float]:
        """log10 p that the common order is drawn like the tokens before it, and like those after it."""
        ids, marks = self.sketch.ids, self.sketch.marks
        core = marks[self.core[np.argsort(ids[self.core], kind="stable")]]
        return seam(core[::-1], marks[self.side.before][::-1]), seam(core, marks[self.side.behind])

    def _is_few(self, count: int) -> bool:
        return count <= FEW * (len(self.core) + self.side.own)


def relate(a: Ordered, b: Ordered, aligned: float) -> Related:
    """The relation of two vocabularies whose shared tokens are in one order, and which are not equal."""
    if a.is_covered and b.is_covered:
        differ = bool(a.side.own and b.side.own) or a.sketch.ordinary == b.sketch.ordinary
        return Related("replaced" if differ else "extended")
    if a.is_covered or b.is_covered:
        return _of_more(*((a, b) if a.is_covered else (b, a)))
    if aligned >= ALIKE and not a.is_gapless and not b.is_gapless:
        return Related("replaced")
    return _merged(a, b) or _merged(b, a) or _with_own(a, b) or _with_own(b, a) or Related("siblings")


def _of_more(part: Ordered, whole: Ordered) -> Related:
    """`part` lies in `whole`, in its order: what a pruning left, the base of an extension, or what was appended to."""
    if not whole.is_gapless:
        return Related("pruned", whole.name, "subset")
    relation: TokenizerRelation = "extended" if whole.has_few_before else "merged"
    seams = whole.seams()
    if min(seams) < ALPHA:
        return Related(relation, part.name, "behind")
    return Related("extended")


def _merged(part: Ordered, whole: Ordered) -> Related | None:
    """`whole` has all of `part`: some in another order, and behind these, in one order, those that were missing."""
    side, ids = whole.side, whole.sketch.ids
    own = np.concatenate([side.before, side.within, side.behind])
    if not part.is_held or whole.is_held or np.median(ids[whole.core]) <= np.quantile(ids[own], 0.9):
        return None
    return Related("merged", part.name, "behind")


def _with_own(child: Ordered, parent: Ordered) -> Related | None:
    """`child` lacks tokens from all over `parent`, and has its own after the rest."""
    if parent.is_gapless or not child.is_gapless:
        return None
    more = len(child.side.behind) > len(parent.side.within)
    return Related("extended" if more else "pruned", parent.name, "subset")
