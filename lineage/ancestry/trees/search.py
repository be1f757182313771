"""The search for the likeliest trees: merges among all models first, then a tree for each family."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import networkx as nx
import numpy as np

from lineage.ancestry.merges.mixtures import Mixture, closes_circle, find_mixtures
from lineage.ancestry.merges.passthrough import find_stacks
from lineage.ancestry.trees.arcs import STRANGE, Arc, strangers
from lineage.ancestry.trees.family import Family
from lineage.ancestry.trees.field import Field
from lineage.ancestry.trees.pairs import Watch
from lineage.ancestry.trees.prices import Tree
from lineage.types import CheckpointSketch


class Search:
    """The trees of one graph; models are numbered as in `field`.

    `mixtures` maps merges to their parts, `merged` to their parents, the one of most weight first. `settled` gives the
    parents of models that are placed already, None if those are not here: only what joins them to the others is
    looked for.
    """

    def __init__(
        self,
        sketches: Sequence[CheckpointSketch],
        watch: Watch | None = None,
        settled: Mapping[int, Sequence[int] | None] | None = None,
    ) -> None:
        self.field = Field(sketches, watch, settled)
        self.mixtures = self._mixtures()
        known = {child: parents for child, parents in self.field.settled.items() if parents and len(parents) > 1}
        self.merged: dict[int, Sequence[int]] = known | {child: _by_weight(one) for child, one in self.mixtures.items()}
        self._families = self._split()

    def tree(self) -> Tree:
        """The likeliest arc into each node that has a parent, every one of them compared.

        Numbers from `len(field.sketches)` on are unobserved parents.
        """
        return {child: arc for family in self._families for child, arc in family.tree().items()}

    def support(self) -> Mapping[tuple[int, int], float]:
        """How often each arc is chosen when tensors are drawn again with replacement (bootstrap, Efron 1979)."""
        return {ends: share for family in self._families for ends, share in family.support().items()}

    def _mixtures(self) -> dict[int, Mixture]:
        """Merges among all models: layers taken from several first, then sums; none makes a model its own ancestor."""
        rounded = self.field.rounded
        sources = [rounded.get(model, model) for model in range(len(self.field.sketches))]
        found = [(child, one.renumbered(sources)) for child, one in find_stacks(self.field.sketches).items()]
        for cohort in self.field.grouped:
            aside = [k for k, member in enumerate(cohort.members) if member in rounded]
            summed = find_mixtures(cohort, aside)
            found += [(cohort.members[child], one.renumbered(cohort.members)) for child, one in summed.items()]
        lines: nx.DiGraph[int] = nx.DiGraph()
        kept: dict[int, Mixture] = {}
        for child, one in found:
            circular = closes_circle(lines, child, one.parents)
            if (
                not circular
                and child not in kept
                and child not in rounded
                and self.field.is_open([child, *one.parents])
            ):
                lines.add_edges_from((parent, child) for parent in one.parents)
                kept[child] = one
        return kept

    def _split(self) -> list[Family]:
        """The models that a possible descent or a merge joins, group by group: nothing in one tells of another."""
        foreign = strangers(self.field.share, self.field.structure, self.field.sketches)
        joined: nx.Graph[int] = nx.Graph()
        joined.add_nodes_from(range(len(self.field.sketches)))
        for cohort in self.field.grouped:
            members = np.array(cohort.members)
            near = np.argwhere(np.triu(cohort.distances() < STRANGE, 1))
            joined.add_edges_from(members[near].tolist())
        joined.add_edges_from((arc.parent, arc.child) for arc in foreign)
        joined.add_edges_from((parent, child) for child, parents in self.merged.items() for parent in parents)
        joined.add_edges_from((p, child) for child, parents in self.field.settled.items() for p in parents or ())
        groups = sorted(sorted(group) for group in nx.connected_components(joined) if len(group) > 1)
        home = {model: number for number, group in enumerate(groups) for model in group}
        across: dict[int, list[Arc]] = defaultdict(list)
        for arc in foreign:
            across[home[arc.child]].append(arc)
        return [Family(self.field, group, self.merged, across[number]) for number, group in enumerate(groups)]


def _by_weight(one: Mixture) -> tuple[int, ...]:
    return tuple(
        parent for _, parent in sorted(zip(one.weights, one.parents, strict=True), key=lambda p: (-p[0], p[1]))
    )
