"""The models of some segments that are nearest to the codes of a query.

Components, rows and networks are compared with every stored code (a few a model) by FAISS's scan of binary codes; for
components first the first quarter of the bits, then the rest for the nearest ones.
Tensors are many: only those in the same cell as the query's in some band, with a near word there, are compared.
Segments are searched in parallel, each cue of each on one thread.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.search_codes import BITS, likeness, nearest_stranger
from lineage.store.segments import HEAD, Segment, cell_bits, words_of
from lineage.types import Codes, Near, SearchCue

_MOST_SHARED = 18  # bits of a word: of a large segment neighbouring cells are one, or near tensors would be missed
_MOST_IN_CELL = 1024  # codes looked at for a tensor and a band: a tensor that all share is found by its digest
_APART = math.acos(0.8) / math.pi  # share of the bits of a word in which tensors of that correlation differ
_A_MODEL = 4  # codes that one model may have among the nearest

_FEW = 1 << 13  # pairs of codes, which NumPy compares in a millisecond
_MANY = 1 << 20  # pairs of codes, which take one thread a few milliseconds
_FEWEST_WHOLE = 1024  # components of a segment that are compared whole
_ONE_IN = 512  # of a large one: a family has more members that are as near by their first bits

Bits = NDArray[np.uint8]
_Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def nearest(segments: Sequence[Segment], asked: Codes, k: int) -> Mapping[SearchCue, list[Near]]:
    """For each code of the query and each cue, the `k` nearest models, each once, best first and then by id.

    Of tensors only those nearer than chance is expected to bring even once.
    """
    looks = [(one, cue) for cue, codes in asked.items() if len(codes) for one in segments if len(one.codes[cue])]
    looked = list(zip(looks, _looked(looks, asked, k), strict=True))
    return {
        cue: _named([(segment, near) for (segment, of), near in looked if of == cue], cue, len(codes), k)
        for cue, codes in asked.items()
    }


def _named(found: Sequence[tuple[Segment, _Found]], cue: SearchCue, rows: int, k: int) -> list[Near]:
    """What is near in all segments, by models."""
    least = _least([near for _, near in found], rows, _A_MODEL * k)
    scores: list[dict[str, float]] = [{} for _ in range(rows)]
    for segment, near in found:
        row, places, distances = (one[near[2] <= least[near[0]]] for one in near)
        models = segment.models[np.clip(segment.owners[cue][places], 0, len(segment) - 1)].tolist()
        for at, model, score in zip(row.tolist(), models, likeness(cue, distances).tolist(), strict=True):
            name = model.decode()
            scores[at][name] = max(score, scores[at].get(name, -1.0))
    return [sorted(one.items(), key=lambda item: (-item[1], item[0]))[:k] for one in scores]


def _least(found: Sequence[_Found], rows: int, wanted: int) -> NDArray[np.int64]:
    """For each row the bits that differ in the last wanted code of all segments together, int64 (rows,)."""
    row, distances = (np.concatenate([np.empty(0, np.int64), *(near[i] for near in found)]) for i in (0, 2))
    kept = _first(row, distances, wanted)
    least = np.zeros(rows, np.int64)
    np.maximum.at(least, row[kept], distances[kept])
    return least


def _first(rows: NDArray[np.int64], distances: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    """Where the `wanted` nearest of each row are, of equal ones those that come first."""
    order = np.lexsort((distances, rows))
    ranked = rows[order]
    return order[np.arange(len(order)) - np.searchsorted(ranked, ranked) < wanted]


def _looked(looks: Sequence[tuple[Segment, SearchCue]], asked: Codes, k: int) -> Sequence[_Found]:
    """What is near in each segment by each cue, several at once where that pays."""

    def look(at: tuple[Segment, SearchCue]) -> _Found:
        segment, cue = at
        return _near(segment, cue, asked[cue], k)

    pairs = sum(len(asked[cue]) * len(one.codes[cue]) for one, cue in looks if cue != "tensor")
    threads = min(len(looks), os.cpu_count() or 1)
    if pairs < _MANY or threads < 2:
        return [look(one) for one in looks]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(look, looks))


def _near(segment: Segment, cue: SearchCue, asked: Bits, k: int) -> _Found:
    """Rows of `asked`, places of near codes in the segment, and the number of bits that differ."""
    codes, wanted = segment.codes[cue], _A_MODEL * k
    if cue == "tensor":
        return _tensors(segment, asked, wanted)
    if cue != "component":
        distances, places = _scanned(asked, codes, wanted)
    else:
        _, places = _scanned(asked[:, :HEAD], segment.heads, max(_FEWEST_WHOLE, len(codes) // _ONE_IN))
        apart = asked.view(np.uint64)[:, None] ^ codes.view(np.uint64)[places]
        distances = np.bitwise_count(apart).sum(axis=2, dtype=np.int64)
        order = np.argsort(distances, axis=1, kind="stable")[:, :wanted]
        distances, places = (np.take_along_axis(one, order, axis=1) for one in (distances, places))
    rows = np.repeat(np.arange(len(asked)), places.shape[1])
    return rows, places.reshape(-1), distances.reshape(-1)


def _scanned(asked: Bits, codes: Bits, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The `k` nearest of all codes, by rows: bits that differ, and places; of equal ones those that come first."""
    if len(asked) * len(codes) < _FEW:
        apart = asked.view(np.uint64)[:, None] ^ codes.view(np.uint64)
        distances = np.bitwise_count(apart).sum(axis=2, dtype=np.int64)
        places = np.argsort(distances, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(distances, places, axis=1), places
    import faiss  # loading it takes as long as a scan of a million codes

    # Of this thread alone. FAISS's own threads spin while they wait for one another: on a busy machine, for long.
    faiss.omp_set_num_threads(1)
    distances, places = faiss.knn_hamming(np.ascontiguousarray(asked), codes, min(k, len(codes)), variant="mc")
    return distances.astype(np.int64), places


def _tensors(segment: Segment, asked: Bits, wanted: int) -> _Found:
    """The same for single tensors that are nearer than any unrelated one would be by chance."""
    codes, bits = segment.codes["tensor"], BITS["tensor"]
    found = []
    for band in range(len(segment.bands)):
        found.append(_in_band(segment, asked, band))
        # The system maps a neighbourhood of each place that is read: of all bands that is the file.
        segment.let_go(*segment.bands[band].large)
    pairs = np.sort(np.concatenate(found))
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    rows, places = pairs // len(codes), pairs % len(codes)
    distance = np.bitwise_count(asked.view(np.uint64)[rows] ^ codes.view(np.uint64)[places]).sum(axis=1, dtype=np.int64)
    reach = nearest_stranger(len(asked) * len(codes))
    is_near = distance <= bits / 2.0 - reach * math.sqrt(bits) / 2.0
    rows, places, distance = rows[is_near], places[is_near], distance[is_near]
    kept = _first(rows, distance, wanted)
    return rows[kept], places[kept], distance[kept]


def _in_band(segment: Segment, asked: Bits, band: int) -> NDArray[np.int64]:
    """Pairs of a query's code and a code of its cell with a near word, as row * number of codes + place."""
    held = segment.bands[band]
    wanted, cell_of = words_of(asked, band), cell_bits(len(held.words))
    shared = min(_MOST_SHARED, cell_of)
    cell = (wanted.astype(np.uint64) >> np.uint64(32 - shared)).astype(np.int64) << (cell_of - shared)
    first = np.minimum(held.cells[cell].astype(np.int64), len(held.words))
    after = held.cells[cell + (1 << (cell_of - shared))].astype(np.int64)
    counts = np.clip(after, first, len(held.words)) - first
    counts = np.minimum(counts, _MOST_IN_CELL)
    ends = np.cumsum(counts)
    at = np.repeat(first - (ends - counts), counts)
    at += np.arange(len(at))
    apart = held.words[at]
    apart ^= np.repeat(wanted, counts)
    near = np.flatnonzero(np.bitwise_count(apart) <= int((32 - shared) * _APART))
    rows = np.searchsorted(ends, near, side="right")
    places = np.minimum(held.places[at[near]], len(segment.codes["tensor"]) - 1)
    pairs: NDArray[np.int64] = rows * np.int64(len(held.words)) + places
    return pairs
