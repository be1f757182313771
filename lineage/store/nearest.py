"""The models of some segments that are nearest to what is asked.

Components, rows and networks are compared with every code that is kept: a few a model, by FAISS's scan of binary codes.
Tensors are many; only those that agree with the asked one in the first bits of a band are looked at, as many bits as
leave a handful of strangers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.search_codes import BITS, likeness, nearest_stranger
from lineage.store.segments import Segment, words_of
from lineage.types import Codes, Near, SearchCue

_STRANGERS = 4  # that share the first bits of a band with a tensor, on average
_MOST_IN_BAND = 64  # codes looked at for a tensor and a band: a tensor that all share is found by its digest
_A_MODEL = 4  # codes that one model may have among the nearest

Bits = NDArray[np.uint8]
_Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def nearest(segments: Sequence[Segment], asked: Codes, k: int) -> Mapping[SearchCue, list[Near]]:
    """For each asked code of each cue the `k` nearest models, each once, best first and then by id.

    Of tensors only such as chance would bring not once.
    """
    found: dict[SearchCue, list[Near]] = {}
    for cue, codes in asked.items():
        scores: list[dict[str, float]] = [{} for _ in codes]
        for segment in segments:
            hits = _tensors(segment, codes) if cue == "tensor" else _scanned(segment, cue, codes, k)
            for row, owner, score in zip(*hits, strict=True):
                model = segment.models[owner].decode()
                scores[row][model] = max(score, scores[row].get(model, -1.0))
        found[cue] = [sorted(one.items(), key=lambda item: (-item[1], item[0]))[:k] for one in scores]
    return found


def _scanned(segment: Segment, cue: SearchCue, asked: Bits, k: int) -> _Found:
    """Rows of `asked`, places in `segment.models` and likeness of the nearest codes of all."""
    codes = segment.codes[cue]
    if not len(codes) or not len(asked):
        return _nothing()
    import faiss

    distances, places = faiss.knn_hamming(asked, codes, min(_A_MODEL * k, len(codes)))
    rows = np.repeat(np.arange(len(asked)), distances.shape[1])
    near = likeness(cue, distances.reshape(-1).astype(np.int64))
    return rows, segment.owners[cue][places.reshape(-1)].astype(np.int64), near


def _tensors(segment: Segment, asked: Bits) -> _Found:
    """The same of single tensors that are nearer than any stranger would be by chance."""
    codes, bits = segment.codes["tensor"], BITS["tensor"]
    if not len(codes) or not len(asked):
        return _nothing()
    pairs = np.sort(np.concatenate([_in_band(segment, asked, band) for band in range(len(segment.bands))]))
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    rows, places = pairs // len(codes), pairs % len(codes)
    distance = np.bitwise_count(asked[rows] ^ codes[places]).sum(axis=1, dtype=np.int64)
    is_near = distance <= bits / 2.0 - nearest_stranger(len(pairs)) * math.sqrt(bits) / 2.0
    near = likeness("tensor", distance[is_near])
    return rows[is_near], segment.owners["tensor"][places[is_near]].astype(np.int64), near


def _in_band(segment: Segment, asked: Bits, band: int) -> NDArray[np.int64]:
    """Pairs of an asked code and one that begins alike in a band, as row * number of codes + place."""
    words, order = segment.bands[band]
    known = max(0, min(32, math.ceil(math.log2(max(1.0, len(words) / _STRANGERS)))))
    wanted = words_of(asked, band).astype(np.uint64)
    shift = np.uint64(32 - known)
    first = np.searchsorted(words, ((wanted >> shift) << shift).astype(np.uint32))
    ends = (((wanted >> shift) + np.uint64(1)) << shift) - np.uint64(1)
    last = np.searchsorted(words, ends.astype(np.uint32), side="right")
    counts = np.minimum(last - first, _MOST_IN_BAND)
    rows = np.repeat(np.arange(len(asked)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    pairs: NDArray[np.int64] = rows * np.int64(len(words)) + order[np.repeat(first, counts) + within]
    return pairs


def _nothing() -> _Found:
    none = np.empty(0, np.int64)
    return none, none, np.empty(0)
