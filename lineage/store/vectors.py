"""Search vectors of an index and their nearest neighbours, with a cache on disk that is never needed.

The cache is one line of JSON (family, model ids, numbers of rows, digest of what follows) and then the
arrays owner, place, network_owner, tensors, whole and networks, little-endian. FAISS files are not
read back: its reader trusts what it reads, and an exact inner-product index is built from its rows
faster than they come from the disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.atomic_write import write_whole
from lineage.sketch import FAMILY, MODEL_DIM, NETWORK_DIM, TENSOR_DIM, network_vectors, search_vectors
from lineage.store.protocol import set_id
from lineage.types import CheckpointSketch, Hit

SUFFIX = ".vectors"
_LONGEST_HEAD = 1 << 28  # ids of seven million models


@dataclass(frozen=True)
class Vectors:
    """The search vectors of a set of models.

    `models` are their ids, sorted; row `i` of `tensors` (n, TENSOR_DIM) float32 belongs to tensor `place[i]` of model
    `owner[i]`; `whole` (len(models), MODEL_DIM) float32 has one row a model. Both int32 arrays are (n,).
    """

    models: tuple[str, ...]
    owner: NDArray[np.int32]
    place: NDArray[np.int32]
    tensors: NDArray[np.float32]
    whole: NDArray[np.float32]
    network_owner: NDArray[np.int32]
    networks: NDArray[np.float32]

    def nearest_tensors(self, queries: NDArray[np.float32], k: int) -> list[list[Hit]]:
        """For each row of `queries` (n, TENSOR_DIM) the `k` best hits, best first."""
        scores, rows = _search(self._tensor_index, queries, k)
        return [
            [
                Hit(self.models[self.owner[row]], int(self.place[row]), float(score))
                for row, score in zip(found, best, strict=True)
            ]
            for found, best in zip(rows, scores, strict=True)
        ]

    def nearest_models(self, query: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
        """The `k` models whose vector has the greatest inner product with `query` (MODEL_DIM,), best first."""
        scores, rows = _search(self._model_index, query[None], k)
        return [(self.models[row], float(score)) for row, score in zip(rows[0], scores[0], strict=True)]

    def nearest_networks(self, queries: NDArray[np.float32], k: int) -> list[list[tuple[str, float]]]:
        """For each row of `queries` (n, NETWORK_DIM) the `k` models with the best networks, best first."""
        scores, rows = _search(self._network_index, queries, k)
        return [
            [(self.models[self.network_owner[row]], float(score)) for row, score in zip(found, best, strict=True)]
            for found, best in zip(rows, scores, strict=True)
        ]

    @cached_property
    def _network_index(self) -> Any:
        return _flat(self.networks, NETWORK_DIM)

    @cached_property
    def _tensor_index(self) -> Any:
        return _flat(self.tensors, TENSOR_DIM)

    @cached_property
    def _model_index(self) -> Any:
        return _flat(self.whole, MODEL_DIM)


def vectors_of(sketches: Iterable[tuple[str, CheckpointSketch]]) -> Vectors:
    """Compute the search vectors of `(id, sketch)` pairs."""
    parts = [_one(model, sketch) for model, sketch in sketches]
    return _joined(parts)


def cached_vectors(
    folder: Path, models: Mapping[str, int], load: Callable[[str], CheckpointSketch], made: Mapping[str, Vectors]
) -> Vectors:
    """The vectors of `models` from the cache in `folder`, made up to date by loading only sketches that it lacks.

    `models` maps each id to its number of tensors, `made` each that is there already to its vectors. A cache that is
    damaged, foreign or absent costs time, nothing else; so does a folder that cannot be written.
    """
    target = cache_file(folder, models)
    others = sorted(path for path in folder.glob(f"*{SUFFIX}") if path != target)
    known = next((held for held in map(_read, [target, *others]) if held is not None), None)
    kept = _only(known, models) if known is not None else vectors_of(())
    if len(kept.models) == len(models):
        return kept
    lacking = models.keys() - kept.models
    fresh = vectors_of((m, load(m)) for m in sorted(lacking - made.keys()))
    complete = _joined([kept, *(made[m] for m in lacking & made.keys()), fresh])
    if _write(complete, target):
        for other in others:
            other.unlink(missing_ok=True)
    return complete


def cache_file(folder: Path, models: Iterable[str]) -> Path:
    """Where the cache of exactly these models lies."""
    return folder / f"{set_id(FAMILY, tuple(models))}{SUFFIX}"


def is_sound_cache(path: Path) -> bool:
    """Whether the file can be read and belongs to the models that its name says."""
    known = _read(path)
    return known is not None and cache_file(path.parent, known.models) == path


def _one(model: str, sketch: CheckpointSketch) -> Vectors:
    places, rows, whole = search_vectors(sketch)
    networks = network_vectors(sketch)
    return Vectors(
        (model,),
        np.zeros(len(places), np.int32),
        np.asarray(places, np.int32),
        rows,
        whole.reshape(1, MODEL_DIM),
        np.zeros(len(networks), np.int32),
        networks,
    )


def _joined(parts: Sequence[Vectors]) -> Vectors:
    models = tuple(sorted(m for part in parts for m in part.models))
    number = {model: i for i, model in enumerate(models)}
    empty = Vectors(
        (),
        np.empty(0, np.int32),
        np.empty(0, np.int32),
        np.empty((0, TENSOR_DIM), np.float32),
        np.empty((0, MODEL_DIM), np.float32),
        np.empty(0, np.int32),
        np.empty((0, NETWORK_DIM), np.float32),
    )
    rows = [empty, *parts]
    numbers = [np.array([number[m] for m in p.models], np.int32) for p in rows]
    owner = np.concatenate([n[p.owner] for n, p in zip(numbers, rows, strict=True)])
    place = np.concatenate([p.place for p in rows])
    order = np.lexsort((place, owner))
    network_owner = np.concatenate([n[p.network_owner] for n, p in zip(numbers, rows, strict=True)])
    by_owner = np.argsort(network_owner, kind="stable")
    return Vectors(
        models,
        owner[order],
        place[order],
        np.concatenate([p.tensors for p in rows])[order],
        np.concatenate([p.whole for p in rows])[np.argsort(np.concatenate(numbers), kind="stable")],
        network_owner[by_owner],
        np.concatenate([p.networks for p in rows])[by_owner],
    )


def _only(vectors: Vectors, wanted: Mapping[str, int]) -> Vectors:
    """The vectors of those models that are wanted and whose places lie in their sketches."""
    stays = np.array([m in wanted for m in vectors.models], bool)
    limits = np.array([wanted.get(m, 0) for m in vectors.models], np.int64)
    stays[vectors.owner[vectors.place >= limits[vectors.owner]]] = False
    renumbered = (np.cumsum(stays) - 1).astype(np.int32)
    rows, networks = stays[vectors.owner], stays[vectors.network_owner]
    return Vectors(
        tuple(m for m, stay in zip(vectors.models, stays, strict=True) if stay),
        renumbered[vectors.owner[rows]],
        vectors.place[rows],
        vectors.tensors[rows],
        vectors.whole[stays],
        renumbered[vectors.network_owner[networks]],
        vectors.networks[networks],
    )


def from_bytes(payload: bytes) -> Vectors | None:
    """What `to_bytes` wrote; None if it is damaged or of another sketch family."""
    try:
        end = payload.index(b"\n", 0, _LONGEST_HEAD) + 1
        head, body = json.loads(payload[:end]), payload[end:]
        models = tuple(str(m) for m in head["models"])
        n, networks = int(head["rows"]), int(head["networks"])
        if head["family"] != FAMILY or min(n, networks) < 0 or len(body) != _nbytes(n, networks, len(models)):
            return None
        held = _parsed(body, models, n, networks)
        return held if _digest(body) == head["digest"] and _is_sound(held) else None
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError):
        return None


def to_bytes(vectors: Vectors) -> bytes:
    """The cache of these vectors, as this module's beginning says."""
    integers = (vectors.owner, vectors.place, vectors.network_owner)
    numbers = (vectors.tensors, vectors.whole, vectors.networks)
    arrays = (*((array, "<i4") for array in integers), *((array, "<f4") for array in numbers))
    body = b"".join(array.astype(dtype, copy=False).tobytes() for array, dtype in arrays)
    sizes = {"rows": len(vectors.owner), "networks": len(vectors.network_owner)}
    head = {"family": FAMILY, "models": vectors.models, **sizes, "digest": _digest(body)}
    return json.dumps(head).encode() + b"\n" + body


