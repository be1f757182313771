"""What `whois` answers about a model or an adapter: its place among its relatives, and the null distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lineage.types.evidence import Comparison, ComponentFinding, Excluded
from lineage.types.facts import Fact
from lineage.types.relations import Relation, Verdict
from lineage.types.sketch import CheckpointSketch

if TYPE_CHECKING:
    from lineage.types.settings import ConfigurationFound
    from lineage.types.tokenizers import TokenizerComparison


@dataclass(frozen=True, slots=True)
class Limits:
    """What a search could have seen."""

    models_searched: int
    index_id: str
    min_detectable_r: float | None
    transformations: tuple[Fact, ...]
    not_tested: tuple[Fact, ...]


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
    """The null distribution for the figures of one query.

    `models` compared models came out unrelated; `unrelated` are the components that could be tested against them,
    `matrices` (r, z) of the single matrices among those. `relabelled` are draws from the permutation null itself.
    """

    models: int = 0
    unrelated: tuple[UnrelatedComponent, ...] = ()
    matrices: tuple[tuple[float | None, float | None], ...] = ()
    relabelled: tuple[Relabelled, ...] = ()


@dataclass(frozen=True, slots=True)
class Relative:
    """A known model and its place relative to the one that was asked about.

    `relation` is the word for the edge between the two, or for what leads from one to the other. `probability` is that
    of the place: for a parent, an ancestor or a descendant that of the direction too, for an open one that it is the
    parent. `components` are those of the model asked about that the edge is about, empty where it is the whole;
    `weight` is a merge's share; `through` is the id of the next model on the way, None where there is none between.
    """

    model: str
    model_name: str
    relation: Relation
    probability: float
    components: tuple[str, ...] = ()
    weight: float | None = None
    through: str | None = None
    basis: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Between:
    """A parent that no index holds, needed between the models (ids) of `between`; `basis` says what shows it."""

    between: tuple[str, ...]
    probability: float
    basis: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """The relatives of a model by place; every related model that was compared is in one list only.

    `parents` are direct ones, with a direction above the threshold; `ancestors` are above those, up to the root;
    `descendants` are children and what comes from them; `siblings` have a parent in common with the model, known or
    not; `copies` hold the same weights in any layout; `open` are neighbours where neither is known to be the
    other's parent, rivals of these, or what is alike by descent or from one initialisation; the likeliest parent first.
    """

    parents: tuple[Relative, ...] = ()
    ancestors: tuple[Relative, ...] = ()
    descendants: tuple[Relative, ...] = ()
    siblings: tuple[Relative, ...] = ()
    copies: tuple[Relative, ...] = ()
    open: tuple[Relative, ...] = ()
    unobserved: tuple[Between, ...] = ()


@dataclass(frozen=True, slots=True)
class Fit:
    """How many of the tensors that an adapter changes a model has; `declared` marks the base that the adapter names."""

    model: str
    model_name: str
    fitting: int
    declared: bool


@dataclass(frozen=True, slots=True)
class Addition:
    """An adapter found in the difference of two known models: `child` - `base` is `weight` times the adapter.

    "merged" means that base and adapter predict the child's values as its type rounds them (`predicted`, a share of
    the sampled values that moved); "alike" that they do not: merged and changed since, or another training that moved
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
    """How an adapter relates to known models: `fits` are those that it can be applied to, and the base it declares.

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
class Witnesses:
    """What tokenizer and configuration show, never mixed with the weights; None where there is none to compare.

    `tokenizer` is compared with the nearest known one, `configuration` with the published ones.
    """

    tokenizer: TokenizerComparison | None = None
    configuration: ConfigurationFound | None = None


@dataclass(frozen=True, slots=True)
class Whois:
    """The answer of `whois`: the best comparison for each component, alternatives, limits.

    `nearest` is the comparison that found or, failing that, tested most; None where nothing was compared. `null` is
    the null distribution for these figures. `place` is where the model stands among its relatives: `ancestors` are
    the comparisons with its parents there, and with its copies. The components of an adapter are compared with other
    adapters only; `adapted` says how it relates to models. `witnesses` take no part in any of this. `handed_over` is
    what the answer must say of sketches of weights that were not seen here.
    """

    sketch: CheckpointSketch
    verdict: Verdict
    components: tuple[tuple[ComponentFinding, str | None, str | None], ...]  # finding, model id, model name
    ancestors: tuple[Comparison, ...]
    alternatives: tuple[Comparison, ...]
    excluded: tuple[Excluded, ...]
    left_out: tuple[Excluded, ...]
    limits: Limits
    timings: Timings
    nearest: Comparison | None = None
    null: Null = Null()
    adapted: Adapted | None = None
    place: Place = Place()
    witnesses: Witnesses = Witnesses()
    handed_over: tuple[Fact, ...] = ()
