"""The search for the likeliest trees: arcs from geometry, made dearer by cues as comparisons tell them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import networkx as nx
import numpy as np

from lineage.ancestry.arborescence import Arc, cheapest_forest
from lineage.ancestry.arcs import STRANGE, across, strangers, within
from lineage.ancestry.field import Field
from lineage.ancestry.merges import Mixture, closes_circle, find_mixtures
from lineage.ancestry.pairs import Watch, is_related
from lineage.ancestry.passthrough import find_stacks
from lineage.ancestry.triples import lifted
from lineage.ancestry.unobserved import unobserved
from lineage.match import expert_of
from lineage.types import CheckpointSketch

Tree = dict[int, Arc]

_RUNNERS_UP = 2  # arcs into a node that are compared beside the cheapest
_CLOSE = 1.3  # and cost at most this many times as much
_CUE = 1.0  # cost of going against one cue of direction
_COMPUTED = ("pruned", "quantized")
_EXACT = 0.9999  # correlation of matrices that were copied, whatever became of the others
_KEPT = 1.0  # price of an arc that was found once and is none of the cheapest now
_DRAWS = 20
_ROOT_NOISE = 0.05  # differences of cost below this say little about where a tree begins


class Search:
    """The trees of one graph; models are numbered as in `field`.

    `mixtures` maps merges to their parts, `merged` to their parents. `settled` gives the parents of models that are
    placed already, None if those are not here: only what joins them to the others is looked for.
    """

    def __init__(
        self,
        sketches: Sequence[CheckpointSketch],
        watch: Watch | None = None,
        settled: Mapping[int, Sequence[int] | None] | None = None,
    ) -> None:
        self.field = Field(sketches, watch)
        self._settled = settled or {}
        self.mixtures = self._mixtures()
        known = {child: parents for child, parents in self._settled.items() if parents and len(parents) > 1}
        self.merged: dict[int, Sequence[int]] = known | {child: one.parents for child, one in self.mixtures.items()}
        self._root_costs = dict.fromkeys(range(len(sketches)), STRANGE)
        self._root_costs |= dict.fromkeys([*self.field.first, *self.merged, *self._elsewhere()], 0.0)
        self._strangers = strangers(self.field.share, self.field.structure, sketches)
        self._near = self._within(None)
        self._banned: set[tuple[int, int]] = set()
        self._made_without_training: dict[tuple[int, int], bool] = {}

    def tree(self) -> Tree:
        """The likeliest arc into each node that has a parent, every one of them compared.

        Numbers from `len(field.sketches)` on are unobserved parents.
        """
        while True:
            tree = self._solved()
            circling = self._circling(tree)
            if not circling:
                return self._with_missing(tree)
            self._banned |= circling

    def support(self) -> Mapping[tuple[int, int], float]:
        """How often each arc is chosen when tensors are drawn again with replacement (bootstrap, Efron 1979)."""
        generator = np.random.default_rng(0)
        counts: dict[tuple[int, int], float] = defaultdict(float)
        for _ in range(_DRAWS):
            known = [arc for arc in self._arcs(generator) if self._is_told(arc)]
            # Where nothing tells the ends of a tree apart, each of its nodes is as likely a root as any other.
            roots = {node: cost + _ROOT_NOISE * generator.gumbel() for node, cost in self._root_costs.items()}
            for arc in self._lifted(cheapest_forest(self._cued(known), roots)).values():
                counts[arc.parent, arc.child] += 1 / _DRAWS
        return counts

    def _with_missing(self, tree: Tree) -> Tree:
        """The tree with unobserved parents put in, and with what should hang on them."""
        closed = {*self.field.rounded, *self._computed(tree), *self._unmoved(tree)}
        for one in unobserved(tree, closed, self._nearby):
            number = self.field.add_missing(one)
            tree[number] = Arc(one.parent, number, 0.0)
            tree |= {child: Arc(number, child, tree[child].cost) for child in one.children}
        return self._lifted(tree) if self.field.missing else tree

    def _nearby(self, left: int, right: int) -> float | None:
        return self.field.correlation(left, right) if self.field.have_one_structure(left, right) else None

    def _elsewhere(self) -> list[int]:
        return [child for child, parents in self._settled.items() if parents is None]

    def is_open(self, models: Sequence[int]) -> bool:
        """Whether one of the models has no place yet."""
        return any(model not in self._settled for model in models)

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
            if not circular and child not in kept and child not in rounded and self.is_open([child, *one.parents]):
                lines.add_edges_from((parent, child) for parent in one.parents)
                kept[child] = one
        return kept

    def _arcs(self, draw: np.random.Generator | None = None) -> list[Arc]:
        """Every possible descent; with `draw`, over tensors drawn again with replacement."""
        near = self._near if draw is None else self._within(draw)
        arcs = [*near, *across(self._strangers, self.field.pairs, self.field.first, self.merged)]
        # A rounded copy hangs on what it was rounded from; to all others the two are the same model.
        arcs = [a for a in arcs if a.parent not in self.field.rounded and a.child not in self.field.rounded]
        arcs += [Arc(finer, copy, 0.0) for copy, finer in self.field.rounded.items()]
        return [arc for arc in arcs if self.is_open([arc.parent, arc.child])] + list(self._kept(arcs))

    def _within(self, draw: np.random.Generator | None) -> list[Arc]:
        arcs: list[Arc] = []
        for cohort in self.field.grouped:
            count = len(cohort.sizes)
            weights = None
            if draw is not None:
                weights = np.maximum(draw.multinomial(count, np.full(count, 1 / count)).astype(np.float64), 1e-3)
            arcs += within(cohort, self.field.first, self.merged, weights)
        return arcs

    def _kept(self, arcs: Sequence[Arc]) -> Iterator[Arc]:
        """The arcs of models that have their place, at the price at which they are found now."""
        prices = {(arc.parent, arc.child): arc.cost for arc in arcs}
        for child, parents in self._settled.items():
            if parents and len(parents) == 1:
                yield Arc(parents[0], child, prices.get((parents[0], child), _KEPT))

    def _solved(self) -> Tree:
        """The cheapest forest in which no arc that was chosen is still uncompared.

        An arc costs least before it has been compared, so that comparing only what is chosen finds the same trees.
        """
        while True:
            arcs = [arc for arc in self._arcs() if (arc.parent, arc.child) not in self._banned]
            cued = self._cued(arcs)
            tree = self._lifted(cheapest_forest(cued, self._root_costs))
            if not self._compare(tree, cued):
                return tree

    def _compare(self, tree: Tree, arcs: Sequence[Arc]) -> bool:
        """Compare the chosen arcs and those nearly as cheap; whether there was any to compare."""
        into: dict[int, list[Arc]] = defaultdict(list)
        for arc in arcs:
            if arc.child in tree and arc.cost <= _CLOSE * tree[arc.child].cost:
                into[arc.child].append(arc)
        wanted = list(tree.values())
        # What was computed from a model differs from it as little as that model does: its child may be the other's.
        computed = {*self._computed(tree)}
        wanted += [Arc(tree[a.parent].parent, a.child, a.cost) for a in tree.values() if a.parent in computed]
        for found in into.values():
            wanted += sorted(found, key=lambda arc: (arc.cost, arc.parent))[: _RUNNERS_UP + 1]
        wanted = [arc for arc in wanted if self.is_open([arc.parent, arc.child])]
        new = [arc for arc in wanted if not self.field.pairs.is_known(arc.child, arc.parent)]
        for arc in new:
            self.field.pairs.either(arc.child, arc.parent)
        return bool(new)

    def _is_told(self, arc: Arc) -> bool:
        return self.field.pairs.is_known(arc.child, arc.parent) or not self.is_open([arc.parent, arc.child])

    def _cued(self, arcs: Sequence[Arc]) -> list[Arc]:
        """Arcs that comparisons leave standing, dearer where a cue of direction speaks against them.

        What was pruned or quantised has its parent among the models that it can be computed from.
        """
        known = [arc for arc in arcs if self.field.pairs.is_known(arc.child, arc.parent)]
        computed = {arc.child for arc in known if self._is_computed(arc)}
        return list(self._weighed(arcs, computed))

    def _weighed(self, arcs: Sequence[Arc], computed: set[int]) -> Iterator[Arc]:
        for arc in arcs:
            if not self.field.pairs.is_known(arc.child, arc.parent):
                yield arc
            elif is_related(self.field.pairs.either(arc.child, arc.parent)[0]):
                against = self.field.pairs.role(arc.child, arc.parent) == "parent"
                if arc.child not in computed or self._is_computed(arc):
                    yield replace(arc, cost=arc.cost + _CUE) if against else arc

    def _is_computed(self, arc: Arc) -> bool:
        """Whether a comparison, made before, says that the child was made from this parent without training."""
        ends = arc.child, arc.parent
        if ends not in self._made_without_training:
            self._made_without_training[ends] = self._is_made_without_training(*ends)
        return self._made_without_training[ends]

    def _is_made_without_training(self, child: int, parent: int) -> bool:
        pairs = self.field.pairs
        relation = pairs.either(child, parent)[0].relation
        if pairs.role(child, parent) != "child":
            return False
        if relation in _COMPUTED or (pairs.correlation(child, parent) or 0.0) > _EXACT:
            return True
        if relation != "expert-upcycled":
            return False
        # Experts may have had noise added when they were made of an MLP: then all else is as it was.
        alike = (held for _, held in pairs.alike(child, parent))
        others = [held for held in alike if expert_of(held.a) is None and expert_of(held.b) is None]
        return all((held.r or 0.0) > _EXACT for held in others)

    def _lifted(self, tree: Tree) -> Tree:
        fixed = frozenset({*self.field.first, *self.field.rounded, *self._computed(tree), *self._unmoved(tree)})
        return lifted(tree, self.merged, fixed, self._comparable)

    def _computed(self, tree: Tree) -> list[int]:
        return [c for c, arc in tree.items() if self.field.pairs.is_known(c, arc.parent) and self._is_computed(arc)]

    def _unmoved(self, tree: Tree) -> list[int]:
        return [child for child, arc in tree.items() if not self.is_open([arc.parent, child])]

    def _comparable(self, child: int, parent: int, grandparent: int) -> tuple[float, float, float] | None:
        """Correlations of three models if the child has not its structure from the parent alone."""
        field = self.field
        own, above, top = (field.structure[model] for model in (child, parent, grandparent))
        if own == above != top or len({own, above, top}) > 2:
            return None
        near, far = field.correlation(child, parent), field.correlation(child, grandparent)
        step = field.correlation(parent, grandparent)
        return None if near is None or far is None or step is None else (near, far, step)

    def _circling(self, tree: Tree) -> set[tuple[int, int]]:
        """Tree arcs without which merges close no circle: the dearest of each circle."""
        lines: nx.DiGraph[int] = nx.DiGraph((arc.parent, arc.child) for arc in tree.values())
        lines.add_edges_from((parent, child) for child, parents in self.merged.items() for parent in parents)
        found: set[tuple[int, int]] = set()
        for knot in [knot for knot in nx.strongly_connected_components(lines) if len(knot) > 1]:
            tangle: nx.DiGraph[int] = nx.DiGraph(lines.subgraph(knot))
            while not nx.is_directed_acyclic_graph(tangle):
                circle = [(ends[0], ends[1]) for ends in nx.find_cycle(tangle) if ends[1] in tree]
                dearest = max(circle, key=lambda ends: (tree[ends[1]].cost, ends))
                tangle.remove_edge(*dearest)
                found.add(dearest)
        return found