def _read(path: Path) -> Vectors | None:
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline(_LONGEST_HEAD))
            n, networks = int(head["rows"]), int(head["networks"])
            if path.stat().st_size != file.tell() + _nbytes(n, networks, len(head["models"])):
                return None
        return from_bytes(path.read_bytes())
    except (OSError, KeyError, ValueError, TypeError, OverflowError, RecursionError):
        return None


def _nbytes(n: int, networks: int, m: int) -> int:
    return 4 * (2 * n + networks + n * TENSOR_DIM + m * MODEL_DIM + networks * NETWORK_DIM)


def _parsed(body: bytes, models: tuple[str, ...], n: int, networks: int) -> Vectors:
    integers = np.frombuffer(body, "<i4", count=2 * n + networks)
    numbers = np.frombuffer(body, "<f4", offset=integers.nbytes)
    tensors, whole, of_networks = np.split(numbers, [n * TENSOR_DIM, n * TENSOR_DIM + len(models) * MODEL_DIM])
    return Vectors(
        models,
        integers[:n],
        integers[n : 2 * n],
        tensors.reshape(n, TENSOR_DIM),
        whole.reshape(-1, MODEL_DIM),
        integers[2 * n :],
        of_networks.reshape(networks, NETWORK_DIM),
    )


def _is_sound(held: Vectors) -> bool:
    m = len(held.models)
    return (
        held.models == tuple(sorted(set(held.models)))
        and all(bool(((owner >= 0) & (owner < m)).all()) for owner in (held.owner, held.network_owner))
        and bool((held.place >= 0).all())
        and all(bool(np.isfinite(rows).all()) for rows in (held.tensors, held.whole, held.networks))
    )


def _write(vectors: Vectors, target: Path) -> bool:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, to_bytes(vectors), durable=False)
    except OSError:
        return False  # a cache may be missing, and a full disk may not stop a search
    return True


def _digest(body: bytes) -> str:
    from blake3 import blake3

    return blake3(body).hexdigest()


def _flat(rows: NDArray[np.float32], width: int) -> Any:
    import faiss

    index = faiss.IndexFlatIP(width)
    index.add(np.ascontiguousarray(rows))
    return index


def _search(index: Any, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if index.ntotal == 0 or len(queries) == 0:
        return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    scores, rows = index.search(np.ascontiguousarray(queries, np.float32), min(k, index.ntotal))
    return scores, rows
