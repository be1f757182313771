"""Two models compared: tensors, statistics, findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lineage.types.facts import Fact
from lineage.types.relations import Direction, Relation, Verdict
from lineage.types.words import ExpertMap

if TYPE_CHECKING:
    from lineage.types.facts.exclusions import Exclusion
    from lineage.types.facts.schemes import Scheme


@dataclass(frozen=True, slots=True)
class TensorMatch:
    """Two tensors compared.

    `a` and `b` are tensor names of the query and of the reference. `how` says what paired them:
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
    why_not: Exclusion | None = None


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

    `name` is the cue's id, as it is counted in calibration.toml; `fact` is what was seen. A cue that is `certain`
    shows what can be computed from the other side only; the others lean: two children of a third model show them too.
    """

    name: str
    direction: Direction
    ratio: float
    fact: Fact
    certain: bool = False


@dataclass(frozen=True, slots=True)
class InheritedPart:
    """Tensors of a component that were inherited: of one `kind`, in some layers or, where there are none, in no layer.

    `kind` is a role, "attention", "mlp" or "experts", None for all of a layer. `every` means that these are all the
    layers that have such tensors, `some` that only some tensors of that kind came along.
    """

    kind: str | None
    layers: tuple[int, ...]
    every: bool
    some: bool = False


@dataclass(frozen=True, slots=True)
class Inherited:
    """What of a component came from the reference, counted in parameters of the tensors that did, each on its own.

    `share` is that of the model's parameters; `untested` are parameters of tensors too small to be judged alone, which
    are in `params` only where `parts` is empty: then no tensor of the component is known to be new.
    """

    params: int
    share: float
    untested: int
    parts: tuple[InheritedPart, ...] = ()


@dataclass(frozen=True, slots=True)
class ComponentFinding:
    """How one component of the query relates to one reference model.

    `share` is the component's in the model's parameters, `inherited` what of it came along, None where nothing is known
    to have.
    """

    name: str
    params: int
    share: float
    relation: Relation
    direction: Direction | None
    evidence: Evidence
    confidence: float
    basis: tuple[Fact, ...]
    layer_map: tuple[tuple[int, int], ...] | None
    schemes: tuple[Scheme, ...] = ()
    expert_map: ExpertMap | None = None
    inherited: Inherited | None = None

    @property
    def is_alike(self) -> bool:
        """Whether most of it was tested and is alike, by descent or from one initialisation: which is not known.

        By place, or by neurons in another order or basis.
        """
        if self.relation != Relation.INCONCLUSIVE:
            return False
        r, reach = self.evidence.r, self.evidence.min_detectable_r
        is_seen = r is not None and reach is not None and r >= reach
        return (is_seen and 2.0 * self.evidence.coverage >= 1.0) or self._has_same_neurons

    @property
    def _has_same_neurons(self) -> bool:
        if not self.basis:
            return False
        from lineage.types.facts.disguises import SameNeurons  # imported only here: few findings have any

        return any(isinstance(fact, SameNeurons) for fact in self.basis)

    @property
    def share_inherited(self) -> float:
        """Share of the model's parameters that came along: of a finding without tensors, the whole component's."""
        return self.share if self.inherited is None else self.inherited.share


@dataclass(frozen=True, slots=True)
class Excluded:
    """A tensor that was left out, and why."""

    tensor: str
    reason: Exclusion


@dataclass(frozen=True, slots=True)
class Comparison:
    """The query against one reference model; `cues` are evidence for a direction, the strongest first.

    `share` is that of the query's parameters that were inherited, or passed on.
    """

    model: str
    model_name: str
    verdict: Verdict
    relation: Relation
    direction: Direction | None
    share: float
    evidence: Evidence
    confidence: float
    basis: tuple[Fact, ...]
    components: tuple[ComponentFinding, ...]
    tensors: tuple[TensorMatch, ...]
    excluded: tuple[Excluded, ...]
    cues: tuple[Cue, ...] = ()

    @property
    def is_directed(self) -> bool:
        """Whether one of the two is known to have come first."""
        return self.direction in (Direction.CHILD, Direction.PARENT)
