"""The doors between the rooms: frozen values, named after the field's terms, without behaviour of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
AnyArray = NDArray[Any]
Depth = Literal["sampled", "full"]
Relation = Literal[
    "identical",
    "re-encoded",
    "quantized",
    "pruned",
    "fine-tuned",
    "adapter-merged",
    "continued-pretraining",
    "vocabulary-changed",
    "depth-changed",
    "width-pruned",
    "expert-upcycled",
    "merged",
    "component-reused",
    "disguised",
    "shared-init",
    "sibling",
    "independent",
    "inconclusive",
]
Verdict = Literal["identical", "derived", "partly-derived", "related", "independent", "inconclusive"]
Role = Literal["child", "parent", "undirected"]
ExpertMap = tuple[tuple[int, int | Literal["mlp"]], ...]
"""Expert of the query -> expert of the reference, or its one MLP."""


# -- checkpoints -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TensorView:
    """One tensor of a checkpoint, not yet read.

    `rows(start, stop)` reads the band `[start, stop)` of the first axis and returns it in the storage
    dtype (ml_dtypes for bf16, fp8, fp6 and fp4), shape `(stop - start, *shape[1:])`; a scalar has one row.
    It may be called from several threads and raises CheckpointError for damaged bytes.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: Callable[[int, int], AnyArray]
    storage: str  # equal for two views of the same bytes (tied weights)
    encoding: str | None = None  # how the values are stored, where that is not simply the dtype


@dataclass(slots=True)
class Meter:
    """How many bytes have been read from disk or network so far."""

    bytes_read: int = 0


@dataclass(frozen=True, slots=True)
class Declared:
    """What a card, config or catalogue says about ancestry: a fact about the text, never evidence."""

    model: str
    relation: str | None
    source: str


class ReadAhead(Protocol):
    """What a checkpoint at a server wants to be told: what will be read soon, and that nothing more will be.

    `connections` threads may read at a time.
    """

    connections: int

    def expect(self, bands: Iterable[tuple[TensorView, int, int]]) -> None:
        """Hear of the bands (view, start, stop) that will be read, roughly in this order."""

    def stop(self) -> None:
        """Give up every read that still waits; it raises CheckpointError."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An opened model: its tensors in a stable order and what its side files say.

    `left_out` names tensors that are not weights (optimizer state, training counters) with the reason.
    `config` is the parsed config.json of the folder, empty without one. `files` are the paths of the files that
    were opened for weights; files that these refer to are not among them, but count in `nbytes`.
    """

    name: str
    path: str
    format: str
    tensors: tuple[TensorView, ...]
    nbytes: int
    meter: Meter
    config: Mapping[str, Any] = field(default_factory=dict)
    licence: str | None = None
    declared: tuple[Declared, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    ahead: ReadAhead | None = None  # where the bytes come from a server
    files: tuple[str, ...] = ()


# -- anatomy -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of a weight matrix: what its units are, and whether relabelling them changes nothing.

    Tensors of one model whose axes share a `label` share one relabelling ("residual",
    "encoder.layer.3/mlp"); `exchangeable` is False for tokens, positions, pixels, classes, the rows
    inside a rotary head, and everything that is not understood.
    """

    label: str
    exchangeable: bool


@dataclass(frozen=True, slots=True)
class Part:
    """What one tensor is for: its component, its role there, its layer, the axes of its matrix view.

    `axes` are (output units, input units) in *storage order of the matrix view*: axis 0 is the first
    stored axis, axis 1 the second; kernel positions belong to neither. One-dimensional tensors have
    a meaningful `axes[0]` only. `generic` says why the tensor is no evidence (fixed table,
    constant), or is None.
    """

    component: str
    role: str
    layer: int | None
    axes: tuple[Axis, Axis]
    generic: str | None = None


# -- sketch ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Units:
    """Sampled units of one axis, each projected to a few numbers: int8 codes and one scale a unit.

    `index` (n,) int64 are positions on the axis, ascending; `codes` (n, 32) int8; `scale` (n,) float32.
    The projected unit is `codes * scale[:, None]`.
    """

    index: NDArray[np.int64]
    codes: NDArray[np.int8]
    scale: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Stats:
    """Moments and lattice of the sampled band of one tensor.

    `mean`, `std`, `kurtosis` and `zeros` (share) are over the sampled rows, at either depth;
    `levels_row` and `levels_group` are the median counts of equally spaced levels that a row and a
    run of 32 values lie on, 0 where they lie on no lattice; `distinct` is the share of the sampled
    values that no other sampled value equals.
    """

    mean: float
    std: float
    kurtosis: float
    zeros: float
    levels_row: int
    levels_group: int
    distinct: float


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class TensorSketch:
    """All that is kept of one tensor, compared by identity. Absent families are None.

    `digest` covers every value in the narrowest exact dtype (full depth, and tensors of up to 2**18 values at
    either), `band_digest` the sampled rows (both depths). `values` is the grid of sampled values, float32,
    shape (len(grid[0]), len(grid[1])): `grid` holds row positions and positions in the flattened rest of the
    shape. `projection` is (24, 24) float32. `moments` (4,) float64, the raw power sums over every element
    (which no reordering changes), exist where `digest` does, `minhash` (128,) uint32 at full depth only.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    part: Part
    params: int
    stats: Stats
    band_digest: str
    digest: str | None
    grid: tuple[NDArray[np.int64], NDArray[np.int64]]
    values: NDArray[np.float32]
    projection: NDArray[np.float32] | None
    units: tuple[Units | None, Units | None]
    minhash: NDArray[np.uint32] | None
    moments: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True, weakref_slot=True)
