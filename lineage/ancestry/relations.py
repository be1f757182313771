"""From significant evidence to one word of the vocabulary, component by component."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import median

from lineage.ancestry.changes import Change
from lineage.match import LOG10_ALPHA, Match
from lineage.match.tails import log10_normal
from lineage.match.values import MIN_DISTINCT
from lineage.sketch.vectors import is_searchable
from lineage.types import CheckpointSketch, Evidence, Relation, TensorMatch

DERIVED: tuple[Relation, ...] = (
    "expert-upcycled",
    "depth-changed",
    "width-pruned",
    "vocabulary-changed",
    "continued-pretraining",
    "fine-tuned",
    "pruned",
    "quantized",
    "re-encoded",
    "identical",
)
"""Words that mean inheritance, the one that says most about what was done first."""

# Conventions that part the words, not thresholds of detection (that is the p-value's):
FINE_TUNED_R = 0.95  # lighter than noise of a third of each tensor's deviation
CONTINUED_R = 0.80  # the lowest continued pretraining measured is 0.83
SHARED_INIT_R = 0.70  # the highest shared initialisation measured; between the two nothing is claimed
# Median correlation of gains and biases, from the calibration half of the trained zoo: same seed and other data at most
# 0.51, trained on from the other at least 0.68 while the matrices keep r 0.4.
LEARNED_APART = 0.55
_FEW_VECTORS = 3
_VECTORS = ("norm", "bias")
_FROZEN = 0.05  # share of equal parameters that tells frozen layers from coincidence
_BY_TOKEN = ("token-embedding", "position-embedding", "head")
_SOME = 0.01  # share of the compared parameters below which a change is a detail


def is_significant(evidence: Evidence) -> bool:
    """Whether common descent passes at 1e-6 after every correction."""
    return evidence.log10_p < LOG10_ALPHA


def component_relation(match: Match, name: str, changes: Sequence[tuple[TensorMatch, Change]]) -> Relation:
    """The word for one component, from its evidence and what happened to its tensors."""
    if not is_significant(match.components[name]):
        return _not_significant(match, name)
    mine = [(m, c) for m, c in changes if m.component == name]
    share = _shares(match, mine)
    kept = 1.0 - share["unrelated"]
    if kept < _SOME:
        # Weak everywhere is shared initialisation; one small table in common is no ancestry.
        return "shared-init" if _passes_by_z(match.components[name]) else "independent"
    word = _tuned_word(match, mine, share) if share["tuned"] > _SOME else _exact_word(share)
    if word not in DERIVED:
        return word
    if kept < 0.5:
        return "component-reused"
    return _shape_word(match, name, mine) or word


def _shape_word(match: Match, name: str, mine: Sequence[tuple[TensorMatch, Change]]) -> Relation | None:
    """The word for a change of shape, which says more than what happened to the values."""
    if _depth_changed(match, name, mine):
        return "depth-changed"
    if _width_changed(match, mine):
        return "width-pruned"
    return "vocabulary-changed" if _vocabulary_changed(match, mine) else None


def _passes_by_z(evidence: Evidence) -> bool:
    """Whether the permutation test alone, over everything that shares an axis, is significant."""
    z = evidence.z or 0.0
    return z > 0.0 and log10_normal(z) + math.log10(3 * evidence.hypotheses) < LOG10_ALPHA


def _shares(match: Match, mine: Sequence[tuple[TensorMatch, Change]]) -> dict[str, float]:
    """Share of the compared parameters by kind of change. Gains and biases follow: the word is the matrices'."""
    sizes = {t.name: t.params for t in match.a.tensors}
    weights: Counter[str] = Counter()
    for held, found in mine:
        if len(held.shape) > 1:
            weights[found.kind] += sizes[held.a]
    total = sum(weights.values())
    return defaultdict(float, {kind: weight / total for kind, weight in weights.items()})


def strongest_word(words: Sequence[Relation]) -> Relation:
    """The word that says most of several, "inconclusive" if none means inheritance."""
    return next((word for word in DERIVED if word in words), "inconclusive")


def _not_significant(match: Match, name: str) -> Relation:
    """Independent if the test could have seen a fine-tune, or if the reference has nothing alike; else inconclusive."""
    evidence = match.components[name]
    if evidence.coverage < 0.5:
        return "independent" if _has_matrices(match, name) else "inconclusive"
    reach = evidence.min_detectable_r
    return "independent" if reach is not None and reach < CONTINUED_R else "inconclusive"


def _has_matrices(match: Match, name: str) -> bool:
    return any(
        t.part.component == name
        and t.part.generic is None
        and (is_searchable(t) or (len(t.shape) > 1 and t.stats.distinct >= MIN_DISTINCT))
        for t in match.a.tensors
    )


