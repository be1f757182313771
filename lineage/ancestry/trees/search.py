"""The search for the likeliest trees: merges among all models first, then a tree for each family."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.links import Lines, joined
from lineage.ancestry.merge.by_vectors import has_its_tables, has_its_vectors, is_narrowed, told_by_vectors
from lineage.ancestry.merge.mixture import ON_A_BASE
from lineage.ancestry.merge.mixtures import COPY, Mixture, closes_circle, find_mixtures, trimmed_among
from lineage.ancestry.merge.passthrough import find_stacks
from lineage.ancestry.trees.arcs import STRANGE, Arc, strangers
from lineage.ancestry.trees.family import Family
from lineage.ancestry.trees.graph_state import Field
from lineage.ancestry.trees.pairs import Watch, is_related
from lineage.ancestry.trees.prices import Tree
from lineage.ancestry.trees.similarity import WORTH_A_LOOK
from lineage.ancestry.trees.unobserved import Unobserved
from lineage.store.cache_in_use import write_now
from lineage.types import CheckpointSketch, Comparison

_NEAR = 8  # nearest members of a cohort to the model of the query, itself included

Support = Mapping[tuple[int, int], float]
_Members = tuple[list[int], list[Arc]]  # models of one family and the candidates across structures among them


class Search:
    """The trees of one graph; models are numbered as in `field`.

    `mixtures` maps merges to their parts, `merged` to their parents, the one with most weight first. `begun` are pairs
    of a base and a model trained from it, taken from merges of differences. `settled` gives the parents of models that
    are placed already, None if the parents are not among the sketches: only their edges to other models are searched.
    The work is distributed over `processes`. If the query is `about` one model, slow steps are limited to models near
    it. `is_whole` says whether all relatives that are known are among the sketches.
    """

    def __init__(
        self,
        sketches: Sequence[CheckpointSketch],
        watch: Watch | None = None,
        settled: Mapping[int, Sequence[int] | None] | None = None,
        processes: int = 1,
        about: int | None = None,
        *,
        is_whole: bool = True,
    ) -> None:
        self.field = Field(sketches, watch, settled)
        self._processes = processes
        self._about = about
        self.is_whole = is_whole
        self.mixtures: dict[int, Mixture] = {}
        self._lines = Lines[int]()
        self._keep(self._found())
        for trunk in self.field.trunks:
            self._keep(self._of_trunk(trunk, self.mixtures))

    def look_again(self, models: Collection[int]) -> bool:
        """Search merges of trimmed differences, which is slow, among further models; whether there are any.

        Such a merge may have been taken for a model that lies between others: the trees have to be made again.
        """
        before = len(self.mixtures)
        for cohort in self.field.grouped:
            found = self._trimmed(cohort, models)
            self._keep((cohort.members[child], one.renumbered(cohort.members)) for child, one in found.items())
        for trunk in self.field.trunks:
            cohort, beside = self._without_equals(trunk)
            self._keep(_of_layers(cohort, beside, self._trimmed(cohort, models)))
        if len(self.mixtures) == before:
            return False
        vars(self).pop("forest", None)
        return True

    def _keep(self, found: Iterable[tuple[int, Mixture]]) -> None:
        """Add mixtures that are possible, and what follows from all of them."""
        self.mixtures |= self._possible(found)
        known = {child: parents for child, parents in self.field.settled.items() if parents and len(parents) > 1}
        # In a merge of differences, the base is the model from which the other parents were trained.
        self.begun = {
            (base, parent)
            for child, one in self.mixtures.items()
            if (base := one.base) is not None and not self._is_copied(child, one)
            for parent in one.parents
            if parent != base
        }
        self.merged: dict[int, Sequence[int]] = known | {child: _by_weight(one) for child, one in self.mixtures.items()}

    @cached_property
    def forest(self) -> tuple[Tree, Support]:
        """The likeliest arc into each node that has a parent, all compared, and the support of each arc.

        Numbers from `len(field.sketches)` on are unobserved parents. The support is a bootstrap over tensors, 0..1.
        """
        families = self._asked_about(self._split())
        tree: Tree = {}
        support: dict[tuple[int, int], float] = {}
        for own, chosen in self._searched(families) if self._processes == 1 else self._shared(families):
            tree |= own
            support |= chosen
        return tree, support

    def _asked_about(self, families: Sequence[_Members]) -> Sequence[_Members]:
        """The families relevant to the model of the query: the other families hold nothing similar to it.

        A component from another source joins two families, so similarity is followed from family to family.
        """
        if self._about is None:
            return families
        near = self.field.alike.parts_worth_a_look() | (self.field.share > WORTH_A_LOOK)
        near[list(self.field.rounded), list(self.field.rounded.values())] = True
        near |= near.T
        reached, before = {self._about}, set[int]()
        while reached != before:
            before = set(reached)
            reached |= {int(other) for other in np.flatnonzero(near[sorted(reached)].any(axis=0))}
            reached.update(model for models, _ in families if not reached.isdisjoint(models) for model in models)
        return [family for family in families if not reached.isdisjoint(family[0])]

    def _searched(self, families: Sequence[_Members]) -> Iterator[tuple[Tree, Support]]:
        for family in (Family(self.field, models, self.merged, foreign, self.begun) for models, foreign in families):
            yield family.tree(), family.support()

    def _shared(self, families: Sequence[_Members]) -> Iterator[tuple[Tree, Support]]:
        """The same by several processes, which return their comparisons and unobserved parents too."""
        from lineage.ancestry.trees.processes import shared_out  # most questions are answered by one process

        def work(number: int) -> tuple[Tree, Support, dict[int, Unobserved], dict[tuple[int, int], Comparison]]:
            (tree, support), models = next(self._searched(families[number : number + 1])), families[number][0]
            missing = {node: one for node, one in self.field.missing.items() if node in tree}
            write_now()
            return tree, support, missing, self.field.pairs.made_among(frozenset(models))

        found = {}
        for portion in shared_out(work, [len(models) for models, _ in families], self._processes):
            for number, (tree, support, missing, made) in portion:
                self.field.pairs.keep(made)
                found[number] = tree, support, missing
        for _, (tree, support, missing) in sorted(found.items()):
            here = {node: self.field.add_missing(one) for node, one in missing.items()}
            arcs = (Arc(here.get(a.parent, a.parent), here.get(a.child, a.child), a.cost) for a in tree.values())
            yield {arc.child: arc for arc in arcs}, support

    def _found(self) -> Iterator[tuple[int, Mixture]]:
        """Merges among models of one structure: stacks of layers from several models first, then sums."""
        rounded = self.field.rounded
        sources = [rounded.get(model, model) for model in range(len(self.field.sketches))]
        found = [(child, one.renumbered(sources)) for child, one in find_stacks(self.field.sketches).items()]
        for cohort, summed in zip(self.field.grouped, self._sums(), strict=True):
            found += [(cohort.members[child], one.renumbered(cohort.members)) for child, one in summed.items()]
        yield from found

    def _possible(self, found: Iterable[tuple[int, Mixture]]) -> dict[int, Mixture]:
        """The mixtures that close no cycle, and whose roundings, vectors and tables fit; the first of each model."""
        kept: dict[int, Mixture] = {}
        for child, one in found:
            if (
                not closes_circle(self._lines, child, one.parents)
                and child not in kept
                and child not in self.field.rounded
                and all(self.field.keeps_roundings(parent, child) for parent in one.parents)
                and self.field.is_open([child, *one.parents])
            ):
                told = told_by_vectors(child, one, self._copies(one), self.field.sketches)
                of = child, told, self.field.sketches
                if has_its_vectors(*of) and has_its_tables(*of):
                    self._lines.add((parent, child) for parent in told.parents)
                    kept[child] = told
        return kept

    def _is_copied(self, child: int, one: Mixture) -> bool:
        """Whether what stands for the base of trimmed differences is a copy of it in a narrow type: it bore nobody."""
        base = one.base
        if base is None or one.method not in ON_A_BASE:
            return False
        return is_narrowed(self.field.sketches[child], self.field.sketches[base])

    def _copies(self, one: Mixture) -> list[tuple[int, int]]:
        """The alternatives (parent, other) of a mixture where both have the same matrices (r at least 1 - `COPY`)."""
        near = ((ends, self.field.correlation(*ends)) for ends in one.alternatives)
        return [ends for ends, r in near if r is not None and r >= 1.0 - COPY]

    def _trimmed(self, cohort: Cohort, models: Collection[int]) -> dict[int, Mixture]:
        """Merges of trimmed differences among `models` that were not searched for any, by their places in a cohort."""
        places = {member: k for k, member in enumerate(cohort.members)}
        mixed = {places[m] for m in self.mixtures.keys() & places.keys()}
        done = mixed.union(self._asked(cohort) or ())
        open_ = [places[m] for m in sorted(models) if m in places and m not in self.field.rounded]
        asked = [k for k in open_ if k not in done]
        return trimmed_among(cohort, asked, mixed) if asked else {}

    def _of_trunk(self, trunk: Cohort, known: Collection[int]) -> Iterator[tuple[int, Mixture]]:
        """Mixtures of the layers alone, of models not `known` as mixtures."""
        cohort, beside = self._without_equals(trunk)
        aside = [k for k, member in enumerate(cohort.members) if member in self.field.rounded or member in known]
        return _of_layers(cohort, beside, find_mixtures(cohort, aside, self._asked(cohort)))

    def _without_equals(self, trunk: Cohort) -> tuple[Cohort, dict[int, list[int]]]:
        """A trunk in which one model represents all of equal layers, and the others that each represents."""
        spread = self.field.share.sum(axis=0)  # the most widely found model represents its equals
        equal: dict[bytes, list[int]] = defaultdict(list)
        for member in sorted(trunk.members, key=lambda m: (-spread[m], self.field.sketches[m].id)):
            equal[trunk.points[trunk.members.index(member)].tobytes()].append(member)
        beside = {first: others for first, *others in equal.values()}
        return trunk.among(beside), beside

    def _sums(self) -> list[dict[int, Mixture]]:
        """The mixtures of each cohort."""

        def work(number: int) -> dict[int, Mixture]:
            cohort = self.field.grouped[number]
            copies = [k for k, member in enumerate(cohort.members) if member in self.field.rounded]
            return find_mixtures(cohort, copies, self._asked(cohort))

        if self._processes == 1:
            return [work(number) for number in range(len(self.field.grouped))]
        from lineage.ancestry.trees.processes import shared_out

        sizes = [len(cohort.members) for cohort in self.field.grouped]
        found = dict(one for portion in shared_out(work, sizes, self._processes) for one in portion)
        return [found[number] for number in range(len(sizes))]

    def _asked(self, cohort: Cohort) -> list[int] | None:
        """Members of a cohort for which mixtures are searched: those near the model of the query, None for all."""
        if self._about is None:
            return None
        if self._about not in cohort.members:
            return []
        return [int(k) for k in np.argsort(cohort.steps()[cohort.members.index(self._about)])[:_NEAR]]

    def _met(self) -> list[Arc]:
        """Arcs between the model of the query and relatives of another structure that it was compared with before."""
        if self._about is None:
            return []
        held, own = self.field.pairs, self._about
        others = [i for i in range(len(self.field.sketches)) if i != own and held.is_known(own, i)]
        found = [i for i in others if not self.field.have_one_structure(own, i) and is_related(held.either(own, i)[0])]
        ends = (sorted((own, i), key=lambda k: (self.field.sketches[k].params, k)) for i in found)
        return [Arc(small, large, 0.0) for small, large in ends]

    def _split(self) -> list[_Members]:
        """Groups of models joined by possible descents or merges: each can be searched without the others."""
        rough = strangers(self.field.share, self.field.structure, self.field.sketches)
        foreign = list({(arc.parent, arc.child): arc for arc in (*rough, *self._met())}.values())
        near = [(arc.parent, arc.child) for arc in foreign]
        for cohort in (*self.field.grouped, *self.field.trunks):
            members = np.array(cohort.members)
            both = np.argwhere(np.triu(cohort.distances() < STRANGE, 1))
            near += [(one, other) for one, other in members[both].tolist()]
        near += [(parent, child) for child, parents in self.merged.items() for parent in parents]
        near += [(p, child) for child, parents in self.field.settled.items() for p in parents or ()]
        groups = sorted(sorted(group) for group in joined(near) if len(group) > 1)
        home = {model: number for number, group in enumerate(groups) for model in group}
        across: dict[int, list[Arc]] = defaultdict(list)
        for arc in foreign:
            across[home[arc.child]].append(arc)
        return [(group, across[number]) for number, group in enumerate(groups)]


def _of_layers(
    cohort: Cohort, beside: Mapping[int, Sequence[int]], found: Mapping[int, Mixture]
) -> Iterator[tuple[int, Mixture]]:
    """Mixtures of a trunk's layers by their models, none of those with equals, which are alternatives as parents."""
    for child, one in found.items():
        mixture = one.renumbered(cohort.members)
        copies = tuple((parent, other) for parent in mixture.parents for other in beside[parent])
        if not beside[cohort.members[child]]:
            yield cohort.members[child], replace(mixture, alternatives=(*mixture.alternatives, *copies))


def _by_weight(one: Mixture) -> tuple[int, ...]:
    return tuple(
        parent for _, parent in sorted(zip(one.weights, one.parents, strict=True), key=lambda p: (-p[0], p[1]))
    )
