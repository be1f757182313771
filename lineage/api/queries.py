"""Questions about one model: what it descends from, how it relates to another, what it is merged from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lineage import store
from lineage.api.indexes import find, indexes
from lineage.api.sketching import NO_WEIGHTS, Watch, timed_sketch
from lineage.api.witnesses import witnessed
from lineage.errors import UnsupportedFormat
from lineage.sketch.adapters import is_adapter, require_model
from lineage.types import CheckpointSketch

if TYPE_CHECKING:
    from lineage.types import Comparison, Depth, Merge, Whois
    from lineage.types.facts import Fact


def whois(
    checkpoint: str | Path | CheckpointSketch,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    depth: Depth | None = None,
    watch: Watch | None = None,
    adapter: str | Path | None = None,
) -> Whois:
    """Say what a checkpoint, a `.sketch` file or a sketch descends from, component by component.

    With `adapter`, a LoRA or DoRA, the question is about the model that it makes of the checkpoint. Searches the user's
    index (`index`, or the default one if there is any) and the reference. Raises NoIndex where that leaves nothing to
    search.
    """
    from lineage import ancestry

    with indexes(index, reference) as searched:
        if isinstance(checkpoint, CheckpointSketch):
            if adapter is not None:
                raise UnsupportedFormat(checkpoint.name, NO_WEIGHTS)
            return witnessed(store.settled(lambda: ancestry.whois(checkpoint, searched)), searched, reference)
        query, read_s, sketch_s = timed_sketch(checkpoint, depth, watch, adapter=adapter)
        answer = witnessed(store.settled(lambda: ancestry.whois(query, searched)), searched, reference)
    return replace(answer, timings=replace(answer.timings, read_s=read_s, sketch_s=sketch_s))


def compare(
    a: str | Path | CheckpointSketch,
    b: str | Path | CheckpointSketch,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    depth: Depth | None = None,
    watch: Watch | None = None,
) -> Comparison:
    """What `a` is to `b`. Each is a checkpoint, a `.sketch` file, a sketch, or an indexed model (see `find`).

    Raises SketchMismatch for an adapter and a model, Malformed for a sketch that contradicts weights of its id.
    """
    from threadpoolctl import threadpool_limits

    from lineage import ancestry

    ours = find(a, index, reference=reference, depth=depth, watch=watch)
    theirs = find(b, index, reference=reference, depth=depth, watch=watch)
    ancestry.require_one_content(ours, theirs)
    if is_adapter(ours) or is_adapter(theirs):
        return ancestry.compare_adapters(ours, theirs)
    with threadpool_limits(limits=1, user_api="blas"):  # the products are small: threads would wait for each other
        return ancestry.compare(ours, theirs)


def as_answer(a: CheckpointSketch, b: CheckpointSketch, found: Comparison) -> Whois:
    """A comparison of two models as an answer about the first, for which the second was all that was searched.

    Raises SketchMismatch for an adapter.
    """
    from lineage import ancestry

    require_model(a)
    return ancestry.as_answer(a, b, found, not_tested(a, b))


def handed_over(a: CheckpointSketch, b: CheckpointSketch) -> tuple[Fact, ...]:
    """What a comparison of two models must say about sketches that were handed over."""
    from lineage import ancestry

    return ancestry.of_pair(a, b)


def not_tested(a: CheckpointSketch, b: CheckpointSketch) -> tuple[Fact, ...]:
    """What a comparison of two models does not test; empty for adapters."""
    from lineage.ancestry import placing

    return () if is_adapter(a) else (placing.MERGES, *placing.not_tested(a), *placing.unsampled((a, b)))


def decompose(
    checkpoint: str | Path | CheckpointSketch,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    depth: Depth | None = None,
    watch: Watch | None = None,
) -> Merge | None:
    """The models that a checkpoint or indexed model (see `find`) is merged from; None if no merge is found.

    Raises SketchMismatch for an adapter.
    """
    from lineage import ancestry

    query = find(checkpoint, index, reference=reference, depth=depth, watch=watch)
    require_model(query)
    with indexes(index, reference) as searched:
        found = store.settled(lambda: ancestry.decompose(query, searched))
        addresses = store.addresses(searched)
    if found is None:
        return None
    return replace(found, parts=tuple(replace(part, address=addresses.get(part.model)) for part in found.parts))
