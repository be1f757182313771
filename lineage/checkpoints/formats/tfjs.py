"""TensorFlow.js models: a model.json, or a manifest alone, that lists the weights, and binary shards beside it.

Format: https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts (WeightsManifestConfig); values of half
precision and of 8 and 16 bits: tfjs-core/src/io/io_utils.ts (decodeWeight).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lineage.checkpoints.decode.kernel_layout import torch_layout
from lineage.checkpoints.decode.non_weights import set_aside
from lineage.checkpoints.decode.rearranged import turned
from lineage.checkpoints.io.byte_sources import Joined, Recent
from lineage.checkpoints.io.bytes import ByteSource, PositionedFile
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.strict_json import as_float32
from lineage.checkpoints.io.unique_names import Names
from lineage.checkpoints.io.views import Place, check_name, count_elements
from lineage.checkpoints.reader import Contents
from lineage.errors import Malformed, NoWeights, Truncated, UnsupportedDtype, UnsupportedFormat
from lineage.types import AnyArray, TensorView

MANIFEST = "weightsManifest"
TYPES = {"float32": "<f4", "int32": "<i4", "bool": "?", "complex64": "<c8", "uint8": "u1", "uint16": "<u2"}
_CODES = {"uint8": "u1", "uint16": "<u2"}


def is_manifest(listing: Any) -> bool:
    """Whether parsed JSON is a weightsManifest, which may stand alone."""
    return isinstance(listing, list) and all(isinstance(group, dict) and "weights" in group for group in listing)


def read_tfjs(file: PositionedFile, listing: Any) -> Contents:
    """List the weights of all groups of a weightsManifest; the shards lie in the folder of `file`.

    Raises UnsupportedFormat for any other JSON file.
    """
    if not isinstance(listing, list):
        raise UnsupportedFormat(file.path, "is a JSON file without a weightsManifest: name the weights themselves")
    groups = [[_weight(file, entry) for entry in _entries(file, group, "weights")] for group in listing]
    shapes: dict[str, tuple[int, ...]] = {}
    for weight in (weight for group in groups for weight in group):
        if weight.name in shapes:
            raise Malformed(file.path, f"two weights are named {quoted(weight.name)}")
        shapes[weight.name] = weight.shape
    beside: dict[str, PositionedFile] = {}
    views: list[TensorView] = []
    names, recent = Names(), Recent()
    for group, weights in zip(listing, groups, strict=True):
        shards = [_shard(file, path, beside) for path in _entries(file, group, "paths")]
        views += _group(file, Joined(file.path, shards), weights, shapes, recent)
    kept, left_out = set_aside(replace(view, name=names.distinct(view.name)) for view in views)
    return Contents("tfjs", kept, left_out, beside=sum(shard.size for shard in beside.values()))


@dataclass(frozen=True, slots=True)
class _Weight:
    """One line of the manifest; `codes` holds scale and least value if the numbers are kept as integers."""

    name: str
    shape: tuple[int, ...]
    kind: str
    dtype: np.dtype[Any]
    codes: tuple[float, float] | None

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def _entries(file: PositionedFile, group: Any, key: str) -> list[Any]:
    found = group.get(key) if isinstance(group, dict) else None
    if not isinstance(found, list):
        raise Malformed(file.path, f"a group of weights has no list of {key}")
    return found


def _shard(file: PositionedFile, name: Any, opened: dict[str, PositionedFile]) -> PositionedFile:
    if not isinstance(name, str):
        raise Malformed(file.path, "the path of a shard is not text")
    if name not in opened:
        folder = file.folder
        if not folder.holds(name):
            raise NoWeights(file.path, f"shard {quoted(name)} is missing: download it, too")
        opened[name] = folder.open(name)
    return opened[name]


def _group(
    file: PositionedFile,
    source: ByteSource,
    weights: list[_Weight],
    shapes: Mapping[str, tuple[int, ...]],
    recent: Recent,
) -> Iterator[TensorView]:
    """View the weights of one group, which lie one after the other. Raises CheckpointError."""
    at = 0
    for weight in weights:
        end = at + weight.nbytes
        if end > source.size:
            fault = f"weight {quoted(weight.name)} ends at byte {end:,}, its shards at {source.size:,}"
            raise Truncated(file.path, f"{fault}: download them again")
        layout = torch_layout(weight.name, weight.shape, shapes)
        place = Place(source, at, layout.shape, weight.dtype)
        view = turned(layout.name, place, layout.strides, f"{file.path.name}/{weight.name}", recent)
        yield view if weight.codes is None else _decoded(view, *weight.codes, weight.kind)
        at = end
    if at != source.size:
        raise Malformed(file.path, f"{source.size - at:,} unexpected bytes after the last weight of a group")


def _weight(file: PositionedFile, entry: Any) -> _Weight:
    """Check one line of the manifest. Raises Malformed, UnsupportedDtype."""
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise Malformed(file.path, "a weight has no name")
    check_name(file.path, name)
    shape = entry.get("shape")
    if not isinstance(shape, list) or not all(type(side) is int and 0 <= side < 1 << 63 for side in shape):
        raise Malformed(file.path, f"weight {quoted(name)} has no shape")
    count_elements(file.path, name, shape)
    codes = entry.get("quantization")
    kind = codes.get("dtype") if isinstance(codes, dict) else entry.get("dtype")
    known = _CODES | {"float16": "<f2"} if isinstance(codes, dict) else TYPES
    if not isinstance(kind, str) or kind not in known:
        raise UnsupportedDtype(file.path, f"weight {quoted(name)} has dtype {quoted(str(kind))}, unknown here")
    scale_and_least = None
    if isinstance(codes, dict) and kind in _CODES:
        scale_and_least = _number(file, name, codes, "scale"), _number(file, name, codes, "min")
    return _Weight(name, tuple(shape), kind, np.dtype(known[kind]), scale_and_least)


def _number(file: PositionedFile, name: str, codes: Mapping[str, Any], key: str) -> float:
    value = as_float32(codes.get(key))
    if value is None:
        raise Malformed(file.path, f"weight {quoted(name)} is quantised without {key}")
    return value


def _decoded(codes: TensorView, scale: float, least: float, kind: str) -> TensorView:
    """Codes as numbers: `code * scale + least`."""

    def rows(start: int, stop: int) -> AnyArray:
        with np.errstate(over="ignore", invalid="ignore"):  # the sketch refuses what is not finite
            return codes.rows(start, stop).astype(np.float32) * np.float32(scale) + np.float32(least)

    return replace(codes, dtype=np.dtype(np.float32), rows=rows, encoding=f"tfjs {kind} per-tensor")
