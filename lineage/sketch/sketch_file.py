"""The portable `.sketch` file: a safetensors file whose metadata is one JSON document; see index/FORMAT.md."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.errors import Malformed, SketchMismatch
from lineage.sketch.bands import sampled
from lineage.sketch.checkpoint_pass import content_id
from lineage.sketch.family import FAMILY, PERMUTATIONS, PROJECTION_DIMS, UNIT_DIMS
from lineage.sketch.tensor_pass import grids
from lineage.types import Axis, CheckpointSketch, Declared, Part, Stats, TensorSketch, Units

SCHEMA = "lineage/sketch/1"
SUFFIX = ".sketch"
MOST_BYTES = 1 << 30  # a model of 10,000 large tensors takes a quarter of this
_STATS = ("mean", "std", "kurtosis", "zeros", "levels_row", "levels_group", "distinct")


def is_sketch_file(path: str | Path) -> bool:
    """Whether `path` is a file that is named as a sketch."""
    return Path(path).suffix == SUFFIX and Path(path).is_file()


def write_sketch(sketch: CheckpointSketch, path: str | Path) -> None:
    """Write `sketch` to `path` at once: a reader sees the old file or the whole new one. Raises OSError."""
    from safetensors.numpy import save

    target = Path(path)
    payload = save(_arrays(sketch), metadata={"lineage": json.dumps(_header(sketch), separators=(",", ":"))})
    handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(scratch, 0o644)
        os.replace(scratch, target)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def read_sketch(path: str | Path) -> CheckpointSketch:
    """Read a `.sketch` file, checking every count against the arrays.

    Raises Malformed for a file that is no sketch or is damaged, SketchMismatch for one of another family.
    """
    from safetensors import SafetensorError, safe_open

    where = Path(path)
    if where.stat().st_size > MOST_BYTES:
        raise Malformed(where, f"a sketch of over {MOST_BYTES:,} bytes is not believed")
    try:
        with safe_open(str(where), framework="np") as file:
            header = json.loads((file.metadata() or {})["lineage"], parse_constant=_no_number)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise Malformed(where, "is not a sketch, or is damaged: make it again with `lineage sketch`") from error
    try:
        return _decode(header, arrays)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise Malformed(where, f"the sketch is damaged ({error}): make it again with `lineage sketch`") from error


def _header(sketch: CheckpointSketch) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "id": sketch.id,
        "family": sketch.family,
        "depth": sketch.depth,
        "name": sketch.name,
        "format": sketch.format,
        "architecture": sketch.architecture,
        "nbytes": sketch.nbytes,
        "bytes_read": sketch.bytes_read,
        "licence": sketch.licence,
        "declared": [[d.model, d.relation, d.source] for d in sketch.declared],
        "left_out": [list(pair) for pair in sketch.left_out],
        "tensors": [_tensor_header(t) for t in sketch.tensors],
    }


def _tensor_header(tensor: TensorSketch) -> dict[str, Any]:
    part = tensor.part
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "part": [part.component, part.role, part.layer, part.generic],
        "axes": [[axis.label, axis.exchangeable] for axis in part.axes],
        "stats": [getattr(tensor.stats, name) for name in _STATS],
        "band_digest": tensor.band_digest,
        "digest": tensor.digest,
        "minhash": tensor.minhash is not None,
    }


def _arrays(sketch: CheckpointSketch) -> dict[str, NDArray[Any]]:
    tensors = sketch.tensors
    units = [u for t in tensors for u in t.units if u is not None]
    return {
        "values": _joined([t.values.reshape(-1) for t in tensors], (), np.float32),
        "projection": _joined(
            [t.projection[None] for t in tensors if t.projection is not None],
            (PROJECTION_DIMS, PROJECTION_DIMS),
            np.float32,
        ),
        "unit_codes": _joined([u.codes for u in units], (UNIT_DIMS,), np.int8),
        "unit_scale": _joined([u.scale for u in units], (), np.float32),
        "minhash": _joined([t.minhash[None] for t in tensors if t.minhash is not None], (PERMUTATIONS,), np.uint32),
        "moments": _joined([t.moments[None] for t in tensors if t.moments is not None], (4,), np.float64),
    }


def _joined(parts: list[NDArray[Any]], tail: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.empty((0, *tail), dtype), *parts]).astype(dtype, copy=False)


class _Cursor:
    """Hands out the arrays of one tensor after the other and insists that nothing is left over."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        expected = {
            "values": (np.float32, 1), "projection": (np.float32, 3), "unit_codes": (np.int8, 2),
            "unit_scale": (np.float32, 1), "minhash": (np.uint32, 2), "moments": (np.float64, 2),
        }  # fmt: skip
        for name, (dtype, ndim) in expected.items():
            if arrays[name].dtype != dtype or arrays[name].ndim != ndim:
                raise ValueError(f"array {name} has another type")
            if arrays[name].dtype.kind == "f" and not np.isfinite(arrays[name]).all():
                raise ValueError(f"array {name} is not finite")
        self._arrays, self._at = arrays, dict.fromkeys(expected, 0)

    def take(self, name: str, count: int) -> NDArray[Any]:
        start = self._at[name]
        self._at[name] = start + count
        if start + count > len(self._arrays[name]):
            raise ValueError(f"array {name} is too short")
        return self._arrays[name][start : start + count]

    def finish(self) -> None:
        for name, at in self._at.items():
            if at != len(self._arrays[name]):
                raise ValueError(f"array {name} is too long")


