"""The place of an adapter: the models that it fits, those it was merged into, and similar adapters."""

from __future__ import annotations

import time
from collections.abc import Sequence

from threadpoolctl import threadpool_limits

from lineage.ancestry.adapter.additions import additions
from lineage.ancestry.adapter.fitting import Fits, fits
from lineage.ancestry.adapter.products import compare_products
from lineage.ancestry.candidates import candidates
from lineage.ancestry.pair.comparison import excluded, left_out
from lineage.ancestry.pair.relations import is_significant
from lineage.ancestry.placing import MOST_ALTERNATIVES, unsearched
from lineage.errors import SketchMismatch
from lineage.sketch.adapters import is_adapter, products, rank_of
from lineage.sketch.family import FAMILY
from lineage.store import Index, models_in
from lineage.types import (
    Adapted,
    Addition,
    CheckpointSketch,
    Comparison,
    ComponentFinding,
    Limits,
    Timings,
    Verdict,
    Whois,
)
from lineage.types.facts import Fact
from lineage.types.facts.limits import LookedFor, NotTested, UnopenedModels, WholeTensors

TRANSFORMATIONS = (LookedFor("adapter-merge"), LookedFor("adapter-copy"))
_RELATED: tuple[Verdict, ...] = (Verdict.IDENTICAL, Verdict.DERIVED, Verdict.RELATED)
_NOTHING = CheckpointSketch("", FAMILY, "full", "", "", "", "", 0, 0, ())


def whois_adapter(query: CheckpointSketch, indexes: Sequence[Index]) -> Whois:
    """The relations of an adapter to the models and adapters of `indexes`; it is never compared with weights."""
    started = time.perf_counter()
    changes = products(query)
    adapters = models_in(indexes, "adapter")
    others = {other: products(index.load(other)) for index in indexes for other in candidates(changes, index)}
    fitting = fits(changes, indexes)
    searched = time.perf_counter()
    with threadpool_limits(limits=1, user_api="blas"):
        compared = [compare_products(changes, other, max(1, adapters)) for other in others.values()]
        declared = frozenset(fit.model for fit in fitting.told if fit.declared)
        found, pairs = additions(changes, fitting.fitted, declared)
    compared.sort(key=_rank, reverse=True)
    nearest = compared[0] if compared else None
    exact = tuple(c for c in compared if c.verdict in (Verdict.IDENTICAL, Verdict.DERIVED))
    rest = [c for c in compared if c.verdict == Verdict.RELATED][:MOST_ALTERNATIVES]
    reaches = [c.evidence.min_detectable_r for c in compared if c.evidence.min_detectable_r is not None]
    return Whois(
        sketch=query,
        verdict=_verdict(nearest, found),
        components=_components(changes, nearest),
        ancestors=exact,
        alternatives=tuple(rest),
        excluded=excluded(query),
        left_out=left_out(query),
        limits=Limits(
            models_searched=adapters,
            index_id="+".join(index.id for index in indexes),
            min_detectable_r=min(reaches) if reaches else None,
            transformations=TRANSFORMATIONS,
            not_tested=(*_not_tested(query, fitting), *unsearched(indexes)),
        ),
        timings=Timings(0.0, 0.0, searched - started, time.perf_counter() - searched),
        nearest=nearest,
        adapted=_adapted(query, fitting, found, pairs),
    )


def compare_adapters(a: CheckpointSketch, b: CheckpointSketch) -> Comparison:
    """What adapter `a` is to adapter `b`. Raises SketchMismatch if one of them is a model."""
    for one, other in ((a, b), (b, a)):
        if not is_adapter(one):
            raise SketchMismatch(
                f"{other.name} is an adapter and {one.name} a model: `lineage whois` says what an adapter is to the"
                " known models"
            )
    with threadpool_limits(limits=1, user_api="blas"):
        return compare_products(products(a), products(b))


def _rank(comparison: Comparison) -> tuple[int, float, float]:
    place = len(_RELATED) - _RELATED.index(comparison.verdict) if comparison.verdict in _RELATED else 0
    return place, comparison.evidence.r or 0.0, -comparison.evidence.log10_p


def _components(
    changes: CheckpointSketch, nearest: Comparison | None
) -> tuple[tuple[ComponentFinding, str | None, str | None], ...]:
    if nearest is None:
        return tuple((finding, None, None) for finding in compare_products(changes, _NOTHING).components)
    known = [is_significant(finding.evidence) for finding in nearest.components]
    return tuple(
        (finding, nearest.model if is_known else None, nearest.model_name if is_known else None)
        for finding, is_known in zip(nearest.components, known, strict=True)
    )


def _verdict(nearest: Comparison | None, found: Sequence[Addition]) -> Verdict:
    """The verdict; `independent` refers to the other adapters compared, since no adapter is independent of its base."""
    if nearest is not None and nearest.verdict in _RELATED:
        return nearest.verdict
    if found:
        return Verdict.RELATED
    tested = nearest is not None and nearest.verdict == Verdict.INDEPENDENT and nearest.evidence.coverage > 0.0
    return Verdict.INDEPENDENT if tested else Verdict.INCONCLUSIVE


def _not_tested(query: CheckpointSketch, fitting: Fits) -> tuple[Fact, ...]:
    """The limits of the search: what was not tested or not opened."""
    found: list[Fact] = [NotTested("adapter-direction")]
    if fitting.opened < fitting.possible:
        found.append(UnopenedModels(fitting.possible - fitting.opened))
    wholes = sum(rank_of(t) is None for t in query.tensors)
    if wholes:
        found.append(WholeTensors(wholes))
    if query.format == "peft-dora":
        found.append(NotTested("dora-merge"))
    return tuple(found)


def _adapted(query: CheckpointSketch, fitting: Fits, found: tuple[Addition, ...], pairs: int) -> Adapted:
    ranks = [rank for tensor in query.tensors if (rank := rank_of(tensor)) is not None]
    return Adapted(
        ranks=(min(ranks, default=0), max(ranks, default=0)),
        tensors=len(ranks),
        wholes=len(query.tensors) - len(ranks),
        fits=fitting.told,
        additions=found,
        opened=fitting.opened,
        possible=fitting.possible,
        pairs=pairs,
    )
