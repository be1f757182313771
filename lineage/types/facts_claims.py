"""Facts of claims: what weights, or the index, show about one statement of a card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lineage.types.facts import Fact
from lineage.types.facts_policy import RuleApplies
from lineage.types.relations import Relation, Verdict


@dataclass(frozen=True, slots=True)
class FromAncestor:
    """A line of descent that a claim is checked against: `r` and `z` of its first step, the confidence of all.

    `through` names the models between, the nearest first; a name is None where the index does not hold the model.
    """

    relation: Relation
    ancestor: str | None
    through: tuple[str | None, ...]
    r: float | None
    z: float | None
    confidence: float


# -- claims of a base model or of a relation -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NotIndexed(Fact):
    """The named model is not in the index."""

    id: ClassVar[str] = "not-indexed"
    name: str


@dataclass(frozen=True, slots=True)
class Descends(Fact):
    """A line of descent from the named model was found; `is_open` where its direction is not measured."""

    id: ClassVar[str] = "descends"
    line: FromAncestor
    is_open: bool


@dataclass(frozen=True, slots=True)
class SameWeights(Fact):
    """The named model has the weights of this one."""

    id: ClassVar[str] = "same-weights"


@dataclass(frozen=True, slots=True)
class BaseDescends(Fact):
    """The named base is itself made from this model; `because` is what decided that."""

    id: ClassVar[str] = "base-descends"
    relation: Relation
    because: Fact


@dataclass(frozen=True, slots=True)
class LittleCompared(Fact):
    """Too little of the named model could be compared."""

    id: ClassVar[str] = "little-compared"


@dataclass(frozen=True, slots=True)
class NoLineMeasured(Fact):
    """The two are related, without a measured line of descent from the named one."""

    id: ClassVar[str] = "no-line-measured"
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class NoTrace(Fact):
    """Nothing of the named model was found.

    `instead` is the parent that was measured, where a trace of correlation `reach` would have been seen.
    """

    id: ClassVar[str] = "no-trace"
    name: str
    reach: float | None
    instead: FromAncestor | None = None


@dataclass(frozen=True, slots=True)
class UnknownRelation(Fact):
    """The claimed relation is not one of `known`."""

    id: ClassVar[str] = "unknown-relation"
    claimed: str
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoParent(Fact):
    """No parent was measured."""

    id: ClassVar[str] = "no-parent"


@dataclass(frozen=True, slots=True)
class NothingChanged(Fact):
    """All weights are those of the parent."""

    id: ClassVar[str] = "nothing-changed"
    parent: str | None


@dataclass(frozen=True, slots=True)
class OtherRelation(Fact):
    """The relation that was measured differs from the claimed one; `is_open` where it has no sure direction."""

    id: ClassVar[str] = "other-relation"
    line: FromAncestor
    is_open: bool


# -- claims of a licence -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LicenceViolated(Fact):
    """A rule of the policy `licence` contradicts the claimed licence."""

    id: ClassVar[str] = "licence-violated"
    rule: RuleApplies


@dataclass(frozen=True, slots=True)
class NoLicenceAbove(Fact):
    """No ancestor was measured whose licence could say something."""

    id: ClassVar[str] = "no-licence-above"


@dataclass(frozen=True, slots=True)
class LicenceAboveOpen(Fact):
    """A licence among the ancestors is unknown, or its question open."""

    id: ClassVar[str] = "licence-above-open"


@dataclass(frozen=True, slots=True)
class LicenceAgrees(Fact):
    """The claimed licence agrees with those of the nearest ancestor and of what is above it."""

    id: ClassVar[str] = "licence-agrees"
    ancestor: str | None


# -- claims of a number of parameters ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NoCount(Fact):
    """The claim does not name one number of parameters, or the tensors hold none."""

    id: ClassVar[str] = "no-count"
    claimed: str


@dataclass(frozen=True, slots=True)
class CountFits(Fact):
    """The parameters of the tensors are as many as the claim rounds to."""

    id: ClassVar[str] = "count-fits"
    params: int


@dataclass(frozen=True, slots=True)
class CountNear(Fact):
    """The count is further from the claim than rounding explains, but too near to contradict it."""

    id: ClassVar[str] = "count-near"
    params: int


@dataclass(frozen=True, slots=True)
class CountFar(Fact):
    """The parameters are `factor` times fewer or more than claimed."""

    id: ClassVar[str] = "count-far"
    params: int
    factor: float
    is_fewer: bool


# -- claims of training from scratch -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnclearSubject(Fact):
    """The sentence may be about something other than this model."""

    id: ClassVar[str] = "unclear-subject"


@dataclass(frozen=True, slots=True)
class NothingInherited(Fact):
    """No inheritance from `models` models; `reach` is the smallest r that would have been seen."""

    id: ClassVar[str] = "nothing-inherited"
    models: int
    reach: float | None


@dataclass(frozen=True, slots=True)
class EarlierState(Fact):
    """The parent may be an earlier state of the model, by the same maker."""

    id: ClassVar[str] = "earlier-state"
    line: FromAncestor


@dataclass(frozen=True, slots=True)
class PartsInherited(Fact):
    """These components (None: the whole), this share of the parameters, descend from a measured parent."""

    id: ClassVar[str] = "parts-inherited"
    components: tuple[str | None, ...]
    share: float
    line: FromAncestor


# -- claims of a quantisation --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NoBits(Fact):
    """The claim does not name a number of bits; `schemes` are those of the matrices, the commonest first."""

    id: ClassVar[str] = "no-bits"
    schemes: tuple[str, ...]
    claimed: str


@dataclass(frozen=True, slots=True)
class StoredAs(Fact):
    """How the matrices are stored."""

    id: ClassVar[str] = "stored-as"
    schemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredInBits(Fact):
    """The matrices are stored in another number of bits than claimed."""

    id: ClassVar[str] = "stored-in-bits"
    schemes: tuple[str, ...]
    bits: int


@dataclass(frozen=True, slots=True)
class OffLevels(Fact):
    """The matrices are stored in floats whose values do not lie on the claimed number of even levels."""

    id: ClassVar[str] = "off-levels"
    schemes: tuple[str, ...]
    levels: int


@dataclass(frozen=True, slots=True)
class StoredUnsettled(Fact):
    """How the matrices are stored does not settle the claim."""

    id: ClassVar[str] = "stored-unsettled"
    schemes: tuple[str, ...]


# -- claims of a tokenizer of one's own ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NoTokenizer(Fact):
    """No tokenizer that could be compared with known ones came with the weights, or too little of it could be."""

    id: ClassVar[str] = "no-tokenizer"


@dataclass(frozen=True, slots=True)
class TokenizerNotTraced(Fact):
    """The tokenizer comes from none of `known` ones."""

    id: ClassVar[str] = "tokenizer-not-traced"
    known: int


@dataclass(frozen=True, slots=True)
class TokenizerAkin(Fact):
    """The tokenizer and `other` have one origin; which of them came first is not measured."""

    id: ClassVar[str] = "tokenizer-akin"
    other: str


@dataclass(frozen=True, slots=True)
class TokenizerMadeFrom(Fact):
    """The tokenizer was made from `other`: about `tokens` stand in the same order, by chance with 10**`log10_p`.

    `may_be_own` where the names suggest one maker.
    """

    id: ClassVar[str] = "tokenizer-made-from"
    other: str
    tokens: int
    log10_p: float
    may_be_own: bool
