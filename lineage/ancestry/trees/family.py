"""The likeliest tree of one family: the cheapest after comparisons, corrected by triples of models and for cycles."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from hashlib import blake2b
from itertools import repeat

import numpy as np

from lineage.ancestry.geometry import Cohort, Points
from lineage.ancestry.links import Lines, joined
from lineage.ancestry.trees.arcs import OTHER_PARTS, STRANGE, Arc, within
from lineage.ancestry.trees.beneath_merges import impossible_arcs
from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.trees.masked import Masked, at_quantile, likeliest
from lineage.ancestry.trees.prices import Prices, Tree
from lineage.ancestry.trees.probes import KEPT, probes
from lineage.ancestry.trees.pruned_apart import pruned_apart
from lineage.ancestry.trees.rooting import rerooted
from lineage.ancestry.trees.triples import IsSibling, above, holds_movement, is_chain, lifted
from lineage.ancestry.trees.unobserved import unobserved
from lineage.ancestry.trees.untouched import Untouched
from lineage.types.facts.disguises import Beneath

_DRAWS = 20  # of the bootstrap: a support is known to about 0.1
_STRIDE = 7  # by which draws of roots go through them: it has no divisor in common with the number of draws
_AS_NEAR = 1e-3  # difference of correlations that counts as a tie
_RESHAPED = 0.2  # odds that a disguised model of its grandparent's structure descends from what has another
_AS_FIRST = 4  # models of the child's structure that are tried in its place, as the first of that structure
_ROOT_NOISE = 0.05  # differences of cost below this say little about where the root is


class Family:
    """Models joined by possible descents or merges, numbered as in `field`, and the likeliest tree among them.

    `merged` maps every merge of the graph to its parents, the main one first; `foreign` are the members' candidate arcs
    between structures (`strangers`); `begun` are pairs of a base and a model trained from it.
    """

    def __init__(
        self,
        field: Field,
        members: Sequence[int],
        merged: Mapping[int, Sequence[int]],
        foreign: Sequence[Arc],
        begun: Collection[tuple[int, int]],
    ) -> None:
        here = frozenset(members)
        foreign = [arc for arc in foreign if not field.have_one_trunk(arc.parent, arc.child)]
        elsewhere = [child for child, parents in field.settled.items() if parents is None]
        self._field = field
        self._pairs = field.pairs
        self._begun = begun
        self._merged = {child: parents for child, parents in merged.items() if child in here}
        self._root_costs = dict.fromkeys(sorted(here), STRANGE)
        self._root_costs |= {node: 0.0 for node in (*field.first, *elsewhere) if node in here}
        self._root_costs |= dict.fromkeys(self._merged, np.inf)
        self._cohorts = [part for cohort in field.grouped if len((part := cohort.among(here)).members) > 1]
        self._trunks = [part for trunk in field.trunks if len((part := trunk.among(here)).members) > 1]
        self._masked = Masked(field, self._merged, begun)
        self._untouched = Untouched({model: field.sketches[model] for model in sorted(here)})
        apart = (ends for cohort in (*self._cohorts, *self._trunks) for ends in pruned_apart(cohort))
        self._impossible = frozenset([*impossible_arcs(field, self._merged, here), *apart])
        self._probes = probes(field, sorted(here))
        near = self._within(None)
        foreign = self._from_originals([a for a in foreign if (a.parent, a.child) not in self._impossible])
        self._prices = Prices(field, self._root_costs, self._merged, near, foreign, untouched=self._untouched)
        self._is_sibling = cache(self._are_siblings)
        noise = {node: _seeded(field.sketches[node].id).gumbel(size=_DRAWS) for node in self._root_costs}
        resampled = [_resampled(cohort) for cohort in (*self._cohorts, *self._trunks)]
        self._draws = [
            self._draw({node: float(of[draw]) for node, of in noise.items()}, [weights[draw] for weights in resampled])
            for draw in range(_DRAWS)
        ]
        self._forests: list[Tree] = []  # the cheapest over tensors drawn again, once the tree is found

    def tree(self) -> Tree:
        """The likeliest arc into each node that has a parent; all chosen pairs have been compared.

        Numbers from `len(field.sketches)` on are unobserved parents.
        """
        while True:
            forest, tree = self._solved()
            # Lifting moves nodes of a cycle: if the forest has one, the cycles of the lifted tree mean nothing.
            circling = self._circling(forest) or self._circling(tree)
            # Where lifting made the arc, the arc that the forest chose instead keeps the child in the cycle.
            self._prices.ban([*circling, *((forest[child].parent, child) for _, child in circling)])
            if circling:
                continue
            self._forests = self._redrawn()
            if not self._compare(ends for forest in self._forests for ends in _ends(forest)):
                return self._with_missing(tree)

    def support(self) -> Mapping[tuple[int, int], float]:
        """How often each arc of the tree is chosen if tensors are drawn again with replacement (Efron 1979)."""
        counts = Counter[tuple[int, int]]()
        lifted: dict[frozenset[tuple[int, int]], Tree] = {}  # of a few forests come most draws
        for draw, forest in enumerate(self._forests):
            drawn = frozenset(_ends(forest))
            if drawn not in lifted:
                lifted[drawn] = self._lifted(forest)
            counts.update(_ends(self._unmasked(forest, lifted[drawn], draw)))
        return {ends: count / _DRAWS for ends, count in counts.items()}

    def _redrawn(self) -> list[Tree]:
        """The cheapest forests over tensors drawn again, in which merges close no cycle either."""
        banned = [set[tuple[int, int]]() for _ in self._draws]
        found = self._prices.cheapest_of(self._draws, banned)
        open_ = [*range(len(found))]
        while open_:
            circling = {k: self._circling(found[k]) - banned[k] for k in open_}
            open_ = [k for k in open_ if circling[k]]
            for k in open_:
                banned[k] |= circling[k]
            again = self._prices.cheapest_of([self._draws[k] for k in open_], [banned[k] for k in open_])
            for k, forest in zip(open_, again, strict=True):
                found[k] = forest
        return found

    def _with_missing(self, tree: Tree) -> Tree:
        """The tree with unobserved parents inserted above their children, lifted again."""
        closed = {*self._field.rounded, *self._computed(tree), *self._unmoved(tree)}
        missing = unobserved(tree, closed, self._nearby)
        for one in missing:
            number = self._field.add_missing(one)
            tree[number] = Arc(one.parent, number, 0.0)
            tree |= {child: Arc(number, child, tree[child].cost) for child in one.children}
        return self._lifted(tree) if missing else tree

    def _nearby(self, left: int, right: int) -> float | None:
        return self._field.correlation(left, right) if self._field.have_one_structure(left, right) else None

    def _draw(self, noise: Mapping[int, float], weights: Sequence[Points]) -> tuple[dict[int, float], Points]:
        """Costs of having no parent and prices within structures, over resampled tensors."""
        # The noise makes every node of a tree equally likely as its root where costs do not decide.
        roots = {node: cost + _ROOT_NOISE * noise[node] for node, cost in self._root_costs.items()}
        return roots, self._prices.drawn(self._within(weights))

    def _within(self, weights: Sequence[Points] | None) -> list[Arc]:
        """Arcs within structures and trunks; `weights` are those of the tensors of each, None if all count alike."""
        drawn = iter(repeat(None) if weights is None else weights)
        arcs: list[Arc] = []
        for cohort in self._cohorts:
            arcs += within(cohort, self._field.first, self._merged, next(drawn))
        for trunk in self._trunks:
            found = within(trunk, self._field.first, self._merged, next(drawn))
            for arc in found:
                if not self._field.have_one_structure(arc.parent, arc.child):
                    around = OTHER_PARTS * (1.0 + self._field.foreign(arc.parent, arc.child))
                    arcs.append(Arc(arc.parent, arc.child, arc.cost + around))
        return self._from_originals([arc for arc in arcs if (arc.parent, arc.child) not in self._impossible])

    def _from_originals(self, arcs: Sequence[Arc]) -> list[Arc]:
        """The arcs without those from probes to models that may as well come from the models with the same layers."""
        ends = {(arc.parent, arc.child) for arc in arcs}
        return [
            arc
            for arc in arcs
            if arc.child in (instead := self._probes.get(arc.parent, frozenset()))
            or not any((one, arc.child) in ends for one in instead)
        ]

    def _solved(self) -> tuple[Tree, Tree]:
        """The cheapest forest all of whose arcs have been compared, and the tree that lifting makes of it.

        Comparisons only raise the cost of an arc, so comparing the chosen arcs alone finds the same trees.
        """
        while True:
            self._prices.hear()
            while self._compare(self._prices.nearest()):
                pass
            forest = self._prices.cheapest(self._root_costs)
            if self._compare(_ends(forest)):
                continue
            tree = self._unmasked(forest, self._lifted(forest))
            if not self._compare([*_ends(tree), *self._instead(tree)]):
                return forest, tree

    def _instead(self, tree: Tree) -> Iterator[tuple[int, int]]:
        """Pairs (parent, child) to compare as alternatives to arcs that are chosen by a rough look alone.

        An ancestor of the parent may be the true parent; and of several models of the child's structure, another may be
        the first.
        """
        below: dict[int, list[int]] = defaultdict(list)
        for child, arc in sorted(tree.items()):
            below[arc.parent].append(child)
        # A copy computed from a model explains a child as well as that model does. A child of another structure than
        # its parent's is priced by the rough similarity until the two are compared.
        computed = {*self._computed(tree)}
        for arc in tree.values():
            is_rough = not self._field.have_one_trunk(arc.parent, arc.child)
            if is_rough or arc.parent in computed:
                beside = [c for c in below[arc.child] if is_rough and self._field.have_one_structure(c, arc.child)]
                tops = (arc.parent, *above(arc.parent, tree, self._merged))
                yield from ((top, child) for child in (arc.child, *beside[:_AS_FIRST]) for top in tops)

    def _compare(self, arcs: Iterable[tuple[int, int]]) -> bool:
        """Compare the ends of arcs (parent, child) that are still open; returns whether there were any."""
        new = [ends for ends in dict.fromkeys(arcs) if self._field.is_open(ends) and not self._prices.is_told(*ends)]
        for parent, child in sorted(new):  # in this order, work prepared for a parent serves all its children
            self._pairs.either(child, parent)
            self._prices.tell(parent, child)
        return bool(new)

    def _lifted(self, tree: Tree) -> Tree:
        """The tree from its likeliest root, with siblings moved higher.

        A merge is the root of what hangs on it. What was taken for its child only for lying near, as the base of its
        parents does, leaves it here, and is then rooted like any other tree.
        """
        tree = rerooted(tree, self._field, self._merged, self._begun)
        found = lifted(tree, self._merged, self._fixed(tree), self._is_sibling)
        left = {c for c, arc in tree.items() if arc.parent in self._merged and found[c].parent not in self._merged}
        if not left:
            return found
        alone = {node for nodes in joined(_ends(found)) if left & nodes for node in nodes}
        again = rerooted({c: arc for c, arc in found.items() if c in alone}, self._field, self._merged, self._begun)
        found = {c: arc for c, arc in found.items() if c not in alone} | again
        return lifted(found, self._merged, self._fixed(found), self._is_sibling)

    def _fixed(self, tree: Tree) -> frozenset[int]:
        """Nodes whose arcs in a tree are known: none moves, and none becomes a parent by moving others."""
        # A model computed in another structure could equally be computed from another changed copy of its parent.
        computed = [c for c in self._computed(tree) if self._field.have_one_structure(c, tree[c].parent)]
        return frozenset({*self._field.first, *self._field.rounded, *computed, *self._unmoved(tree)})

    def _unmasked(self, forest: Tree, tree: Tree, draw: int | None = None) -> Tree:
        """The tree that a forest gave, with the models that are known in disguise only at their likeliest places.

        A draw takes one root of the others' tree, and of what neurons hold one value within the errors.
        """
        found = dict(tree)
        at = 0.5 if draw is None else (draw + 0.5) / _DRAWS
        for model, near in self._masked.models(forest):
            fixed = self._fixed(found) - {model}
            of = self._masked.places(model, near, found, fixed, partial(self._siblings_beneath, at))
            parent = likeliest(of) if draw is None else at_quantile(of, (_STRIDE * draw % _DRAWS + 0.5) / _DRAWS)
            found = {child: arc for child, arc in found.items() if arc.parent != model}
            found[model] = Arc(parent, model, (forest.get(model) or forest[near]).cost)
        return found

    def _siblings_beneath(self, at: float, tree: Tree) -> IsSibling:
        """The test of `lifted` for models in disguise, whose neurons hold a movement if that is likelier than `at`.

        They tell little of a short step, so that the way from each farther ancestor in the tree counts too.
        """

        def are_siblings(child: int, parent: int, grandparent: int) -> bool:
            tops = (grandparent, *above(grandparent, tree, self._merged))
            return any(self._is_sibling(child, parent, top, at) for top in tops)

        return are_siblings

    def _computed(self, tree: Tree) -> list[int]:
        return [
            c
            for c, arc in tree.items()
            if self._pairs.is_known(c, arc.parent) and self._prices.is_computed(c, arc.parent)
        ]

    def _unmoved(self, tree: Tree) -> list[int]:
        return [child for child, arc in tree.items() if not self._field.is_open([arc.parent, child])]

    def _are_siblings(self, child: int, parent: int, grandparent: int, at: float = 0.5) -> bool:
        """Whether a child descends from its supposed parent's parent instead; False without evidence.

        A child that has nothing in common with the grandparent does not: a model that was put together of two has the
        movement from the one to the other, and one of which it has a tower may hold any share of that. `at` is the
        probability from which neurons of disguised models hold a movement.
        """
        if not self._descend_from_above(child, parent, grandparent, at):
            return False
        unobserved = {child, grandparent} & self._field.missing.keys()
        return bool(unobserved) or self._pairs.are_related(child, grandparent)

    def _descend_from_above(self, child: int, parent: int, grandparent: int, at: float) -> bool:
        """The same, for models of which it is known that they are related."""
        if not {child, parent, grandparent} & self._field.missing.keys():
            inherited = self._untouched.is_inherited(child, parent, grandparent)
            if inherited is not None:
                return not inherited
            if self._field.have_equal_layers(parent, grandparent) and self._field.have_one_trunk(child, parent):
                nearer = self._untouched.nearer_by(child, parent, grandparent)
                return nearer < 0.0 or (nearer == 0.0 and not self._field.have_common_surroundings(child, parent, KEPT))
        return self._have_moved_apart(child, parent, grandparent, at)

    def _have_moved_apart(self, child: int, parent: int, grandparent: int, at: float) -> bool:
        """The same, decided by the movement of trained values."""
        field = self._field
        if self._pairs.are_disguised(child, parent) or self._pairs.are_disguised(child, grandparent):
            return self._are_apart_beneath(child, parent, grandparent, at)
        held = field.held_movement(child, parent, grandparent)
        if held is not None:
            return not holds_movement(*held)
        own, above, top = (field.structure[model] for model in (child, parent, grandparent))
        if own == above != top:
            return False  # the child has its structure from the parent alone
        held = field.held_in_common(child, parent, grandparent)
        if held is not None:
            return not holds_movement(*held)
        near, far = field.correlation(child, parent), field.correlation(child, grandparent)
        if len({own, above, top}) > 2:  # of two equally near, the one whose structure was not changed separately
            return near is not None and far is not None and far >= near - _AS_NEAR
        step = field.correlation(parent, grandparent)
        return not (near is None or far is None or step is None) and not is_chain(near, far, step)

    def _are_apart_beneath(self, child: int, parent: int, grandparent: int, at: float) -> bool:
        """The same, for disguised models, by their neurons, or by their heads where neurons do not tell."""
        field = self._field
        held = field.held_by_neurons(child, parent, grandparent)
        if held is not None:
            alone = self._is_reshaped(child, parent) and not self._is_reshaped(child, grandparent)
            return held.odds * (_RESHAPED if alone else 1.0) < at
        beneath = field.held_beneath(child, parent, grandparent)
        if beneath is not None:
            return not holds_movement(*beneath)
        # An adapter does not change neurons: a tie goes to the model nearer the root.
        near, far = field.correlation(child, parent), field.correlation(child, grandparent)
        return near is not None and near == far

    def _is_reshaped(self, left: int, right: int) -> bool:
        """Whether two disguised models differ in depth, width or vocabulary beneath the disguise."""
        basis = self._pairs.either(left, right)[0].basis
        return any(isinstance(fact, Beneath) and fact.relation.reshapes for fact in basis)

    def _circling(self, tree: Tree) -> set[tuple[int, int]]:
        """Tree arcs without which merges close no cycle: the most expensive of each cycle."""
        if not self._merged:
            return set()
        arcs = [*_ends(tree), *((parent, child) for child, parents in self._merged.items() for parent in parents)]
        if not Lines(arcs).is_circular():
            return set()
        import networkx as nx  # imported only where a cycle exists: most trees have none

        lines: nx.DiGraph[int] = nx.DiGraph(arcs)
        found: set[tuple[int, int]] = set()
        for knot in [knot for knot in nx.strongly_connected_components(lines) if len(knot) > 1]:
            tangle: nx.DiGraph[int] = nx.DiGraph(lines.subgraph(knot))
            while not nx.is_directed_acyclic_graph(tangle):
                circle = [(ends[0], ends[1]) for ends in nx.find_cycle(tangle) if ends[1] in tree]
                dearest = max(circle, key=lambda ends: (tree[ends[1]].cost, ends))
                tangle.remove_edge(*dearest)
                found.add(dearest)
        return found


def _seeded(text: str) -> np.random.Generator:
    """A generator whose numbers hang on a text alone: not on the order of the models, nor on which others there are."""
    return np.random.default_rng(int.from_bytes(blake2b(text.encode(), digest_size=8).digest()))


def _resampled(cohort: Cohort) -> Points:
    """Weights of tensors drawn again with replacement, at least 1e-3: (draws, tensors)."""
    count = len(cohort.sizes)
    drawn = _seeded(repr(cohort.keys)).multinomial(count, np.full(count, 1 / count), size=_DRAWS)
    return np.maximum(drawn.astype(np.float64), 1e-3)


def _ends(tree: Tree) -> list[tuple[int, int]]:
    return [(arc.parent, arc.child) for arc in tree.values()]
