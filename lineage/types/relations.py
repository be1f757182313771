"""What each relation means, in one table from which every list of relations is derived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lineage.types.words import Relation


@dataclass(frozen=True, slots=True)
class Nature:
    """What is true of a relation.

    `inherits`: weights of the one came from the other, or both from one. `is_told_alone`: two models suffice to see
    it. `is_exact`: the values are the same, rounding of the storage and order aside. `is_directed`: one of the two can
    be the parent. `reshapes`: layers, units, tokens or experts differ. `trains`: all weights were trained on.
    """

    inherits: bool = True
    is_told_alone: bool = True
    is_exact: bool = False
    is_directed: bool = True
    reshapes: bool = False
    trains: bool = False


NATURES: Mapping[Relation, Nature] = {
    "disguised": Nature(),
    "expert-upcycled": Nature(reshapes=True),
    "depth-changed": Nature(reshapes=True),
    "width-pruned": Nature(reshapes=True),
    "vocabulary-changed": Nature(reshapes=True),
    "continued-pretraining": Nature(trains=True),
    "adapter-merged": Nature(),
    "fine-tuned": Nature(trains=True),
    "pruned": Nature(),
    "quantized": Nature(),
    "re-encoded": Nature(is_exact=True),
    "identical": Nature(is_exact=True, is_directed=False),
    "component-reused": Nature(),
    "merged": Nature(is_told_alone=False),
    "shared-init": Nature(inherits=False, is_directed=False),
    "sibling": Nature(inherits=False, is_told_alone=False, is_directed=False),
    "independent": Nature(inherits=False, is_directed=False),
    "inconclusive": Nature(inherits=False, is_directed=False),
}
"""Every relation; of those that inherit the one that says most about what was done first."""

INHERITED: tuple[Relation, ...] = tuple(word for word, nature in NATURES.items() if nature.inherits)
"""Relations that pass weights on; a shared initialisation, a sibling and an inconclusive comparison do not."""

FOUND: tuple[Relation, ...] = tuple(word for word in INHERITED if NATURES[word].is_told_alone)
"""Words for a component of which something was inherited, all of it or a part."""

DERIVED: tuple[Relation, ...] = tuple(word for word in FOUND if word != "component-reused")
"""Words for a component that was inherited as a whole."""

EXACT: tuple[Relation, ...] = tuple(word for word, nature in NATURES.items() if nature.is_exact)
"""Words for the same values."""

UNDIRECTED: tuple[Relation, ...] = tuple(word for word, nature in NATURES.items() if not nature.is_directed)
"""Words that are true of both models alike."""

RESHAPED: tuple[Relation, ...] = tuple(word for word, nature in NATURES.items() if nature.reshapes)
"""Words for another structure."""

TRAINED: tuple[Relation, ...] = tuple(word for word, nature in NATURES.items() if nature.trains)
"""Words for training of all weights."""

NOTHING_FOUND: tuple[Relation, ...] = ("independent", "inconclusive")
"""Words for nothing found, or nothing that could be found."""

EITHER_WAY = 0.5
"""The probability that an open neighbour is the parent where nothing shows which came first."""
