"""Claims checked against weights: consistent, contradicted (on strong evidence only) or unsupported, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lineage.policy.auditing import audit
from lineage.policy.descents import CERTAIN, descents
from lineage.policy.names import may_be_same, share_a_word
from lineage.policy.schemes import scheme_of, stored
from lineage.policy.statements import parameter_count
from lineage.policy.witnesses import tokenizer_state
from lineage.types import Case, Checked, Claim, Comparison, DescentLine, Outcome, Relation, Verdict, Verification
from lineage.types.facts import Fact
from lineage.types.facts_claims import (
    BaseDescends,
    CountFar,
    CountFits,
    CountNear,
    Descends,
    EarlierState,
    FromAncestor,
    LicenceAboveOpen,
    LicenceAgrees,
    LicenceViolated,
    LittleCompared,
    NoBits,
    NoCount,
    NoLicenceAbove,
    NoLineMeasured,
    NoParent,
    NothingChanged,
    NothingInherited,
    NotIndexed,
    NoTokenizer,
    NoTrace,
    OffLevels,
    OtherRelation,
    PartsInherited,
    SameWeights,
    StoredAs,
    StoredInBits,
    StoredUnsettled,
    TokenizerAkin,
    TokenizerMadeFrom,
    TokenizerNotTraced,
    UnclearSubject,
    UnknownRelation,
)
from lineage.types.facts_policy import NeverProved, OutcomesMean

NAMING_SLACK = 1.3
"""Names round: a "7B" has 6.5 to 8.5 billion parameters, with or without its embeddings."""
FAR_OFF = 2.0
"""A factor that rounding in a name does not explain."""

_COVERED = 0.5  # share of the parameters that must have been compared before a named base is ruled out
_REACH = 0.5  # the largest r that may have gone unseen then
_STORED = 0.95  # share of the matrices that must be stored differently from the claim
_FEW = 0.05
_RELATIONS: Mapping[str, frozenset[Relation]] = {
    "finetune": frozenset(
        {
            Relation.FINE_TUNED,
            Relation.CONTINUED_PRETRAINING,
            Relation.ADAPTER_MERGED,
            Relation.VOCABULARY_CHANGED,
            Relation.MERGED,
        }
    ),
    "adapter": frozenset({Relation.ADAPTER_MERGED, Relation.FINE_TUNED, Relation.CONTINUED_PRETRAINING}),
    "merge": frozenset({Relation.MERGED}),
    "quantized": frozenset({Relation.QUANTIZED, Relation.RE_ENCODED}),
}
Judged = tuple[Outcome, Fact]


@dataclass(frozen=True, slots=True)
class _Known:
    case: Case
    lines: tuple[DescentLine, ...]

    @property
    def measured(self) -> list[DescentLine]:
        """Measured lines that pass weights on, the nearest first."""
        sure = [line for line in self.lines if line.certainty == "measured" and line.relation.inherits]
        return sorted(sure, key=lambda line: (len(line.through), -(line.share or 0.0)))


def verify(case: Case, claims: Iterable[Claim], source: str) -> Verification:
    """Check each claim of `source` against the case. Each base model that a claim names should be in `case.parents`."""
    known = _Known(case, descents(case))
    judges: Mapping[str, Callable[[Claim, _Known], Judged]] = {
        "base-model": _base_model,
        "relation": _relation,
        "licence": _licence,
        "parameters": _parameters,
        "from-scratch": _from_scratch,
        "quantisation": _quantisation,
        "own-tokenizer": _own_tokenizer,
    }
    checked = tuple(Checked(claim, *judges[claim.kind](claim, known)) for claim in claims)
    return Verification(case.answer, source, checked, (OutcomesMean(), NeverProved()))


def named(case: Case, text: str) -> list[str]:
    """Ids of the indexed models that a claim can mean by `text`; never the model itself."""
    return [model for model, name in case.indexed if may_be_same(name, text) and model != case.answer.sketch.id]


def _base_model(claim: Claim, known: _Known) -> Judged:
    found = [_one_base(model, known) for model in named(known.case, claim.value)]
    if not found:
        return "unsupported", NotIndexed(claim.value)
    order: tuple[Outcome, ...] = ("consistent", "unsupported", "contradicted")
    return min(found, key=lambda judged: order.index(judged[0]))


def _one_base(model: str, known: _Known) -> Judged:
    """The outcome for one indexed model that is named as the base."""
    case = known.case
    node = next((n.id for n in case.lineage.nodes if model in (n.id, *n.copies)), model)
    lines = [line for line in known.lines if line.ancestor == node and line.certainty != "declared"]
    if lines:
        line = min(lines, key=lambda one: (one.certainty != "measured", len(one.through)))
        return "consistent", Descends(_figures(line), is_open=line.certainty != "measured")
    if node == case.node:
        return "consistent", SameWeights()
    child = _measured_child(case, node)
    if child is not None:
        return "contradicted", child
    return _compared(next((one for one in case.parents if one.model == model), None), known)


def _compared(compared: Comparison | None, known: _Known) -> Judged:
    """A named base that the graph does not put above the model."""
    if compared is None or compared.verdict == Verdict.INCONCLUSIVE:
        return "unsupported", LittleCompared()
    if compared.verdict != Verdict.INDEPENDENT:
        return "unsupported", NoLineMeasured(compared.verdict)
    return _independent(compared, known)


def _independent(compared: Comparison, known: _Known) -> Judged:
    """A named base of which nothing was found: contradicted if it would have been, and another parent was."""
    evidence = compared.evidence
    reach = evidence.min_detectable_r
    others = [line for line in known.measured if not line.through]
    if others and reach is not None and reach <= _REACH and evidence.coverage >= _COVERED:
        return "contradicted", NoTrace(compared.model_name, reach, _figures(others[0]))
    return "unsupported", NoTrace(compared.model_name, reach)


def _measured_child(case: Case, node: str) -> BaseDescends | None:
    """Why a node is surely made from the model: a directed edge to it with a reason of its own."""
    edge = next(
        (
            e
            for e in case.lineage.edges
            if e.source == "measured" and e.directed and (e.parent, e.child) == (case.node, node)
            if e.relation.inherits and (e.confidence or 0.0) >= CERTAIN and e.basis
        ),
        None,
    )
    return None if edge is None else BaseDescends(edge.relation, edge.basis[0])


def _relation(claim: Claim, known: _Known) -> Judged:
    expected = _RELATIONS.get(claim.value.strip().lower())
    if expected is None:
        return "unsupported", UnknownRelation(claim.value, tuple(_RELATIONS))
    direct = [line for line in known.lines if not line.through and line.certainty != "declared"]
    if not direct:
        return "unsupported", NoParent()
    hit = next((line for line in direct if line.relation in expected), None)
    if hit is not None:
        return "consistent", Descends(_figures(hit), is_open=hit.certainty != "measured")
    if {line.relation for line in direct} == {Relation.IDENTICAL} and known.case.answer.verdict == Verdict.IDENTICAL:
        return "contradicted", NothingChanged(direct[0].ancestor_name)
    return "unsupported", OtherRelation(_figures(direct[0]), is_open=direct[0].certainty != "measured")


def _licence(claim: Claim, known: _Known) -> Judged:
    sketch = replace(known.case.answer.sketch, licence=claim.value)
    found = audit(replace(known.case, answer=replace(known.case.answer, sketch=sketch)), "licence")
    against = next((one for one in found.findings if one.standing == "violated"), None)
    if against is not None:
        return "unsupported", LicenceViolated(against.fact)
    if not known.measured:
        return "unsupported", NoLicenceAbove()
    if found.verdict == "inconclusive":
        return "unsupported", LicenceAboveOpen()
    return "consistent", LicenceAgrees(known.measured[0].ancestor_name)


def _parameters(claim: Claim, known: _Known) -> Judged:
    claimed = parameter_count(claim.value)
    have = known.case.answer.sketch.params
    if not claimed or not have:
        return "unsupported", NoCount(claim.value)
    off = max(claimed / have, have / claimed)
    if off <= NAMING_SLACK:
        return "consistent", CountFits(have)
    if off >= FAR_OFF:
        return "contradicted", CountFar(have, off, is_fewer=have < claimed)
    return "unsupported", CountNear(have)


def _from_scratch(claim: Claim, known: _Known) -> Judged:
    limits = known.case.answer.limits
    direct = [line for line in known.measured if not line.through]
    if claim.value != "yes":
        return "unsupported", UnclearSubject()
    if not direct:
        return "unsupported", NothingInherited(limits.models_searched, limits.min_detectable_r)
    if all(_same_maker(line.ancestor_name, known.case.answer.sketch.name) for line in direct):
        return "unsupported", EarlierState(_figures(direct[0]))
    shares = {line.component: line.share or 0.0 for line in direct}
    parts = tuple(sorted(shares, key=lambda name: name or ""))
    return "contradicted", PartsInherited(parts, min(1.0, sum(shares.values())), _figures(direct[0]))


def _quantisation(claim: Claim, known: _Known) -> Judged:
    claimed, have = scheme_of(claim.value), stored(known.case.answer.sketch)
    schemes = have.names[:3]
    if claimed is None or claimed.bits is None:
        return "unsupported", NoBits(schemes, claim.value)
    wide = sum(share for bits, share in have.by_bits.items() if bits is not None and bits >= 16)
    if claimed.bits >= 16:
        return _unquantised(wide), StoredAs(schemes)
    if have.by_bits.get(claimed.bits, 0.0) > _COVERED or have.on_lattice.get(claimed.bits, 0.0) > _COVERED:
        return "consistent", StoredAs(schemes)
    others = [bits for bits, share in have.by_bits.items() if share >= _STORED and bits is not None and bits < 16]
    if others:
        return "contradicted", StoredInBits(schemes, others[0])
    is_even = claimed.is_even and claimed.bits in have.on_lattice
    if is_even and wide >= _STORED and have.on_lattice[claimed.bits] <= _FEW:
        return "contradicted", OffLevels(schemes, 2**claimed.bits)
    return "unsupported", StoredUnsettled(schemes)


def _own_tokenizer(claim: Claim, known: _Known) -> Judged:
    """Contradicted where the tokenizer was made from a known one that no name suggests is the maker's own."""
    found = known.case.answer.witnesses.tokenizer
    state = tokenizer_state(found)
    if claim.value != "yes":
        return "unsupported", UnclearSubject()
    if found is None or state == "unknown":
        return "unsupported", NoTokenizer()
    if state == "own":
        return "unsupported", TokenizerNotTraced(found.order.hypotheses)
    if state == "open":
        return "unsupported", TokenizerAkin(found.b)
    may_be_own = share_a_word(found.b, known.case.answer.sketch.name)
    made = TokenizerMadeFrom(found.b, found.overlap.core_tokens, found.order.log10_p, may_be_own)
    return "unsupported" if may_be_own else "contradicted", made


def _unquantised(wide: float) -> Outcome:
    """The outcome of "not quantised" where this share of the matrices is stored in 16 bits or more."""
    if wide >= _STORED:
        return "consistent"
    return "contradicted" if wide <= _FEW else "unsupported"


def _same_maker(one: str | None, other: str) -> bool:
    """Whether two published names begin with the same organisation."""
    return (
        one is not None
        and "/" in one
        and "/" in other
        and one.partition("/")[0].lower() == other.partition("/")[0].lower()
    )


def _figures(line: DescentLine) -> FromAncestor:
    return FromAncestor(line.relation, line.ancestor_name, line.through, line.r, line.z, line.confidence)


def claimed_bases(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Names of the base models that the claims name."""
    return tuple(dict.fromkeys(claim.value for claim in claims if claim.kind == "base-model"))
