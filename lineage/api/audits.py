"""Policies and claims, checked against a model and its place among the others."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lineage.api.graphs import whole_graph
from lineage.api.indexes import find, indexes
from lineage.api.witnesses import witnessed
from lineage.checkpoints import beside
from lineage.sketch.adapters import require_model
from lineage.store import settled
from lineage.types import Audit, CheckpointSketch, Comparison, Depth, PolicyVerdict, Verification, Whois

if TYPE_CHECKING:
    from lineage.policy import Policy, RuleFile


def read_rules(path: str | Path, policy: Policy) -> RuleFile:
    """The user's own rules and licences for a policy. Raises Malformed, with the line of the error."""
    from lineage import policy as policies

    return policies.for_policy(policies.read_rules(path), policy, str(path))


def audit(
    checkpoint: str | Path | CheckpointSketch,
    policy: Policy,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    depth: Depth | None = None,
    rules: RuleFile | None = None,
    place: str | Path | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> Audit:
    """Check a checkpoint or indexed model (see `find`) against a policy: licence, from-scratch or t-class.

    `place` is where its files are, if `checkpoint` is a sketch of them: the card and the names of the files there are
    examined. `rules` are those of `read_rules`; `watch` is called with the comparisons done and to do. Raises NoIndex,
    SketchMismatch for an adapter.
    """
    from lineage import policy as policies
    from lineage.api.cases import case_of

    query = find(checkpoint, index, reference=reference, depth=depth)
    require_model(query)
    where = place if place is not None else checkpoint
    near = None if isinstance(where, CheckpointSketch) else beside(where)
    with indexes(index, reference) as searched:
        case = settled(lambda: case_of(query, searched, whole_graph(searched, watch), beside=near, watch=watch))
        case = replace(case, answer=witnessed(case.answer, searched, reference))
    return policies.audit(case, policy, rules)


def verify(
    checkpoint: str | Path | CheckpointSketch,
    claims: str | Path,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    depth: Depth | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> Verification:
    """Check the claims of a card or a file of claims about a checkpoint or indexed model (see `find`), one by one.

    `watch` is called with the comparisons done and to do. Raises Malformed for a broken file of claims, NoIndex,
    SketchMismatch for an adapter.
    """
    from lineage import policy as policies
    from lineage.api.cases import case_of

    query = find(checkpoint, index, reference=reference, depth=depth)
    require_model(query)
    said = policies.read_claims(claims, query.name)
    with indexes(index, reference) as searched:
        bases = policies.claimed_bases(said)
        case = settled(lambda: case_of(query, searched, whole_graph(searched, watch), claimed=bases, watch=watch))
        case = replace(case, answer=witnessed(case.answer, searched, reference))
    return policies.verify(case, said, str(claims))


def gate(words: Collection[str], found: Whois | Comparison) -> PolicyVerdict:
    """Whether one of these relations or verdicts was found: "violated", "inconclusive" if that stays open."""
    from lineage import policy as policies

    if isinstance(found, Comparison):
        return policies.gate_of_comparison(words, found)
    return policies.gate_of_answer(words, found)
