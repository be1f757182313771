"""From the constants of an ML program to weights: compressed values decoded, matrices and gates in torch's order.

Core ML has the axes of torch but for `matmul`, whose constant is (in, out). An LSTM keeps its gates as input, forget,
output, cell and a GRU as reset, new, update; torch as input, forget, cell, output and reset, update, new.
Sources: coremltools/converters/mil/mil/ops/defs/iOS15 (linear.py, conv.py, recurrent.py), iOS16 and iOS18
(constexpr_ops.py, compression.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np

from lineage.checkpoints.decode.affine import dequantised, granularity
from lineage.checkpoints.decode.rearranged import blocks_in_order, permuted, row_major
from lineage.checkpoints.formats.coreml.program import Block, Operation
from lineage.checkpoints.formats.coreml.values import Stored
from lineage.checkpoints.io.views import count_elements
from lineage.types import AnyArray, TensorView

COMPRESSED = "constexpr_"
_GATES = {("lstm", 4): (0, 1, 3, 2), ("gru", 3): (0, 2, 1)}
_RECURRENT = re.compile(r"(weight_ih|weight_hh|bias)(_back)?")
_MADE_BY_PASSES = re.compile(r"(_to_(?:fp16|bf16|fp32)|_cast_\w+|_palettized|_quantized|_sparsified)+$")
_LEAF = re.compile(r"_(weight(?:_[ih]h(?:_l\d+)?)?|bias|running_mean|running_var)(_\d+)?$")

Found = tuple[TensorView | None, str]
"""A weight, or None with the name of what is not read."""


def weights(block: Block) -> Iterator[Found]:
    """Go through the weights of one function in the order of its operations."""
    parts = {
        id(stored)
        for operation in block.operations
        if operation.type.startswith(COMPRESSED)
        for key in (*operation.given, *operation.named)
        if (stored := block.argument(operation, key)) is not None
    }
    for operation in block.operations:
        stored = block.constants.get(operation.output)
        if operation.type.startswith(COMPRESSED):
            view = _decompressed(block, operation)
            yield _in_torch_order(block, operation, view) if view is not None else None, named(operation.output)
        elif stored is not None and stored.place is not None and id(stored) not in parts and _is_weight(stored):
            yield _in_torch_order(block, operation, stored.view(), stored), named(operation.output)


def named(name: str) -> str:
    """The name of a constant without what a converter appends: "conv1_weight_to_fp16" is "conv1.weight"."""
    return _LEAF.sub(r".\1", _MADE_BY_PASSES.sub("", name))


def _is_weight(stored: Stored) -> bool:
    """Whether a constant is neither a shape, an index nor a factor among the operations."""
    if not stored.shape or stored.shape == (1,):
        return stored.in_blob and stored.is_float
    return stored.is_float or len(stored.shape) > 1


def _in_torch_order(block: Block, operation: Operation, view: TensorView, stored: Stored | None = None) -> TensorView:
    view = replace(view, name=named(operation.output))
    for reader, argument in block.readers.get(operation.output, ()):
        recurrent = _RECURRENT.fullmatch(argument)
        for (type_, gates), order in _GATES.items():
            if reader.type == type_ and recurrent and view.shape and view.shape[0] % gates == 0:
                return blocks_in_order(view, order)
        if reader.type == "matmul" and argument == "y" and len(view.shape) == 2 and stored and stored.bits >= 8:
            turned = block.argument(reader, "transpose_y")
            if turned is None or not _flag(turned):
                assert stored.place is not None
                return permuted(view.name, stored.place, (1, 0), f"{view.storage}/turned")
    return view


def _flag(stored: Stored) -> bool:
    if stored.place is not None:
        return bool(stored.view().rows(0, 1).any())
    return any(stored.integers)


def _decompressed(block: Block, operation: Operation) -> TensorView | None:
    """The weight that an operation restores from compressed constants; None where that is not read."""
    kind = operation.type.removeprefix(COMPRESSED)
    if kind == "affine_dequantize":
        return _affine(block, operation)
    if kind == "blockwise_shift_scale":
        return _blockwise(block, operation)
    if kind == "lut_to_dense":
        return _looked_up(block, operation)
    source = block.argument(operation, "source_val")
    return source.view() if kind == "cast" and source is not None and source.place is not None else None


def _affine(block: Block, operation: Operation) -> TensorView | None:
    codes, scale, zero = (block.argument(operation, key) for key in ("quantized_data", "scale", "zero_point"))
    axis = block.argument(operation, "axis")
    if codes is None or codes.place is None or not codes.shape:
        return None
    at = axis.integers[0] if axis is not None and axis.integers else 0
    along = _along(scale, codes.shape, at)
    offset = _along(zero, codes.shape, at)
    if along is None or (zero is not None and offset is None):
        return None
    return dequantised(codes.view(), along, offset, f"coreml int{codes.bits} {granularity(codes.shape, along.shape)}")


def _along(part: Stored | None, shape: tuple[int, ...], axis: int) -> TensorView | None:
    """A number, or one for each index of `axis`, with as many axes as `shape`."""
    sides = [1] * len(shape)
    if part is None or part.place is None or not -len(shape) <= axis < len(shape):
        return None
    if part.shape not in {(), (1,)}:
        sides[axis] = shape[axis]
        if part.shape != (shape[axis],):
            return None
    return part.reshaped(sides).view()


def _blockwise(block: Block, operation: Operation) -> TensorView | None:
    codes, scale, offset = (block.argument(operation, key) for key in ("data", "scale", "offset"))
    if codes is None or scale is None or codes.place is None or scale.place is None:
        return None
    runs = {side // count for side, count in zip(codes.shape, scale.shape, strict=False) if 1 < count < side}
    divides = all(side % count == 0 for side, count in zip(codes.shape, scale.shape, strict=False))
    if len(codes.shape) != len(scale.shape) or len(runs) > 1 or not divides:
        return None
    if offset is not None and (offset.place is None or offset.shape != scale.shape):
        return None
    run = min(runs, default=1)
    encoding = f"coreml int{codes.bits} {granularity(codes.shape, scale.shape, run)}"
    return dequantised(codes.view(), scale.view(), offset.view() if offset else None, encoding, run)


def _looked_up(block: Block, operation: Operation) -> TensorView | None:
    """Codes that number the entries of a table: one for the tensor, or one for each group along its axes (iOS 18)."""
    codes, table, shape = (block.argument(operation, key) for key in ("indices", "lut", "shape"))
    if codes is None or table is None or codes.place is None or table.place is None or not table.is_float:
        return None
    if len(table.shape) == 1:  # iOS 16: the codes lie as bytes, the shape is an argument of its own
        sides, count = _sides(shape), table.shape[0]
        bits = count.bit_length() - 1
        need = count_elements(codes.place.source.path, operation.output, sides) * bits if sides else 0
        if codes.shape != (-(-need // 8),) or not 1 <= bits <= 8:
            return None
        codes = replace(codes.reshaped(sides), bits=bits)
    groups = table.shape[:-2] if len(table.shape) > 1 else (1,) * len(codes.shape)
    count = table.shape[-2] if len(table.shape) > 1 else table.shape[0]
    divides = len(groups) == len(codes.shape) and not any(s % g for s, g in zip(codes.shape, groups, strict=True))
    if count != 1 << codes.bits or not divides or (len(table.shape) > 1 and table.shape[-1] != 1):
        return None
    return _entries(codes.view(), table.reshaped((prod(groups), count)).view(), groups, f"palette of {codes.bits} bits")


def _entries(codes: TensorView, table: TensorView, groups: tuple[int, ...], encoding: str) -> TensorView:
    """View the entries of `table` (groups, entries) that `codes` number; `groups` counts them along each axis."""
    steps = row_major(groups)

    def rows(start: int, stop: int) -> AnyArray:
        found = codes.rows(start, stop)
        group = np.zeros((1,) * found.ndim, np.int64)
        for axis, (side, count, step) in enumerate(zip(codes.shape, groups, steps, strict=True)):
            along = np.arange(*((start, stop) if axis == 0 else (0, side))) // (side // count) * step
            group = group + along.reshape(-1, *[1] * (found.ndim - 1 - axis))
        held: AnyArray = table.rows(0, table.shape[0])[group, found]
        return held

    return replace(codes, dtype=table.dtype, rows=rows, encoding=f"coreml {encoding}")


def _sides(shape: Stored | None) -> tuple[int, ...]:
    if shape is None:
        return ()
    if shape.place is None:
        return shape.integers
    return tuple(int(side) for side in shape.view().rows(0, shape.shape[0])) if len(shape.shape) == 1 else ()