def _decode(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> CheckpointSketch:
    if header["schema"] != SCHEMA or header["family"] != FAMILY:
        raise SketchMismatch(
            f"a sketch of family {header['family']!r} ({header['schema']!r}); this version compares {FAMILY!r} only:"
            " make it again from the checkpoint"
        )
    if header["depth"] not in ("sampled", "full"):
        raise ValueError("unknown depth")
    cursor = _Cursor(arrays)
    tensors = tuple(_tensor(entry, cursor) for entry in header["tensors"])
    cursor.finish()
    if content_id(tensors, header["depth"]) != header["id"]:
        raise ValueError("its id does not belong to its digests")
    return CheckpointSketch(
        id=header["id"],
        family=FAMILY,
        depth=header["depth"],
        name=str(header["name"]),
        path="",
        format=str(header["format"]),
        architecture=str(header["architecture"]),
        nbytes=int(header["nbytes"]),
        bytes_read=int(header["bytes_read"]),
        tensors=tensors,
        licence=_text(header["licence"]),
        declared=tuple(Declared(str(m), _text(r), str(s)) for m, r, s in header["declared"]),
        left_out=tuple((str(name), str(reason)) for name, reason in header["left_out"]),
    )


def _tensor(entry: dict[str, Any], cursor: _Cursor) -> TensorSketch:
    stored = tuple(int(n) for n in entry["shape"])
    if any(n < 1 for n in stored) or len(stored) > 64 or math.prod(stored) >= 1 << 60:
        raise ValueError("impossible shape")
    shape = stored or (1,)
    component, role, layer, generic = entry["part"]
    (first, first_free), (second, second_free) = entry["axes"]
    grid = grids(shape)
    matrix = len(shape) > 1
    whole = entry["digest"] is not None
    return TensorSketch(
        name=str(entry["name"]),
        shape=stored,
        dtype=str(entry["dtype"]),
        part=Part(
            str(component),
            str(role),
            None if layer is None else int(layer),
            (Axis(str(first), bool(first_free)), Axis(str(second), bool(second_free))),
            _text(generic),
        ),
        params=int(np.prod(shape, dtype=np.int64)),
        stats=Stats(**{name: _stat(name)(value) for name, value in zip(_STATS, entry["stats"], strict=True)}),
        band_digest=str(entry["band_digest"]),
        digest=_text(entry["digest"]),
        grid=grid,
        values=cursor.take("values", len(grid[0]) * len(grid[1])).reshape(len(grid[0]), len(grid[1])),
        projection=cursor.take("projection", 1)[0] if matrix else None,
        units=(_units(shape[0], cursor), _units(shape[1], cursor)) if matrix else (None, None),
        minhash=cursor.take("minhash", 1)[0] if entry["minhash"] else None,
        moments=cursor.take("moments", 1)[0] if whole else None,
    )


def _units(length: int, cursor: _Cursor) -> Units:
    index = sampled(length)
    return Units(index, cursor.take("unit_codes", len(index)), cursor.take("unit_scale", len(index)))


def _stat(name: str) -> Callable[[Any], float]:
    return int if name.startswith("levels") else float


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
