"""Token tables that a model uses in several places, and that its file holds once or once for each place.

A tied head is left out by one library and copied by another; T5 has its table under up to four names.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from lineage.sketch.remembered import remembered
from lineage.types import CheckpointSketch, TensorSketch

_ROLES = ("token-embedding", "head")


def facing(model: CheckpointSketch, other: CheckpointSketch) -> CheckpointSketch:
    """The model without surplus copies of token tables: those it has in excess of `other`, by width.

    A copy with a counterpart is kept: one of the two may have been trained separately.
    """
    spare = Counter(t.shape[1] for t in _tables(model)) - Counter(t.shape[1] for t in _tables(other))
    gone: set[str] = set()
    for name, kept in copies(model).items() if spare else ():
        if spare[kept.shape[1]] > 0:
            spare[kept.shape[1]] -= 1
            gone.add(name)
    return replace(model, tensors=tuple(t for t in model.tensors if t.name not in gone)) if gone else model


def copies(model: CheckpointSketch) -> dict[str, TensorSketch]:
    """The original of each copied token table, by the name of the copy: heads copy tables, later ones earlier ones."""
    tables = sorted(_tables(model), key=lambda t: t.part.role == "head")
    found: dict[str, TensorSketch] = {}
    for i in reversed(range(len(tables))):
        same = (one for one in tables[:i] if one.shape == tables[i].shape and _is_same(one, tables[i]))
        kept = next(same, None)
        if kept is not None:
            found[tables[i].name] = kept
    return found


def _tables(model: CheckpointSketch) -> list[TensorSketch]:
    return [model.tensors[i] for i in _places(model)]


@remembered
def _places(model: CheckpointSketch) -> tuple[int, ...]:
    """Where the token tables of a model are."""
    return tuple(
        i
        for i, t in enumerate(model.outlines)
        if t.part.role in _ROLES and t.part.excluded is None and len(t.shape) == 2
    )


def _is_same(a: TensorSketch, b: TensorSketch) -> bool:
    return a.digest == b.digest if a.digest is not None and b.digest is not None else a.band_digest == b.band_digest