class CheckpointSketch:
    """The sketch of a whole model; `id` is made from content digests, never from float bytes.

    `family` names the sketch scheme with every parameter that must agree before two are compared.
    """

    id: str
    family: str
    depth: Depth
    name: str
    path: str
    format: str
    architecture: str
    nbytes: int
    bytes_read: int
    tensors: tuple[TensorSketch, ...]
    licence: str | None = None
    declared: tuple[Declared, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def params(self) -> int:
        """Number of weights, generic tensors included."""
        return sum(t.params for t in self.tensors)


# -- match -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TensorMatch:
    """Two tensors held against each other.

    `a` and `b` are tensor names of the query and of the reference. `how` says which road paired them:
    "structure" (role, layer and shape, chosen without looking at values), "content" (significant,
    alone or with its layer or expert, after correction for every pair tried) or "rows" (row codes contained,
    order unknown). `r` is the centred correlation, `cosine` the raw one (shown, never evidence).
    """

    a: str
    b: str
    role: str
    component: str
    layers: tuple[int | None, int | None]
    shape: tuple[int, ...]
    how: Literal["structure", "content", "rows"]
    transposed: bool
    r: float | None
    cosine: float | None
    z: float | None
    used: bool
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """How strongly two sets of tensors speak for common descent, and how much of them was tested.

    `r` is the centred correlation over the covered parameters, weighted by size. `z` is the
    permutation z, independent groups combined by Stouffer; `agreeing` of `compared` sampled values
    are equal where chance would give `expected`; `contained` is the largest share of a matrix's rows that
    the reference holds in another order, None where no such matrix was found. `log10_p` is the best of the three
    statistics, corrected for the three of them and for `hypotheses` (models times components).
    `coverage` is the share of the component's parameters that entered; `min_detectable_r` the
    smallest r that the permutation test would have found with 99% power.
    """

    r: float | None
    z: float | None
    groups: int
    agreeing: int
    compared: int
    expected: float
    log10_p: float
    coverage: float
    min_detectable_r: float | None
    hypotheses: int
    contained: float | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """One reason to take the query for the child or the parent: `ratio` are the odds that such a cue is right.

    `name` is the cue's function in lineage.ancestry.pairwise.cues; `text` says what was seen.
    """

    name: str
    role: Role
    ratio: float
    text: str


@dataclass(frozen=True, slots=True)
class ComponentFinding:
    """What one component of the query is to one reference model."""

    name: str
    params: int
    share: float
    relation: Relation
    role: Role | None
    evidence: Evidence
    confidence: float
    basis: tuple[str, ...]
    layer_map: tuple[tuple[int, int], ...] | None
    scheme: str | None = None
    expert_map: ExpertMap | None = None


@dataclass(frozen=True, slots=True)
class Generic:
    """A tensor that was left out, and why."""

    tensor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The query against one reference model; `cues` speak for a direction, the strongest first."""

    model: str
    model_name: str
    verdict: Verdict
    relation: Relation
    role: Role | None
    share: float
    evidence: Evidence
    confidence: float
    basis: tuple[str, ...]
    components: tuple[ComponentFinding, ...]
    tensors: tuple[TensorMatch, ...]
    generic: tuple[Generic, ...]
    cues: tuple[Cue, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a search could have seen."""

    models_searched: int
    index_id: str
    min_detectable_r: float | None
    transformations: tuple[str, ...]
    not_tested: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall-clock seconds of each stage."""

    read_s: float
    sketch_s: float
    search_s: float
    match_s: float


@dataclass(frozen=True, slots=True)
class UnrelatedComponent:
    """One component of the query against a model that came out unrelated: what chance gave."""

    component: str
    model: str
    model_name: str
    r: float | None
    z: float | None


@dataclass(frozen=True, slots=True)
class Relabelled:
    """`z` of one component after random relabellings of the reference's units; `reach` is the z of r = 1."""

    component: str
    model: str
    model_name: str
    z: tuple[float, ...]
    reach: float


@dataclass(frozen=True, slots=True)
class Null:
    """What chance looks like beside the figures of one query.

    `models` compared models came out unrelated; `unrelated` are the components that could be tested against them,
    `matrices` (r, z) of the single matrices among those. `relabelled` follows the exact null by construction.
    """

    models: int = 0
    unrelated: tuple[UnrelatedComponent, ...] = ()
    matrices: tuple[tuple[float | None, float | None], ...] = ()
    relabelled: tuple[Relabelled, ...] = ()


@dataclass(frozen=True, slots=True)
class Fit:
    """How many of the tensors that an adapter changes a model has; `declared` tells the base that the adapter names."""

    model: str
    model_name: str
    fitting: int
    declared: bool


@dataclass(frozen=True, slots=True)
class Addition:
    """An adapter found in the difference of two known models: `child` - `base` is `weight` times the adapter.

    "merged" is said where base and adapter predict the child's values as its type rounds them (`predicted`, a share of
    the sampled values that moved); "alike" where they do not: merged and changed since, or another training that moved
    alike. `r` is the correlation of adapter and difference, `log10_p` is corrected for every pair of models tried.
    """

    word: Literal["merged", "alike"]
    child: str
    child_name: str
    base: str
    base_name: str
    r: float
    z: float
    log10_p: float
    weight: float
    predicted: float


@dataclass(frozen=True, slots=True)
class Adapted:
    """What an adapter is to the known models: `fits` are those that it can be put on, and the base that it declares.

    `ranks` are the smallest and the largest; `tensors` are changed, `wholes` replace the base's. Of `possible` models
    `opened` were tried for their shapes; `pairs` of models of fitting shapes were tried for `additions`.
    """

    ranks: tuple[int, int]
    tensors: int
    wholes: int
    fits: tuple[Fit, ...]
    additions: tuple[Addition, ...]
    opened: int
    possible: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Whois:
    """The answer of `whois`: the best comparison for each component, alternatives, limits.

    `nearest` is the comparison that found or, failing that, tested most; None where nothing was compared. `null` is
    what chance looks like beside these figures. The components of an adapter are held against other adapters only;
    `adapted` says what it is to the models.
    """

    sketch: CheckpointSketch
    verdict: Verdict
    components: tuple[tuple[ComponentFinding, str | None, str | None], ...]  # finding, model id, model name
    ancestors: tuple[Comparison, ...]
    alternatives: tuple[Comparison, ...]
    generic: tuple[Generic, ...]
    left_out: tuple[str, ...]
    limits: Limits
    timings: Timings
    nearest: Comparison | None = None
    null: Null = Null()
    adapted: Adapted | None = None


# -- index -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What an index knows of one model without opening its sketch.

    `components` maps each component to its number of weights; `aliases` are other names and paths under which the same
    content was seen; `source` is the path or package that it came from; `added` is ISO 8601 in UTC,
    None where the index keeps no date.
    """

    id: str
    name: str
    family: str
    depth: Depth
    params: int
    tensors: int
    format: str
    architecture: str
    source: str
    components: Mapping[str, int]
    licence: str | None = None
    declared: tuple[Declared, ...] = ()
    aliases: tuple[str, ...] = ()
    added: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A tensor of an indexed model near to one of the query: model id, place in its sketch, inner product."""

    model_id: str
    tensor: int
    score: float


# -- ancestry ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    """One content in the ancestry graph: `aliases` are the names of its copies, `copies` their ids.

    `observed` is False for a parent that several models need and none of the index is; `root` tells that no
    measured edge leads to it. `address` is where anyone can read it (`hf:org/name@commit`, `pypi:name==1.0`,
    `https://host/file`), None for a path; `files` are (name, SHA-256) of the files that hold the weights, where they
    were read again for this answer.
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


@dataclass(frozen=True, slots=True)
class Edge:
    """Descent of `child` from `parent` (node ids), as a whole or of one component.

    Where `directed` is False the two ends are only related and their order says nothing. `source` tells
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
    basis: tuple[str, ...] = ()
    layer_map: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """An ancestry graph; `contradictions` say in one line each where a declared edge disagrees with the weights.

    `about` is the node that was asked for, where the graph is the answer about one model.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    contradictions: tuple[str, ...] = ()
    about: str | None = None


@dataclass(frozen=True, slots=True)
class MergePart:
    """One parent of a merge: its weight over all compared parameters, and by layer where the layers differ."""

    model: str
    model_name: str
    weight: float
    by_layer: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Merge:
    """A model as a weighted sum of others.

    `residual` is the share of the model's movement away from its nearest parent that the sum leaves unexplained,
    on tensors that were not fitted; `alternatives` name parents that are collinear with a chosen one.
    """

    parts: tuple[MergePart, ...]
    method: str
    residual: float
    alternatives: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """The ancestry of one model (a node id): its family, and (id, name) of parents that would do as well.

    `bases` are what an adapter declares that it was made for; None for a model.
    """

    model: str
    lineage: Lineage
    alternatives: tuple[tuple[str, str], ...] = ()
    bases: tuple[Declared, ...] | None = None


# -- policies and claims -----------------------------------------------------------------------

Certainty = Literal["measured", "possible", "declared"]
"""How an ancestor is known: by directed edges, by an edge whose direction is open or weak, by a card alone."""
Standing = Literal["violated", "due", "met", "possible", "inconclusive", "noted", "bound"]
PolicyVerdict = Literal["violated", "inconclusive", "nothing-found"]
Outcome = Literal["consistent", "contradicted", "unsupported"]


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside the weights: file names, the first 64 KiB of the card, whether the config asks for own code."""

    files: tuple[str, ...]
    card: str
    own_code: bool


@dataclass(frozen=True, slots=True)
class Case:
    """What a policy judges: the answer about a model, and the graph of its relatives, in which `node` is its node.

    `parents` compares the model with each neighbour in that graph, component by component; `indexed` tells every
    model of the index (id, name), for claims that name one; `components` are those of each model, as far as known.
    """

    answer: Whois
    lineage: Lineage
    node: str
    parents: tuple[Comparison, ...] = ()
    beside: Beside | None = None
    indexed: tuple[tuple[str, str], ...] = ()
    components: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Descent:
    """One ancestor of one component (None: of the whole), and how surely it is one.

    `relation`, `share` (of the model's parameters), `r`, `z` and `log10_p` are those of the first step; `through` names
    the models between, the nearest first; `confidence` is the product over the steps.
    """

    ancestor: str
    ancestor_name: str
    licence: str | None
    component: str | None
    share: float | None
    relation: Relation
    certainty: Certainty
    confidence: float
    through: tuple[str, ...] = ()
    basis: tuple[str, ...] = ()
    r: float | None = None
    z: float | None = None
    log10_p: float | None = None


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """What one rule says of one ancestor, component or model; `certainty` is None where no ancestor is meant.

    `says` is what the rule would say if all were certain; `standing` is what it comes to.
    """

    rule: str
    says: Standing
    standing: Standing
    text: str
    advice: str | None = None
    source: str | None = None
    ancestor: str | None = None
    ancestor_name: str | None = None
    licence: str | None = None
    components: tuple[str, ...] = ()
    share: float | None = None
    certainty: Certainty | None = None
    confidence: float | None = None
    bound: str | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """What a policy says of a model: every finding, the lines of descent behind them, and what it does not say.

    `bound` is the T-Class that the model can have at most, `possible_bound` the one if every open direction were
    against it; both are None for other policies.
    """

    policy: str
    answer: Whois
    verdict: PolicyVerdict
    headline: str
    findings: tuple[PolicyFinding, ...]
    descents: tuple[Descent, ...]
    notes: tuple[str, ...]
    sources: tuple[str, ...] = ()
    bound: str | None = None
    possible_bound: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of a card or claims file: its kind, its value as text, its words and line there."""

    kind: Literal["base-model", "relation", "licence", "parameters", "from-scratch", "quantisation"]
    value: str
    words: str
    line: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A claim held against the weights: the outcome, and the evidence in one sentence."""

    claim: Claim
    outcome: Outcome
    evidence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Every claim of one file about one model."""

    answer: Whois
    source: str
    checked: tuple[Checked, ...]
    notes: tuple[str, ...]
