"""English: what rules, audits and checked claims say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lineage.report.figures import correlation, p_value, percent, score
from lineage.report.words import text
from lineage.report.words.templates import filled, words_of
from lineage.types import Certainty
from lineage.types.facts_claims import CountFar, Descends, FromAncestor, NoTrace, OtherRelation, PartsInherited
from lineage.types.facts_policy import Figure, Quotation, RuleAdvice, RuleApplies

UNNAMED = "a parent that is not in the index"
_OPEN: Mapping[Certainty | None, str] = {
    "possible": " (if {ancestor} is an ancestor: the direction is open or weak)",
    "declared": " ({ancestor} is declared, not measured)",
}


def name(found: str | None) -> str:
    """The name of a model, or what it is called without one."""
    return UNNAMED if found is None else found


def _listed(names: Any, otherwise: str, joint: str = ", ") -> str:
    return joint.join(otherwise if one is None else one for one in names)


def _licence(found: Any) -> str:
    return "none stated" if found is None else str(found)


_FIGURES: Mapping[str, Callable[[Any], str]] = {
    "model-licence": _licence,
    "licence": _licence,
    "other-licence": _licence,
    "ancestor": name,
    "other": name,
    "component": lambda names: _listed(names, "the whole"),
    "relation": lambda names: _listed(names, "", " and "),
    "share": lambda share: "an unknown share" if share is None else percent(share),
    "models": lambda models: f"{models:,}",
    "reach": lambda reach: "1 (no other part to test it against)" if reach is None else f"{reach:.2f}",
    "nearest": lambda nearest: "nothing" if nearest is None else nearest,
    "tokenizers": lambda known: f"{known:,}",
    "bound": lambda bound: "no class" if bound is None else bound,
    "limit": lambda limit: limit.text,
    "unsure": lambda unsure: unsure.text,
}


def _ruled(wording: Quotation, figures: Mapping[str, Figure], more: str = "") -> str:
    return filled(wording.text + more, {key: _FIGURES.get(key, str)(value) for key, value in figures.items()})


def _applies(fact: RuleApplies) -> str:
    return _ruled(fact.wording, fact.figures, _OPEN.get(fact.certainty, ""))


def names_ancestor(fact: RuleApplies) -> bool:
    """Whether the text has the name of the ancestor in it."""
    return "ancestor" in words_of(fact.wording.text + _OPEN.get(fact.certainty, ""))


def _advice(fact: RuleAdvice) -> str:
    return _ruled(fact.wording, fact.figures)


def _line(line: FromAncestor) -> str:
    """A line of descent with its figures: "fine-tuned from acme/base (r 0.9959, z 188, confidence 0.97)"."""
    figures = [correlation(line.r)] if line.r is not None else []
    figures += [score(line.z)] if line.z is not None else []
    figures.append(f"confidence {line.confidence:.2f}")
    through = f" through {_listed(line.through, UNNAMED)}" if line.through else ""
    return f"{line.relation} from {name(line.ancestor)}{through} ({', '.join(figures)})"


def _reach(reach: float | None) -> str:
    return "" if reach is None else f"; would have seen r >= {reach:.2f}"


def _directed(fact: Descends | OtherRelation) -> str:
    return f"{_line(fact.line)}{'; which of the two is the parent is not measured' if fact.is_open else ''}"


def _no_trace(fact: NoTrace) -> str:
    reach = "" if fact.reach is None else f" (would have seen r >= {fact.reach:.2f})"
    rest = "this alone does not contradict it" if fact.instead is None else f"measured: {_line(fact.instead)}"
    return f"no trace of {fact.name} was found{reach}; {rest}"


def _count_far(fact: CountFar) -> str:
    way = "fewer" if fact.is_fewer else "more"
    return f"the tensors hold {fact.params:,}, {fact.factor:,.1f} times {way} than claimed"


def _parts(fact: PartsInherited) -> str:
    parts = _listed(fact.components, "the whole")
    return f"{parts} ({percent(fact.share)} of the parameters): {_line(fact.line)}"


def _stored(schemes: tuple[str, ...]) -> str:
    return f"the matrices are stored as {', '.join(schemes) or 'nothing'}"


TEXTS: dict[str, Callable[[Any], str]] = {
    "rule": _applies,
    "rule-advice": _advice,
    # outcomes of an audit
    "licences-disagree": lambda f: (
        f"what the licences of measured ancestors require disagrees with what {f.model} states"
    ),
    "licences-open": lambda _: "licences or directions that are not known leave the question open",
    "licences-agree": lambda _: "no disagreement found among the licences that are known",
    "scratch-refuted": lambda f: f'"from scratch" is refuted for {percent(f.share)} of the parameters',
    "scratch-open": lambda _: "nothing is refuted, and not everything could be decided",
    "scratch-not-refuted": lambda f: (
        f"no inheritance found among {f.models:,} models{_reach(f.reach)}; this does not prove that it was trained from"
        " scratch"
    ),
    "class-too-low": lambda f: f"{f.bound} at most: below what a rule requires",
    "class-open": lambda f: f"{f.bound} at most, and not everything could be decided",
    "class-bound": lambda f: f"{f.bound} at most",
    # what is not said
    "no-legal-advice": lambda _: (
        "this compares what cards state with what licences require; it is not legal advice; owners may agree otherwise"
    ),
    "weight-licences-only": lambda _: "licences of data, code and tokenizers are not examined",
    "unknown-common-parent": lambda _: "two children of one parent that is not known here look like parent and child",
    "refutes-only": lambda _: "a finding refutes; none certifies that a model was trained from scratch",
    "same-maker-parent": lambda _: "a parent by the same maker does not refute it: ask the same of the parent",
    "class-scheme": lambda _: (
        "T-Class 2.0 by Seung Hyun Lee (2026), CC BY-SA 4.0; the bound is the most that weights allow, not a rating"
    ),
    "same-maker-class": lambda _: (
        "weights do not say who made a parent: if its maker is the same, the bound is the parent's"
    ),
    "classes-unseen": lambda _: "weights say nothing about T0, T1, data, hardware and cloud",
    "outcomes-mean": lambda _: (
        "contradicted needs strong evidence; unsupported means that the weights, or this index, cannot tell"
    ),
    "never-proved": lambda _: "weights never prove that a model was trained from scratch",
    # claims of a base model or of a relation
    "not-indexed": lambda f: f"{f.name} is not in the index, so nothing could be compared with it",
    "descends": _directed,
    "same-weights": lambda _: "its weights are the same",
    "base-descends": lambda f: (
        f"the weights point the other way: it is {f.relation} from this model ({text(f.because)})"
    ),
    "little-compared": lambda _: "too little could be compared",
    "no-line-measured": lambda f: f"the two are {f.verdict}, but no line of descent from it was measured",
    "no-trace": _no_trace,
    "unknown-relation": lambda f: f"{f.claimed!r} is not a relation known here: {', '.join(f.known)}",
    "no-parent": lambda _: "no parent was measured",
    "nothing-changed": lambda f: f"nothing was changed: all weights are those of {name(f.parent)}",
    "other-relation": lambda f: f"measured: {_directed(f)}",
    # claims of a licence
    "licence-violated": lambda f: f"{_applies(f.rule)}: see `lineage audit --policy licence`",
    "no-licence-above": lambda _: "weights say nothing about a licence, and no ancestor was measured that had one",
    "licence-above-open": lambda _: (
        "a licence among the ancestors is unknown or open: see `lineage audit --policy licence`"
    ),
    "licence-agrees": lambda f: f"no disagreement with the licence of {name(f.ancestor)} and what is above it",
    # claims of a number of parameters
    "no-count": lambda f: f"{f.claimed!r} is not a single number of parameters",
    "count-fits": lambda f: f"the tensors hold {f.params:,}",
    "count-near": lambda f: (
        f"the tensors hold {f.params:,}: further off than names are rounded, not far enough to contradict"
    ),
    "count-far": _count_far,
    # claims of training from scratch
    "unclear-subject": lambda _: "the sentence may be about something other than this model",
    "nothing-inherited": lambda f: (
        f"no inheritance measured among {f.models:,} models{_reach(f.reach)}; this does not prove the claim"
    ),
    "earlier-state": lambda f: f"{_line(f.line)}, which may be an earlier state by the same maker",
    "parts-inherited": _parts,
    # claims of a quantisation
    "no-bits": lambda f: f"{_stored(f.schemes)}; {f.claimed!r} gives no number of bits",
    "stored-as": lambda f: _stored(f.schemes),
    "stored-in-bits": lambda f: f"{_stored(f.schemes)}, {f.bits} bits a weight",
    "off-levels": lambda f: f"{_stored(f.schemes)}, and their values do not lie on {f.levels} levels",
    "stored-unsettled": lambda f: f"{_stored(f.schemes)}, which does not settle it",
    # claims of a tokenizer of one's own
    "no-tokenizer": lambda _: "there is no tokenizer beside the weights that could be compared with known ones",
    "tokenizer-not-traced": lambda f: f"it comes from none of {f.known:,} known ones; this does not prove the claim",
    "tokenizer-akin": lambda f: f"it and that of {f.other} have one origin; which came first is not measured",
    "tokenizer-made-from": lambda f: (
        f"it was made from that of {f.other}: about {f.tokens:,} tokens in the same order, {p_value(f.log10_p)}"
        + (", which may be an earlier one by the same maker" if f.may_be_own else "")
    ),
}
