"""One ncnn model: the layers of NAME.param and the values of NAME.bin.

Format of the values: `ModelBinFromDataReader::load` in https://github.com/Tencent/ncnn/blob/master/src/modelbin.cpp: a
tag of four bytes means float16, int8, float32 or a table of 256 numbers with a code a value; some are float32 without
a tag.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.decode.rearranged import blocks_in_order, permuted
from lineage.checkpoints.decode.row_scales import divided
from lineage.checkpoints.formats.ncnn.layouts import Kept, kept
from lineage.checkpoints.formats.ncnn.param import BEGINS, Layer, read_layers
from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.unique_names import Names
from lineage.checkpoints.io.views import Place, check_name, count_elements, dense
from lineage.checkpoints.reader import Contents
from lineage.errors import Malformed, NoWeights, Truncated, UnsupportedFormat
from lineage.types import AnyArray, TensorView
from lineage.types.facts.exclusions import Exclusion, NotAWeight, NotRead

SCALES = NotAWeight("quantisation-scales")
NEVER_SCALED = NotRead("int8-without-scales")
_TAG = 4  # bytes
_HALF, _INTEGER, _SINGLE = 0x01306B47, 0x000D4B38, 0x0002C056
_TABLE = 256  # float32


class NcnnReader:
    """One NAME.param; the values lie in NAME.bin beside it."""

    def recognises(self, head: bytes) -> bool:
        """The text begins with a magic number."""
        return head.startswith(BEGINS)

    def read(self, file: PositionedFile) -> Contents:
        """List the weights in the order of the layers. Raises UnsupportedFormat where a layer is not known."""
        layers = read_layers(file)
        values = file.beside(".param", ".bin")
        if values is None:
            name = f"{file.path.name.removesuffix('.param')}.bin"
            raise NoWeights(file.path, f"its weights {quoted(name)} are missing: keep them beside it")
        tensors: list[TensorView] = []
        left_out: list[tuple[str, Exclusion]] = []
        names, at = Names(), 0
        for layer in layers:
            found, at = _weights(values, layer, names, at)
            for view, why_not in found:
                if why_not is None:
                    tensors.append(view)
                else:
                    left_out.append((view.name, why_not))
        if at != values.size:
            raise UnsupportedFormat(
                values.path, f"{values.size - at:,} bytes belong to layers that are not known here: {_kinds(layers)}"
            )
        return Contents("ncnn", tuple(tensors), tuple(left_out), beside=values.size)


_Found = list[tuple[TensorView, Exclusion | None]]


def _weights(values: PositionedFile, layer: Layer, names: Names, at: int) -> tuple[_Found, int]:
    """The values of one layer, which begin at byte `at`, and the position behind them."""
    found: _Found = []
    for part in kept(layer):
        name = names.distinct(f"{layer.name}.{part.leaf}".rstrip("."))
        check_name(values.path, name)
        view, at = _values(values, name, part, at)
        if part.scales and found and found[0][0].dtype == np.int8:
            found[0] = (divided(found[0][0], view, "ncnn int8"), None)
        found.append((view, SCALES if part.leaf.endswith("_scales") else None))
    return [(v, NEVER_SCALED if v.dtype == np.int8 and why is None else why) for v, why in found], at


def _values(values: PositionedFile, name: str, part: Kept, at: int) -> tuple[TensorView, int]:
    count = count_elements(values.path, name, part.shape)
    tag = 0
    if part.tagged:
        _require(values, name, at + _TAG)
        tag, at = int.from_bytes(read(values, at, _TAG), "little"), at + _TAG
    dtype = np.dtype({_HALF: "<f2", _INTEGER: "i1"}.get(tag, "<f4"))
    storage = f"{values.path.name}@{at}"
    if tag in {0, _HALF, _INTEGER, _SINGLE}:
        end = at + -(-count * dtype.itemsize // 4) * 4
        _require(values, name, end)
        place = Place(values, at, part.shape, dtype)
        return _in_torch_order(name, place, part, storage), end
    if sum(tag.to_bytes(4, "little")) == 0:
        raise Malformed(values.path, f"weight {quoted(name)} has the unknown tag {tag:#x}")
    codes = at + 4 * _TABLE
    end = codes + -(-count // 4) * 4
    _require(values, name, end)
    table = np.frombuffer(read(values, at, 4 * _TABLE), "<f4")
    place = Place(values, codes, part.shape, np.dtype(np.uint8))
    return _looked_up(_in_torch_order(name, place, part, storage), table), end


def _in_torch_order(name: str, place: Place, part: Kept, storage: str) -> TensorView:
    if part.axes is not None:
        return permuted(name, place, part.axes, storage)
    view = dense(name, place, storage)
    return replace(blocks_in_order(view, part.blocks), storage=storage) if part.blocks else view


def _looked_up(codes: TensorView, table: NDArray[np.float32]) -> TensorView:
    def rows(start: int, stop: int) -> AnyArray:
        found: AnyArray = table[codes.rows(start, stop)]
        return found

    return replace(codes, dtype=np.dtype(np.float32), rows=rows, encoding="ncnn palette of 8 bits")


def _require(values: PositionedFile, name: str, end: int) -> None:
    if end > values.size:
        raise Truncated(
            values.path, f"weight {quoted(name)} ends at byte {end:,} of {values.size:,}: download it again"
        )


def _kinds(layers: list[Layer]) -> str:
    """The types of layers that keep nothing as far as is known here."""
    unknown = sorted({layer.type for layer in layers if not any(True for _ in kept(layer))})
    return quoted(", ".join(unknown))
