"""Values without any header, described by a JSON file beside them.

The description is an object with a list "tensors", each with a "name" and a "shape" and, where they differ from the
usual, a "dtype" (float32), a "file" (that of the description with the extension .bin) and an "offset" in bytes (after
the tensor before it in that file). Values are little-endian and row-major:

    {"tensors": [{"name": "encoder.weight", "shape": [128, 64]}, {"name": "encoder.bias", "shape": [128]}]}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from lineage.checkpoints.decode.non_weights import set_aside
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.dtypes import TORCH
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import Place, check_name, count_elements, dense
from lineage.checkpoints.reader import Contents
from lineage.errors import Malformed, NoWeights, Truncated, UnsupportedDtype
from lineage.types import TensorView

TENSORS = "tensors"
MAX_TENSORS = 1 << 18


def read_raw(file: PositionedFile, listing: Mapping[str, Any]) -> Contents:
    """List the tensors that a description has under "tensors". Raises CheckpointError."""
    entries = listing.get(TENSORS)
    if not isinstance(entries, list) or len(entries) > MAX_TENSORS:
        raise Malformed(file.path, f'has no list of up to {MAX_TENSORS:,} "{TENSORS}"')
    opened: dict[str, PositionedFile] = {}
    ends: dict[str, int] = defaultdict(int)
    tensors: dict[str, TensorView] = {}
    for entry in entries:
        view = _view(file, entry, opened, ends)
        if view.name in tensors:
            raise Malformed(file.path, f"two tensors are named {quoted(view.name)}")
        tensors[view.name] = view
    kept, left_out = set_aside(tensors.values())
    return Contents("raw", kept, left_out, beside=sum(values.size for values in opened.values()))


def _view(file: PositionedFile, entry: Any, opened: dict[str, PositionedFile], ends: dict[str, int]) -> TensorView:
    fields = entry if isinstance(entry, dict) else {}
    name, shape = fields.get("name"), fields.get("shape")
    if not isinstance(name, str) or not isinstance(shape, list) or not all(map(_is_size, shape)):
        raise Malformed(file.path, "a tensor has no name or shape")
    check_name(file.path, name)
    kind, values = fields.get("dtype", "float32"), fields.get("file", f"{file.path.stem}.bin")
    if not isinstance(kind, str) or f"torch.{kind}" not in TORCH:
        raise UnsupportedDtype(file.path, f"tensor {quoted(name)} has dtype {quoted(str(kind))}, unknown here")
    if not isinstance(values, str):
        raise Malformed(file.path, f"tensor {quoted(name)} lies in a file without a name")
    start = fields.get("offset", ends[values])
    if not _is_size(start):
        raise Malformed(file.path, f"tensor {quoted(name)} has an invalid offset")
    dtype = TORCH[f"torch.{kind}"]
    need = count_elements(file.path, name, shape) * dtype.itemsize
    held = _opened(file, values, opened)
    if start + need > held.size:
        raise Truncated(
            held.path, f"tensor {quoted(name)} ends at byte {start + need:,} of {held.size:,}: download it again"
        )
    ends[values] = start + need
    return dense(name, Place(held, start, tuple(shape), dtype), f"{values}@{start}+{need}")


def _opened(file: PositionedFile, name: str, opened: dict[str, PositionedFile]) -> PositionedFile:
    if name not in opened:
        if not file.folder.holds(name):
            raise NoWeights(file.path, f"its values {quoted(name)} are missing: keep them beside it")
        opened[name] = file.folder.open(name)
    return opened[name]


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63
