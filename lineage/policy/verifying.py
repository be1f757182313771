"""Claims held against weights: consistent, contradicted on strong evidence alone, or unsupported, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lineage.policy.auditing import audit
from lineage.policy.descents import CERTAIN, INHERITED, descents
from lineage.policy.judging import percent
from lineage.policy.names import may_be_same
from lineage.policy.schemes import scheme_of, stored
from lineage.policy.statements import parameter_count
from lineage.types import Case, Checked, Claim, Comparison, Descent, Outcome, Verification

NAMING_SLACK = 1.3
"""Names round: a "7B" has 6.5 to 8.5 billion parameters, with or without its embeddings."""
FAR_OFF = 2.0
"""A factor that no naming explains."""

_COVERED = 0.5  # share of the parameters that must have been compared before a named base is ruled out
_REACH = 0.5  # the largest r that may have gone unseen then
_STORED = 0.95  # share of the matrices that must be stored otherwise than claimed
_FEW = 0.05
_RELATIONS: Mapping[str, frozenset[str]] = {
    "finetune": frozenset({"fine-tuned", "continued-pretraining", "adapter-merged", "vocabulary-changed", "merged"}),
    "adapter": frozenset({"adapter-merged", "fine-tuned", "continued-pretraining"}),
    "merge": frozenset({"merged"}),
    "quantized": frozenset({"quantized", "re-encoded"}),
}
_NOTES = (
    "contradicted is said on strong evidence alone; unsupported means that the weights, or this index, do not tell",
    "weights never prove that a model was trained from scratch",
)
Judged = tuple[Outcome, str]


@dataclass(frozen=True, slots=True)
class _Known:
    case: Case
    lines: tuple[Descent, ...]

    @property
    def measured(self) -> list[Descent]:
        """Measured lines that pass weights on, the nearest first."""
        sure = [line for line in self.lines if line.certainty == "measured" and line.relation in INHERITED]
        return sorted(sure, key=lambda line: (len(line.through), -(line.share or 0.0)))


def verify(case: Case, claims: Iterable[Claim], source: str) -> Verification:
    """Hold each claim of `source` against the case. Each base model that a claim names should be in `case.parents`."""
    known = _Known(case, descents(case))
    judges: Mapping[str, Callable[[Claim, _Known], Judged]] = {
        "base-model": _base_model,
        "relation": _relation,
        "licence": _licence,
        "parameters": _parameters,
        "from-scratch": _from_scratch,
        "quantisation": _quantisation,
    }
    checked = tuple(Checked(claim, *judges[claim.kind](claim, known)) for claim in claims)
    return Verification(case.answer, source, checked, _NOTES)


def named(case: Case, text: str) -> list[str]:
    """Ids of the indexed models that a claim can mean by `text`; the model itself is none."""
    return [model for model, name in case.indexed if may_be_same(name, text) and model != case.answer.sketch.id]


def _base_model(claim: Claim, known: _Known) -> Judged:
    found = [_one_base(model, known) for model in named(known.case, claim.value)]
    if not found:
        return "unsupported", f"{claim.value} is not in the index, so nothing could be compared with it"
    order: tuple[Outcome, ...] = ("consistent", "unsupported", "contradicted")
    return min(found, key=lambda judged: order.index(judged[0]))


def _one_base(model: str, known: _Known) -> Judged:
    """What the weights say of one indexed model that is named as the base."""
    case = known.case
    node = next((n.id for n in case.lineage.nodes if model in (n.id, *n.copies)), model)
    lines = [line for line in known.lines if line.ancestor == node and line.certainty != "declared"]
    if lines:
        line = min(lines, key=lambda one: (one.certainty != "measured", len(one.through)))
        is_open = "" if line.certainty == "measured" else "; which of the two is the parent is not measured"
        return "consistent", f"{_said(line)}{is_open}"
    if node == case.node:
        return "consistent", "its weights are the same"
    turned = _measured_child(case, node)
    if turned is not None:
        return "contradicted", f"the weights point the other way: {turned}"
    return _compared(next((one for one in case.parents if one.model == model), None), known)


def _compared(compared: Comparison | None, known: _Known) -> Judged:
    """A named base that the graph does not put above the model."""
    if compared is None or compared.verdict == "inconclusive":
        return "unsupported", "too little could be compared"
    if compared.verdict != "independent":
        return "unsupported", f"the two are {compared.verdict}, but no line of descent from it was measured"
    return _independent(compared, known)


def _independent(compared: Comparison, known: _Known) -> Judged:
    """A named base of which nothing was found: contradicted if it would have been, and another parent was."""
    evidence = compared.evidence
    reach = evidence.min_detectable_r
    others = [line for line in known.measured if not line.through]
    seen = f"no trace of {compared.model_name} was found"
    if others and reach is not None and reach <= _REACH and evidence.coverage >= _COVERED:
        return "contradicted", f"{seen} (would have seen r >= {reach:.2f}); measured: {_said(others[0])}"
    return "unsupported", f"{seen}, and no other parent is measured that surely" if reach is not None else seen


def _measured_child(case: Case, node: str) -> str | None:
    """Why a node is surely made from the model: a directed edge to it with a reason of its own."""
    edge = next(
        (
            e
            for e in case.lineage.edges
            if e.source == "measured" and e.directed and (e.parent, e.child) == (case.node, node)
            if e.relation in INHERITED and (e.confidence or 0.0) >= CERTAIN and e.basis
        ),
        None,
    )
    return None if edge is None else f"it is {edge.relation} from this model ({edge.basis[0]})"


def _relation(claim: Claim, known: _Known) -> Judged:
    expected = _RELATIONS.get(claim.value.strip().lower())
    if expected is None:
        return "unsupported", f"{claim.value!r} is no relation that is known here: {', '.join(_RELATIONS)}"
    direct = [line for line in known.lines if not line.through and line.certainty != "declared"]
    if not direct:
        return "unsupported", "no parent was measured"
    hit = next((line for line in direct if line.relation in expected), None)
    if hit is not None:
        return "consistent", _said(hit)
    if {line.relation for line in direct} == {"identical"} and known.case.answer.verdict == "identical":
        return "contradicted", f"nothing was changed: all weights are those of {direct[0].ancestor_name}"
    return "unsupported", f"measured: {_said(direct[0])}"


def _licence(claim: Claim, known: _Known) -> Judged:
    sketch = replace(known.case.answer.sketch, licence=claim.value)
    found = audit(replace(known.case, answer=replace(known.case.answer, sketch=sketch)), "licence")
    against = next((one for one in found.findings if one.standing == "violated"), None)
    if against is not None:
        return "unsupported", f"{against.text}: `lineage audit --policy licence` tells more"
    if not known.measured:
        return "unsupported", "weights say nothing of a licence, and no ancestor was measured that had one"
    if found.verdict == "inconclusive":
        return "unsupported", "a licence among the ancestors is unknown or open: see `lineage audit --policy licence`"
    return "consistent", f"no disagreement with the licence of {known.measured[0].ancestor_name} and what is above it"


def _parameters(claim: Claim, known: _Known) -> Judged:
    said = parameter_count(claim.value)
    have = known.case.answer.sketch.params
    if not said or not have:
        return "unsupported", f"{claim.value!r} is no single number of parameters"
    off = max(said / have, have / said)
    if off <= NAMING_SLACK:
        return "consistent", f"the tensors hold {have:,}"
    if off >= FAR_OFF:
        way = "fewer" if have < said else "more"
        return "contradicted", f"the tensors hold {have:,}, {off:,.1f} times {way} than claimed"
    return "unsupported", f"the tensors hold {have:,}: further off than names round, not far enough to tell"


def _from_scratch(claim: Claim, known: _Known) -> Judged:
    limits = known.case.answer.limits
    direct = [line for line in known.measured if not line.through]
    if claim.value != "yes":
        return "unsupported", "the sentence may speak of something else than this model"
    if not direct:
        reach = "" if limits.min_detectable_r is None else f"; would have seen r >= {limits.min_detectable_r:.2f}"
        return "unsupported", f"no inheritance measured among {limits.models_searched:,} models{reach}; no proof"
    if all(_same_maker(line.ancestor_name, known.case.answer.sketch.name) for line in direct):
        return "unsupported", f"{_said(direct[0])}, which may be an earlier state by the same maker"
    parts = sorted({line.component or "the whole" for line in direct})
    share = sum({line.component: line.share or 0.0 for line in direct}.values())
    return "contradicted", f"{', '.join(parts)} ({percent(min(1.0, share))} of the parameters): {_said(direct[0])}"


def _quantisation(claim: Claim, known: _Known) -> Judged:
    said, have = scheme_of(claim.value), stored(known.case.answer.sketch)
    names = ", ".join(have.names[:3]) or "nothing"
    if said is None or said.bits is None:
        return "unsupported", f"the matrices are stored as {names}; {claim.value!r} names no number of bits"
    wide = sum(share for bits, share in have.by_bits.items() if bits is not None and bits >= 16)
    if said.bits >= 16:
        return _unquantised(wide, names)
    if have.by_bits.get(said.bits, 0.0) > _COVERED or have.on_lattice.get(said.bits, 0.0) > _COVERED:
        return "consistent", f"the matrices are stored as {names}"
    others = [bits for bits, share in have.by_bits.items() if share >= _STORED and bits is not None and bits < 16]
    if others:
        return "contradicted", f"the matrices are stored as {names}, {others[0]} bits a weight"
    is_even = said.is_even and said.bits in have.on_lattice
    if is_even and wide >= _STORED and have.on_lattice[said.bits] <= _FEW:
        return "contradicted", f"the matrices are stored as {names}, and their values lie on no {2**said.bits} levels"
    return "unsupported", f"the matrices are stored as {names}, which does not settle it"


def _unquantised(wide: float, names: str) -> Judged:
    if wide >= _STORED:
        return "consistent", f"the matrices are stored as {names}"
    outcome: Outcome = "contradicted" if wide <= _FEW else "unsupported"
    return outcome, f"the matrices are stored as {names}"


def _same_maker(one: str, other: str) -> bool:
    """Whether two published names begin with the same organisation."""
    return "/" in one and "/" in other and one.partition("/")[0].lower() == other.partition("/")[0].lower()


def _said(line: Descent) -> str:
    """A line of descent with its figures: "fine-tuned from acme/base (r 0.99, z 188, confidence 0.97)"."""
    figures = [f"r {line.r:.2f}"] if line.r is not None else []
    figures += [f"z {line.z:.0f}"] if line.z is not None else []
    figures.append(f"confidence {line.confidence:.2f}")
    through = f" through {', '.join(line.through)}" if line.through else ""
    return f"{line.relation} from {line.ancestor_name}{through} ({', '.join(figures)})"


def claimed_bases(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Names of the base models that the claims name."""
    return tuple(dict.fromkeys(claim.value for claim in claims if claim.kind == "base-model"))
