"""Comparison of two adapters product by product, with the null distributions of matrices and cautious conclusions.

Two adapters of one base are never independent draws: both move along the gradients of that base (r 0.05 to 0.4 with
other seeds), and adapters that start with the same first factors become similar (r 0.14 on other data, up to 0.993 on
the same data in another order; measured on adapters of trained models). So a correlation does not show that one was
made from the other; only equal products do, up to a common factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.changes import same_content
from lineage.ancestry.pair.comparison import excluded
from lineage.ancestry.pair.relations import is_significant
from lineage.match import Match, match
from lineage.match.permutation import SEEN_R
from lineage.match.values import common_values
from lineage.sketch.adapters import has_first_factor, is_turned, rank_of
from lineage.sketch.layouts import same_weights
from lineage.types import (
    CheckpointSketch,
    Comparison,
    ComponentFinding,
    Direction,
    Evidence,
    Relation,
    TensorMatch,
    TensorSketch,
    Verdict,
)
from lineage.types.facts import Fact
from lineage.types.facts.descent import OneBase, SharedFactors
from lineage.types.facts.schemes import OtherFactor

_VERDICTS: dict[Relation, Verdict] = {
    Relation.IDENTICAL: Verdict.IDENTICAL,
    Relation.RE_ENCODED: Verdict.DERIVED,
    Relation.SHARED_INIT: Verdict.RELATED,
    Relation.SIBLING: Verdict.RELATED,
    Relation.INDEPENDENT: Verdict.INDEPENDENT,
    Relation.INCONCLUSIVE: Verdict.INCONCLUSIVE,
}
_EQUAL = 1e-5  # relative residual of a product that was scaled and stored again in float32
_SHARED = 0.5  # least share, beyond chance, of common directions in the spaces of first factors
_FEW = 0.5  # greatest rank, as a share of the sampled columns, at which spaces can be compared
_LEAST_COVERED = 0.5  # least share of the adapter that must be tested for "independent"


def compare_products(a: CheckpointSketch, b: CheckpointSketch, models: int = 1) -> Comparison:
    """What the products of adapter `a` are to those of `b`; `models` is the number of adapters searched."""
    matched = match(a, b, models)
    names = list(matched.components)
    whole = _word(matched, names, matched.overall)
    relation: Relation = Relation.IDENTICAL if same_weights(a, b) else whole
    findings = tuple(_finding(matched, name) for name in names)
    exact = relation.is_exact
    return Comparison(
        model=b.id,
        model_name=b.name,
        verdict=_VERDICTS[relation],
        relation=relation,
        direction=Direction.UNDIRECTED if relation == Relation.RE_ENCODED else None,
        share=sum(f.share for f in findings if f.relation.is_exact),
        evidence=matched.overall,
        confidence=1.0 if exact else 0.0,
        basis=_basis(relation),
        components=findings,
        tensors=matched.tensors,
        excluded=excluded(a),
    )


def _finding(matched: Match, name: str) -> ComponentFinding:
    evidence = matched.components[name]
    relation = _word(matched, [name], evidence)
    params = sum(t.params for t in matched.a.tensors if t.part.component == name and t.part.excluded is None)
    exact = relation.is_exact
    return ComponentFinding(
        name=name,
        params=params,
        share=params / matched.a.params,
        relation=relation,
        direction=Direction.UNDIRECTED if relation == Relation.RE_ENCODED else None,
        evidence=evidence,
        confidence=1.0 if exact else 0.0,
        basis=_basis(relation),
        layer_map=None,
        schemes=(OtherFactor(),) if relation == Relation.RE_ENCODED else (),
    )


def _basis(relation: Relation) -> tuple[Fact, ...]:
    found: Mapping[Relation, Fact] = {Relation.SHARED_INIT: SharedFactors(), Relation.SIBLING: OneBase()}
    return (found[relation],) if relation in found else ()


def _word(matched: Match, names: Sequence[str], evidence: Evidence) -> Relation:
    if not (matched.a.tensors and matched.b.tensors):
        return Relation.INCONCLUSIVE
    if not is_significant(evidence):
        tested = evidence.coverage >= _LEAST_COVERED and (evidence.min_detectable_r or 1.0) < SEEN_R
        return Relation.INDEPENDENT if tested else Relation.INCONCLUSIVE
    pairs = list(_pairs(matched, names))
    if pairs and evidence.coverage > 1.0 - 1e-9:
        if all(same_content(x, y) for x, y, _ in pairs):
            return Relation.IDENTICAL
        if all(_is_multiple(*one) for one in pairs):
            return Relation.RE_ENCODED
    return Relation.SHARED_INIT if has_shared_factors(pairs) else Relation.SIBLING


def _pairs(matched: Match, names: Sequence[str]) -> Iterator[tuple[TensorSketch, TensorSketch, TensorMatch]]:
    for held in matched.tensors:
        if held.component in names and held.used:
            yield *matched.sides(held), held


def _is_multiple(a: TensorSketch, b: TensorSketch, held: TensorMatch) -> bool:
    x, y = (values.astype(np.float64) for values in common_values(a, b, held.transposed))
    square = float(np.vdot(y, y))
    if x.size < a.values.size or square == 0.0:
        return False
    factor = float(np.vdot(x, y)) / square
    return float(np.linalg.norm(x - factor * y)) <= _EQUAL * float(np.linalg.norm(x))


def has_shared_factors(pairs: Sequence[tuple[TensorSketch, TensorSketch, TensorMatch]]) -> bool:
    """Whether the first factors (A) span the same space in most pairs of products.

    A starts with random values and hardly moves, B starts with zeros, so the space of A shows a common initialisation.
    Two random spaces of rank r on n sampled columns share r / n of their directions, with other seeds up to 0.2 more.
    """
    shared = [s for a, b, held in pairs if (s := _shared(a, b, held)) is not None]
    return bool(shared) and median(shared) > _SHARED


def _shared(a: TensorSketch, b: TensorSketch, held: TensorMatch) -> float | None:
    """Share of common directions of two first factors, corrected for chance; None if they cannot be compared."""
    if held.transposed or is_turned(a) != is_turned(b) or not (has_first_factor(a) and has_first_factor(b)):
        return None
    spaces: list[NDArray[np.float64]] = []
    for values, tensor in zip(common_values(a, b, False), (a, b), strict=True):
        spaces.append(_space(values.T if is_turned(tensor) else values, rank_of(tensor) or 0))
    least, most = sorted(len(space) for space in spaces)
    chance = most / int(spaces[0].shape[1])
    if least == 0 or chance > _FEW:
        return None
    common = float(np.square(spaces[0] @ spaces[1].T).sum()) / least
    return (common - chance) / (1.0 - chance)


def _space(values: NDArray[np.float32], rank: int) -> NDArray[np.float64]:
    """An orthonormal basis (at most `rank`, columns) of the rows."""
    _, sizes, rows = np.linalg.svd(values.astype(np.float64), full_matrices=False)
    kept = int((sizes[:rank] > 1e-6 * sizes[0]).sum()) if sizes.size and sizes[0] > 0 else 0
    return np.asarray(rows[:kept])
