"""The ancestry graph, merges, and the way up from one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lineage.types.checkpoints import Declared
from lineage.types.facts import Fact
from lineage.types.relations import Relation

if TYPE_CHECKING:
    from lineage.types.facts.descent import Contradiction


@dataclass(frozen=True, slots=True)
class Node:
    """One content in the ancestry graph: `aliases` are the names of its copies and layouts, `copies` the ids of copies.

    `observed` is False for a parent that several models imply and no model of the index is; `root` means that no
    measured edge leads to it. `address` is where anyone can read it (`hf:org/name@commit`, `pypi:name==1.0`,
    `https://host/file`), None for a path; `files` are (name, SHA-256) of the files that hold the weights, where they
    were read again for this answer. `weights_seen` is False where all that is known of it was handed over as a sketch.
    """

    id: str
    name: str
    params: int
    aliases: tuple[str, ...] = ()
    observed: bool = True
    licence: str | None = None
    root: bool = False
    copies: tuple[str, ...] = ()
    address: str | None = None
    files: tuple[tuple[str, str], ...] = ()
    weights_seen: bool | None = True


@dataclass(frozen=True, slots=True)
class Edge:
    """Descent of `child` from `parent` (node ids), as a whole or of one component.

    If `directed` is False the two ends are only related and their order says nothing. `source` distinguishes
    measured edges from declared ones; `weight` is a merge's share of this parent. `layer_map` is (child, parent).
    """

    parent: str
    child: str
    relation: Relation
    directed: bool
    source: Literal["measured", "declared"]
    component: str | None = None
    share: float | None = None
    weight: float | None = None
    r: float | None = None
    z: float | None = None
    log10_p: float | None = None
    confidence: float | None = None
    basis: tuple[Fact, ...] = ()
    layer_map: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """An ancestry graph; `contradictions` are declared edges that disagree with the weights.

    `about` is the node that was asked for, if the graph is the answer about one model.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    contradictions: tuple[Contradiction, ...] = ()
    about: str | None = None


@dataclass(frozen=True, slots=True)
class MergePart:
    """One parent of a merge: its weight over all compared parameters, and by layer where the layers differ.

    `layer_map` are (layer of the merge, layer of the parent) where layers were taken whole; `address` and
    `weights_seen` are as in Node.
    """

    model: str
    model_name: str
    weight: float
    by_layer: tuple[tuple[int, float], ...] = ()
    layer_map: tuple[tuple[int, int], ...] = ()
    address: str | None = None
    weights_seen: bool | None = True


@dataclass(frozen=True, slots=True)
class Merge:
    """A model as a weighted sum of others.

    `residual` is the share of the model's movement away from its nearest parent that the sum leaves unexplained,
    on tensors that were not fitted; `alternatives` name parents that are collinear with a chosen one. `base` is the
    parent (an id) to which differences were taken, None where there were none or none stands out. `density` is the
    share of the differences that was kept, `is_mean` that they were averaged over the parents that gave a value; both
    are None where none were dropped.
    """

    parts: tuple[MergePart, ...]
    method: str
    residual: float
    alternatives: tuple[tuple[str, str], ...] = ()
    base: str | None = None
    density: float | None = None
    is_mean: bool | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The ancestry of one model (a node id): its family, and (id, name) of parents that would fit as well.

    `bases` are what an adapter declares as its bases; None for a model.
    """

    model: str
    lineage: Lineage
    alternatives: tuple[tuple[str, str], ...] = ()
    bases: tuple[Declared, ...] | None = None


@dataclass(frozen=True, slots=True)
class Descendant:
    """A known model that comes from another, or may, and the way down to it.

    `way` is a shortest path of measured edges from the model that was asked about to this one. `components` are
    those that came all the way, None where that is the whole. `probability` is that of all steps together; None
    where a step has none of its own, or has no direction.
    """

    node: Node
    way: tuple[Edge, ...]
    components: tuple[str, ...] | None
    probability: float | None


@dataclass(frozen=True, slots=True)
class Descendants:
    """What comes from one model, the nearest first.

    `open` are related models that come from it, or it from them, or both from another; a way leads to each whose steps
    go down or have no direction. `declared` are edges from the model or a descendant to models of neither list: only
    their cards name it. `lineage` is the model's family. `models` were searched, in the index `index_id`.
    """

    model: Node
    found: tuple[Descendant, ...]
    open: tuple[Descendant, ...]
    declared: tuple[Edge, ...]
    lineage: Lineage
    models: int
    index_id: str
    not_tested: tuple[Fact, ...]
