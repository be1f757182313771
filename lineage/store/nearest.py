"""The models of some segments that are nearest to what is asked.

Components, rows and networks are compared with every code that is kept: a few a model, by FAISS's scan of binary codes;
of components the first quarter of the bits, and the rest of those that are nearest by it.
Tensors are many; only those are looked at that are in one cell with the asked one in some band, and whose word there is
near.
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

_MOST_IN_CELL = 256  # codes looked at for a tensor and a band: a tensor that all share is found by its digest
_APART = math.acos(0.8) / math.pi  # share of the bits of a word in which tensors of that correlation differ
_A_MODEL = 4  # codes that one model may have among the nearest

_MANY = 1 << 20  # pairs of codes, which take one thread a few milliseconds
_MOST_HEADS = 1024  # components of a segment that are compared whole

Bits = NDArray[np.uint8]
_Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def nearest(segments: Sequence[Segment], asked: Codes, k: int) -> Mapping[SearchCue, list[Near]]:
    """For each asked code of each cue the `k` nearest models, each once, best first and then by id.

    Of tensors only such as chance would bring not once.
    """
    found: dict[SearchCue, list[Near]] = {}
    for cue, codes in asked.items():
        scores: list[dict[str, float]] = [{} for _ in codes]
        for segment in segments:
            if len(codes) and len(segment.codes[cue]):
                rows, places, distances = _near(segment, cue, codes, k)
                models = segment.models[np.clip(segment.owners[cue][places], 0, len(segment) - 1)].tolist()
                segment.let_go()
                for row, model, score in zip(rows.tolist(), models, likeness(cue, distances).tolist(), strict=True):
                    name = model.decode()
                    scores[row][name] = max(score, scores[row].get(name, -1.0))
        found[cue] = [sorted(one.items(), key=lambda item: (-item[1], item[0]))[:k] for one in scores]
    return found


def _near(segment: Segment, cue: SearchCue, asked: Bits, k: int) -> _Found:
    """Rows of `asked`, places of near codes in the segment, and the number of bits that differ."""
    codes, wanted = segment.codes[cue], _A_MODEL * k
    if cue == "tensor":
        return _tensors(segment, asked, wanted)
    if cue != "component":
        distances, places = _scanned(asked, codes, wanted)
    else:
        _, places = _scanned(asked[:, :HEAD], segment.heads, _MOST_HEADS)
        apart = asked.view(np.uint64)[:, None] ^ codes.view(np.uint64)[places]
        distances = np.bitwise_count(apart).sum(axis=2, dtype=np.int64)
        order = np.argsort(distances, axis=1, kind="stable")[:, :wanted]
        distances, places = (np.take_along_axis(one, order, axis=1) for one in (distances, places))
    rows = np.repeat(np.arange(len(asked)), places.shape[1])
    return rows, places.reshape(-1), distances.reshape(-1)


def _scanned(asked: Bits, codes: Bits, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The `k` nearest of all codes, by rows: bits that differ, and places."""
    import faiss

    # Threads that wait for one another take longer than a small scan.
    faiss.omp_set_num_threads(1 if len(asked) * len(codes) < _MANY else os.cpu_count() or 1)
    distances, places = faiss.knn_hamming(np.ascontiguousarray(asked), codes, min(k, len(codes)), variant="mc")
    return distances.astype(np.int64), places


def _tensors(segment: Segment, asked: Bits, wanted: int) -> _Found:
    """The same of single tensors that are nearer than any stranger would be by chance."""
    codes, bits = segment.codes["tensor"], BITS["tensor"]
    found = []
    for band in range(len(segment.bands)):
        found.append(_in_band(segment, asked, band))
        segment.let_go()  # the system maps a neighbourhood of each place that is read: of all bands that is the file
    pairs = np.sort(np.concatenate(found))
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    rows, places = pairs // len(codes), pairs % len(codes)
    distance = np.bitwise_count(asked.view(np.uint64)[rows] ^ codes.view(np.uint64)[places]).sum(axis=1, dtype=np.int64)
    reach = nearest_stranger(len(asked) * len(codes))
    is_near = distance <= bits / 2.0 - reach * math.sqrt(bits) / 2.0
    rows, places, distance = rows[is_near], places[is_near], distance[is_near]
    order = np.lexsort((places, distance, rows))
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)  # of each in its row, once they are in order
    kept = order[rank < wanted]
    return rows[kept], places[kept], distance[kept]


def _in_band(segment: Segment, asked: Bits, band: int) -> NDArray[np.int64]:
    """Pairs of an asked code and one of its cell whose word is near, as row * number of codes + place."""
    held = segment.bands[band]
    wanted, shared = words_of(asked, band), cell_bits(len(held.words))
    cell = (wanted.astype(np.uint64) >> np.uint64(32 - shared)).astype(np.int64)
    first = np.minimum(held.cells[cell].astype(np.int64), len(held.words))
    counts = np.clip(held.cells[cell + 1].astype(np.int64), first, len(held.words)) - first
    counts = np.minimum(counts, _MOST_IN_CELL)
    rows = np.repeat(np.arange(len(asked)), counts)
    at = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(len(rows))
    is_near = np.bitwise_count(wanted[rows] ^ held.words[at]) <= int((32 - shared) * _APART)
    places = np.minimum(held.places[at[is_near]], len(segment.codes["tensor"]) - 1)
    pairs: NDArray[np.int64] = rows[is_near] * np.int64(len(held.words)) + places
    return pairs
