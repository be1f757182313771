"""A model checked against a policy or against its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lineage.types.ancestry import Lineage
from lineage.types.answers import Whois
from lineage.types.evidence import Comparison, InheritedPart
from lineage.types.facts import Fact
from lineage.types.facts_policy import RuleAdvice, RuleApplies
from lineage.types.relations import Relation
from lineage.types.words import Certainty

Standing = Literal["violated", "due", "met", "possible", "inconclusive", "noted", "bound"]
PolicyVerdict = Literal["violated", "inconclusive", "nothing-found"]
Outcome = Literal["consistent", "contradicted", "unsupported"]


@dataclass(frozen=True, slots=True)
class Beside:
    """Files beside the weights: names, the first 64 KiB of the card, whether the config asks for custom code."""

    files: tuple[str, ...]
    card: str
    own_code: bool


@dataclass(frozen=True, slots=True)
class Case:
    """What a policy judges: the answer about a model, and the graph of its relatives, in which `node` is its node.

    `parents` compares the model with each neighbour in that graph, component by component; `indexed` lists every
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
class DescentLine:
    """One ancestor of one component (None: of the whole), with its certainty.

    A name is None where the index does not hold the model: a parent that is only inferred from the graph.
    `relation`, `share` (of the model's parameters), `parts` (what came, where it was not all of it), `r`, `z`
    and `log10_p` are those of the first step; `through` names the models between, the nearest first; `confidence` is
    the product over the steps.
    """

    ancestor: str
    ancestor_name: str | None
    licence: str | None
    component: str | None
    share: float | None
    relation: Relation
    certainty: Certainty
    confidence: float
    through: tuple[str | None, ...] = ()
    basis: tuple[Fact, ...] = ()
    r: float | None = None
    z: float | None = None
    log10_p: float | None = None
    parts: tuple[InheritedPart, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """What one rule finds in one ancestor, component or model; `certainty` is None where no ancestor is meant.

    `says` is what the rule would say if all were certain; `standing` is what it comes to. `ancestor_name` is None
    where no ancestor is meant, or one that the index does not hold.
    """

    rule: str
    says: Standing
    standing: Standing
    fact: RuleApplies
    advice: RuleAdvice | None = None
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
    """What a policy says about a model: every finding, the lines of descent behind them, and what it does not say.

    `bound` is the highest T-Class that the model can have, `possible_bound` the highest if every open direction
    counted against it; both are None for other policies.
    """

    policy: str
    answer: Whois
    verdict: PolicyVerdict
    headline: Fact
    findings: tuple[PolicyFinding, ...]
    descents: tuple[DescentLine, ...]
    notes: tuple[Fact, ...]
    sources: tuple[str, ...] = ()
    bound: str | None = None
    possible_bound: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of a card or claims file: its kind, its value as text, its words and line there."""

    kind: Literal["base-model", "relation", "licence", "parameters", "from-scratch", "quantisation", "own-tokenizer"]
    value: str
    words: str
    line: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A claim checked against the weights: the outcome, and why."""

    claim: Claim
    outcome: Outcome
    evidence: Fact


@dataclass(frozen=True, slots=True)
class Verification:
    """Every claim of one file about one model."""

    answer: Whois
    source: str
    checked: tuple[Checked, ...]
    notes: tuple[Fact, ...]
