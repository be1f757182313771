"""Models of thinc, the library beneath spaCy: the file `model` of each trained component of a pipeline.

Format: `Model.to_bytes` in https://github.com/explosion/thinc/blob/main/thinc/model.py, and msgpack_numpy of srsly. A
model is a list of layers with the parameters of each; `Linear` is (out, in), `Maxout` (out, pieces, in).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lineage.checkpoints.io.bytes import PositionedFile, Window
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.unique_names import Names
from lineage.checkpoints.io.views import Place, check_name, count_elements, dense
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wire.msgpack import Bytes, MsgpackFile
from lineage.errors import Malformed, NoWeights, UnsupportedDtype, UnsupportedFormat
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, NotRead

LAYERS, PARAMETERS, SHIMS = "nodes", "params", "shims"
FOREIGN = NotRead("foreign-layer")
_BEGINS = re.compile(rb"[\x81-\x8f]\xa5nodes[\x90-\x9f\xdc\xdd]")
_DTYPE = re.compile(r"[<>|=]?([fiub]\d|b1)")
_UNSAID = re.compile(r"[^\w.\-]+")


class ThincReader:
    """One component of a pipeline."""

    def recognises(self, head: bytes) -> bool:
        """A dictionary in MessagePack whose first name is that of the list of layers."""
        return _BEGINS.match(head) is not None

    def read(self, file: PositionedFile) -> Contents:
        """List the parameters of all layers. Raises UnsupportedFormat for a dictionary of something else."""
        opened = MsgpackFile(file)
        tree = opened.value()
        if not isinstance(tree, dict) or not all(isinstance(tree.get(one), list) for one in (LAYERS, PARAMETERS)):
            raise UnsupportedFormat(file.path, "is MessagePack, but not a model")
        return read_thinc(opened, tree)


def read_thinc(file: MsgpackFile, tree: Mapping[str, Any]) -> Contents:
    """List the parameters of all layers as `<layer>.<parameter>`. Raises CheckpointError."""
    path, names = file.source.path, Names()
    tensors: list[TensorView] = []
    left_out: list[tuple[str, Exclusion]] = []
    layers, parameters = tree[LAYERS], tree[PARAMETERS]
    if len(layers) != len(parameters):
        raise Malformed(path, f"has {len(layers):,} layers and parameters of {len(parameters):,}")
    for layer, held in zip(layers, parameters, strict=True):
        if not isinstance(layer, dict) or not isinstance(held, dict):
            raise Malformed(path, "a layer is not a dictionary")
        if any(isinstance(value, dict) for value in held.values()):
            said = _UNSAID.sub("_", str(layer.get("name", "")))[:200]
            stem = f"{names.distinct(said)}." if said else ""
            tensors += [_view(file, stem + leaf, value) for leaf, value in held.items() if isinstance(value, dict)]
    for number, shims in enumerate(tree.get(SHIMS) or ()):
        if isinstance(shims, list) and shims:
            left_out.append((f"{SHIMS}.{number}", FOREIGN))
    if not tensors and not left_out:
        raise NoWeights(path, "is a component of a pipeline without trained parameters")
    return Contents("thinc", tuple(tensors), tuple(left_out))


def _view(file: MsgpackFile, name: str, value: Mapping[str, Any]) -> TensorView:
    path = file.source.path
    check_name(path, name)
    shape, values = value.get("shape"), value.get("data")
    kind = value.get("type")
    written = file.text(kind) if isinstance(kind, Bytes) else kind
    if not isinstance(written, str) or _DTYPE.fullmatch(written) is None:
        raise UnsupportedDtype(path, f"parameter {quoted(name)} has dtype {quoted(str(written))}, unknown here")
    if not isinstance(shape, list) or not all(type(side) is int and 0 <= side < 1 << 63 for side in shape):
        raise Malformed(path, f"parameter {quoted(name)} has no shape")
    try:
        dtype = np.dtype(written)
    except TypeError as error:
        raise UnsupportedDtype(path, f"parameter {quoted(name)} has dtype {quoted(written)}, unknown here") from error
    count = count_elements(path, name, shape)
    if not isinstance(values, Bytes) or values.size != count * dtype.itemsize:
        raise Malformed(path, f"parameter {quoted(name)} of shape {tuple(shape)} has no values of that size")
    place = Place(Window(file.source, values.start, values.size), 0, tuple(shape), dtype)
    return dense(name, place, f"{path.name}@{values.start}+{values.size}")
