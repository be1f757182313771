"""Anchors: directions of a residual stream that rotate with it, since they are sums of rows of its first table.

There are 32 sums of the rows, with signs by the row's number or by the text of its token: the first needs no tokenizer,
the second does not change if a vocabulary is reordered or cut. The anchors are orthonormalised, which removes what all
token tables have in common.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.family import ANCHORS
from lineage.sketch.neuron_layers import Placed, labels
from lineage.sketch.signs import signs
from lineage.sketch.tokenizer_hashes import token_hashes
from lineage.sketch.widening import widened
from lineage.types import Float32Array, Part, TensorView, Vocabulary
from lineage.types.sketch import AnchorKey

_TOKENS = 8192  # of a table: those after these come and go with the vocabulary
_SHORTEST = 4096  # tokens that are taken by their text: the shortest are the last to go
_ENOUGH = 4 * ANCHORS  # rows of tables
_LEAST_RANK = 8
_FLAT = 1e-6  # of the largest eigenvalue: a dimension that only rounding fills
_SEED = 3
_GAP = 16  # rows between two that are read rather than leapt over
_BAND = 1 << 22  # values read at a time
_TABLES = ("tokens", "patch", "positions")


def anchors(placed: Sequence[Placed], stream: str, vocabulary: Vocabulary | None) -> Mapping[AnchorKey, Float32Array]:
    """Orthonormal sums of the rows of the tables at the start of a stream, (D, ANCHORS), by the key of the rows.

    One large table is enough; small ones, such as the patches and positions of a small image model, are combined.
    Anchors by token need the `vocabulary` of a token table with a row for each token. Raises CheckpointError.
    """
    tables = [(view, part) for view, part in placed if len(view.shape) > 1 and stream in labels(part)]
    made = {"row": _by_row(tables, stream), "token": _by_token(tables, stream, vocabulary)}
    bases = {key: None if sums is None else _orthonormal(sums) for key, sums in made.items()}
    keys: tuple[AnchorKey, ...] = ("row", "token")
    return {key: basis for key in keys if (basis := bases[key]) is not None}


def bands(view: TensorView, count: int | None = None) -> Iterator[tuple[int, Float32Array]]:
    """The first rows of a view as float32 (rows, rest), band after band."""
    for start, stop in band_spans(view, view.shape[0] if count is None else count):
        yield start, widened(view.rows(start, stop)).reshape(stop - start, -1)


def band_spans(view: TensorView, count: int) -> Iterator[tuple[int, int]]:
    """Where the first rows of a view begin and end, band after band."""
    step = max(1, _BAND // max(1, math.prod(view.shape[1:])))
    return ((start, min(count, start + step)) for start in range(0, count, step))


def _by_row(tables: Sequence[Placed], stream: str) -> Float32Array | None:
    sums: Float32Array | None = None
    rows = 0
    for label in _TABLES:
        for view, part in [(view, part) for view, part in tables if label in labels(part)]:
            if rows < _ENOUGH:
                made, count = _signed_sums(view, part, stream, rows)
                sums, rows = (made if sums is None else sums + made), rows + count
    return sums


def _by_token(tables: Sequence[Placed], stream: str, vocabulary: Vocabulary | None) -> Float32Array | None:
    table = next(((view, part) for view, part in tables if "tokens" in labels(part)), None)
    if table is None or vocabulary is None or len(vocabulary.tokens) < _ENOUGH:
        return None
    view, part = table
    by_rows = part.axes[1].label == stream
    if int(vocabulary.ids.max()) >= view.shape[0 if by_rows else 1]:
        return None
    hashes = token_hashes(vocabulary.tokens)
    lengths = np.fromiter(map(len, vocabulary.tokens), np.int64, len(vocabulary.tokens))
    chosen = np.lexsort((hashes, lengths))[:_SHORTEST]
    ids = vocabulary.ids[chosen]
    weights = signs(hashes[chosen].view(np.int64), _SEED, ANCHORS).astype(np.float32)
    weights -= weights.mean(axis=0)
    if not by_rows:
        return np.concatenate([rows[:, ids] @ weights for _, rows in bands(view)])
    return _of_rows(view, ids, weights)


def _of_rows(view: TensorView, ids: NDArray[np.int64], weights: Float32Array) -> Float32Array:
    """Sums of these rows of a table, (D, ANCHORS); rows that lie close together are read at once."""
    order = np.argsort(ids)
    ids, weights = ids[order], weights[order]
    total = np.zeros((view.shape[1], ANCHORS), np.float32)
    for run in np.split(np.arange(len(ids)), np.flatnonzero(np.diff(ids) > _GAP) + 1):
        first, last = int(ids[run[0]]), int(ids[run[-1]])
        total += widened(view.rows(first, last + 1)[ids[run] - first]).T @ weights[run]
    return total


def _signed_sums(view: TensorView, part: Part, stream: str, first: int) -> tuple[Float32Array, int]:
    """Sums of a table's rows less their mean, (D, ANCHORS), and their number; signs are counted on from `first`."""
    by_rows = part.axes[1].label == stream
    count = min(view.shape[0] if by_rows else math.prod(view.shape[1:]), _TOKENS)
    weights = signs(np.arange(first, first + count, dtype=np.int64), _SEED, ANCHORS).astype(np.float32)
    # Signs less their mean are as good as rows less theirs.
    return _weighted(view, weights - weights.mean(axis=0), by_rows), count


def _weighted(view: TensorView, weights: Float32Array, by_rows: bool) -> Float32Array:
    """Sums of as many rows (or columns, unless `by_rows`) of a table as there are weights, (D, ANCHORS)."""
    if not by_rows:
        return np.concatenate([rows[:, : len(weights)] @ weights for _, rows in bands(view)])
    total = np.zeros((math.prod(view.shape[1:]), ANCHORS), np.float32)
    for start, rows in bands(view, len(weights)):
        total += rows.T @ weights[start : start + len(rows)]
    return total


def _orthonormal(sums: Float32Array) -> Float32Array | None:
    """The same with orthonormal columns, rotated as little as possible (Löwdin 1950), in the dimensions that they span.

    None where these are fewer than `_LEAST_RANK`.
    """
    if not np.isfinite(sums).all():
        return None
    wide = sums.astype(np.float64)
    values, vectors = np.linalg.eigh(wide.T @ wide)
    spanned = values > _FLAT * values[-1]
    if spanned.sum() < _LEAST_RANK:
        return None
    return np.asarray(wide @ (vectors[:, spanned] / np.sqrt(values[spanned])) @ vectors[:, spanned].T, np.float32)