def _tuned_word(match: Match, mine: Sequence[tuple[TensorMatch, Change]], share: Mapping[str, float]) -> Relation:
    sizes = {t.name: t.params for t in match.a.tensors}
    moved = [(sizes[m.a], m.r) for m, c in mine if c.kind == "tuned" and m.r is not None and m.used]
    weight = sum(w for w, _ in moved)
    r = sum(w * r for w, r in moved) / weight if weight else 0.0
    frozen = sum(share[kind] for kind in ("same", "recast", "reordered"))
    # Trained weights that are equal were copied, however far the others have moved since.
    if frozen > _FROZEN:
        return "fine-tuned"
    learned = _learned_alike(match, mine)
    if learned is not None and learned < LEARNED_APART:
        return "shared-init"
    if r >= FINE_TUNED_R:
        return "fine-tuned"
    if r >= CONTINUED_R:
        return "continued-pretraining"
    return "shared-init" if r < SHARED_INIT_R else "inconclusive"


def _learned_alike(match: Match, mine: Sequence[tuple[TensorMatch, Change]]) -> float | None:
    """Median centred correlation of gains and biases, the component's own or those of all related components.

    They all start as the same constants, so what they share was learned: two models that only began alike part here
    first, and a descendant keeps them longest. Low, they forbid a word of descent; high, they say nothing. None with
    fewer than three.
    """
    rs = _vector_correlations(m for m, _ in mine)
    if len(rs) < _FEW_VECTORS:
        related = {name for name, evidence in match.components.items() if is_significant(evidence)}
        rs = _vector_correlations(m for m in match.tensors if m.component in related)
    return median(rs) if len(rs) >= _FEW_VECTORS else None


def _vector_correlations(held: Iterable[TensorMatch]) -> list[float]:
    return [m.r for m in held if m.r is not None and len(m.shape) == 1 and m.shape[0] >= 32 and m.role in _VECTORS]


def _exact_word(share: Mapping[str, float]) -> Relation:
    if share["quantized"] > _SOME:
        return "quantized"
    if share["pruned"] > _SOME:
        return "pruned"
    return "re-encoded" if share["recast"] + share["reordered"] > 0 else "identical"


def layer_map(mine: Sequence[tuple[TensorMatch, Change]]) -> tuple[tuple[int, int], ...] | None:
    """Query layer -> reference layer by majority of the matrices that kept a relation.

    None without layers, or where numbers in the names are no layers: several of the query's then fall on one of the
    reference's though no tensor is used twice.
    """
    votes: dict[int, Counter[int]] = {}
    partners: list[str] = []
    for held, found in mine:
        child, parent = held.layers
        if child is not None and parent is not None and found.kind != "unrelated" and len(held.shape) > 1:
            votes.setdefault(child, Counter())[parent] += 1
            partners.append(held.b)
    mapping = tuple((child, votes[child].most_common(1)[0][0]) for child in sorted(votes))
    folded = len({parent for _, parent in mapping}) < len(mapping)
    return None if folded and len(set(partners)) == len(partners) else mapping or None


def _depth_changed(match: Match, name: str, mine: Sequence[tuple[TensorMatch, Change]]) -> bool:
    """Whole layers were dropped, doubled or added: layers without a related matrix, or matrices with one partner."""
    held = [m for m, c in mine if c.kind != "unrelated" and len(m.shape) > 1]
    taken = Counter(m.b for m in held)
    components = {t.part.component for t in match.b.tensors if t.name in taken}
    doubled = sum(count > 1 for count in taken.values()) > len(held) / 20
    bare = _bare_layers(match.a, {name}, {m.a for m in held}) | _bare_layers(match.b, components, taken)
    return doubled or bool(bare)


def _bare_layers(sketch: CheckpointSketch, components: Collection[str], related: Collection[str]) -> set[int | None]:
    """Layers of the components none of whose matrices is among `related`."""
    layered = [
        t
        for t in sketch.tensors
        if t.part.component in components and t.part.layer is not None and len(t.shape) > 1 and t.part.generic is None
    ]
    return {t.part.layer for t in layered} - {t.part.layer for t in layered if t.name in related}


def _width_changed(match: Match, mine: Sequence[tuple[TensorMatch, Change]]) -> bool:
    """Related matrices of other sizes, token tables aside: units of the larger are missing in the smaller."""
    theirs = {t.name: t.params for t in match.b.tensors}
    ours = {t.name: t.params for t in match.a.tensors}
    held = [m for m, c in mine if c.kind != "unrelated" and len(m.shape) > 1 and m.role not in _BY_TOKEN]
    return sum(ours[m.a] != theirs[m.b] for m in held) > len(held) / 20


def _vocabulary_changed(match: Match, mine: Sequence[tuple[TensorMatch, Change]]) -> bool:
    theirs = {t.name: t.params for t in match.b.tensors}
    ours = {t.name: t.params for t in match.a.tensors}
    return any(m.role == "token-embedding" and ours[m.a] != theirs[m.b] and c.kind != "unrelated" for m, c in mine)
