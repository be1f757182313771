"""Components that do not come from a model's parent: a transplanted tower, a decoder taken from another model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lineage.ancestry.links import Lines
from lineage.ancestry.pair.relations import is_significant
from lineage.ancestry.trees.expert_sources import expert_sources
from lineage.ancestry.trees.pairs import Pairs
from lineage.ancestry.trees.prices import Tree
from lineage.ancestry.trees.search import Search
from lineage.ancestry.trees.similarity import WORTH_A_LOOK
from lineage.match import has_experts
from lineage.types import ComponentFinding, Direction, Edge, Relation
from lineage.types.facts.descent import OtherComponents

_A_PART = 0.01  # share of a model below which a component is a detail
_TRIES = 3  # number of the likeliest sources of a component that are compared
_HEAD = "head"  # is exchanged: a model without its child's head has lost it, sooner than not given it
_PLAINLY = 0.5  # a correlation that unrelated models do not reach over a few hundred values
_EXPERTS = "experts"

Sources = Mapping[int, Mapping[int, Sequence[ComponentFinding]]]


def other_sources(search: Search, tree: Tree) -> Sources:
    """For every model whose parent does not explain all its components: the sources of the unexplained ones.

    A model with two sources was assembled from them: had a source taken its component from the model, nothing would
    explain where the model has it from. So a childless child that consists of some of the model's components is
    considered as a source too.
    """
    missing = search.field.missing.keys()
    above = {child: [arc.parent] for child, arc in tree.items() if not {child, arc.parent} & missing}
    above |= {child: list(parents) for child, parents in search.merged.items()}
    lines = Lines((parent, child) for child, parents in above.items() for parent in parents)
    found: dict[int, dict[int, list[ComponentFinding]]] = defaultdict(lambda: defaultdict(list))
    for child, parents in sorted(above.items()):
        if not search.field.is_open([child]):
            continue
        below = {child, *lines.beyond(child)} - _taken_out(child, lines, search.field.pairs)
        for finding in _unexplained(search.field.pairs, child, parents):
            source = _source(search, child, finding.name, below)
            if source is not None:
                found[child][source].append(_component(search.field.pairs, child, source, finding.name))
        for source in _of_experts(search, child, parents, below):
            found[child][source].append(_component(search.field.pairs, child, source, _EXPERTS))
    return found


def without_sources(tree: Tree, sources: Sources) -> Tree:
    """The tree without arcs from a model to the sources of its components."""
    return {child: arc for child, arc in tree.items() if child not in sources.get(arc.parent, ())}


def part_edges(sources: Sources, pairs: Pairs) -> Iterator[Edge]:
    """An edge for every other source of a model."""
    for child, found in sources.items():
        for source, findings in sorted(found.items()):
            yield _edge(pairs, child, source, findings)


def _taken_out(model: int, lines: Lines[int], pairs: Pairs) -> set[int]:
    """Children that consist of some, not all, of the model's components and have no children of their own."""
    own = pairs.components(model)
    return {child for child in lines.after(model) if not lines.after(child) and pairs.components(child) < own}


def _unexplained(pairs: Pairs, child: int, parents: Sequence[int]) -> list[ComponentFinding]:
    """Components of the child that are related to none of its parents, where that can be decided.

    A component that is no larger than the unread part of a parent may be in that part and is skipped, and so is a head:
    what lacks it was given another, and need not be the parent. If a parent is disguised, nothing is returned: outside
    the neurons, matrices in another basis cannot be compared.
    """
    unread = max(pairs.sketches[parent].unread for parent in parents)
    compared = [pairs.compared(child, parent) for parent in parents]
    known = {c.name for one in compared for c in one.components if is_significant(c.evidence) or _is_alike(c)}
    if any(one.relation == Relation.DISGUISED for one in compared):
        return []
    known.add(_HEAD)
    return [c for c in compared[0].components if c.name not in known and c.share >= _A_PART and c.params > unread]


def _is_alike(finding: ComponentFinding) -> bool:
    """Whether a component with too few units for a test correlates strongly enough to be the parent's."""
    evidence = finding.evidence
    return evidence.z is None and evidence.r is not None and evidence.r > _PLAINLY


def _source(search: Search, child: int, name: str, below: set[int]) -> int | None:
    """The model in which most of a component is found, confirmed by a comparison; None without one."""
    alike = search.field.alike
    row = next((int(r) for r in np.flatnonzero(alike.owner == child) if alike.names[r] == name), None)
    if row is None:
        return None
    held = alike.held[row]
    near = [int(j) for j in np.argsort(-held, kind="stable") if int(j) not in below and held[j] > WORTH_A_LOOK]
    for source in dict.fromkeys(search.field.rounded.get(j, j) for j in near[:_TRIES]):
        found = _component(search.field.pairs, child, source, name)
        if is_significant(found.evidence):
            return None if found.direction == Direction.PARENT else source  # a copy of few bits was made of this one's
    return None


def _of_experts(search: Search, child: int, parents: Sequence[int], below: set[int]) -> list[int]:
    """Dense models, not its parents, from which some of the child's experts were copied."""
    if not has_experts(search.field.sketches[child]):
        return []
    near = np.flatnonzero(search.field.share[child] > WORTH_A_LOOK).tolist()
    dense = {i: search.field.sketches[i] for i in near if i not in below and i not in search.field.rounded}
    dense = {i: sketch for i, sketch in dense.items() if not has_experts(sketch)}
    return list(expert_sources(search.field.sketches[child], parents, dense))


def _component(pairs: Pairs, child: int, source: int, name: str) -> ComponentFinding:
    return next(c for c in pairs.compared(child, source).components if c.name == name)


def _edge(pairs: Pairs, child: int, source: int, findings: Sequence[ComponentFinding]) -> Edge:
    largest = max(findings, key=lambda c: c.params)
    evidence = largest.evidence
    return Edge(
        parent=pairs.sketches[source].id,
        child=pairs.sketches[child].id,
        relation=Relation.EXPERT_UPCYCLED if largest.name == _EXPERTS else Relation.COMPONENT_REUSED,
        directed=True,
        source="measured",
        component=", ".join(c.name for c in findings),
        share=sum(c.share_inherited for c in findings),
        r=evidence.r,
        z=evidence.z,
        log10_p=evidence.log10_p,
        confidence=largest.confidence,
        basis=(OtherComponents(),),
        layer_map=largest.layer_map,
    )
